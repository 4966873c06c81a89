"""The file in which a batch writes what it found as it goes: half of it says where to go on.

Its first line holds the terms of the batch, each further one the judgement of
one file, in the order of the files. So whatever a crash leaves is the beginning
of the whole file, but for the end of its last line.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from types import TracebackType
    from typing import BinaryIO

FORMAT = 1
"""`batch` in the first line; it rises when a line changes its meaning."""
MAX_LINE = 1 << 20
"""Octets of a line that is read; a longer one is taken for the end of what can be used."""
SYNC_SECONDS = 1.0

_FLAGS = os.O_RDWR | getattr(os, "O_BINARY", 0)


class JournalError(ValueError):
    """A journal that cannot be gone on with: it has no first line, or is of a form that is unknown here."""


class Journal:
    """An unfinished journal, open to be read once from its front and written from there on.

    Attributes:
        terms: of its first line.
        front: the offset behind it.
    """

    def __init__(self, file: BinaryIO, terms: Mapping[str, object]) -> None:
        self._file = file
        self.front = file.tell()
        self._synced = time.monotonic()
        self.terms = terms

    @classmethod
    def begin(cls, path: Path, terms: Mapping[str, object]) -> Journal:
        """Begin a journal.

        Raises:
            FileExistsError: there is one.
            OSError: it cannot be written.
        """
        file = _open(path, _FLAGS | os.O_CREAT | os.O_EXCL)
        file.write(_octets({"batch": FORMAT, "terms": terms}))
        journal = cls(file, terms)
        journal.sync(now=True)
        return journal

    @classmethod
    def resume(cls, path: Path) -> Journal:
        """Open a journal that was begun.

        Raises:
            JournalError: it cannot be gone on with.
            BlockingIOError: somebody is writing it.
            OSError: it cannot be read.
        """
        file = _open(path, _FLAGS)
        head = _line(file)
        if head is None or head.get("batch") != FORMAT or not isinstance(head.get("terms"), dict):
            file.close()
            raise JournalError
        return cls(file, head["terms"])

    def lines(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the lines that are whole, each with the offset at which it ends."""
        self._file.seek(self.front)
        while (found := _line(self._file)) is not None:
            yield self._file.tell(), found

    def cut(self, offset: int) -> None:
        """Keep what stands before an offset (`front`, or one that `lines` gave), and write from there."""
        self._file.seek(offset)
        self._file.truncate()

    def write(self, line: bytes) -> None:
        """Write a line."""
        self._file.write(line)

    def sync(self, *, now: bool = False) -> None:
        """Let the system have what was written, and the disk when `now` or when it last did a second ago.

        A killed process loses nothing that the system has; a loss of power costs some judgements, no more.
        """
        self._file.flush()
        if now or time.monotonic() - self._synced > SYNC_SECONDS:
            os.fsync(self._file.fileno())
            self._synced = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let others have the file; it may be called more than once."""
        self._file.close()


def _open(path: Path, flags: int) -> BinaryIO:
    file = os.fdopen(os.open(path, flags, 0o600), "r+b")
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise
    return file


def _octets(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode("ascii") + b"\n"


def _line(file: BinaryIO) -> dict[str, Any] | None:
    """Return the next line; None when there is none, or only what a crash left of one."""
    octets = file.readline(MAX_LINE)
    if not octets.endswith(b"\n"):
        return None
    try:
        found = json.loads(octets)
    except (
        ValueError,
        RecursionError,
    ):  # after a loss of power a file may have its length and not its octets
        return None
    return found if isinstance(found, dict) else None
