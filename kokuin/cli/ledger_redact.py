"""`tsa ledger redact`: erase the text that a record commits to, and put on record that it was erased."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kokuin.cli.ledger_operate import add_common, ask, tell
from kokuin.cli.messages import text

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser, lang: str) -> None:
    """Add the act's options."""
    parser.add_argument("index", type=int, metavar="INDEX", help=text(lang, "ledger.redact.index_help"))
    reason_help = text(lang, "ledger.redact.reason_help")
    parser.add_argument("--reason", required=True, metavar="TEXT", help=reason_help)
    add_common(parser, lang)


def run(arguments: argparse.Namespace) -> int:
    """Erase it; exit 0 when the text is in no file of the ledger any more, 1 when it was refused."""
    return tell(arguments, ask(arguments, {"index": arguments.index, "reason": arguments.reason}))
