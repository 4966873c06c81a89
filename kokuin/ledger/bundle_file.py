"""The file that an export becomes: unfinished under another name, whole under its own, and durable then."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from kokuin.ledger.bundle_write import find_resumption
from pqc.newfile import sync_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import BinaryIO

    from kokuin.ledger.bundle_write import BundleWriter


def part_of(path: Path) -> Path:
    """Return the name of the file as long as it is unfinished."""
    return path.with_name(path.name + ".part")


def write_file(path: Path, write: Callable[[BinaryIO], None]) -> None:
    """Write a file that must not exist yet, mode 0600; it has its name only when it is whole and durable.

    Raises:
        FileExistsError: it is there.
        OSError: it cannot be written; what was written stays under the unfinished file's name.
    """
    _refuse_existing(path)
    descriptor = os.open(part_of(path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        write(file)
        _sync(file)
    _publish(path)


def write_bundle(
    path: Path, writer: BundleWriter, on_progress: Callable[[int, int], None] | None = None
) -> bool:
    """Write a bundle's file, going on with the unfinished file of the same export; return whether it did.

    Raises:
        FileExistsError: the file is there.
        ExportError: as `BundleWriter.write`.
        OSError: it cannot be written; the next attempt goes on from the last whole chunk.
    """
    _refuse_existing(path)
    part = part_of(path)
    descriptor = os.open(part, os.O_RDWR | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "r+b") as file:
        found = find_resumption(file, writer)
        file.seek(0 if found is None else found.octets)
        file.truncate()
        writer.write(
            file, 0 if found is None else found.chunk, on_chunk=lambda: _sync(file), on_progress=on_progress
        )
        _sync(file)
    _publish(path)
    return found is not None


def _refuse_existing(path: Path) -> None:
    if path.exists():
        raise FileExistsError(17, os.strerror(17), str(path))


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _publish(path: Path) -> None:
    # Crash point: before it the file is unfinished, after it whole; never anything else under its own name.
    part_of(path).rename(path)
    sync_folder(path.parent)
