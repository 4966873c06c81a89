"""`tsa ledger prune`: end the octets of records whose retention is over; hash and place stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kokuin.cli.ledger_operate import add_common, ask, tell
from kokuin.cli.messages import text

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser, lang: str) -> None:
    """Add the act's options."""
    parser.add_argument("--dry-run", action="store_true", help=text(lang, "ledger.prune.dry_run_help"))
    add_common(parser, lang)


def run(arguments: argparse.Namespace) -> int:
    """Prune, or count only; exit 0 when it was done, 1 when it was refused."""
    answer = ask(arguments, {"dry_run": arguments.dry_run})
    sentence = "due" if answer.get("count") else "nothing"
    return tell(arguments, answer, "done" if answer.get("done") else sentence)
