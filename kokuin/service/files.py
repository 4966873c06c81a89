"""Files that are whole or absent, whatever happens while they are written."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

from pqc.newfile import sync_folder

if TYPE_CHECKING:
    from pathlib import Path


def write_durably(path: Path, octets: bytes, mode: int = 0o600) -> None:
    """Replace a file at once, and return when octets and name are on the disk.

    Raises:
        OSError: nothing was replaced.
    """
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
