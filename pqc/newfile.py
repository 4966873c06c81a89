"""Files that are whole or absent, whatever happens while they are written; secrets for their owner alone."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def write_new(path: Path, octets: bytes) -> None:
    """Write a file that must not exist yet, with mode 0600; return when octets and name are on the disk.

    Raises:
        FileExistsError: it is there; nothing is ever overwritten.
        OSError: it cannot be written, and is not there.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(octets)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        # What a full disk leaves of a key would be in the way of every later one: none is overwritten.
        path.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_durably(path: Path, octets: bytes, mode: int = 0o600) -> None:
    """Replace a file at once, and return when octets and name are on the disk.

    A pipe or device of that name is written to and stays: the machine's /dev/null is nobody's to replace.

    Raises:
        OSError: nothing was replaced.
    """
    if path.exists() and not path.is_file():
        path.write_bytes(octets)
        return
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(octets)
            file.flush()
            os.fsync(file.fileno())
        # A crash before this line leaves the old file; after it, the new one.
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable: a file's octets alone are lost with a folder that forgot them."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
