"""The file that an export becomes: unfinished under another name, whole under its own, and durable then."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kokuin.ledger.bundle_part import head_of, survey
from pqc.newfile import sync_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import BinaryIO

    from kokuin.ledger.bundle_part import Begun
    from kokuin.ledger.bundle_write import BundleWriter

_NEW = os.O_CREAT | getattr(os, "O_BINARY", 0)


def part_of(path: Path) -> Path:
    """Return the name of the file as long as it is unfinished."""
    return path.with_name(path.name + ".part")


@contextmanager
def write_file(path: Path) -> Iterator[BinaryIO]:
    """Give a file to be written, mode 0600; it has its name only when it is whole and durable.

    Raises:
        FileExistsError: it is there.
        OSError: it cannot be written; what was written stays under the unfinished file's name.
    """
    _refuse_existing(path)
    descriptor = os.open(part_of(path), _NEW | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        yield file
        _sync(file)
    _publish(path)


def find_begun(path: Path) -> Begun | None:
    """Say how far an export to this file came before it broke off; None when it must begin anew.

    Raises:
        OSError: the unfinished file cannot be read.
    """
    if not part_of(path).exists():
        return None
    with part_of(path).open("rb") as file:
        return survey(file)


def goes_on(begun: Begun, writer: BundleWriter) -> bool:
    """Say whether what was begun is this bundle: of one checkpoint and scope, with the same vouchers.

    Raises:
        ExportError: the store lacks what it had when the plan was made.
    """
    return begun.head == head_of(writer) and begun.chunk < writer.manifest.chunks


def write_bundle(
    path: Path,
    writer: BundleWriter,
    begun: Begun | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write a bundle's file, or the rest of it.

    The chunk that was begun last is written again. Those before it are on the disk: each was made durable
    before the next was begun.

    Args:
        path: of the whole file, which must not be there yet.
        writer: of the bundle.
        begun: what is kept of the unfinished file, when `goes_on` says that it may be.
        on_progress: as of `BundleWriter.write`.

    Raises:
        FileExistsError: the file is there.
        ExportError: as `BundleWriter.write`.
        OSError: it cannot be written; the next attempt goes on from the last whole chunk.
    """
    _refuse_existing(path)
    octets, chunk = (0, 0) if begun is None else (begun.octets, begun.chunk)
    descriptor = os.open(part_of(path), _NEW | os.O_RDWR, 0o600)
    with os.fdopen(descriptor, "r+b") as file:
        file.seek(octets)
        file.truncate()
        writer.write(file, chunk, on_chunk=lambda: _sync(file), on_progress=on_progress)
        _sync(file)
    _publish(path)


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
