"""Options of `tsa verify` about revocations: lists and answers that are at hand, and whether they must be."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kokuin.cli.messages import text
from kokuin.cli.outcome import CommandError

if TYPE_CHECKING:
    import argparse

    from kokuin.trust.context import RevocationData

MODES = ("if-available", "required")
"""Values of `kokuin.trust.context.RevocationMode`, which is not loaded to show the help."""


def add_arguments(parser: argparse.ArgumentParser, lang: str) -> None:
    """Add the options."""
    for option, metavar in (("--crl", "FILE|DIR"), ("--ocsp", "FILE|DIR")):
        about = text(lang, f"verify.{option[2:]}_help")
        parser.add_argument(option, type=Path, action="append", default=[], metavar=metavar, help=about)
    parser.add_argument(
        "--revocation",
        choices=MODES,
        metavar="MODE",
        help=text(lang, "verify.revocation_help"),
    )


def read_revocation(arguments: argparse.Namespace) -> RevocationData:
    """Read what the options name, and what lies in the trust folder.

    Raises:
        CommandError: a file cannot be opened, or holds something else.
    """
    from kokuin.trust.revocation_files import RevocationFileError, read_revocation_files

    try:
        return read_revocation_files(arguments.crl, arguments.ocsp, arguments.trust)
    except OSError as error:
        raise CommandError(
            "verify.cannot_read", path=error.filename or arguments.trust, reason=error.strerror or error
        ) from None
    except RevocationFileError as error:
        raise CommandError("verify.bad_revocation", path=error.path, code=error.code.value) from None
