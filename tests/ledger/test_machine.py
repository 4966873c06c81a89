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
from kokuin.ledger.reader import LedgerReader
from kokuin.ledger.store import SqliteStore
from kokuin.trust.journal import AppendRefusal, Refused
from kokuin.trust.records import CFG_ACTIVATED, Record
from tests.ledger.samples import check_whole, fail_at, inject, issued

if TYPE_CHECKING:
    from kokuin.trust.journal import AppendOutcome

_numbers = st.lists(st.lists(st.integers(0, 40), min_size=0, max_size=3), min_size=1, max_size=5)
_statements = st.sampled_from(
    ["BEGIN", "UPDATE", "INSERT OR ROLLBACK INTO entry", "INSERT OR ROLLBACK INTO ix", "COMMIT"]
)
FULL = 13


class LedgerMachine(RuleBasedStateMachine):
    """The model: leaves in order, serials given, the last `at`, the epoch, the highest genTime."""

    empty: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.path = self.folder / "ledger.sqlite"
        self.leaves: list[bytes] = []
        self.given: set[int] = set()
        self.at, self.epoch, self.high = 0, 0, -1

    @initialize()
    def open(self) -> None:
        shutil.copy(self.empty, self.path)
        self.store = SqliteStore(self.path)

    @rule(batch=_numbers, now=st.integers(1, 1000), old=st.booleans())
    def commit(self, batch: list[list[int]], now: int, old: bool) -> None:  # noqa: FBT001 - drawn by Hypothesis
        cfg_epoch = self.epoch - 1 if old else None
        appends = [Append(tuple(issued(number, cfg_epoch=cfg_epoch) for number in one)) for one in batch]
        expected = [self.model(append, one, now, old=old) for append, one in zip(appends, batch, strict=True)]
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

    @rule(statement=_statements, now=st.integers(1, 1000))
    def fail(self, statement: str, now: int) -> None:
        inject(self.store, fail_at(statement, FULL))
        [outcome] = self.store.commit([Append((Record("a.b"), issued(41)))], now)
        assert shape(outcome) is AppendRefusal.FULL
        self.store.reopen()

    @rule()
    def crash(self) -> None:
        """Go on from what a crash would leave: the files as they are, the writer's memory gone."""
        after = Path(tempfile.mkdtemp(dir=self.folder)) / self.path.name
        for suffix in ("", "-wal"):
            shutil.copy(self.path.with_name(self.path.name + suffix), after.with_name(after.name + suffix))
        self.store.close()
        self.path = after
        self.store = SqliteStore(self.path)

    @rule()
    def restart(self) -> None:
        self.store.close()
        self.store = SqliteStore(self.path)

    @rule()
    def checkpoint(self) -> None:
        self.store.tidy()

    @rule(number=st.integers(0, 41))
    def look_up(self, number: int) -> None:
        with LedgerReader(self.path) as reader:
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
            with LedgerReader(self.path) as reader:
                assert [stored.leaf for stored in reader.walk()] == self.leaves

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            assert len(check_whole(self.path)) == len(self.leaves)
        shutil.rmtree(self.folder)


def shape(outcome: AppendOutcome) -> tuple[int, ...] | AppendRefusal:
    return outcome.reason if isinstance(outcome, Refused) else tuple(receipt.index for receipt in outcome)


def test_the_ledger_is_a_list(empty_ledger: Path) -> None:
    LedgerMachine.empty = empty_ledger
    run_state_machine_as_test(
        LedgerMachine, settings=settings(max_examples=25, stateful_step_count=20, deadline=None)
    )
