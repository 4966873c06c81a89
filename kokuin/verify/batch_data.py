"""The data that a token of a batch was made for: read once, as the line says that it was."""

from __future__ import annotations

import errno
import os
import stat

from kokuin.trust.report import iso_time
from kokuin.verify.batch_items import READING
from kokuin.wire.algorithms import hasher

_BLOCK = 1 << 20
_NO_FILE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO})
"""Why a path leads to no file; a socket says ENXIO."""


class StampedData:
    """A file of data, which is read when a digest of it is asked for."""

    __slots__ = ("_opened", "_path")

    def __init__(self, path: str) -> None:
        self._path = path
        self._opened: dict[str, object] | None = None

    def digest(self, algorithm: str) -> bytes:
        """Return the digest of the file.

        Raises:
            OSError: it cannot be read, or is no regular file: of a pipe, nobody knows when it ends.
        """
        try:
            descriptor = os.open(self._path, READING)
        except OSError as error:
            if error.errno in _NO_FILE:
                raise self._absent() from None
            raise
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise self._absent()
            # Crash point: of what is changed while it is read, a run that goes on must see that it changed.
            self._opened = self._opened or _shown(found)
            state, most = hasher(algorithm), min(found.st_size + 1, _BLOCK)
            while block := os.read(descriptor, most):
                state.update(block)
            return state.digest()
        finally:
            os.close(descriptor)

    def state(self) -> dict[str, object] | None:
        """Return what `state_of` does, of before it was first read where it was."""
        return self._opened or state_of(self._path)

    def _absent(self) -> OSError:
        return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self._path)


def state_of(path: str | os.PathLike[str]) -> dict[str, object] | None:
    """Return size and time of a file, by which a later run knows it again; None when there is none."""
    try:
        return _shown(os.stat(path))  # noqa: PTH116  # a `Path` takes ten times as long, for every file
    except OSError:
        return None


def _shown(found: os.stat_result) -> dict[str, object]:
    return {"size": found.st_size, "modified": iso_time(found.st_mtime_ns // 1_000)}
