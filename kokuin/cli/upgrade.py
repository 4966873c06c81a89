"""`tsa upgrade`: bring a data folder of the former format to this release's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kokuin.cli.messages import text
from kokuin.cli.outcome import CommandError

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser, lang: str) -> None:
    """Add the command's options."""
    parser.add_argument("--dir", type=Path, default=Path("tsa-data"), help=text(lang, "cli.dir"))


def run(arguments: argparse.Namespace) -> int:
    """Upgrade a folder that nobody serves; one that has this release's format stays as it is.

    Raises:
        CommandError: the folder cannot be upgraded; whatever was done stands, and may be done again.
    """
    from kokuin.service.config import load_config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.errors import START_ERRORS
    from kokuin.service.upgrading import upgrade

    folder = DataFolder(arguments.dir)
    try:
        upgraded = upgrade(folder)
        timestamps = load_config(folder.root).access.timestamps
    except START_ERRORS as error:
        raise CommandError("cli.folder", reason=error) from None
    except OSError as error:
        raise CommandError("upgrade.cannot_write", path=error.filename, reason=error.strerror) from None
    if not upgraded:
        print(text(arguments.lang, "upgrade.nothing", folder=folder.root))
        return 0
    said = {"keys": folder.log_keys, "timestamps": timestamps, "config": folder.config}
    print(text(arguments.lang, "upgrade.done", folder=folder.root, **said))
    return 0
