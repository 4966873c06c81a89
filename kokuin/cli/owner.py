"""Having the owner of the data folder do what a command asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kokuin.cli.outcome import CommandError

if TYPE_CHECKING:
    import argparse


def ask(arguments: argparse.Namespace, operation: str, question: dict[str, Any]) -> dict[str, Any]:
    """Have the owner of the folder of `--dir` do one thing, or do it as the owner.

    Raises:
        CommandError: nobody serves the folder, and it cannot be opened.
    """
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.errors import START_ERRORS
    from kokuin.service.operating import operate

    try:
        return operate(DataFolder(arguments.dir), operation, question)
    except START_ERRORS as error:
        raise CommandError("cli.folder", reason=error) from None
