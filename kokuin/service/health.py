"""What the keeper knows of the service at one moment: JSON for status answers, gauges for `/metrics`."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kokuin.service import metrics

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kokuin.service.evidence.renewal_watch import Ends
    from kokuin.service.issuing import ActiveConfiguration
    from kokuin.service.metrics import MetricName
    from kokuin.service.ports import Readiness
    from kokuin.service.snapshot import Snapshot
    from tsa.clock.verdict import ClockVerdict


@dataclass(frozen=True, slots=True)
class Health:
    """State of clock, ledger, configuration and workers.

    Attributes:
        readiness: what `/readyz` answers.
        clock: the monitor's newest verdict, None before the first poll.
        leaves: in the ledger.
        lag_s: how long the oldest append has been waiting, seconds.
        unwitnessed_since: since when a checkpoint has wanted its quorum of witnesses, microseconds since 1970
            UTC; None when none does.
        evidence_backlog_s: how long the oldest token has been waiting for evidence, seconds.
        evidence_ends: what of the stored evidence ends first; None: no end is known.
        warnings: codes of what an operator should know, and what speaks against no request.
        active: digest and epoch of what is in force.
        snapshot: what is in force.
        workers: names of those that have reported.
        key_ends: end of the key period by unit id, microseconds since 1970 UTC.
    """

    readiness: Readiness
    clock: ClockVerdict | None
    leaves: int
    lag_s: float
    unwitnessed_since: int | None
    evidence_backlog_s: float
    evidence_ends: Ends | None
    warnings: tuple[str, ...]
    active: ActiveConfiguration
    snapshot: Snapshot
    workers: tuple[str, ...]
    key_ends: Mapping[str, int]

    def status(self) -> dict[str, Any]:
        """Return what `tsa status` and `GET /api/v1/status` show."""
        return {
            "ready": self.readiness.ready,
            "problems": list(self.readiness.problems),
            "warnings": list(self.warnings),
            "evidence_ends": None if self.evidence_ends is None else self.evidence_ends.document(),
            "leaves": self.leaves,
            "epoch": self.active.epoch,
            "cfg": self.active.digest,
            "profile": self.snapshot.default,
            "enabled": sorted(self.snapshot.enabled),
            "workers": sorted(self.workers),
            "clock": None if self.clock is None else clock_state(self.clock),
        }

    def gauges(self) -> dict[MetricName, dict[tuple[str, ...], float]]:
        """Return for each gauge its values by label values, seconds where it is a time."""
        plain = {
            metrics.LEDGER_SIZE: self.leaves,
            metrics.LEDGER_LAG: self.lag_s,
            metrics.UNWITNESSED: self._unwitnessed_s(),
            metrics.EVIDENCE_BACKLOG: self.evidence_backlog_s,
            metrics.EVIDENCE_END: 0.0 if self.evidence_ends is None else self.evidence_ends.until / 1e6,
            metrics.EVIDENCE_DUE: float(self.evidence_ends is not None and self.evidence_ends.due),
            metrics.READY: float(self.readiness.ready),
            metrics.WORKERS: len(self.workers),
        }
        if self.clock is not None:
            plain[metrics.CLOCK_FIT] = float(self.clock.fault is None)
            plain[metrics.CLOCK_OFFSET] = self.clock.offset_us / 1e6
            plain[metrics.CLOCK_UNCERTAINTY] = self.clock.uncertainty_us / 1e6
        gauges: dict[MetricName, dict[tuple[str, ...], float]] = {
            metrics.KEY_END: {(unit,): end / 1e6 for unit, end in self.key_ends.items()}
        }
        return gauges | {name: {(): float(value)} for name, value in plain.items()}

    def _unwitnessed_s(self) -> float:
        since = self.unwitnessed_since
        return 0.0 if since is None else max(0.0, time.time() - since / 1e6)


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
