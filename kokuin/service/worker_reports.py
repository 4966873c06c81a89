"""What the workers reported last, and when: who is at work, whether they sign, until when their keys do."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kokuin.service.ports import WorkerReport

REPORT_LIFE_SECONDS = 60.0
"""A worker that was silent for longer is not counted as ready."""


class WorkerReports:
    """The last report of each worker whose link is there."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[WorkerReport, float]] = {}

    def take(self, worker: str, report: WorkerReport) -> bool:
        """Keep a report; True when it is the worker's first."""
        first = worker not in self._last
        self._last[worker] = (report, time.monotonic())
        return first

    def retire(self, worker: str) -> None:
        """Forget a worker whose link is gone."""
        self._last.pop(worker, None)

    @property
    def workers(self) -> tuple[str, ...]:
        """Names of those that have reported."""
        return tuple(self._last)

    def key_ends(self) -> dict[str, int]:
        """End of the key period by unit id, of the units at work, microseconds since 1970 UTC."""
        return {unit: end for report, _ in self._last.values() for unit, end in report.key_ends.items()}

    def problems(self) -> list[str]:
        """Codes that speak against readiness: no worker is there, or one could not stamp its probe."""
        now = time.monotonic()
        fresh = [report for report, at in self._last.values() if now - at < REPORT_LIFE_SECONDS]
        if not fresh:
            return ["WORKER_NONE"]
        return sorted({report.probe for report in fresh if report.probe})
