"""Options of `tsa verify` about revocations: lists and answers that are at hand, and whether they must be."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kokuin.cli.messages import text
from kokuin.cli.outcome import CommandError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from kokuin.trust.context import RevocationData

MODES = ("if-available", "required")
"""Values of `kokuin.trust.context.RevocationMode`, which is not loaded to show the help."""


def add_arguments(parser: argparse.ArgumentParser, lang: str) -> None:
    """Add the options."""
    add_lists(parser, lang)
    parser.add_argument(
        "--ocsp",
        type=Path,
        action="append",
        default=[],
        metavar="FILE|DIR",
        help=text(lang, "verify.ocsp_help"),
    )
    parser.add_argument(
        "--revocation",
        choices=MODES,
        metavar="MODE",
        help=text(lang, "verify.revocation_help"),
    )


def add_lists(parser: argparse.ArgumentParser, lang: str) -> None:
    """Add the option that names lists."""
    about = text(lang, "verify.crl_help")
    parser.add_argument("--crl", type=Path, action="append", default=[], metavar="FILE|DIR", help=about)


def read_revocation(arguments: argparse.Namespace) -> RevocationData:
    """Read what the options name, and what lies in the trust folder.

    Raises:
        CommandError: as `read_lists`.
    """
    return read_lists(arguments.crl, arguments.ocsp, arguments.trust)


def read_lists(lists: Sequence[Path], answers: Sequence[Path], trust: Path | None) -> RevocationData:
    """Read lists and answers, and those that lie in a trust folder.

    Raises:
        CommandError: a file cannot be opened, or holds something else.
    """
    from kokuin.trust.revocation_files import RevocationFileError, read_revocation_files

    try:
        return read_revocation_files(lists, answers, trust)
    except OSError as error:
        raise CommandError(
            "verify.cannot_read", path=error.filename or trust, reason=error.strerror or error
        ) from None
    except RevocationFileError as error:
        raise CommandError("verify.bad_revocation", path=error.path, code=error.code.value) from None
