"""The search index's SQLite file: postings by keyed term, in segments.

A posting says: this leaf may have that value. A term is a keyed hash of field
and value, so that nobody who chooses imprints can choose postings that meet.
The tree of one segment fits into the cache: postings of random terms go in at
the same speed however long the ledger is.

The file is derived from the ledger and proves nothing. What is wrong with it
(damage, another release's form, rows that lie) is at worst a reason to build
it anew, and never an error of a search.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from typing import TYPE_CHECKING

from pqc.filelock import LockHeldError, lock

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

VERSION = 1
"""Form of the file; one of another form is built anew."""

SEGMENT = 1 << 17
"""Leaves of a segment."""

BLOCK = 1024
"""Leaves of a block, of which one time is kept: that of its first leaf that has one."""

_TERM_OCTETS = 6
"""SQLite has an integer of this size; among millions hardly two values meet, and then they cost a look."""

_TABLES = (
    "CREATE TABLE state (id INTEGER PRIMARY KEY, salt BLOB, leaves INTEGER, last BLOB) STRICT",
    """CREATE TABLE posting (segment INTEGER, term INTEGER, idx INTEGER,
    PRIMARY KEY (segment, term, idx)) STRICT, WITHOUT ROWID""",
    "CREATE TABLE moment (block INTEGER PRIMARY KEY, idx INTEGER, at INTEGER) STRICT",
    "CREATE INDEX moment_at ON moment (at, idx)",
    f"PRAGMA user_version = {VERSION}",
)
_READ_STATE = "SELECT salt, leaves, last FROM state WHERE id = 1"
_SET_STATE = "UPDATE state SET leaves = ?, last = ? WHERE id = 1"
_POST = "INSERT OR IGNORE INTO posting (segment, term, idx) VALUES (?, ?, ?)"
_NOTE = "INSERT OR IGNORE INTO moment (block, idx, at) VALUES (?, ?, ?)"
_BEFORE = "SELECT coalesce((SELECT max(idx) FROM moment WHERE at < ?), (SELECT min(idx) FROM moment))"
_AFTER = "SELECT min(idx) FROM moment WHERE at >= ?"
_DOWN = "SELECT max(idx) FROM posting WHERE segment = ? AND term = ? AND idx BETWEEN ? AND ?"
_UP = "SELECT min(idx) FROM posting WHERE segment = ? AND term = ? AND idx BETWEEN ? AND ?"

_OTHERS_FAULT = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_NOMEM,
    }
)
"""Primary codes of errors that a new file would meet too."""


class SearchFault(StrEnum):
    """Why nothing can be searched for now."""

    BUSY = "SEARCH_BUSY"
    """Another process holds the index for longer than this one waits."""
    UNUSABLE = "SEARCH_UNUSABLE"
    """The index's file cannot be made, read or written."""


class SearchRefusedError(Exception):
    """Nothing was searched for.

    Attributes:
        fault: the stable code.
    """

    def __init__(self, fault: SearchFault, detail: str = "") -> None:
        super().__init__(f"{fault}: {detail}" if detail else str(fault))
        self.fault = fault


class DamagedError(Exception):
    """The file is no index of this ledger in this release's form; it is to be removed."""


@dataclass(frozen=True, slots=True)
class State:
    """How far the index has read: its key, the count of leaves, and the hash of the last (empty: none)."""

    salt: bytes
    leaves: int
    last: bytes

    def term(self, field: str, value: str) -> int:
        """Return the term under which leaves with this value of a field are posted."""
        digest = blake2b(f"{field}={value}".encode(), digest_size=_TERM_OCTETS, key=self.salt).digest()
        return int.from_bytes(digest, signed=True)


class SearchFile:
    """An open index file, its lock held. Made by `opened`; used by one thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Args: a connection to a file of any content."""
        self._connection = connection

    def state(self) -> State:
        """Return how far the index has read.

        Raises:
            DamagedError, SearchRefusedError: it cannot be said.
        """
        with _judged():
            version = self._connection.execute("PRAGMA user_version").fetchone()
            if version == (0,) and not self._connection.execute("SELECT 1 FROM sqlite_schema").fetchone():
                self._make()
            elif version != (VERSION,):
                raise DamagedError
            row = self._connection.execute(_READ_STATE).fetchone()
        match row:
            case bytes(salt), int(leaves), bytes(last) if len(salt) == 32 and leaves >= 0:
                return State(salt, leaves, last)
        raise DamagedError

    def post(
        self,
        postings: Iterable[tuple[int, int]],
        moments: Iterable[tuple[int, int]],
        leaves: int,
        last: bytes,
    ) -> None:
        """Take in what leaves say, and how far the index has read thereby.

        One transaction: killed within it, the index has read as far as before.

        Args:
            postings: terms with the indices of their leaves.
            moments: indices of leaves with their times, microseconds since 1970 UTC; a block keeps one.
            leaves: how many leaves the index has read now.
            last: leaf hash of the last of them.
        """
        rows = sorted((index // SEGMENT, term, index) for term, index in postings)
        with _judged():
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany(_POST, rows)
            self._connection.executemany(_NOTE, ((index // BLOCK, index, at) for index, at in moments))
            self._connection.execute(_SET_STATE, (leaves, last))
            self._connection.execute("COMMIT")

    def around(self, moment_us: int, leaves: int) -> tuple[int, int]:
        """Return between which indices the leaves of before a time end and those of then or later begin.

        No leaf that has a time is earlier than the first index of the ledger's first one.
        """
        with _judged():
            before: int | None = self._connection.execute(_BEFORE, (moment_us,)).fetchone()[0]
            after: int | None = self._connection.execute(_AFTER, (moment_us,)).fetchone()[0]
        low = leaves if before is None else max(0, min(before, leaves))
        return low, leaves if after is None else max(low, min(after, leaves))

    def seek(self, term: int, start: int, stop: int, *, down: bool) -> int | None:
        """Return a term's first posting on the way from `start` to `stop`, both included, or None."""
        query, step = (_DOWN, -1) if down else (_UP, 1)
        for segment in range(start // SEGMENT, stop // SEGMENT + step, step):
            # Within the segment's own bounds, so that rows that lie can make no search go back.
            low = max(min(start, stop), segment * SEGMENT)
            high = min(max(start, stop), segment * SEGMENT + SEGMENT - 1)
            with _judged():
                found: int | None = self._connection.execute(query, (segment, term, low, high)).fetchone()[0]
            if found is not None:
                return found
        return None

    def _make(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        for statement in _TABLES:
            self._connection.execute(statement)
        self._connection.execute("INSERT INTO state VALUES (1, ?, 0, x'')", (secrets.token_bytes(32),))
        self._connection.execute("COMMIT")


@contextmanager
def opened(path: Path, patience_s: float) -> Iterator[SearchFile]:
    """Open the index for one process alone, making the file when there is none.

    Raises:
        SearchRefusedError: others hold it, or the folder does not let us.
        DamagedError: it is no database.
    """
    with _locked(path, patience_s):
        try:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        except OSError as error:
            raise SearchRefusedError(SearchFault.UNUSABLE, error.strerror or "") from error
        with _judged():
            uri = path.absolute().as_uri() + "?mode=rw"
            connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=patience_s)
        try:
            with _judged():
                connection.execute("PRAGMA trusted_schema=OFF")
                connection.execute("PRAGMA cache_size=-32768")
            yield SearchFile(connection)
        finally:
            connection.close()


def remove(path: Path, patience_s: float) -> None:
    """Remove the index, whatever it is.

    Raises:
        SearchRefusedError: others hold it, or the folder does not let us.
    """
    # Under the lock: a process that had the file open would write its journal beside the next one.
    with _locked(path, patience_s):
        try:
            for each in ("", "-journal", "-wal", "-shm"):
                path.with_name(path.name + each).unlink(missing_ok=True)
        except OSError as error:
            raise SearchRefusedError(SearchFault.UNUSABLE, error.strerror or "") from error


def _locked(path: Path, patience_s: float) -> AbstractContextManager[object]:
    # A file of its own: SQLite's locks are on the index itself, which may be removed.
    try:
        return lock(path.with_name(path.name + ".lock"), patience_s)
    except LockHeldError:
        raise SearchRefusedError(SearchFault.BUSY) from None
    except OSError as error:
        raise SearchRefusedError(SearchFault.UNUSABLE, error.strerror or "") from error


@contextmanager
def _judged() -> Iterator[None]:
    """Say of an error of SQLite whether the file is at fault or its surroundings."""
    try:
        yield
    except sqlite3.Error as error:
        code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
        if code & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            raise SearchRefusedError(SearchFault.BUSY, str(error)) from error
        if code & 0xFF in _OTHERS_FAULT:
            raise SearchRefusedError(SearchFault.UNUSABLE, str(error)) from error
        raise DamagedError(str(error)) from error
    except UnicodeDecodeError as error:
        # The driver's own, of a text whose octets were damaged.
        raise DamagedError(str(error)) from error
