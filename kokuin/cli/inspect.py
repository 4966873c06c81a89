"""`tsa inspect`: what is written in a file, as a tree; nothing is verified."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kokuin.cli.messages import text, write, write_json
from kokuin.cli.outcome import CommandError, Exit

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from kokuin.verify.inspecting.inspection import Inspection
    from kokuin.verify.inspecting.tree import Entry, Fault


def add_arguments(parser: argparse.ArgumentParser, lang: str) -> None:
    """Add the command's options."""
    parser.add_argument("file", type=Path, metavar="FILE", help=text(lang, "inspect.file_help"))
    parser.add_argument("--json", action="store_true", help=text(lang, "cli.json"))


def run(arguments: argparse.Namespace) -> int:
    """Print what is written in one file; return 1 when it, or a part of it, cannot be read or is not shown.

    Raises:
        CommandError: the file cannot be opened.
    """
    try:
        found = _inspect(arguments.file)
    except OSError as error:
        raise CommandError(
            "inspect.cannot_read", path=arguments.file, reason=error.strerror or error
        ) from None
    if arguments.json:
        write_json(found.document())
    else:
        write(sentences(found, arguments.lang))
    return Exit.PASSED if found.whole else Exit.FAILED


def _inspect(path: Path) -> Inspection:
    from kokuin.verify.inspecting.ber_forms import MAX_OCTETS
    from kokuin.verify.inspecting.bundles import inspect_bundle
    from kokuin.verify.inspecting.inspection import inspect_octets

    with path.open("rb") as file:
        if file.seekable():
            # Bundles are gone through; all else is read whole.
            bundle = inspect_bundle(file, path.stat().st_size)
            if bundle is not None:
                return bundle
            file.seek(0)
        return inspect_octets(file.read(MAX_OCTETS + 1))


def sentences(found: Inspection, lang: str) -> Iterator[str]:
    """Say what the file is, then its tree, then that this is no verdict."""
    kind = text(lang, f"inspect.{found.kind.name.lower()}")
    yield ", ".join(filter(None, (kind, found.encoding, _size(found.size, lang))))
    for entry in found.entries:
        yield from _lines(entry, lang, 1)
    yield text(lang, "inspect.no_verdict")


def _size(size: int | None, lang: str) -> str:
    from kokuin.verify.inspecting.ber_forms import MAX_OCTETS

    if size is None:
        return text(lang, "inspect.larger", most=MAX_OCTETS)
    return text(lang, "inspect.octets", count=size)


def _lines(entry: Entry, lang: str, depth: int) -> Iterator[str]:
    yield "  " * depth + _line(entry, lang)
    for child in entry.children:
        yield from _lines(child, lang, depth + 1)


def _line(entry: Entry, lang: str) -> str:
    from kokuin.verify.inspecting.tree import printable

    words = [f"{printable(entry.name)}:" if entry.value is not None else printable(entry.name)]
    words += [] if entry.value is None else [printable(entry.value)]
    words += [] if entry.note is None else [f"({printable(entry.note)})"]
    words += [] if entry.size is None else [f"[{text(lang, 'inspect.octets', count=entry.size)}]"]
    words += [] if entry.at is None else [f"@{entry.at}"]
    words += [] if entry.fault is None else [_fault(entry.fault, lang)]
    words += [text(lang, "inspect.hidden", count=entry.hidden)] if entry.hidden else []
    return " ".join(filter(None, words))


def _fault(fault: Fault, lang: str) -> str:
    from kokuin.verify.inspecting.tree import SECRET

    if fault.code == SECRET:
        return text(lang, "inspect.secret")
    if fault.at is None:
        return text(lang, "inspect.fault", code=fault.code)
    return text(lang, "inspect.fault_at", code=fault.code, at=fault.at)
