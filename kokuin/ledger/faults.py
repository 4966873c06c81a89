"""What may be wrong with a store, and what an error of SQLite means: who is refused, who may go on."""

from __future__ import annotations

import errno
import os
import sqlite3
import tempfile
from enum import StrEnum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from kokuin.trust.journal import AppendRefusal

_SPACE_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT})
_SYNC_CODES = frozenset(
    {sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC, sqlite3.SQLITE_IOERR_TRUNCATE}
)
_BROKEN_STORE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_PROBE = b"\0" * 65536


class Meaning(StrEnum):
    """What an error says about the store."""

    SPACE = auto()
    """No space: nothing was written; the next attempt may succeed."""
    DEVICE = auto()
    """The device failed; SQLite says so of a full quota (EDQUOT) too, so `out_of_space` must be asked."""
    LOST = auto()
    """What is on the disk is unknowable or damaged: nobody may answer from memory any more."""
    REFUSED = auto()
    """Anything else, such as a lock that another program holds."""


class OpenFault(StrEnum):
    """Why a store is not opened."""

    UNREADABLE = "LEDGER_UNREADABLE"
    """The file is absent, no database, or may not be read; the server refuses us, or nobody may write."""
    UNREACHABLE = "LEDGER_UNREACHABLE"
    """The server does not answer, or is still starting: later it may."""
    SCHEMA = "LEDGER_SCHEMA"
    """Made by another release: `schema.upgrade` must run first."""
    NO_WAL = "LEDGER_NO_WAL"
    """The volume cannot hold a write-ahead log, so that durability cannot be promised."""
    NOT_DURABLE = "LEDGER_NOT_DURABLE"
    """The server's settings let it lose what it has acknowledged."""
    INCONSISTENT = "LEDGER_INCONSISTENT"
    """The head row and the leaves do not agree."""
    BEHIND = "LEDGER_ROLLED_BACK"
    """The store ends before, or otherwise than, what is known of it."""
    MEMORY = "LEDGER_MEMORY_UNREADABLE"
    """What remembers the ledger's length is there, and cannot be believed."""


class OpenRefusedError(Exception):
    """A store was not opened.

    Attributes:
        fault: the stable code.
    """

    def __init__(self, fault: OpenFault, detail: str = "") -> None:
        super().__init__(f"{fault}: {detail}" if detail else str(fault))
        self.fault = fault


class WorkRefusedError(Exception):
    """A store did not do other work than appending.

    Attributes:
        reason: why, as an append would have been refused.
    """

    def __init__(self, reason: AppendRefusal, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason


class StoreLostError(Exception):
    """The state of the store is unknowable; the process that owns it must end and recover at its start."""


def meaning(error: sqlite3.Error) -> Meaning:
    """Say what an error means; one without a code is the driver's own."""
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    primary = code & 0xFF
    if primary == sqlite3.SQLITE_FULL:
        return Meaning.SPACE
    if primary in _BROKEN_STORE or code in _SYNC_CODES:
        # After a failed fsync the kernel may have dropped the pages and call them clean: asking again lies.
        return Meaning.LOST
    return Meaning.DEVICE if primary == sqlite3.SQLITE_IOERR else Meaning.REFUSED


def out_of_space(folder: Path) -> bool:
    """Ask a folder's volume by writing whether it, or our quota of it, is full."""
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            os.pwrite(probe.fileno(), _PROBE, 0)
            os.fsync(probe.fileno())
    except OSError as error:
        return error.errno in _SPACE_ERRNOS
    return False
