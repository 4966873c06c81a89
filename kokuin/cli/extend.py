"""`tsa extend`: raise a sealed document to a higher level, by a service or in a data folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kokuin.cli import sealing
from kokuin.cli.messages import text

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser, lang: str) -> None:
    """Add the command's options."""
    parser.add_argument("file", type=Path, metavar="FILE", help=text(lang, "extend.file_help"))
    parser.add_argument("--data", type=Path, metavar="FILE", help=text(lang, "extend.data_help"))
    sealing.add_arguments(parser, lang)


def run(arguments: argparse.Namespace) -> int:
    """Do it; 1 when it was refused.

    Raises:
        CommandError: a file or the service cannot be reached, or the file to write is there already.
    """
    file: Path = arguments.file
    out = arguments.out or file.with_name(f"{file.stem}.extended{file.suffix}")
    return sealing.make(arguments, "extend", "/api/v1/extend", out, options={}, data=arguments.data)
