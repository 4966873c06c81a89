"""`tsa seal`: seal a document in an organisation's name, by a service or in a data folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kokuin.cli import sealing
from kokuin.cli.messages import text

if TYPE_CHECKING:
    import argparse

TYPES = ("pdf", "json", "cades")
_FORMS = ("attached", "detached", "enveloping")


def add_arguments(parser: argparse.ArgumentParser, lang: str) -> None:
    """Add the command's options."""
    parser.add_argument("file", type=Path, metavar="FILE", help=text(lang, "sealing.file_help"))
    parser.add_argument("--data-type", choices=TYPES, help=text(lang, "sealing.data_type_help"))
    parser.add_argument("--profile", metavar="NAME", help=text(lang, "sealing.profile_help"))
    parser.add_argument("--form", choices=_FORMS, help=text(lang, "sealing.form_help"))
    parser.add_argument("--uri", help=text(lang, "sealing.uri_help"))
    sealing.add_arguments(parser, lang)


def run(arguments: argparse.Namespace) -> int:
    """Do it; 1 when it was refused.

    Raises:
        CommandError: a file or the service cannot be reached, or the file to write is there already.
    """
    form = arguments.data_type or _type(arguments.file)
    suffix = {"pdf": ".sealed.pdf", "json": ".jws"}.get(form)
    suffix = suffix or (".p7m" if arguments.form == "enveloping" else ".p7s")
    stem = arguments.file.stem if form == "pdf" else arguments.file.name
    out = arguments.out or arguments.file.with_name(stem + suffix)
    options = {"profile": arguments.profile, "form": arguments.form, "uri": arguments.uri}
    return sealing.make(arguments, "seal", f"/api/v1/seals/{form}", out, options=options, form=form)


def _type(path: Path) -> str:
    """Return the format that a file's name says."""
    return {".pdf": "pdf", ".json": "json"}.get(path.suffix.lower(), "cades")
