"""`state.db`, the folder's owner's alone: made, brought to this release's revision, read and written.

SQLite with a write-ahead log and `synchronous=FULL`: what `write` returned from is on the disk.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool
from sqlmodel import Session

from kokuin.ledger.migrating import create_file, migrate_file, migrations
from kokuin.service.access.state_faults import StateFault, StateRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy import Connection

T = TypeVar("T")

REVISION = "0001"
"""The tables that this release reads and writes."""

_SETTINGS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA trusted_schema=OFF",
)


def create(path: Path) -> None:
    """Make a `state.db` with the tenant `operator` and nobody else.

    Args:
        path: where; its folder must exist.

    Raises:
        FileExistsError: there is one already.
        OSError: the folder cannot be written.
    """
    create_file(path, _migrate)


def _migrate(path: Path) -> None:
    """Bring a database file that nobody writes to `REVISION` in one transaction."""
    migrate_file(path, migrations("kokuin.service.access:state_migrations"), REVISION)


class StateStore:
    """The one reader and writer of a `state.db`; any thread may call it, one call runs at a time."""

    def __init__(self, path: Path) -> None:
        """Open an existing `state.db`.

        Args:
            path: the file that `create` made.

        Raises:
            StateRefusedError: it is not there, is damaged, or another release's.
        """
        self._lock = threading.Lock()
        connection = _connect(path)
        # One connection for all threads: the lock lets in one at a time.
        self._engine = create_engine("sqlite://", creator=lambda: connection, poolclass=StaticPool)
        event.listen(self._engine, "begin", _begin)

    def read(self, question: Callable[[Session], T]) -> T:
        """Answer from one state of the tables; rows that `question` returns may be used afterwards.

        Raises:
            StateRefusedError: the file cannot be read.
        """
        with self._lock, Session(self._engine, expire_on_commit=False) as session:
            try:
                return question(session)
            except DBAPIError as error:
                raise StateRefusedError(StateFault.UNREADABLE, str(error.orig)) from error

    def write(self, change: Callable[[Session], T]) -> T:
        """Make a change in one durable transaction; what `change` raises takes everything back.

        Raises:
            StateRefusedError: nothing was written, or it is not known.
        """
        with self._lock, Session(self._engine, expire_on_commit=False) as session:
            try:
                done = change(session)
                # A crash before this line leaves frames that no reader will take: nothing happened.
                session.commit()
            except DBAPIError as error:
                raise StateRefusedError(StateFault.UNWRITABLE, str(error.orig)) from error
            return done

    async def aread(self, question: Callable[[Session], T]) -> T:
        """See `read`; for the event loop's thread."""
        return await asyncio.to_thread(self.read, question)

    async def awrite(self, change: Callable[[Session], T]) -> T:
        """See `write`; for the event loop's thread, which must not wait for a disk."""
        return await asyncio.to_thread(self.write, change)

    def close(self) -> None:
        """Close the file; its write-ahead log goes into the database."""
        self._engine.dispose()


def _connect(path: Path) -> sqlite3.Connection:
    if not path.exists():
        raise StateRefusedError(StateFault.MISSING, str(path))
    try:
        # Never made here; and transactions begin where SQLAlchemy says so, not before some statements.
        uri = path.absolute().as_uri() + "?mode=rw"
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
        try:
            for setting in _SETTINGS:
                connection.execute(setting)
            require_sound(connection)
        except (sqlite3.Error, StateRefusedError):
            connection.close()
            raise
    except sqlite3.Error as error:
        raise StateRefusedError(StateFault.UNREADABLE, f"{path}: {error}") from error
    return connection


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def require_sound(connection: sqlite3.Connection) -> None:
    """Refuse a damaged file, and another release's.

    Raises:
        StateRefusedError: what it is.
        sqlite3.Error: it is no database.
    """
    (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise StateRefusedError(StateFault.UNREADABLE, str(found))
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    marked = "alembic_version" in tables
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone() if marked else None
    if row != (REVISION,):
        raise StateRefusedError(
            StateFault.REVISION, f"{row[0] if row else None}, this release reads {REVISION}"
        )
