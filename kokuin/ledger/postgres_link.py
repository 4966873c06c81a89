"""A connection to a ledger in PostgreSQL: what it insists on, and what its errors mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import PGconn, Ping
from psycopg.types.numeric import Int8BinaryDumper

from kokuin.ledger.faults import OpenFault, OpenRefusedError, StoreLostError
from kokuin.ledger.postgres_schema import REVISION, SCHEMA
from kokuin.ledger.postgres_statements import placed
from kokuin.trust.journal import AppendRefusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg.errors import Diagnostic

    from kokuin.ledger.plan import Value

_DEFAULTS: dict[str, str | int | None] = {
    "application_name": "kokuin",
    "connect_timeout": 5,
    # A server that went away without a word is noticed: by what we send, and by the silence while we wait.
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
}

_SETTINGS = f"""
    SET search_path = {SCHEMA}, pg_temp;
    SET client_encoding = 'UTF8';
    SET statement_timeout = 0;
    -- A node that stops in the middle of a transaction must not hold up the others for ever ...
    SET idle_in_transaction_session_timeout = '5s';
    -- ... and whoever waits for it, waits longer than that.
    SET lock_timeout = '10s';
""".encode()

_LATER = frozenset({Ping.REJECT, Ping.NO_RESPONSE})
_DISK_FULL = errors.DiskFull.sqlstate
_DAMAGED = frozenset({errors.DataCorrupted.sqlstate, errors.IndexCorrupted.sqlstate})
_DURABLE = frozenset({"on", "remote_apply"})

_LEAVES = "SELECT leaf_hash FROM entry WHERE idx >= ? AND idx < ? ORDER BY idx"
_NODES = "SELECT hash FROM node WHERE level = ? AND idx >= ? AND idx < ? ORDER BY idx"


class Link:
    """One connection, every statement its own transaction unless one was begun. Used by one thread at a time.

    Attributes:
        connection: the driver's.
        warnings: what the server warned of; whoever wants to know empties it first.
    """

    def __init__(self, dsn: str) -> None:
        """Connect, and refuse another release's ledger.

        Args:
            dsn: libpq's key words or a URL; what it sets itself is left as it is.

        Raises:
            OpenRefusedError: with `UNREACHABLE`, `UNREADABLE` or `SCHEMA`.
        """
        self.warnings: list[str] = []
        self.connection = _connect(dsn)
        self.connection.add_notice_handler(self._hear)
        # One type for all numbers: otherwise the same statement is prepared anew for small and large ones.
        self.connection.adapters.register_dumper(int, Int8BinaryDumper)
        try:
            self.connection.execute(_SETTINGS)
            self._require_schema()
        except BaseException as error:
            self.connection.close()
            if isinstance(error, psycopg.Error):
                raise OpenRefusedError(OpenFault.UNREADABLE, str(error)) from error
            raise

    @property
    def lost(self) -> bool:
        """Whether the connection is known to be gone."""
        return self.connection.closed

    def execute(self, statement: str, values: Sequence[Value | list[str]] = ()) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows; `?` stands for a value.

        Raises:
            psycopg.Error: it failed.
        """
        cursor = self.connection.execute(placed(statement), values, binary=True)
        return cursor.fetchall() if cursor.description else []

    def run(self, statements: bytes) -> list[tuple[Any, ...]]:
        """Run statements in one message, and return the rows of the last.

        Raises:
            psycopg.Error: one failed, and those after it were not run.
        """
        cursor = self.connection.execute(statements, prepare=False)
        while cursor.nextset():
            pass
        return cursor.fetchall()

    def write(self, statement: bytes, values: Sequence[Value | list[Value]]) -> int:
        """Run a statement that is prepared once, and return how many rows it changed.

        Raises:
            psycopg.Error: it failed.
        """
        return self.connection.execute(statement, values, prepare=True).rowcount

    def say(self, statement: bytes) -> str | None:
        """Run a statement in one message, which the server has heard or has not, and return its answer.

        Raises:
            psycopg.Error: it failed, or there was no answer.
        """
        return self.connection.execute(statement, prepare=False).statusmessage

    def hashes(self, level: int, start: int, stop: int) -> list[bytes]:
        """Return hashes of the tree, as a `tiles.HashSource` does; fewer where the ledger has fewer.

        Raises:
            psycopg.Error: it failed.
        """
        if level == 0:
            return [row[0] for row in self.execute(_LEAVES, (start, stop))]
        return [row[0] for row in self.execute(_NODES, (level, start, stop))]

    def close(self) -> None:
        """Close the connection; the server takes back what was not committed."""
        self.connection.close()

    def _hear(self, notice: Diagnostic) -> None:
        if notice.severity_nonlocalized == "WARNING":
            self.warnings.append(str(notice.message_primary))

    def _require_schema(self) -> None:
        try:
            [(revision,)] = self.execute("SELECT version_num FROM alembic_version")
        except errors.UndefinedTable as error:
            raise OpenRefusedError(OpenFault.SCHEMA, "no ledger") from error
        if revision != REVISION:
            raise OpenRefusedError(OpenFault.SCHEMA, revision)


def _unset(dsn: str) -> dict[str, str | int | None]:
    """Return the defaults of what a DSN does not say."""
    said = conninfo_to_dict(dsn)
    return {name: value for name, value in _DEFAULTS.items() if name not in said}


def _connect(dsn: str) -> psycopg.Connection[tuple[Any, ...]]:
    """Connect, and tell a server that is not there yet from one that will never have us.

    Asked of the server itself, since what it says while it starts has no code, and its language is its own.
    """
    try:
        conninfo = make_conninfo(dsn, **_unset(dsn))
        try:
            return psycopg.connect(conninfo, autocommit=True)
        except psycopg.Error as error:
            if PGconn.ping(conninfo.encode()) in _LATER:
                raise OpenRefusedError(OpenFault.UNREACHABLE, str(error)) from error
        # It may have finished its start between the two questions.
        return psycopg.connect(conninfo, autocommit=True)
    except psycopg.Error as error:
        raise OpenRefusedError(OpenFault.UNREADABLE, str(error)) from error


def require_durable(fsync: str, full_pages: str, synchronous: str, read_only: str) -> None:
    """Refuse a server that may lose what it has acknowledged, or that takes nothing.

    Args:
        fsync: the setting of this name.
        full_pages: `full_page_writes`: without it a crash in the middle of a page loses the page.
        synchronous: `synchronous_commit` as it is for this role: below `on`, an acknowledged commit may be
            lost with the server or with the standby that takes its place.
        read_only: `transaction_read_only`: a standby takes nothing.

    Raises:
        OpenRefusedError: with `NOT_DURABLE` or `UNREADABLE`.
    """
    if (fsync, full_pages) != ("on", "on") or synchronous not in _DURABLE:
        settings = f"fsync={fsync}, full_page_writes={full_pages}, synchronous_commit={synchronous}"
        raise OpenRefusedError(OpenFault.NOT_DURABLE, settings)
    if read_only != "off":
        raise OpenRefusedError(OpenFault.UNREADABLE, "the server is read-only, perhaps a standby")


def refusal(error: psycopg.Error) -> AppendRefusal:
    """Say why nothing was written.

    An error of the server's device refuses and does not end this process: the
    server has taken the transaction back, and ends itself when it cannot know
    what is on its disk.

    Raises:
        StoreLostError: the server has found its files damaged.
    """
    if error.sqlstate in _DAMAGED:
        raise StoreLostError(str(error)) from error
    return AppendRefusal.FULL if error.sqlstate == _DISK_FULL else AppendRefusal.UNAVAILABLE
