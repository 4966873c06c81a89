"""The source for development: the wall clock is believed."""

from __future__ import annotations

from tsa.clock.sample import SourceReport
from tsa.clock.settings import SourceKind


class SystemSource:
    """Reports offset 0 and the configured uncertainty; verdicts name it, so that every leaf is marked."""

    kind = SourceKind.SYSTEM

    def __init__(self, uncertainty_us: int) -> None:
        self._report = SourceReport(name=self.kind, synchronised=True, uncertainty_us=uncertainty_us)

    def ask(self) -> tuple[SourceReport, ...]:
        """Return the same report as ever."""
        return (self._report,)
