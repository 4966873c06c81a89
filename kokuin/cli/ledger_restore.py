"""`tsa ledger restore`: put a copy of the ledger in its place; what lay there is renamed, never deleted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kokuin.cli.ledger_copies import doing, show
from kokuin.cli.ledger_operate import add_common
from kokuin.cli.messages import text
from kokuin.cli.outcome import Exit

if TYPE_CHECKING:
    import argparse

    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder


def add_arguments(parser: argparse.ArgumentParser, lang: str) -> None:
    """Add the act's options."""
    parser.add_argument("file", type=Path, metavar="FILE", help=text(lang, "ledger.restore.file_help"))
    parser.add_argument("--aside", action="store_true", help=text(lang, "ledger.restore.aside_help"))
    add_common(parser, lang)


def run(arguments: argparse.Namespace) -> int:
    """Restore into a folder that nobody serves; exit 0 when it was done, 1 when it was refused.

    Raises:
        CommandError: folder or file cannot be used.
    """
    return doing(arguments, _restore)


def _restore(arguments: argparse.Namespace, folder: DataFolder, config: Config) -> int:
    from kokuin.service.ledger_backup import restore

    manifest = restore(folder, config, arguments.file, aside=arguments.aside)
    return show(arguments, "done", Exit.PASSED, size=manifest.size, root=manifest.root)
