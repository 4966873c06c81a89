"""A machine whose clocks are set by hand, and a source that says what the test wants."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from tsa.clock.guard import ClockMonitor
from tsa.clock.reader import ClockReader
from tsa.clock.sample import Leap, SourceReport, unheard

if TYPE_CHECKING:
    from tsa.clock.settings import ClockSettings
    from tsa.clock.verdict import ClockVerdict

SECOND_NS = 1_000_000_000


def at_ns(text: str) -> int:
    """Nanoseconds since 1970 of an ISO 8601 moment with its zone."""
    return int(datetime.fromisoformat(text).timestamp()) * SECOND_NS


class FakeMachine:
    """Wall clock and CLOCK_BOOTTIME of a machine on which time passes only when told."""

    def __init__(self, wall: str = "2026-11-21T12:00:00Z") -> None:
        self.wall = at_ns(wall)
        self.boot = 5_000 * SECOND_NS

    def wall_ns(self) -> int:
        return self.wall

    def boot_ns(self) -> int:
        return self.boot

    def run(self, seconds: float) -> None:
        """Let time pass."""
        self.wall += round(seconds * SECOND_NS)
        self.boot += round(seconds * SECOND_NS)

    def step(self, seconds: float) -> None:
        """Somebody sets the wall clock."""
        self.wall += round(seconds * SECOND_NS)


def good(  # noqa: PLR0913 - one keyword a fault
    name: str = "ntp1",
    *,
    offset_us: int = 0,
    uncertainty_us: int = 1_000,
    refid: str = "192.0.2.1",
    address: str = "",
    host: str = "",
    leap: Leap = Leap.NONE,
    age_s: float = 3.0,
    upstream: bool = False,
) -> SourceReport:
    return SourceReport(
        name=name,
        synchronised=True,
        offset_us=offset_us,
        uncertainty_us=uncertainty_us,
        refid=refid,
        address=address,
        host=host,
        stratum=2,
        leap=leap,
        age_s=age_s,
        upstream=upstream,
    )


def lost(name: str = "ntp1") -> SourceReport:
    return unheard(name, "no answer in time")


class FakeSource:
    """Says `reports` until the test assigns others."""

    def __init__(self, *reports: SourceReport, kind: str = "ntp") -> None:
        self.kind = kind
        self.reports = reports

    def ask(self) -> tuple[SourceReport, ...]:
        return self.reports


class Rig:
    """Machine, source, monitor and reader joined as the service joins them."""

    def __init__(
        self,
        settings: ClockSettings,
        *reports: SourceReport,
        machine: FakeMachine | None = None,
        stopped_before: bool = False,
    ) -> None:
        self.settings = settings
        self.machine = machine or FakeMachine()
        self.source = FakeSource(*reports, kind=settings.kind)
        self.changes: list[ClockVerdict] = []
        self.reader = ClockReader(settings, wall_ns=self.machine.wall_ns, boot_ns=self.machine.boot_ns)
        self.monitor = ClockMonitor(
            self.source,
            settings,
            on_verdict=self._hear,
            wall_ns=self.machine.wall_ns,
            boot_ns=self.machine.boot_ns,
            stopped_before=stopped_before,
        )

    def _hear(self, verdict: ClockVerdict, changed: bool) -> None:  # noqa: FBT001 - the monitor's signature
        self.reader.update(verdict)
        if changed:
            self.changes.append(verdict)

    def polls(self, count: int = 1) -> ClockVerdict:
        """Let `count` poll intervals pass, polling at the end of each."""
        for _ in range(count):
            self.machine.run(self.settings.poll_s)
            verdict = self.monitor.poll()
        return verdict
