"""The keeper: owner of the data folder, the ledger's writer, the clock monitor and the configuration.

Workers hold keys and sign; the keeper alone writes. With one worker both live
in one process and on one loop.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import structlog

from kokuin.ledger.refusals import RefusalCounter
from kokuin.service.access.access_desk import AccessDesk
from kokuin.service.access.people import People, open_state
from kokuin.service.access.withdrawals import withdraw_recorded
from kokuin.service.announcing import Announcer
from kokuin.service.clock_watch import ClockWatch
from kokuin.service.desks import Desks
from kokuin.service.evidence.batcher import Batcher
from kokuin.service.evidence.renewal_watch import RenewalWatch
from kokuin.service.evidence.renewing import Renewer
from kokuin.service.installation import strictest_accuracy_us
from kokuin.service.keeper_view import KeeperView
from kokuin.service.ledger_desk import LedgerDesk
from kokuin.service.ledger_watch import LedgerWatch
from kokuin.service.metrics import MetricsView
from kokuin.service.opening import open_ledger
from kokuin.service.recording import Recorder
from kokuin.service.switching import Switchboard
from kokuin.service.tasks import lifelong
from kokuin.service.vouching import Vouching
from kokuin.service.worker_reports import WorkerReports
from kokuin.trust.records import (
    CLOCK_FIT,
    CLOCK_RESUMED,
    CLOCK_UNFIT,
    SERVICE_STARTED,
    SERVICE_STOPPED,
    TST_REFUSED,
)
from tsa.status import CLOCK, LEDGER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.issuing import ActiveConfiguration
    from kokuin.service.opening import Opened
    from kokuin.service.participants import Preparing
    from kokuin.service.ports import Push, WorkerReport
    from kokuin.service.unit_alone import Present
    from tsa.clock.verdict import ClockVerdict

TICK_SECONDS = 1.0

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
        self._reports = WorkerReports()
        self._metrics = MetricsView()
        self._refusals = RefusalCounter(TST_REFUSED, "profile")
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, *, serving: bool = True) -> None:
        """Open the ledger, activate the configuration, poll the clock once, and start the keeper's tasks.

        Args:
            serving: False for one operation on a folder that nobody serves: what was in force stays so,
                untried, for the operation may be what cures an unfit unit.

        Raises:
            OpenRefusedError: the ledger cannot be opened.
            ActivationError: what was in force cannot be read, or the ledger refused the configuration.
            UnitError, ProfileError: a unit is unfit; nothing was activated.
            StateRefusedError: `state.db` cannot be read; the ledger was not opened.
        """
        # First: a keeper that does not know who may do what writes no record and lets nobody in.
        self._store = await asyncio.to_thread(open_state, self._folder.state)
        try:
            opened = await open_ledger(self._folder, self._config, self._on_fatal, serving=serving)
        except BaseException:
            self._store.close()
            raise
        self.journal, self._active = opened.journal, opened.active
        self._records = Recorder(opened.journal, lambda: self._active.digest)
        await asyncio.to_thread(withdraw_recorded, self._folder, self._config, self._store)
        self.people = People(self._store, self._records)
        self._take_up(opened, serving=serving)
        await self._access.begin()
        self._records.record(SERVICE_STARTED, {"profile": opened.snapshot.default})
        await self._clock.poll()
        self._tasks = [
            lifelong(self._clock.run(), "clock", self._on_fatal),
            lifelong(self._ledger.run(), "ledger", self._on_fatal),
            lifelong(self._log.run(), "log", self._on_fatal),
            lifelong(self._evidence.run(), "evidence", self._on_fatal),
            lifelong(self._ends.run(), "evidence ends", self._on_fatal),
            lifelong(self._access.run(), "access", self._on_fatal),
            lifelong(self._tick(), "tick", self._on_fatal),
        ]

    def _take_up(self, opened: Opened, *, serving: bool) -> None:
        """Make whoever answers for what is in force."""
        accuracy_us = strictest_accuracy_us(opened.snapshot)
        self.switchboard = Switchboard(
            self._folder,
            self._config,
            self.journal,
            snapshot=opened.snapshot,
            active=self._active,
            guarded_us=accuracy_us if serving else 0,
            on_active=self._activated,
            on_act=self._records.act,
        )
        self._open_desks(opened)
        settings = self._config.clock_settings(accuracy_us)
        self._clock = ClockWatch(settings, self._judged, stopped_before=opened.stopped_by_clock)
        self._ledger = LedgerWatch(self.journal, self._publish)
        self._open_log(opened)
        self._owe_evidence()
        self._desks.add({"ledger": self._log, "evidence": self._renewer})
        self._view = KeeperView(
            self.journal,
            self.switchboard,
            self._clock,
            self._ledger,
            self._log,
            self._evidence,
            self._ends,
            self._access.emergency,
            self._reports,
            active=lambda: self._active,
        )
        self._announcer = Announcer(self._view.push)

    def _open_desks(self, opened: Opened) -> None:
        """Make whoever answers operators."""
        self._access = AccessDesk(
            self._folder,
            self._config,
            self._store,
            self.journal,
            self._records,
            self.people,
            switches=lambda: self._desks.profiles,
            on_change=self._publish,
        )
        self._desks = Desks(
            self._folder,
            self._config,
            self.journal,
            self._records,
            self.switchboard,
            self.people,
            self._access,
            opened,
            self.subscribe,
        )

    def _open_log(self, opened: Opened) -> None:
        """Make whoever publishes the ledger."""
        self._log = LedgerDesk(
            self._folder,
            self._config,
            self.journal,
            opened.signer,
            self._records,
            vouching=lambda publisher: Vouching(
                self._folder,
                self._config,
                self.journal,
                publisher,
                self._records,
                opened.witnesses,
                self._present,
                on_problem=self._publish,
            ),
            on_problem=self._publish,
            on_fatal=self._on_fatal,
        )

    def _owe_evidence(self) -> None:
        """Make whoever makes evidence, renews it, and knows when it ends."""
        issuing = (
            self._folder,
            self._config,
            self._records,
            self._present,
            lambda: self._access.emergency.stopped,
        )
        self._evidence = Batcher(*issuing, on_problem=self._publish)
        self._renewer = Renewer(*issuing)
        self._ends = RenewalWatch(self._folder, self._config)

    async def stop(self) -> None:
        """Write what is still counted, then close the ledger; the last of all to stop."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._desks.close()
        await self._access.close()
        self._records.counted(self._refusals.drain())
        await self._records.recorded(SERVICE_STOPPED, {})
        await self._log.stop()
        await asyncio.to_thread(self.journal.close)
        await asyncio.to_thread(self._store.close)

    @property
    def active(self) -> ActiveConfiguration:
        """The configuration in force."""
        return self._active

    def subscribe(self, on_push: Callable[[Push], None]) -> Callable[[], None]:
        """Tell `on_push` the present state now and every change later; the result ends that."""
        return self._announcer.subscribe(on_push)

    def enlist(self, name: str, worker: Preparing) -> Callable[[], None]:
        """Ask a worker at every switch; see `Switchboard.enlist`."""
        return self.switchboard.enlist(name, worker)

    def _present(self) -> Present:
        return self._view.present()

    def _activated(self, active: ActiveConfiguration) -> None:
        self._active = active
        self._publish()

    def report(self, worker: str, report: WorkerReport) -> None:
        """Take what a worker counted."""
        if self._reports.take(worker, report):
            self._publish()
        self._metrics.report(worker, report.counters)
        self._access.take(report)
        now_us = time.time_ns() // 1_000
        for code, profile, count in report.refusals:
            self._refusals.note(code, profile, now_us, count)
            if code == LEDGER.code:
                self._ledger.doubt()
            if code == CLOCK.code:
                self._clock.doubt()

    def retire(self, worker: str) -> None:
        """Forget a worker whose link is gone."""
        self._reports.retire(worker)
        self._metrics.retire(worker)

    async def ask(self, operation: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Answer a question of a worker or of the owner socket; `ok` is False for one that nobody knows.

        Who asks stands in `arguments["actor"]`, set by whoever let the question in.
        """
        desk = self._desks.of(operation)
        if desk is not None:
            return await desk.ask(operation, arguments)
        match operation:
            case "metrics":
                self._metrics.report("keeper", self._evidence.counters)
                return {"ok": True, "text": self._metrics.render(self._view.health().gauges()).decode()}
            case "status":
                return {"ok": True, **self._view.health().status()}
            case "clock.resume":
                return await self._resume()
        return {"ok": False, "code": "OPERATION_UNKNOWN"}

    def _publish(self) -> None:
        self._announcer.publish()

    def _judged(self, verdict: ClockVerdict, changed: bool) -> None:  # noqa: FBT001  # the watch's callback
        if changed:
            kind = CLOCK_FIT if verdict.fault is None else CLOCK_UNFIT
            fields = {
                "reason": verdict.fault.value if verdict.fault else "",
                "clock": verdict.source,
                "clk_off": verdict.offset_us,
                "clk_unc": verdict.uncertainty_us,
            }
            self._records.record(kind, fields)
            _log.info(kind, reason=fields["reason"], detail=verdict.detail)
        self._publish()

    async def _resume(self) -> dict[str, Any]:
        if not self._clock.resume():
            return {"ok": False, "code": "CLOCK_NOT_HELD"}
        self._records.record(CLOCK_RESUMED, {})
        await self._clock.poll()
        return {"ok": True}

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now_us = time.time_ns() // 1_000
            self._records.counted(self._refusals.due(now_us))
            self._access.tick(now_us)
            await self._desks.profiles.tick(now_us)
            self._publish()
