"""A file that one process or thread holds at a time; the kernel lets go of it with the process."""

from __future__ import annotations

import fcntl
import os
import time
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from io import FileIO
    from pathlib import Path

_LOOK_SECONDS = 0.01


class LockHeldError(Exception):
    """Somebody else holds the file, for longer than was waited."""


def lock(path: Path, patience_s: float, mode: int = 0o600) -> FileIO:
    """Take an exclusive lock on a file, which is made where there is none; nothing is written to it.

    Args:
        path: a file for nothing else: where it is removed or replaced, two would hold it.
        patience_s: for how many seconds another holder is waited for; tried once at least.
        mode: of a file that is made.

    Returns:
        The open file; closing it lets go.

    Raises:
        LockHeldError: another one still holds it.
        OSError: it cannot be opened.
    """
    file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, mode), "r+b", buffering=0)
    try:
        _take(file, time.monotonic() + patience_s)
    except BaseException:
        file.close()
        raise
    return file


def is_held(path: Path) -> bool:
    """Say whether somebody holds a file; who asks is no holder to another one who asks.

    Raises:
        OSError: it cannot be opened.
    """
    with path.open("rb") as file:
        return not _try(file, fcntl.LOCK_SH)


def _take(file: FileIO, deadline: float) -> None:
    while not _try(file):
        if time.monotonic() >= deadline:
            raise LockHeldError
        time.sleep(_LOOK_SECONDS)


def _try(file: IO[bytes], kind: int = fcntl.LOCK_EX) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
