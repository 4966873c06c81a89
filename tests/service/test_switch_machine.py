"""Any order of switches, refusals, deaths and restarts: in force is always what the last leaf names."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeVar
from unittest.mock import patch

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from kokuin.service import activation, candidates, participants, switching
from kokuin.service.activation import first_snapshot, with_units_found, without_ended
from kokuin.service.config import Config
from kokuin.service.datafolder import DataFolder
from kokuin.service.snapshot import Snapshot, SnapshotFolder, UnitReference
from kokuin.service.switch_refusals import SwitchRefusedError
from kokuin.service.switching import Switchboard
from kokuin.service.unit_errors import UnitEndedError, UnitError
from kokuin.trust.journal import AppendRefusal, Refused
from kokuin.trust.records import Receipt, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Mapping

    from kokuin.service.issuing import ActiveConfiguration
    from kokuin.trust.journal import AppendOutcome

T = TypeVar("T")

PROFILES = ("classical", "classical-rsa", "pq", "bundle", "cnsa2")
UNITS = ("classical", "classical-rsa", "pq", "cnsa2")
BEHAVIOURS = ("ready", "not ready", "silent", "dying")


class DiedError(Exception):
    """The keeper's process is no more."""


class FakeJournal:
    """A ledger that knows leaves and an epoch, refuses and dies to order."""

    def __init__(self) -> None:
        self.leaves: list[Mapping[str, Any]] = []
        self.next = "good"

    @property
    def cfg_epoch(self) -> int:
        return len(self.leaves)

    def append_epoch(self, record: Record, new_epoch: int) -> Future[AppendOutcome]:
        """Write the leaf of an activation, or not."""
        outcome, self.next = self.next, "good"
        future: Future[AppendOutcome] = Future()
        if outcome == "dies before":
            raise DiedError
        if outcome == "refuses" or new_epoch <= self.cfg_epoch:
            future.set_result(Refused(AppendRefusal.FULL))
            return future
        self.leaves.append(record.fields)
        if outcome == "dies after":
            raise DiedError
        future.set_result((Receipt(len(self.leaves) - 1, 0),))
        return future

    def accepts(self, epoch: int) -> bool:
        """Say whether a token of this epoch becomes durable."""
        return epoch == self.cfg_epoch


class FakeWorker:
    """What a worker makes of preparing and of what it is told is active."""

    def __init__(self, folder: SnapshotFolder, behaviour: str, active: ActiveConfiguration) -> None:
        self.folder, self.behaviour = folder, behaviour
        self.prepared: dict[str, Snapshot] = {}
        self.leave: Callable[[], None] = lambda: None
        self.on_active(active)

    async def prepare(self, digest: str) -> str:
        """Part of `Preparing`."""
        if self.behaviour == "silent":
            await asyncio.Event().wait()
        if self.behaviour == "dying":
            self.behaviour = "dead"
            self.leave()
            return ""
        if self.behaviour != "ready":
            return self.behaviour
        self.prepared[digest] = self.folder.load(digest)
        return ""

    def abandon(self, digest: str) -> None:
        """Part of `Preparing`."""
        self.prepared.pop(digest, None)

    def on_active(self, active: ActiveConfiguration) -> None:
        """Install what is active, prepared or not."""
        self.active = active
        self.installed = self.prepared.get(active.digest) or self.folder.load(active.digest)
        self.prepared.clear()


class Switching(RuleBasedStateMachine):
    """A switchboard with fakes around it."""

    @initialize()
    def begin(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="kokuin-switching-"))
        self.folder, self.config = DataFolder(self.root), Config(profile="classical")
        self.snapshots = SnapshotFolder(self.folder.active)
        self.journal = FakeJournal()
        self.broken: set[str] = set()
        self.ended: set[str] = set()
        self.workers: list[FakeWorker] = []
        self.loop = asyncio.new_event_loop()
        self.patches = contextlib.ExitStack()
        for module, name, fake in (
            (candidates, "activations", self._activations),
            (candidates, "open_reader", lambda *_: contextlib.nullcontext()),
            (switching, "provide_units", lambda *_: None),
            (participants, "PREPARE_SECONDS", 0.01),
            (activation, "load_installation", self._load),
        ):
            self.patches.enter_context(patch.object(module, name, fake))
        self._start()

    def teardown(self) -> None:
        if hasattr(self, "loop"):
            self.patches.close()
            self.loop.run_until_complete(self.loop.shutdown_default_executor())
            self.loop.close()
            shutil.rmtree(self.root)

    def _activations(self, _: object) -> Iterator[Mapping[str, Any]]:
        return iter(self.journal.leaves[::-1])

    def _load(self, _folder: object, _config: object, snapshot: Snapshot, _clock: object = None) -> Any:
        owners = {owner for name in snapshot.enabled for owner in snapshot.profile(name).units}
        for kind, unfit in ((UnitError, self.broken), (UnitEndedError, self.ended)):
            for owner in sorted(owners & unfit):
                error = kind(owner)
                error.owner = owner
                raise error
        period = SimpleNamespace(start_us=0, end_us=2**62)
        units = {owner: UnitReference(f"unit-{owner}", "c" * 64) for owner in owners}
        return SimpleNamespace(units=units, periods=dict.fromkeys(owners, period))

    def _run(self, act: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(act)

    def _start(self) -> None:
        """Do what a keeper does at its start."""
        leaves = self.journal.leaves
        if leaves:
            last = self.snapshots.load(leaves[-1]["cfg"])
            with contextlib.suppress(UnitError):
                last = without_ended(self.folder, self.config, last)
        else:
            last = with_units_found(self.folder, self.config, first_snapshot(self.folder, self.config))
        self.snapshots.save(last)
        previous = leaves[-1]["cfg"] if leaves else None
        fields = {"act": "start", "actor": "keeper"}
        self.journal.next = "good"
        active = self._run(activation.activate(self.journal, last, previous, fields))  # type: ignore[arg-type]
        self.snapshots.prune({leaf["cfg"] for leaf in leaves})
        self.workers = []
        self.board = Switchboard(
            self.folder,
            self.config,
            self.journal,  # type: ignore[arg-type]
            snapshot=last,
            active=active,
            guarded_us=1_000_000,
            on_active=self._active,
            on_act=lambda _: None,
        )

    def _active(self, active: ActiveConfiguration) -> None:
        for worker in self.workers:
            if worker.behaviour != "dead":
                worker.on_active(active)

    def _try(self, act: Coroutine[Any, Any, ActiveConfiguration]) -> bool:
        """Do an act; True when it was done. A refused one changes nothing."""
        before, count = (self.board.snapshot, self.board.active), len(self.journal.leaves)
        try:
            active = self._run(act)
        except SwitchRefusedError:
            assert (self.board.snapshot, self.board.active) == before
            assert len(self.journal.leaves) == count
            return False
        except DiedError:
            self._start()
            return False
        assert active == self.board.active
        return True

    @rule(name=st.sampled_from(PROFILES))
    def use(self, name: str) -> None:
        was_on = self.board.snapshot.enabled
        if self._try(self.board.use(name, "owner")):
            assert self.board.snapshot.default == name
            lost = was_on - self.board.snapshot.enabled
            assert all(set(self._units(gone)) & self.ended for gone in lost), "turned off without need"

    @rule(name=st.sampled_from(PROFILES))
    def disable(self, name: str) -> None:
        if self._try(self.board.disable(name, "owner")):
            assert name not in self.board.snapshot.enabled

    @rule()
    def rollback(self) -> None:
        before = self.board.snapshot
        if self._try(self.board.rollback("owner")):
            after = self.board.snapshot
            assert (after.default, after.enabled) != (before.default, before.enabled)
            used = {unit for name in after.enabled for unit in after.profile(name).units}
            assert not used & (self.broken | self.ended), "went back to an unfit unit"

    @rule(unit=st.sampled_from(UNITS), whole=st.booleans())
    def a_key_breaks_or_is_mended(self, unit: str, whole: bool) -> None:  # noqa: FBT001  # drawn
        (self.broken.discard if whole else self.broken.add)(unit)

    @rule(unit=st.sampled_from(UNITS))
    def a_certificate_is_revoked(self, unit: str) -> None:
        if len(self.ended) < 2:
            self.ended.add(unit)

    @precondition(lambda self: len(self.workers) < 3)
    @rule(behaviour=st.sampled_from(BEHAVIOURS))
    def a_worker_joins(self, behaviour: str) -> None:
        worker = FakeWorker(self.snapshots, behaviour, self.board.active)
        self.workers.append(worker)
        worker.leave = self.board.enlist(f"worker-{len(self.workers)}", worker)

    @rule(behaviour=st.sampled_from(BEHAVIOURS), number=st.integers(0, 2))
    def a_worker_changes_its_mind(self, behaviour: str, number: int) -> None:
        alive = [worker for worker in self.workers if worker.behaviour != "dead"]
        if number < len(alive):
            alive[number].behaviour = behaviour

    @rule(outcome=st.sampled_from(("refuses", "dies before", "dies after")))
    def the_ledger_will_fail(self, outcome: str) -> None:
        self.journal.next = outcome

    @rule()
    def the_service_starts_again(self) -> None:
        self._start()

    @invariant()
    def in_force_is_what_the_last_leaf_names(self) -> None:
        if not hasattr(self, "board"):
            return
        leaf = self.journal.leaves[-1]
        assert self.board.active.digest == leaf["cfg"] == self.board.snapshot.digest()
        assert self.snapshots.load(leaf["cfg"]) == self.board.snapshot
        assert (leaf["profile"], leaf["enabled"]) == (
            self.board.snapshot.default,
            sorted(self.board.snapshot.enabled),
        )
        assert self.board.snapshot.default in self.board.snapshot.enabled

    @invariant()
    def the_epoch_only_rises_and_leaves_form_a_chain(self) -> None:
        if not hasattr(self, "board"):
            return
        assert self.board.active.epoch == self.journal.cfg_epoch
        chain = [leaf["cfg"] for leaf in self.journal.leaves]
        assert [leaf["cfg_before"] for leaf in self.journal.leaves] == ["", *chain[:-1]]
        assert all(self.snapshots.holds(digest) for digest in chain), "a leaf names what is not kept"

    @invariant()
    def what_is_off_never_issues(self) -> None:
        for worker in getattr(self, "workers", ()):
            if self.journal.accepts(worker.active.epoch):
                assert worker.installed.enabled == self.board.snapshot.enabled
            else:
                assert worker.behaviour == "dead"

    def _units(self, name: str) -> tuple[str, ...]:
        return {"bundle": ("classical", "pq")}.get(name, (name,))


Switching.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestSwitching = Switching.TestCase
