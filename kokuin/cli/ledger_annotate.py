"""`tsa ledger annotate`: a text about a record, kept where it can be erased; the ledger commits to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kokuin.cli.ledger_operate import add_common, ask, tell
from kokuin.cli.messages import text

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser, lang: str) -> None:
    """Add the act's options."""
    parser.add_argument("index", type=int, metavar="INDEX", help=text(lang, "ledger.annotate.index_help"))
    parser.add_argument("--text", required=True, metavar="TEXT", help=text(lang, "ledger.annotate.text_help"))
    add_common(parser, lang)


def run(arguments: argparse.Namespace) -> int:
    """Add the text; exit 0 when it was done, 1 when it was refused."""
    return tell(arguments, ask(arguments, {"index": arguments.index, "text": arguments.text}))
