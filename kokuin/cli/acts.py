"""The acts of a command that has several: `tsa COMMAND ACT`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kokuin.cli.messages import text

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator


def add_acts(
    parser: argparse.ArgumentParser, lang: str, command: str, acts: Iterable[str]
) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Add the acts of a command, and yield each with the parser that its options go to.

    Args:
        parser: of the command.
        lang: of the help.
        command: its name; the sentences `COMMAND.ACT_help` say what the acts do.
        acts: their names.
    """
    added = parser.add_subparsers(dest="act", required=True, metavar="ACT", parser_class=type(parser))
    for act in acts:
        about = text(lang, f"{command}.{act}_help")
        yield act, added.add_parser(act, help=about, description=about)
