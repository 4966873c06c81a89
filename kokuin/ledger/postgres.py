"""The ledger's store over PostgreSQL: several nodes, one order, one tree.

A node appends its batch in one transaction under an advisory lock. It reads
the head under the lock, makes its plan anew when another node has moved it,
and swaps it with a comparison all the same. What became of a COMMIT whose
reply was lost is asked under the lock too: the server lets go of it only when
the transaction in question has ended, one way or the other.
"""

from __future__ import annotations

import time
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from psycopg.errors import UniqueViolation
from psycopg.pq import TransactionStatus

from kokuin.ledger.checked import require_ahead, require_grown, require_known, require_whole, stored_root
from kokuin.ledger.faults import OpenFault, OpenRefusedError, StoreLostError, WorkRefusedError
from kokuin.ledger.plan import Head, make_plan, refuse_all, risen
from kokuin.ledger.postgres_link import Link, refusal, require_durable
from kokuin.ledger.postgres_statements import COMMIT, JOIN, SETTINGS, WRITE, begin, write_values
from kokuin.ledger.statements import head_of
from kokuin.ledger.tree import EMPTY_ROOT
from kokuin.trust.journal import AppendRefusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kokuin.ledger.plan import Append, Plan
    from kokuin.ledger.published import Rows
    from kokuin.trust.journal import AppendOutcome

T = TypeVar("T")

SETTLE_SECONDS = 30.0
"""For how long a lost server is asked what became of a commit, before the process must end."""

_SETTLE_PAUSE = 0.2

_FEW = 4096
"""Leaves of other nodes that are followed one by one, which is faster than to look over the whole tree."""


class PostgresStore:
    """One node's writer of a ledger that several nodes share. Used by one thread at a time.

    Attributes:
        head: where the ledger ended when this node last looked; replaced as a whole, so that any thread may
            read it. Its `cfg_epoch` is this node's own.
        highest_gen: highest committed genTime by unit, microseconds; replaced likewise.
        wal_octets: always 0, since the server looks after its own log.
    """

    wal_octets = 0

    def __init__(self, dsn: str, node: str) -> None:
        """Open an existing ledger.

        Args:
            dsn: of the role that appends; libpq's key words or a URL.
            node: name of this node, its own among all that share the ledger.

        Raises:
            OpenRefusedError: the store cannot be trusted to hold what it should.
        """
        self._dsn = dsn
        self._node = node
        self._begin_text = begin(node)
        self.head = Head(0, 0, 0, 0)
        self._known = (0, EMPTY_ROOT)
        self.highest_gen: Mapping[str, int] = MappingProxyType({})
        self._link = self._open()

    def reopen(self) -> None:
        """Connect anew and go on from what the server says.

        Raises:
            OpenRefusedError: it holds less than this process saw, or something else (a restored copy).
        """
        self.close()
        self._link = self._open()

    def know(self, size: int, root: bytes) -> None:
        """Remember a tree of this ledger, which another node may have grown; see `LedgerStore.know`."""
        self._known = max(self._known, (size, root))

    def close(self) -> None:
        """Close the connection; the server takes back what was not committed."""
        self._link.close()

    def tidy(self) -> None:
        """Do nothing: the server brings its log into its tables by itself."""

    def commit(self, batch: Sequence[Append], now_us: int) -> list[AppendOutcome]:
        """Write a batch in one durable transaction; see `LedgerStore.commit`."""
        try:
            # Made before the lock is taken, so that nodes do not wait for each other's making of leaves.
            plan = make_plan(batch, self.head, now_us)
            self._begin()
            if plan.before != self.head:
                plan = make_plan(batch, self.head, now_us)
            try:
                self._write(plan)
            except UniqueViolation:
                self._roll_back()
                self._begin()
                plan = make_plan(batch, self.head, now_us, self._taken(batch))
                self._write(plan)
        except (psycopg.Error, OpenRefusedError, _HeadMovedError) as error:
            # First, so that the other nodes need not wait for the lock, whatever becomes of this process.
            self._roll_back()
            return refuse_all(batch, _reason(error), str(error))
        return plan.outcomes

    def transact(self, work: Callable[[Rows], T]) -> T:
        """Do other work than appending in one durable transaction, which overlaps with nobody's.

        Args:
            work: calls `execute`; what it raises takes everything back.

        Raises:
            WorkRefusedError: nothing was written, or it is not known; the work must bear being done again.
            StoreLostError: what is durable cannot be known.
        """
        try:
            self._begin()
            done = work(self._link)
            self._send_commit()
        except (psycopg.Error, OpenRefusedError) as error:
            self._roll_back()
            raise WorkRefusedError(_reason(error), str(error)) from error
        except BaseException:
            self._roll_back()
            raise
        return done

    def _open(self) -> Link:
        link = Link(self._dsn)
        try:
            link.execute(JOIN, (self._node,))
            self._take_over(self._enter(link), link)
            link.execute("ROLLBACK")
        except psycopg.Error as error:
            link.close()
            raise OpenRefusedError(OpenFault.UNREADABLE, str(error)) from error
        except OpenRefusedError:
            link.close()
            raise
        return link

    def _begin(self) -> None:
        """Begin a transaction behind the other nodes', and take over the head that they left."""
        try:
            row = self._enter(self._link)
        except psycopg.Error:
            if not self._link.lost:
                raise
            # The server was restarted, or something between us forgot us: nothing of ours was under way.
            self.reopen()
            row = self._enter(self._link)
        head = head_of(row[SETTINGS:])
        if not self.head.size <= head.size <= self.head.size + _FEW:
            self._take_over(row, self._link)
            return
        require_durable(*row[:SETTINGS])
        if head != self.head:
            require_grown(head, self.head, self._link.hashes(0, self.head.size, head.size))
            self._adopt(head, self._link)

    def _enter(self, link: Link) -> tuple[Any, ...]:
        """Begin a transaction, wait for the other nodes, and return settings and head."""
        rows = link.run(self._begin_text)
        if not rows:
            raise OpenRefusedError(OpenFault.INCONSISTENT, "no head")
        return rows[0]

    def _take_over(self, row: tuple[Any, ...], link: Link) -> None:
        """Go on from the head that `_enter` found if it is whole and goes on from ours."""
        require_durable(*row[:SETTINGS])
        [(last,)] = link.execute("SELECT max(idx) FROM entry")
        head = require_whole(row[SETTINGS:], last, link)
        require_ahead(head, self.head, link)
        require_known(head, self._known, link)
        self._adopt(head, link)

    def _adopt(self, head: Head, link: Link) -> None:
        self.highest_gen = MappingProxyType(dict(link.execute("SELECT unit, gen FROM unit_high")))
        self.head = head

    def _write(self, plan: Plan) -> None:
        """Send all rows of a plan and the head after it, and commit; the transaction has begun."""
        if plan.holds_nothing():
            self._roll_back()
            return
        new = plan.head()
        raised = risen(plan.gen, self.highest_gen)
        if self._link.write(WRITE, write_values(plan, new, raised, self._node)) != 1:
            raise _HeadMovedError
        # A crash of this process or of the server before this line: nothing happened.
        try:
            self._send_commit()
        except psycopg.Error as error:
            # The reply is no answer: what the ledger says after the transaction has ended is.
            self._settle(new, error)
            return
        # A crash from here on loses nothing: the leaves are on the disk, and no caller has been told yet.
        self.head = new
        if raised:
            self.highest_gen = MappingProxyType({**self.highest_gen, **raised})

    def _send_commit(self) -> None:
        self._link.warnings.clear()
        said = self._link.say(COMMIT)
        if said != "COMMIT" or self._link.warnings:
            # Somebody cancelled the waiting for a standby: it is committed here, and perhaps nowhere else.
            raise StoreLostError(f"COMMIT was answered with {said}, {self._link.warnings}")

    def _settle(self, new: Head, error: psycopg.Error) -> None:
        """Find out whether a transaction whose end was not heard of is durable; if not, raise its error.

        Raises:
            StoreLostError: the server does not come back, or is another one.
        """
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            try:
                # Takes the lock, which the transaction holds for as long as it may still be committed.
                self.reopen()
                durable = stored_root(self._link, new.size) == new.root
                if durable:
                    self._wait_for_standbys()
                break
            except (psycopg.Error, OpenRefusedError) as refused:
                _reason(refused)
                if time.monotonic() > deadline:
                    raise StoreLostError(f"no answer after {error}: {refused}") from refused
                time.sleep(_SETTLE_PAUSE)
        # An append without leaves changes no root, but this node's epoch is raised by this node alone.
        if not durable or self.head.cfg_epoch != new.cfg_epoch:
            raise error

    def _wait_for_standbys(self) -> None:
        """Commit something: what waits for that waits for all that was committed before."""
        # A server that ended while it waited shows what no standby has yet.
        self._link.execute("BEGIN")
        self._link.execute("UPDATE node_cfg SET cfg_epoch = cfg_epoch WHERE node = ?", (self._node,))
        self._send_commit()

    def _taken(self, batch: Sequence[Append]) -> set[str]:
        """Return the batch's serials that the ledger holds; asked only when an insert has met one."""
        # All of them: refusing one append may let another in, which the first plan had refused for its sake.
        serials = [record.serial for append in batch for record in append.records if record.serial]
        known = "SELECT serial FROM ix WHERE serial = ANY(?)"
        return {row[0] for row in self._link.execute(known, (serials,))}

    def _roll_back(self) -> None:
        connection = self._link.connection
        if connection.info.transaction_status != TransactionStatus.IDLE:
            try:
                self._link.execute("ROLLBACK")
            except psycopg.Error:
                # The server takes everything back when it notices.
                self.close()


class _HeadMovedError(Exception):
    """The head was changed by somebody who does not take the lock."""


def _reason(error: psycopg.Error | OpenRefusedError | _HeadMovedError) -> AppendRefusal:
    """Say why nothing was written.

    Raises:
        StoreLostError: the server is not the one that this process knows, or has found its files damaged.
    """
    if isinstance(error, psycopg.Error):
        return refusal(error)
    if isinstance(error, _HeadMovedError):
        return AppendRefusal.HEAD_MOVED
    if error.fault not in {OpenFault.UNREADABLE, OpenFault.UNREACHABLE}:
        raise StoreLostError(str(error)) from error
    return AppendRefusal.UNAVAILABLE
