"""The keeper: owner of the data folder, the ledger's writer, the clock monitor and the configuration.

Workers hold keys and sign; the keeper alone writes. With one worker both live
in one process and on one loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

import structlog

from kokuin.ledger.committer import Committer
from kokuin.ledger.reader import LedgerReader
from kokuin.ledger.refusals import RefusalCounter
from kokuin.ledger.store import SqliteStore
from kokuin.service import metrics
from kokuin.service.activation import (
    ACT_START,
    activate,
    activations,
    opening_snapshot,
    stopped_by_clock,
)
from kokuin.service.clock_watch import ClockWatch
from kokuin.service.installation import strictest_accuracy_us
from kokuin.service.issuing import ActiveConfiguration, new_id
from kokuin.service.keys_operations import KeyOperations
from kokuin.service.migration.dryrun_operations import DryRuns
from kokuin.service.ports import Push, Readiness, WorkerReport
from kokuin.service.profile_operations import ROTATION, ProfileOperations
from kokuin.service.profile_view import Schedule
from kokuin.service.snapshot import SnapshotFolder
from kokuin.service.switching import Switchboard
from kokuin.trust.journal import Refused
from kokuin.trust.records import (
    CLOCK_FIT,
    CLOCK_RESUMED,
    CLOCK_UNFIT,
    SERVICE_STARTED,
    SERVICE_STOPPED,
    Record,
)
from tsa.status import CLOCK, LEDGER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Future

    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.metrics import MetricName
    from kokuin.service.participants import Preparing
    from kokuin.service.provisioning import Act
    from kokuin.trust.journal import AppendOutcome
    from kokuin.trust.records import LeafValue
    from tsa.clock.verdict import ClockVerdict

TICK_SECONDS = 1.0
PROBE_SECONDS = 15.0
"""How often the ledger is asked to commit nothing, so that readiness knows before a client does; at every
tick while it does not, and at once when a worker was refused."""
REPORT_LIFE_SECONDS = 60.0
"""A worker that was silent for longer is not counted as ready."""

_log = structlog.get_logger()


class Keeper:
    """Runs on an event loop; everything but the ledger's `append` is called in the loop's thread."""

    def __init__(
        self,
        folder: DataFolder,
        config: Config,
        *,
        on_fatal: Callable[[str], None],
    ) -> None:
        """Open nothing yet.

        Args:
            folder: the data folder, whose lock the caller holds.
            config: the configuration to activate.
            on_fatal: told, from any thread, that this process must end now.
        """
        self._folder, self._config = folder, config
        self._on_fatal = on_fatal
        self._subscribers: dict[int, Callable[[Push], None]] = {}
        self._next = 0
        self._reports: dict[str, tuple[WorkerReport, float]] = {}
        self._metrics = metrics.MetricsView()
        self._refusals = RefusalCounter()
        self._ledger_problem = ""
        self._doubted = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._push: Push | None = None
        self._dry_runs = DryRuns(folder, config)

    async def start(self, *, serving: bool = True) -> None:
        """Open the ledger, activate the configuration, poll the clock once, and start the keeper's tasks.

        Args:
            serving: False for one operation on a folder that nobody serves: what was in force stays so,
                untried, for the operation may be what cures an unfit unit.

        Raises:
            OpenRefusedError: the ledger cannot be opened.
            ActivationError: what was in force cannot be read, or the ledger refused the configuration.
            UnitError, ProfileError: a unit is unfit; nothing was activated.
        """
        store = SqliteStore(self._folder.ledger)
        with LedgerReader(self._folder.ledger) as reader:
            named = [str(leaf["cfg"]) for leaf in activations(reader)]
            stopped_before = stopped_by_clock(reader)
            pending = Schedule.pending(reader)
        previous = named[0] if named else None
        snapshot, fit = await asyncio.to_thread(
            opening_snapshot, self._folder, self._config, previous, serving=serving
        )
        if fit:
            await asyncio.to_thread(SnapshotFolder(self._folder.active).save, snapshot)
        self.journal = Committer(
            store, capacity=self._config.ledger.queue, clock_ns=time.time_ns, on_fatal=self._on_fatal
        )
        self._active = ActiveConfiguration(self.journal.cfg_epoch, "")
        if fit:
            fields = {"act": ACT_START, "actor": "keeper"}
            self._active = await activate(self.journal, snapshot, previous, fields)
        SnapshotFolder(self._folder.active).prune({*named, self._active.digest})
        accuracy_us = strictest_accuracy_us(snapshot)
        self.switchboard = Switchboard(
            self._folder,
            self._config,
            self.journal,
            snapshot=snapshot,
            active=self._active,
            guarded_us=accuracy_us if serving else 0,
            on_active=self._activated,
            on_act=self._record_act,
        )
        shared = (self._folder, self._config, self.switchboard, self._recorded)
        self._operations = ProfileOperations(*shared, pending)
        self._keys = KeyOperations(*shared)
        settings = self._config.clock_settings(accuracy_us)
        self._clock = ClockWatch(settings, self._judged, stopped_before=stopped_before)
        self._record(SERVICE_STARTED, {"profile": snapshot.default})
        await self._clock.poll()
        self._tasks = [
            asyncio.create_task(self._clock.run(), name="clock"),
            asyncio.create_task(self._watch_ledger(), name="ledger"),
            asyncio.create_task(self._tick(), name="tick"),
        ]

    async def stop(self) -> None:
        """Write what is still counted, then close the ledger; the last of all to stop."""
        for task in self._tasks:
            task.cancel()
        await self._dry_runs.close()
        self._record_counted(self._refusals.drain())
        self._record(SERVICE_STOPPED, {})
        await asyncio.to_thread(self.journal.close)

    @property
    def active(self) -> ActiveConfiguration:
        """The configuration in force."""
        return self._active

    def subscribe(self, on_push: Callable[[Push], None]) -> Callable[[], None]:
        """Tell `on_push` the present state now and every change later; the result ends that."""
        number = self._next = self._next + 1
        self._subscribers[number] = on_push
        self._push = None  # the newcomer must hear the present state, whatever the others heard last
        self._publish()

        def unsubscribe() -> None:
            self._subscribers.pop(number, None)

        return unsubscribe

    def enlist(self, name: str, worker: Preparing) -> Callable[[], None]:
        """Ask a worker at every switch; see `Switchboard.enlist`."""
        return self.switchboard.enlist(name, worker)

    def _activated(self, active: ActiveConfiguration) -> None:
        self._active = active
        self._publish()

    async def _recorded(self, kind: str, fields: Mapping[str, LeafValue]) -> bool:
        """Append what whoever asked waits for; False when the ledger refused it."""
        outcome: AppendOutcome = await asyncio.wrap_future(self._record(kind, fields))
        return not isinstance(outcome, Refused)

    def _record_act(self, act: Act) -> None:
        self._record(act.kind, act.fields)

    def report(self, worker: str, report: WorkerReport) -> None:
        """Take what a worker counted."""
        known = worker in self._reports
        self._reports[worker] = (report, time.monotonic())
        if not known:
            self._publish()
        self._metrics.report(worker, report.counters)
        now_us = time.time_ns() // 1_000
        for code, profile, count in report.refusals:
            self._refusals.note(code, profile, now_us, count)
            if code == LEDGER.code:
                self._doubted.set()
            if code == CLOCK.code:
                self._clock.doubt()

    def retire(self, worker: str) -> None:
        """Forget a worker whose link is gone."""
        self._reports.pop(worker, None)
        self._metrics.retire(worker)

    async def ask(self, operation: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Answer a question of a worker or of the owner socket; `ok` is False for one that nobody knows.

        Who asks stands in `arguments["actor"]`, set by whoever let the question in.
        """
        desk = self._desk(operation)
        if desk is not None:
            return await desk.ask(operation, arguments)
        match operation:
            case "metrics":
                return {"ok": True, "text": self._metrics.render(self._gauges()).decode()}
            case "status":
                return {"ok": True, **self._status()}
            case "clock.resume":
                return await self._resume()
        return {"ok": False, "code": "OPERATION_UNKNOWN"}

    def _desk(self, operation: str) -> ProfileOperations | KeyOperations | DryRuns | None:
        """Return who answers a group of operations."""
        if operation == ROTATION:
            return self._operations
        desks: dict[str, ProfileOperations | KeyOperations | DryRuns] = {
            "profile": self._operations,
            "keys": self._keys,
            "dryrun": self._dry_runs,
        }
        return desks.get(operation.partition(".")[0])

    def _state(self) -> Push:
        return Push(self._clock.verdict, self._active, dict(self.journal.highest_gen()), self._readiness())

    def _readiness(self) -> Readiness:
        problems = []
        fault = self._clock.fault(self._highest_gen())
        if fault is not None:
            problems.append(fault.value)
        if self._ledger_problem:
            problems.append(self._ledger_problem)
        now = time.monotonic()
        fresh = [report for report, at in self._reports.values() if now - at < REPORT_LIFE_SECONDS]
        if not fresh:
            problems.append("WORKER_NONE")
        problems.extend(sorted({report.probe for report in fresh if report.probe}))
        return Readiness(tuple(problems))

    def _highest_gen(self) -> int:
        """Highest genTime that the ledger holds of the units at work, microseconds since 1970 UTC."""
        units = {unit for report, _ in self._reports.values() for unit in report.key_ends}
        return max((gen for unit, gen in self.journal.highest_gen().items() if unit in units), default=0)

    def _publish(self) -> None:
        push = self._state()
        if push != self._push:
            self._push = push
            for on_push in tuple(self._subscribers.values()):
                on_push(push)

    def _judged(self, verdict: ClockVerdict, changed: bool) -> None:  # noqa: FBT001  # the watch's callback
        if changed:
            kind = CLOCK_FIT if verdict.fault is None else CLOCK_UNFIT
            fields = {
                "reason": verdict.fault.value if verdict.fault else "",
                "clock": verdict.source,
                "clk_off": verdict.offset_us,
                "clk_unc": verdict.uncertainty_us,
            }
            self._record(kind, fields)
            _log.info(kind, reason=fields["reason"], detail=verdict.detail)
        self._publish()

    async def _resume(self) -> dict[str, Any]:
        if not self._clock.resume():
            return {"ok": False, "code": "CLOCK_NOT_HELD"}
        self._record(CLOCK_RESUMED, {})
        await self._clock.poll()
        return {"ok": True}

    async def _watch_ledger(self) -> None:
        while True:
            self._doubted.clear()
            # An append of nothing goes through the same transaction and fsync, and adds no leaf.
            outcome = await asyncio.wrap_future(self.journal.append())
            problem = outcome.reason.value if isinstance(outcome, Refused) else ""
            if problem != self._ledger_problem:
                self._ledger_problem = problem
                _log.warning("ledger.unfit" if problem else "ledger.fit", reason=problem)
            self._publish()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_SECONDS if problem else PROBE_SECONDS):
                    await self._doubted.wait()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self._record_counted(self._refusals.due(time.time_ns() // 1_000))
            await self._operations.tick(time.time_ns() // 1_000)
            self._publish()

    def _record(self, kind: str, fields: Mapping[str, LeafValue]) -> Future[AppendOutcome]:
        """Append what needs no answer; what the ledger refuses is at least in the log."""
        common = {"id": new_id(), "tenant": "service", "actor": "keeper", "cfg": self._active.digest}
        future = self.journal.append(Record(kind, {**common, **fields}))
        future.add_done_callback(_log_refused)
        return future

    def _record_counted(self, counts: tuple[Record, ...]) -> None:
        for count in counts:
            self._record(count.kind, count.fields)

    def _status(self) -> dict[str, Any]:
        verdict = self._clock.verdict
        readiness = self._readiness()
        return {
            "ready": readiness.ready,
            "problems": list(readiness.problems),
            "leaves": self.journal.size,
            "epoch": self._active.epoch,
            "cfg": self._active.digest,
            "profile": self.switchboard.snapshot.default,
            "enabled": sorted(self.switchboard.snapshot.enabled),
            "workers": sorted(self._reports),
            "clock": None if verdict is None else clock_state(verdict),
        }

    def _gauges(self) -> dict[MetricName, dict[tuple[str, ...], float]]:
        verdict = self._clock.verdict
        plain = {
            metrics.LEDGER_SIZE: self.journal.size,
            metrics.LEDGER_LAG: self.journal.lag(),
            metrics.READY: float(self._readiness().ready),
            metrics.WORKERS: len(self._reports),
        }
        if verdict is not None:
            plain[metrics.CLOCK_FIT] = float(verdict.fault is None)
            plain[metrics.CLOCK_OFFSET] = verdict.offset_us / 1e6
            plain[metrics.CLOCK_UNCERTAINTY] = verdict.uncertainty_us / 1e6
        gauges: dict[MetricName, dict[tuple[str, ...], float]] = {
            metrics.KEY_END: {
                (unit,): end / 1e6
                for report, _ in self._reports.values()
                for unit, end in report.key_ends.items()
            }
        }
        return gauges | {name: {(): float(value)} for name, value in plain.items()}


def clock_state(verdict: ClockVerdict) -> dict[str, Any]:
    """A verdict as JSON, for status answers."""
    return {
        "fault": verdict.fault.value if verdict.fault else None,
        "detail": verdict.detail,
        "source": verdict.source,
        "offset_us": verdict.offset_us,
        "uncertainty_us": verdict.uncertainty_us,
        "leap": verdict.leap,
    }


def _log_refused(future: Future[AppendOutcome]) -> None:
    outcome = future.result()
    if isinstance(outcome, Refused):
        _log.error("append.refused", reason=outcome.reason.value, detail=outcome.detail)
