"""What the parts of a keeper say together: whether requests should come here, and how it does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from kokuin.service.access.emergency import PROBLEM as STOPPED
from kokuin.service.health import Health
from kokuin.service.ports import Push, Readiness
from kokuin.service.unit_alone import Present

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kokuin.ledger.committer import Committer
    from kokuin.service.access.emergency import Emergency
    from kokuin.service.clock_watch import ClockWatch
    from kokuin.service.evidence.renewal_watch import RenewalWatch
    from kokuin.service.issuing import ActiveConfiguration
    from kokuin.service.ledger_watch import LedgerWatch
    from kokuin.service.switching import Switchboard
    from kokuin.service.worker_reports import WorkerReports


class _Log(Protocol):
    """The publisher of the log, as far as it is asked how it does."""

    @property
    def problems(self) -> tuple[str, ...]: ...

    @property
    def unwitnessed_since(self) -> int | None: ...


class _Evidence(Protocol):
    """The batcher, likewise."""

    @property
    def problems(self) -> Mapping[str, str]: ...

    @property
    def warnings(self) -> tuple[str, ...]: ...

    @property
    def backlog_s(self) -> float: ...


@dataclass(frozen=True, slots=True)
class KeeperView:
    """A keeper's parts, which are looked at and not changed."""

    journal: Committer
    switchboard: Switchboard
    clock: ClockWatch
    ledger: LedgerWatch
    log: _Log
    evidence: _Evidence
    ends: RenewalWatch
    emergency: Emergency
    reports: WorkerReports
    active: Callable[[], ActiveConfiguration]

    def push(self) -> Push:
        """Return what every worker is told."""
        floors = dict(self.journal.highest_gen())
        return Push(
            self.clock.verdict,
            self.active(),
            floors,
            self.readiness(),
            self.emergency.stopped,
            tuple(sorted(self.evidence.problems)),
        )

    def readiness(self) -> Readiness:
        """Return what `/readyz` answers."""
        problems = [STOPPED] if self.emergency.stopped else []
        fault = self.clock.fault(self._highest_gen())
        if fault is not None:
            problems.append(fault.value)
        if self.ledger.problem:
            problems.append(self.ledger.problem)
        evidence = sorted({*self.evidence.problems.values()})
        return Readiness((*problems, *self.log.problems, *evidence, *self.reports.problems()))

    def present(self) -> Present:
        """Return what a unit issues under now; for stamps by a unit of this service."""
        floors = dict(self.journal.highest_gen())
        return Present(self.switchboard.snapshot, self.active(), self.clock.verdict, floors)

    def health(self) -> Health:
        """Return all of it, for metrics and the command line."""
        return Health(
            readiness=self.readiness(),
            clock=self.clock.verdict,
            leaves=self.journal.size,
            lag_s=self.journal.lag(),
            unwitnessed_since=self.log.unwitnessed_since,
            evidence_backlog_s=self.evidence.backlog_s,
            evidence_ends=self.ends.first,
            warnings=(*self.ends.warnings, *self.evidence.warnings),
            active=self.active(),
            snapshot=self.switchboard.snapshot,
            workers=self.reports.workers,
            key_ends=self.reports.key_ends(),
        )

    def _highest_gen(self) -> int:
        """Highest genTime that the ledger holds of the units at work, microseconds since 1970 UTC."""
        units = self.reports.key_ends()
        return max((gen for unit, gen in self.journal.highest_gen().items() if unit in units), default=0)
