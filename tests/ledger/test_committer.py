from __future__ import annotations

import asyncio
import sqlite3
from concurrent.futures import Future, wait
from threading import Event, Thread
from time import monotonic, sleep
from typing import TYPE_CHECKING

import pytest

from kokuin.ledger import committer as committer_module
from kokuin.ledger.committer import MAX_BATCH, Committer
from kokuin.ledger.faults import StoreLostError, WorkRefusedError
from kokuin.trust.journal import AppendRefusal, Refused
from kokuin.trust.records import CFG_ACTIVATED, Receipt, Record
from tests.ledger.samples import check_whole, error, fail_at, inject, issued

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from kokuin.ledger.store import SqliteStore
    from kokuin.trust.journal import AppendOutcome, Journal

NOW_NS = 1_763_700_000_000_000_000
WAIT = 30.0


class Gate:
    """Holds the committer at the beginning of a transaction."""

    def __init__(self) -> None:
        self.reached, self.opened = Event(), Event()

    def __call__(self, statement: str) -> None:
        if statement.startswith("BEGIN IMMEDIATE"):
            self.reached.set()
            assert self.opened.wait(WAIT)


@pytest.fixture
def fatal() -> list[str]:
    return []


@pytest.fixture
def start(store: SqliteStore, fatal: list[str]) -> Iterator[Callable[..., Committer]]:
    started: list[Committer] = []

    def run(capacity: int = 1000) -> Committer:
        started.append(Committer(store, capacity=capacity, clock_ns=lambda: NOW_NS, on_fatal=fatal.append))
        return started[-1]

    yield run
    for each in started:
        each.close()


def reason(future: Future[AppendOutcome]) -> AppendRefusal | None:
    outcome = future.result(WAIT)
    return outcome.reason if isinstance(outcome, Refused) else None


def test_it_is_the_journal_that_the_other_rooms_know(start: Callable[..., Committer]) -> None:
    journal: Journal = start()
    assert journal.append(issued(1), issued(2)).result(WAIT) == (
        Receipt(0, NOW_NS // 1000),
        Receipt(1, NOW_NS // 1000),
    )
    assert reason(journal.append(issued(2))) is AppendRefusal.DUPLICATE_SERIAL


def test_many_threads_share_one_order_without_a_gap(start: Callable[..., Committer], path: Path) -> None:
    journal = start()
    futures: list[list[Future[AppendOutcome]]] = [[] for _ in range(4)]

    def caller(number: int) -> None:
        for turn in range(100):
            futures[number].append(journal.append(issued(number * 1000 + turn)))
            if turn % 10 == 0:
                futures[number][-1].result(WAIT)

    threads = [Thread(target=caller, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    orders = []
    for each in futures:
        outcomes = [future.result(WAIT) for future in each]
        orders.append([outcome[0].index for outcome in outcomes if not isinstance(outcome, Refused)])
    assert all(order == sorted(order) for order in orders), "a caller's appends keep their order"
    assert sorted(index for order in orders for index in order) == list(range(400))
    assert journal.size == len(check_whole(path)) == 400


def test_asyncio_callers_wait_on_the_same_future(start: Callable[..., Committer]) -> None:
    journal = start()

    async def callers() -> list[AppendOutcome]:
        return await asyncio.gather(
            *(asyncio.wrap_future(journal.append(issued(number))) for number in range(50))
        )

    outcomes = asyncio.run(callers())
    assert sorted(outcome[0].index for outcome in outcomes if not isinstance(outcome, Refused)) == list(
        range(50)
    )


def test_a_future_completes_only_after_the_commit(
    start: Callable[..., Committer], store: SqliteStore
) -> None:
    gate = Gate()
    inject(store, gate)
    journal = start()
    future = journal.append(issued(1))
    assert gate.reached.wait(WAIT)
    assert not future.done()
    assert journal.size == 0
    assert journal.lag() > 0
    gate.opened.set()
    assert reason(future) is None
    assert (journal.size, journal.lag()) == (1, 0.0)


def test_an_append_cannot_be_withdrawn(
    start: Callable[..., Committer], store: SqliteStore, path: Path
) -> None:
    gate = Gate()
    inject(store, gate)
    journal = start()
    futures = [journal.append(issued(number)) for number in range(3)]
    assert [future.cancel() for future in futures] == [False] * 3
    gate.opened.set()
    assert [reason(future) for future in futures] == [None] * 3
    assert len(check_whole(path)) == 3


def test_what_queued_during_a_commit_is_one_batch(
    start: Callable[..., Committer], store: SqliteStore
) -> None:
    gate = Gate()
    commits: list[str] = []

    def count(statement: str) -> None:
        gate(statement)
        if statement == "COMMIT":
            commits.append(statement)

    inject(store, count)
    journal = start()
    first = journal.append(issued(0))
    assert gate.reached.wait(WAIT)
    rest = [journal.append(issued(number)) for number in range(1, 200)]
    gate.opened.set()
    wait([first, *rest], WAIT)
    assert len(commits) == 2


def test_a_full_queue_refuses_at_once(start: Callable[..., Committer], store: SqliteStore) -> None:
    gate = Gate()
    inject(store, gate)
    journal = start(capacity=5)
    first = journal.append(issued(0))
    assert gate.reached.wait(WAIT)
    queued = [journal.append(issued(number)) for number in range(1, 8)]
    assert [future.done() for future in queued] == [False] * 5 + [True] * 2
    assert [reason(future) for future in queued[5:]] == [AppendRefusal.BEHIND] * 2
    gate.opened.set()
    assert [reason(future) for future in [first, *queued[:5]]] == [None] * 6
    assert reason(journal.append(issued(8))) is None


def test_an_append_of_more_records_than_a_batch_is_refused(start: Callable[..., Committer]) -> None:
    journal = start()
    assert reason(journal.append(*[Record("a.b")] * (MAX_BATCH + 1))) is AppendRefusal.LEAF_TOO_LARGE
    assert reason(journal.append(*[Record("a.b")] * MAX_BATCH)) is None


def test_close_commits_what_is_queued_and_refuses_what_comes_after(
    start: Callable[..., Committer], store: SqliteStore, path: Path
) -> None:
    gate = Gate()
    inject(store, gate)
    journal = start()
    futures = [journal.append(issued(number)) for number in range(20)]
    closer = Thread(target=journal.close)
    closer.start()
    gate.opened.set()
    closer.join(WAIT)
    assert [reason(future) for future in futures] == [None] * 20
    assert reason(journal.append(issued(99))) is AppendRefusal.UNAVAILABLE
    journal.close()
    assert len(check_whole(path)) == 20


def test_close_without_drain_refuses_what_is_queued(
    start: Callable[..., Committer], store: SqliteStore, path: Path
) -> None:
    gate = Gate()
    inject(store, gate)
    journal = start()
    running = journal.append(issued(0))
    assert gate.reached.wait(WAIT)
    queued = journal.append(issued(1))
    closer = Thread(target=lambda: journal.close(drain=False))
    closer.start()
    assert reason(queued) is AppendRefusal.UNAVAILABLE
    gate.opened.set()
    closer.join(WAIT)
    assert reason(running) is None
    assert len(check_whole(path)) == 1


def test_an_epoch_is_raised_by_its_record_and_outdates_what_was_made_before(
    start: Callable[..., Committer],
) -> None:
    journal = start()
    assert reason(journal.append_epoch(Record(CFG_ACTIVATED), 1)) is None
    assert journal.cfg_epoch == 1
    assert reason(journal.append(issued(1, cfg_epoch=0))) is AppendRefusal.STALE_EPOCH
    assert reason(journal.append(issued(1, cfg_epoch=1))) is None
    assert reason(journal.append_epoch(Record(CFG_ACTIVATED), 1)) is AppendRefusal.STALE_EPOCH
    assert journal.highest_gen() == {"u1": 1_700_000_000_000_001}


@pytest.mark.parametrize("statement", ["BEGIN", "COMMIT"])
def test_a_failed_fsync_refuses_all_who_wait_and_tells_the_owner_once(
    start: Callable[..., Committer], store: SqliteStore, fatal: list[str], statement: str
) -> None:
    gate = Gate()
    lost = fail_at(statement, sqlite3.SQLITE_IOERR_FSYNC)

    def fault(text: str) -> None:
        gate(text)
        lost(text)

    inject(store, fault)
    journal = start()
    first = journal.append(issued(0))
    assert gate.reached.wait(WAIT)
    queued = [journal.append(issued(number)) for number in range(1, 5)]
    gate.opened.set()
    assert [reason(future) for future in [first, *queued]] == [AppendRefusal.UNAVAILABLE] * 5
    assert reason(journal.append(issued(9))) is AppendRefusal.UNAVAILABLE
    journal.close()
    assert len(fatal) == 1
    assert "injected" in fatal[0]


def test_a_fault_of_our_own_leaves_nobody_waiting(
    start: Callable[..., Committer], store: SqliteStore, fatal: list[str]
) -> None:
    def fault(statement: str) -> None:
        raise RuntimeError(statement)

    inject(store, fault)
    journal = start()
    assert reason(journal.append(issued(0))) is AppendRefusal.UNAVAILABLE
    journal.close()
    assert len(fatal) == 1


def test_the_owner_may_close_from_within_the_callback(store: SqliteStore) -> None:
    ended = Event()
    inject(store, fail_at("COMMIT", sqlite3.SQLITE_IOERR_FSYNC))

    def on_fatal(_detail: str) -> None:
        journal.close()
        ended.set()

    journal = Committer(store, capacity=10, clock_ns=lambda: NOW_NS, on_fatal=on_fatal)
    assert reason(journal.append(issued(0))) is AppendRefusal.UNAVAILABLE
    assert ended.wait(WAIT)


def test_a_full_disk_refuses_and_the_next_append_is_taken_when_there_is_space(
    start: Callable[..., Committer], store: SqliteStore, path: Path, fatal: list[str]
) -> None:
    full = [True]

    def fault(statement: str) -> None:
        if full[0] and statement.startswith("INSERT"):
            raise error(sqlite3.SQLITE_FULL)

    inject(store, fault)
    journal = start()
    assert reason(journal.append(issued(1))) is AppendRefusal.FULL
    assert reason(journal.append(issued(1))) is AppendRefusal.FULL
    full[0] = False
    assert reason(journal.append(issued(1))) is None
    assert fatal == []
    assert len(check_whole(path)) == 1


def test_an_append_of_nothing_asks_the_store_and_leaves_no_leaf(
    start: Callable[..., Committer], store: SqliteStore
) -> None:
    full = [False]
    seen: list[str] = []

    def fault(statement: str) -> None:
        seen.append(statement)
        if full[0] and statement == "COMMIT":
            raise error(sqlite3.SQLITE_FULL)

    inject(store, fault)
    journal = start()
    assert journal.append().result(WAIT) == ()
    # Not the last of all: whoever is slow to look finds the quiet moment's behind it.
    assert "COMMIT" in seen
    full[0] = True
    assert reason(journal.append()) is AppendRefusal.FULL
    assert journal.size == 0


def test_quiet_brings_the_log_into_the_database_and_an_idle_ledger_does_not_grow(
    start: Callable[..., Committer],
    store: SqliteStore,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(committer_module, "QUIET_SECONDS", 0.01)
    statements: list[str] = []
    inject(store, statements.append)
    journal = start()
    assert reason(journal.append(issued(1))) is None
    deadline = monotonic() + WAIT
    while store.wal_octets:
        assert monotonic() < deadline
        sleep(0.01)
    before = {each.name: each.stat().st_size for each in path.parent.iterdir()}
    count = len(statements)
    assert statements[-1].startswith("PRAGMA wal_checkpoint")
    assert not Event().wait(0.3), "let it idle"
    assert {each.name: each.stat().st_size for each in path.parent.iterdir()} == before
    assert len(statements) == count
    assert journal.size == 1


def test_a_long_log_is_brought_in_without_waiting_for_quiet(
    start: Callable[..., Committer], store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committer_module, "WAL_LIMIT", 50_000)
    checkpoints: list[str] = []

    def watch(statement: str) -> None:
        if statement.startswith("PRAGMA wal_checkpoint"):
            checkpoints.append(statement)

    inject(store, watch)
    journal = start()
    for number in range(30):
        assert reason(journal.append(issued(number, size=4000))) is None
    assert len(checkpoints) >= 2


def test_other_work_is_done_between_batches_and_its_errors_are_its_own(store: SqliteStore) -> None:
    committer = Committer(store, capacity=8, clock_ns=lambda: NOW_NS, on_fatal=pytest.fail)

    def fail(_: object) -> None:
        raise ValueError("mine")

    assert committer.work(
        lambda its: its.transact(lambda rows: rows.execute("SELECT size FROM head"))
    ).result(WAIT) == [(0,)]
    with pytest.raises(ValueError, match="mine"):
        committer.work(fail).result(WAIT)
    assert committer.append(issued(1)).result(WAIT)
    committer.close()
    with pytest.raises(WorkRefusedError):
        committer.work(fail).result(WAIT)


def test_work_that_waits_when_the_store_is_lost_is_refused(store: SqliteStore) -> None:
    told: list[str] = []
    committer = Committer(store, capacity=8, clock_ns=lambda: NOW_NS, on_fatal=told.append)
    started, go_on = Event(), Event()

    def lose(_: object) -> None:
        started.set()
        go_on.wait(WAIT)
        raise StoreLostError("device")

    lost = committer.work(lose)
    assert started.wait(WAIT)
    waiting = committer.work(lambda its: its.head.size)
    go_on.set()
    with pytest.raises(StoreLostError):
        lost.result(WAIT)
    with pytest.raises(WorkRefusedError):
        waiting.result(WAIT)
    committer.close()
    assert told


class _Held:
    """A committer whose thread is busy with work that ends when it is told to."""

    def __init__(self, store: SqliteStore) -> None:
        self.told: list[str] = []
        self.lost = False
        self._go_on = Event()
        begun = Event()

        def hold(_: object) -> None:
            begun.set()
            assert self._go_on.wait(WAIT)
            if self.lost:
                raise StoreLostError("device")

        self.committer = Committer(store, capacity=8, clock_ns=lambda: NOW_NS, on_fatal=self.told.append)
        self.work = self.committer.work(hold)
        assert begun.wait(WAIT)

    def end(self) -> None:
        """Let the work end, and close."""
        self._go_on.set()
        self.committer.close()


def test_work_that_nobody_waits_for_any_more_is_not_done_and_ends_nothing(store: SqliteStore) -> None:
    """A task that was cancelled while its work waited took the whole service with it."""
    held, done = _Held(store), []
    withdrawn = held.committer.work(lambda its: done.append(its.head.size))
    kept = held.committer.append(issued(1))
    assert withdrawn.cancel()
    assert not held.work.cancel(), "it is begun"
    held.end()
    assert isinstance(kept.result(WAIT), tuple)
    assert (done, held.told) == ([], [])


def test_a_lost_store_is_told_though_somebody_has_stopped_waiting_for_his_work(store: SqliteStore) -> None:
    held = _Held(store)
    assert held.committer.work(lambda its: its.head.size).cancel()
    other = held.committer.work(lambda its: its.head.size)
    held.lost = True
    held.end()
    with pytest.raises(WorkRefusedError):
        other.result(WAIT)
    assert len(held.told) == 1
