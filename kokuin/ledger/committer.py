"""The committer: many callers, one thread, one order.

A batch is whatever queued while the last commit ran, so one caller alone waits
for one fsync and a thousand share it. A future completes only when its records
are durable.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future
from threading import Condition, Thread, current_thread
from time import monotonic_ns
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from kokuin.ledger.faults import StoreLostError, WorkRefusedError
from kokuin.ledger.plan import Append
from kokuin.trust.journal import AppendOutcome, AppendRefusal, Refused
from kokuin.trust.records import SEAL_ISSUED, TST_ISSUED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kokuin.ledger.plan import Head
    from kokuin.ledger.port import LedgerStore
    from kokuin.trust.records import Record

T = TypeVar("T")

MAX_BATCH = 4096
"""Records in one transaction, and in one append."""

WAL_LIMIT = 64 * 1024 * 1024
"""Octets of write-ahead log above which it is brought into the database without waiting for quiet."""

_ISSUING = frozenset({TST_ISSUED, SEAL_ISSUED})

QUIET_SECONDS = 2.0
"""How long nobody must append before the write-ahead log is brought into the database."""


class _Waiting(Future[AppendOutcome]):
    """An append in the queue. It cannot be withdrawn: its token may exist already, and wants its record."""

    def __init__(self, append: Append) -> None:
        super().__init__()
        self.append = append
        self.queued_ns = monotonic_ns()

    def cancel(self) -> bool:
        return False


class _Work(Generic[T]):
    """Other work in the queue, and the future of who asked for it."""

    def __init__(self, work: Callable[[LedgerStore], T]) -> None:
        self._work = work
        self.future: Future[T] = Future()

    def do(self, store: LedgerStore) -> None:
        if not self.future.set_running_or_notify_cancel():
            return  # who asked for it has gone before it was begun; from here on it cannot be withdrawn
        try:
            done = self._work(store)
        except StoreLostError as error:
            self.future.set_exception(error)
            raise
        except Exception as error:  # noqa: BLE001 - whoever asked hears of it; the committer goes on
            self.future.set_exception(error)
        else:
            self.future.set_result(done)

    def refuse(self, detail: str) -> None:
        if self.future.set_running_or_notify_cancel():
            self.future.set_exception(WorkRefusedError(AppendRefusal.UNAVAILABLE, detail))


class Committer:
    """The ledger's `Journal`: bounded queue, natural batches, one durable transaction each."""

    def __init__(
        self,
        store: LedgerStore,
        *,
        capacity: int,
        clock_ns: Callable[[], int],
        on_fatal: Callable[[str], None],
    ) -> None:
        """Start the committer's thread.

        Args:
            store: used by this thread alone from now on, and closed by it.
            capacity: appends that may wait; above it they are refused with `BEHIND`.
            clock_ns: the wall clock, nanoseconds since 1970 UTC.
            on_fatal: called once with English text, from the committer's thread, when what is durable can
                no longer be known; the owner must end the process.
        """
        self._store = store
        self._capacity = capacity
        self._clock_ns = clock_ns
        self._on_fatal = on_fatal
        self._changed = Condition()
        self._queue: deque[_Waiting] = deque()
        self._batch: list[_Waiting] = []
        self._works: deque[_Work[Any]] = deque()
        self._sleeping = False
        self._closed = False
        self._held = ""
        self._halted = False
        self._thread = Thread(target=self._run, name="ledger-committer", daemon=True)
        self._thread.start()

    @property
    def size(self) -> int:
        """How many leaves are durable."""
        return self._store.head.size

    @property
    def cfg_epoch(self) -> int:
        """The configuration epoch in force."""
        return self._store.head.cfg_epoch

    def append(self, *records: Record) -> Future[AppendOutcome]:
        """Append all records or none (see `Journal.append`). The future cannot be cancelled."""
        return self._enqueue(_Waiting(Append(records)))

    def append_epoch(self, record: Record, new_epoch: int) -> Future[AppendOutcome]:
        """Append the record that activates a configuration, and raise the epoch in the same transaction.

        Refused with `STALE_EPOCH` unless `new_epoch` is above the one in force.
        """
        return self._enqueue(_Waiting(Append((record,), new_epoch)))

    def open_epoch(self, record: Record, new_epoch: int) -> Future[AppendOutcome]:
        """Append the record that opens an epoch of the ledger, and raise the epoch in the same transaction.

        Refused with `STALE_EPOCH` unless `new_epoch` follows the one in force.
        """
        return self._enqueue(_Waiting(Append((record,), new_epoch=new_epoch)))

    def hold(self, reason: str) -> None:
        """Refuse every append that brings a token, as `UNAVAILABLE`; an empty reason takes them again."""
        self._held = reason

    def halt(self, halted: bool) -> None:  # noqa: FBT001  # a state, and nothing else
        """Refuse every token, as `STOPPED`, whatever else holds appends; or take them again.

        Of one thread that appends and halts, no token that it brings after this call comes into the ledger.
        """
        self._halted = halted

    @property
    def head(self) -> Head:
        """Where the ledger ends."""
        return self._store.head

    def work(self, work: Callable[[LedgerStore], T]) -> Future[T]:
        """Let the committer's thread do other work on the store, between two batches.

        The future carries what `work` returns or raises, and `WorkRefusedError` when the committer is closed.
        It can be cancelled until the work is begun, which then is not done.
        """
        waiting = _Work(work)
        with self._changed:
            if not self._closed:
                self._works.append(waiting)
                self._changed.notify()
                return waiting.future
        waiting.refuse("closed")
        return waiting.future

    def know(self, size: int, root: bytes) -> None:
        """Refuse from now on a store that does not begin with this tree; see `LedgerStore.know`."""
        self._store.know(size, root)

    def highest_gen(self) -> Mapping[str, int]:
        """Return the highest committed genTime by time-stamp unit, microseconds since 1970 UTC."""
        return self._store.highest_gen

    def lag(self) -> float:
        """Return for how many seconds the oldest append has been waiting, 0 when none waits."""
        # Without the lock, since every request asks: what was taken out meanwhile waits no longer.
        try:
            oldest = (self._batch or self._queue)[0]
        except IndexError:
            return 0.0
        return (monotonic_ns() - oldest.queued_ns) / 1e9

    def close(self, *, drain: bool = True) -> None:
        """Take no more appends, end the thread and close the store.

        Args:
            drain: commit what is queued; else it is refused with `UNAVAILABLE`.
        """
        with self._changed:
            self._closed = True
            dropped = [] if drain else self._empty()
            self._changed.notify()
        _complete(dropped, [Refused(AppendRefusal.UNAVAILABLE, "closed")] * len(dropped))
        if current_thread() is not self._thread:
            self._thread.join()

    def _enqueue(self, waiting: _Waiting) -> _Waiting:
        if len(waiting.append.records) > MAX_BATCH:
            refused = Refused(AppendRefusal.LEAF_TOO_LARGE, f"more than {MAX_BATCH} records")
        elif (self._halted or self._held) and any(map(_issues, waiting.append.records)):
            stopped = Refused(AppendRefusal.STOPPED)
            refused = stopped if self._halted else Refused(AppendRefusal.UNAVAILABLE, self._held)
        else:
            with self._changed:
                if self._closed:
                    refused = Refused(AppendRefusal.UNAVAILABLE, "closed")
                elif len(self._queue) >= self._capacity:
                    refused = Refused(AppendRefusal.BEHIND)
                else:
                    self._queue.append(waiting)
                    if self._sleeping:
                        self._sleeping = False
                        self._changed.notify()
                    return waiting
        waiting.set_result(refused)
        return waiting

    def _run(self) -> None:
        try:
            while self._take():
                if self._batch:
                    self._commit()
                elif not self._works:
                    self._store.tidy()
                while self._works:
                    self._works.popleft().do(self._store)
        except StoreLostError as error:
            self._fail(f"the ledger's store is lost: {error}")
        except Exception as error:  # noqa: BLE001 - a fault of ours must not leave callers waiting for ever
            self._fail(f"the ledger's committer failed: {error!r}")
        else:
            # After a failure nothing is closed in order: that would write pages whose fate is unknown.
            self._store.close()

    def _take(self) -> bool:
        """Wait for appends and make them the batch (none: a quiet moment); False when all is done."""
        with self._changed:
            while not (self._queue or self._works):
                if self._closed:
                    return False
                quiet = QUIET_SECONDS if self._store.wal_octets else None
                self._sleeping = True
                woken = self._changed.wait(quiet)
                self._sleeping = False
                if not woken and not (self._queue or self._works):
                    return True
            records = 0
            while self._queue and (records := records + len(self._queue[0].append.records)) <= MAX_BATCH:
                self._batch.append(self._queue.popleft())
        return True

    def _commit(self) -> None:
        batch = self._batch
        outcomes = self._store.commit([waiting.append for waiting in batch], self._clock_ns() // 1000)
        with self._changed:
            self._batch = []
        # A crash before this line: the records are in the ledger and no caller knows; none holds a token.
        _complete(batch, outcomes)
        if self._store.wal_octets >= WAL_LIMIT:
            self._store.tidy()

    def _fail(self, detail: str) -> None:
        with self._changed:
            self._closed = True
            waiting, works = self._batch + self._empty(), tuple(self._works)
            self._batch = []
            self._works.clear()
        _complete(waiting, [Refused(AppendRefusal.UNAVAILABLE, detail)] * len(waiting))
        for work in works:
            work.refuse(detail)
        self._on_fatal(detail)

    def _empty(self) -> list[_Waiting]:
        waiting = list(self._queue)
        self._queue.clear()
        return waiting


def _issues(record: Record) -> bool:
    """Say whether a record brings a token, or says that there is a token or a seal."""
    return record.token is not None or record.kind in _ISSUING


def _complete(batch: Sequence[_Waiting], outcomes: Sequence[AppendOutcome]) -> None:
    for waiting, outcome in zip(batch, outcomes, strict=True):
        waiting.set_result(outcome)
