"""A ledger against a list: whatever is appended, crashes or is opened anew, both say the same."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from kokuin.ledger.leaf import make_leaf
from kokuin.ledger.plan import Append
from kokuin.ledger.postgres import PostgresStore
from kokuin.ledger.store import SqliteStore
from kokuin.trust.journal import AppendRefusal, Refused
from kokuin.trust.records import CFG_ACTIVATED, Record
from tests.ledger.samples import check_ledger, check_whole, fail_at, inject, issued
from tests.ledger.stores import PostgresKit, SqliteKit

if TYPE_CHECKING:
    from kokuin.ledger.port import LedgerStore
    from kokuin.trust.journal import AppendOutcome
    from tests.ledger.stores import Kit
    from tests.postgres import Postgres

_numbers = st.lists(st.lists(st.integers(0, 40), min_size=0, max_size=3), min_size=1, max_size=5)
_statements = st.sampled_from(
    ["BEGIN", "UPDATE", "INSERT OR ROLLBACK INTO entry", "INSERT OR ROLLBACK INTO ix", "COMMIT"]
)
FULL = 13


class LedgerMachine(RuleBasedStateMachine):
    """The model: leaves in order, serials given, the last `at`, the epoch, the highest genTime."""

    kit: Kit
    store: LedgerStore

    def __init__(self) -> None:
        super().__init__()
        self.leaves: list[bytes] = []
        self.given: set[int] = set()
        self.at, self.epoch, self.high = 0, 0, -1

    def make_kit(self) -> Kit:
        """Make an empty ledger."""
        raise NotImplementedError

    @initialize()
    def open(self) -> None:
        self.kit = self.make_kit()
        self.store = self.kit.open()

    @rule(batch=_numbers, now=st.integers(1, 1000), old=st.booleans())
    def commit(self, batch: list[list[int]], now: int, old: bool) -> None:  # noqa: FBT001 - drawn by Hypothesis
        cfg_epoch = self.epoch - 1 if old else None
        appends = [Append(tuple(issued(number, cfg_epoch=cfg_epoch) for number in each)) for each in batch]
        pairs = zip(appends, batch, strict=True)
        expected = [self.model(append, each, now, old=old) for append, each in pairs]
        if any(isinstance(outcome, tuple) for outcome in expected):
            self.at = max(self.at, now)
        outcomes = self.store.commit(appends, now)
        assert [shape(outcome) for outcome in outcomes] == expected

    def model(
        self, append: Append, numbers: list[int], now: int, *, old: bool
    ) -> tuple[int, ...] | AppendRefusal:
        if old and numbers:
            return AppendRefusal.STALE_EPOCH
        if len(set(numbers)) != len(numbers) or self.given & set(numbers):
            return AppendRefusal.DUPLICATE_SERIAL
        start = len(self.leaves)
        self.leaves += [make_leaf(record, max(now, self.at)) for record in append.records]
        self.given |= set(numbers)
        self.high = max([self.high, *numbers])
        return tuple(range(start, len(self.leaves)))

    @rule(up=st.integers(-1, 2), now=st.integers(1, 1000))
    def activate(self, up: int, now: int) -> None:
        record = Record(CFG_ACTIVATED)
        [outcome] = self.store.commit([Append((record,), self.epoch + up)], now)
        if up <= 0:
            assert shape(outcome) is AppendRefusal.STALE_EPOCH
            return
        self.epoch += up
        self.at = max(self.at, now)
        self.leaves.append(make_leaf(record, self.at))
        assert shape(outcome) == (len(self.leaves) - 1,)

    @rule(durable=st.booleans(), now=st.integers(1, 1000))
    def lose_reply(self, durable: bool, now: int) -> None:  # noqa: FBT001 - drawn by Hypothesis
        record = Record("a.b")
        self.kit.lose_reply(self.store, durable=durable)
        [outcome] = self.store.commit([Append((record,))], now)
        if not durable:
            assert shape(outcome) is AppendRefusal.UNAVAILABLE
            return
        self.at = max(self.at, now)
        self.leaves.append(make_leaf(record, self.at))
        assert shape(outcome) == (len(self.leaves) - 1,)

    @rule()
    def restart(self) -> None:
        self.store.reopen()

    @rule()
    def tidy(self) -> None:
        self.store.tidy()

    @rule(number=st.integers(0, 41))
    def look_up(self, number: int) -> None:
        with self.kit.reader() as reader:
            stored = reader.by_serial(f"{number:032x}")
            assert (stored is not None) == (number in self.given)
            assert stored is None or stored.leaf == self.leaves[stored.index]
            assert stored is None or stored.token == issued(number).token

    @invariant()
    def ledger_is_the_list(self) -> None:
        if hasattr(self, "store"):
            assert (self.store.head.size, self.store.head.cfg_epoch) == (len(self.leaves), self.epoch)
            assert self.store.head.at == self.at
            high = {"u1": 1_700_000_000_000_000 + self.high} if self.high >= 0 else {}
            assert self.store.highest_gen == high
            with self.kit.reader() as reader:
                assert [stored.leaf for stored in reader.walk()] == self.leaves

    def teardown(self) -> None:
        if hasattr(self, "store"):
            with self.kit.reader() as reader:
                assert len(check_ledger(reader)) == len(self.leaves)
            self.kit.close()


class SqliteMachine(LedgerMachine):
    """With what may happen to a file."""

    empty: Path

    def make_kit(self) -> Kit:
        self.folder = Path(tempfile.mkdtemp())
        path = self.folder / "ledger.sqlite"
        shutil.copy(self.empty, path)
        return SqliteKit(path)

    @rule(statement=_statements, now=st.integers(1, 1000))
    def fail(self, statement: str, now: int) -> None:
        assert isinstance(self.store, SqliteStore)
        inject(self.store, fail_at(statement, FULL))
        [outcome] = self.store.commit([Append((Record("a.b"), issued(41)))], now)
        assert shape(outcome) is AppendRefusal.FULL
        self.store.reopen()

    @rule()
    def crash(self) -> None:
        """Go on from what a crash would leave: the files as they are, the writer's memory gone."""
        assert isinstance(self.kit, SqliteKit)
        path = self.kit.path
        after = Path(tempfile.mkdtemp(dir=self.folder)) / path.name
        for suffix in ("", "-wal"):
            shutil.copy(path.with_name(path.name + suffix), after.with_name(after.name + suffix))
        self.kit.close()
        self.kit = SqliteKit(after)
        self.store = self.kit.open()

    def teardown(self) -> None:
        super().teardown()
        if hasattr(self, "store"):
            assert isinstance(self.kit, SqliteKit)
            check_whole(self.kit.path)
            shutil.rmtree(self.folder)


class PostgresMachine(LedgerMachine):
    """With what may happen to a connection, and a second node."""

    server: Postgres

    def make_kit(self) -> Kit:
        return PostgresKit(self.server)

    @initialize()
    def open(self) -> None:
        super().open()
        self.other = self.kit.open()

    @rule()
    def terminate(self) -> None:
        """Let the server end the connection; the store is not told."""
        assert isinstance(self.store, PostgresStore)
        pid = self.store._link.connection.info.backend_pid
        self.server.do(f"SELECT pg_terminate_backend({pid}, 60000)")

    @rule(number=st.integers(0, 40), now=st.integers(1, 1000))
    def append_elsewhere(self, number: int, now: int) -> None:
        record = issued(number)
        [outcome] = self.other.commit([Append((record,))], now)
        if number in self.given:
            assert shape(outcome) is AppendRefusal.DUPLICATE_SERIAL
        else:
            self.at = max(self.at, now)
            assert shape(outcome) == (len(self.leaves),)
            self.leaves.append(make_leaf(record, self.at))
            self.given.add(number)
            self.high = max(self.high, number)
        # Only now does the node learn of it.
        self.store.transact(lambda _: None)


def shape(outcome: AppendOutcome) -> tuple[int, ...] | AppendRefusal:
    return outcome.reason if isinstance(outcome, Refused) else tuple(receipt.index for receipt in outcome)


def test_the_ledger_in_a_file_is_a_list(empty_ledger: Path) -> None:
    SqliteMachine.empty = empty_ledger
    run_state_machine_as_test(
        SqliteMachine, settings=settings(max_examples=25, stateful_step_count=20, deadline=None)
    )


def test_the_ledger_on_a_server_is_a_list(postgres: Postgres) -> None:
    PostgresMachine.server = postgres
    run_state_machine_as_test(
        PostgresMachine, settings=settings(max_examples=8, stateful_step_count=20, deadline=None)
    )
