"""The file in which a batch writes what it found as it goes: half of it says where to go on.

Its first line holds the terms of the batch, each further one the judgement of
one file, in the order of the files. So whatever a crash leaves is the beginning
of the whole file, but for the end of its last line.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
import time
from typing import TYPE_CHECKING, Any, Self

from pqc.newfile import sync_folder

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

_HEAD = b'{"batch":'
"""Begins every journal."""
_FLAGS = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | getattr(os, "O_BINARY", 0)


class JournalError(ValueError):
    """A journal that cannot be gone on with: it has no first line, or is of a form that is unknown here."""


class UnbegunError(JournalError):
    """A journal whose first line never came to the disk: `Journal.begin` may take its place."""


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
        """Begin a journal, also in the place of one whose first line never came to the disk.

        Crash point: nothing else is written, and nobody is asked for anything, before that line and the name
        of the file are durable.

        Raises:
            FileExistsError: there is one.
            JournalError: there is something of that name that is no file.
            BlockingIOError: somebody is beginning it.
            OSError: it cannot be written.
        """
        file = _open(path, _FLAGS | os.O_CREAT)
        if not _is_unbegun(file):
            file.close()
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        journal = cls(file, terms)
        journal.cut(0)
        journal.write(_octets({"batch": FORMAT, "terms": terms}))
        journal.front = file.tell()
        journal.sync(now=True)
        sync_folder(path.parent)
        return journal

    @classmethod
    def resume(cls, path: Path) -> Journal:
        """Open a journal that was begun.

        Raises:
            JournalError: it cannot be gone on with.
            UnbegunError: nor need it be: its first line never came to the disk.
            BlockingIOError: somebody is writing it.
            OSError: it cannot be read.
        """
        file = _open(path, _FLAGS)
        head = _line(file)
        if head is None or head.get("batch") != FORMAT or not isinstance(head.get("terms"), dict):
            unbegun = _is_unbegun(file)
            file.close()
            raise UnbegunError if unbegun else JournalError
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

    def make_room(self) -> None:
        """See that the next line finds room on the disk, however long it is; `cut` gives back what it leaves.

        Crash point: zeros behind the last line are no line.

        Raises:
            OSError: there is none.
        """
        self._file.flush()
        end, room = self._file.tell(), bytes(MAX_LINE)
        while room:
            written = os.pwrite(self._file.fileno(), room, end)
            end, room = end + written, room[written:]

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
    """Open a file, and keep others from it.

    Attack: an archive that was unpacked holds a link of that name, to a file of whoever works on it.
    """
    try:
        descriptor = os.open(path, flags, 0o600)
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.EISDIR}:
            raise JournalError from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise JournalError
    file = os.fdopen(descriptor, "r+b")
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise
    return file


def _is_unbegun(file: BinaryIO) -> bool:
    """Say whether a file has at most a part of a first line: what a kill leaves, or a loss of power.

    A file of somebody else is none, whatever it ends with.
    """
    file.seek(0)
    octets = file.read(MAX_LINE)
    file.seek(0)
    begun = octets.rstrip(b"\0")
    return b"\n" not in octets and len(octets) < MAX_LINE and _HEAD[: len(begun)] == begun[: len(_HEAD)]


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
