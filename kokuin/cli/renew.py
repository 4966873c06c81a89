"""`tsa renew`: have stored tokens and evidence records covered anew before what holds them ends."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from kokuin.cli import renew_files, renew_ledger
from kokuin.cli.messages import text
from kokuin.cli.values import moment

if TYPE_CHECKING:
    from collections.abc import Callable

WITHIN_DAYS = 365
_MOST_DAYS = 36_525


def add_arguments(parser: argparse.ArgumentParser, lang: str) -> None:
    """Add the command's options."""
    names = ("plan", "before", "within", "out")
    about = {name: text(lang, f"renew.{name}_help") for name in names}
    parser.add_argument("--plan", action="store_true", help=about["plan"])
    due = parser.add_mutually_exclusive_group()
    due.add_argument("--before", type=moment(lang), metavar="DATE", help=about["before"])
    due.add_argument("--within", type=_days(lang), default=WITHIN_DAYS, metavar="DAYS", help=about["within"])
    parser.add_argument("-o", "--out", type=Path, metavar="DIR", help=about["out"])
    parser.add_argument("--json", action="store_true", help=text(lang, "cli.json"))
    renew_files.add_arguments(parser, lang)
    renew_ledger.add_arguments(parser, lang)


def run(arguments: argparse.Namespace) -> int:
    """Renew what is due; 0 when all is done, 1 when who stamps refused, 2 when some cannot be renewed.

    Raises:
        CommandError: an option, a file or the authority cannot be used.
    """
    return renew_ledger.run(arguments) if arguments.ledger else renew_files.run(arguments)


def _days(lang: str) -> Callable[[str], int]:
    def read(word: str) -> int:
        if word.isascii() and word.isdigit() and 1 <= int(word) <= _MOST_DAYS:
            return int(word)
        raise argparse.ArgumentTypeError(text(lang, "verify.batch.bad_jobs", most=_MOST_DAYS))

    return read
