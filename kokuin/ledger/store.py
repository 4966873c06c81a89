"""The ledger's store over SQLite: one writer, one transaction a batch, compare-and-swap on the head.

Leaves, tree, tokens, index and head row become durable together or not at all. Rows
go in through statements of many rows on the driver's own connection: the driver
lets go of the interpreter's lock at every statement, and a committer that must
win it back for every row starves beside a busy event loop.
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from kokuin.ledger.checked import checked_head, require_ahead, require_known, require_schema, stored_root
from kokuin.ledger.faults import (
    Meaning,
    OpenFault,
    OpenRefusedError,
    StoreLostError,
    WorkRefusedError,
    meaning,
    out_of_space,
)
from kokuin.ledger.hashes import SqliteHashes
from kokuin.ledger.inserts import (
    INSERT_ENTRY,
    INSERT_IX,
    INSERT_NODE,
    INSERT_SIDE,
    INSERT_TOKEN,
    ROWS,
)
from kokuin.ledger.plan import Head, make_plan, refuse_all, risen
from kokuin.ledger.statements import RAISE_GEN, SWAP_HEAD, head_swap
from kokuin.ledger.tree import EMPTY_ROOT
from kokuin.trust.journal import AppendRefusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from kokuin.ledger.plan import Append, Plan, Value
    from kokuin.ledger.published import Rows
    from kokuin.trust.journal import AppendOutcome

T = TypeVar("T")

_SETTINGS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    # Checkpoints are ours to time: an automatic one would fall into the middle of a burst.
    "PRAGMA wal_autocheckpoint=0",
    "PRAGMA cache_size=-32768",
)

OPENING_SECONDS = 10.0
"""How long a reader is waited for that opened first after a crash, and so puts the log in order."""

_PAGE = 4096
"""SQLite's page; a random serial touches about one of its index."""

_COMMIT_PAGES = 7
"""Pages that every commit writes whatever it brings: head, highest genTime, and the ends of all tables."""


class SqliteStore:
    """The one writer of a ledger file. Used by one thread at a time.

    Attributes:
        head: where the ledger ends; replaced as a whole after each commit, so that any thread may read it.
        highest_gen: highest committed genTime by unit, microseconds; replaced likewise.
        wal_octets: about how much of the write-ahead log is not in the database yet.
    """

    def __init__(self, path: Path) -> None:
        """Open an existing ledger.

        Args:
            path: the file that `schema.create` made.

        Raises:
            OpenRefusedError: the store cannot be trusted to hold what it should.
        """
        self._path = path
        self.head = Head(0, 0, 0, 0)
        self._known = (0, EMPTY_ROOT)
        self.highest_gen: Mapping[str, int] = MappingProxyType({})
        self.wal_octets = 0
        self._connection = self._open()

    def reopen(self) -> None:
        """Open the file anew and go on from what it says.

        Raises:
            OpenRefusedError: it holds less than this process saw, or something else (a restored copy).
        """
        self.close()
        self._connection = self._open()

    def know(self, size: int, root: bytes) -> None:
        """Remember a tree of this ledger; see `LedgerStore.know`."""
        self._known = max(self._known, (size, root))

    def close(self) -> None:
        """Close the connection; the last one to close brings the write-ahead log into the database."""
        with suppress(sqlite3.Error):
            self._connection.close()

    def commit(self, batch: Sequence[Append], now_us: int) -> list[AppendOutcome]:
        """Write a batch in one durable transaction; see `LedgerStore.commit`."""
        try:
            plan = make_plan(batch, self.head, now_us)
            try:
                moved = self._write(plan)
            except sqlite3.IntegrityError:
                self._roll_back()
                plan = make_plan(batch, self.head, now_us, self._taken(batch))
                moved = self._write(plan)
        except sqlite3.Error as error:
            return self._refuse(batch, error)
        except OpenRefusedError as error:
            raise StoreLostError(str(error)) from error
        if moved:
            return refuse_all(batch, AppendRefusal.HEAD_MOVED)
        return plan.outcomes

    def transact(self, work: Callable[[Rows], T]) -> T:
        """Do other work than appending in one durable transaction.

        Args:
            work: calls `execute`; what it raises takes everything back.

        Raises:
            WorkRefusedError: nothing was written, or it is not known; the work must bear being done again.
            StoreLostError: the device failed.
        """
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            done = work(self)
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            reason = self._reason(error)
            self._roll_back()
            raise WorkRefusedError(reason, str(error)) from error
        except BaseException:
            self._roll_back()
            raise
        self.wal_octets += _PAGE * _COMMIT_PAGES
        return done

    def erase(self, work: Callable[[Rows], T]) -> T:
        """Do work as `transact` does, and leave what it deleted in no file of the ledger.

        Raises:
            WorkRefusedError: nothing was deleted, or it was and a reader keeps the write-ahead log from being
                cut off, which the next call does; the work must bear being done again.
            StoreLostError: the device failed.
        """
        try:
            # Pages that are given free are overwritten; their former octets still stand in the log.
            self.execute("PRAGMA secure_delete=ON")
            done = self.transact(work)
            busy = self.execute("PRAGMA wal_checkpoint(TRUNCATE)")[0][0]
        except sqlite3.Error as error:
            raise WorkRefusedError(self._reason(error), str(error)) from error
        if busy:
            raise WorkRefusedError(AppendRefusal.UNAVAILABLE, "a reader holds the write-ahead log; try again")
        self.wal_octets = 0
        return done

    def execute(self, statement: str, values: Sequence[Value] = ()) -> list[tuple[Any, ...]]:
        """Run one statement of a `transact`; `?` stands for a value."""
        return self._connection.execute(statement, values).fetchall()

    def tidy(self) -> None:
        """Bring the write-ahead log into the database as far as readers let us; its file is used again.

        Raises:
            StoreLostError: the device failed.
        """
        try:
            # Passive, never truncating: to write over blocks that the file has is cheaper than to extend it.
            row = self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.Error as error:
            self._reason(error)
        else:
            self.wal_octets = (row[1] - row[2]) * _PAGE

    def _open(self) -> sqlite3.Connection:
        try:
            connection = sqlite3.connect(
                self._path.absolute().as_uri() + "?mode=rw",
                uri=True,
                isolation_level=None,
                timeout=OPENING_SECONDS,
                check_same_thread=False,
                cached_statements=4 * ROWS,
            )
        except sqlite3.Error as error:
            raise OpenRefusedError(OpenFault.UNREADABLE, str(error)) from error
        try:
            self._adopt(connection)
        except (sqlite3.Error, OpenRefusedError) as error:
            connection.close()
            if isinstance(error, OpenRefusedError):
                raise
            raise OpenRefusedError(OpenFault.UNREADABLE, str(error)) from error
        return connection

    def _adopt(self, connection: sqlite3.Connection) -> None:
        """Make the connection durable, and take over the head that it shows unless it is behind ours."""
        journal_mode = connection.execute(_SETTINGS[0]).fetchone()[0]
        if journal_mode != "wal":
            raise OpenRefusedError(OpenFault.NO_WAL, journal_mode)
        for setting in _SETTINGS[1:]:
            connection.execute(setting)
        require_schema(connection)
        self._read_state(connection)
        # From here on a lock that another program holds is a refusal, not a stall of all callers.
        connection.execute("PRAGMA busy_timeout=0")

    def _read_state(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN")
        try:
            head = checked_head(connection)
            require_ahead(head, self.head, SqliteHashes(connection))
            require_known(head, self._known, SqliteHashes(connection))
            gen = dict(connection.execute("SELECT unit, gen FROM unit_high").fetchall())
        finally:
            connection.execute("ROLLBACK")
        self.head = head
        self.highest_gen = MappingProxyType(gen)

    def _write(self, plan: Plan) -> bool:
        """Run the transaction; return True when another writer moved the head and nothing was written."""
        if plan.holds_nothing():
            return False
        old, new = self.head, plan.head()
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        if execute(SWAP_HEAD, head_swap(old, new)).rowcount != 1:
            self._roll_back()
            self._read_state(self._connection)
            return True
        INSERT_ENTRY.run(self._connection, plan.entry)
        INSERT_IX.run(self._connection, plan.ix)
        INSERT_TOKEN.run(self._connection, plan.token)
        INSERT_NODE.run(self._connection, plan.node)
        INSERT_SIDE.run(self._connection, plan.side)
        raised = risen(plan.gen, self.highest_gen)
        for unit_gen in raised.items():
            execute(RAISE_GEN, unit_gen)
        # A crash before this line leaves frames that no reader will take: nothing happened.
        if self._commit(new):
            return True
        # A crash from here on loses nothing: the leaves are on the disk, and no caller has been told yet.
        self.head = new
        self.wal_octets += plan.octets + _PAGE * (_COMMIT_PAGES + len(plan.serials))
        if raised:
            self.highest_gen = MappingProxyType({**self.highest_gen, **raised})
        return False

    def _commit(self, new: Head) -> bool:
        """Commit, or find out what became of it; return True when the head is another's."""
        try:
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            if meaning(error) is not Meaning.REFUSED:
                raise
            # The reply is no answer: what the file says after it was opened anew is.
            return self._ask_again(new, error)
        return False

    def _ask_again(self, new: Head, error: sqlite3.Error) -> bool:
        size = self.head.size
        self.reopen()
        if self.head.size == size:
            raise error
        return self.head.size < new.size or stored_root(SqliteHashes(self._connection), new.size) != new.root

    def _taken(self, batch: Sequence[Append]) -> set[str]:
        """Return the batch's serials that the ledger holds; asked only when an insert has met one."""
        # All of them: refusing one append may let another in, which the first plan had refused for its sake.
        serials = {record.serial for append in batch for record in append.records if record.serial}
        known = "SELECT 1 FROM ix WHERE serial = ?"
        return {serial for serial in serials if self._connection.execute(known, (serial,)).fetchone()}

    def _refuse(self, batch: Sequence[Append], error: sqlite3.Error) -> list[AppendOutcome]:
        reason = self._reason(error)
        self._roll_back()
        return refuse_all(batch, reason, str(error))

    def _reason(self, error: sqlite3.Error) -> AppendRefusal:
        """Say why nothing was written, or end the store when that cannot be known."""
        what = meaning(error)
        if what is Meaning.REFUSED:
            return AppendRefusal.UNAVAILABLE
        if what is Meaning.SPACE or (what is Meaning.DEVICE and out_of_space(self._path.parent)):
            return AppendRefusal.FULL
        raise StoreLostError(str(error)) from error

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            try:
                self._connection.execute("ROLLBACK")
            except sqlite3.Error as error:
                raise StoreLostError(str(error)) from error
