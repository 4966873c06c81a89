"""The reader: genTime for one token, or why there is none."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from tsa.clock.leap import leap_window
from tsa.clock.machine import boot_ns as machine_boot_ns
from tsa.clock.machine import read_pair
from tsa.clock.verdict import ClockFault

if TYPE_CHECKING:
    from collections.abc import Callable

    from tsa.clock.settings import ClockSettings
    from tsa.clock.verdict import ClockVerdict


class ClockReader:
    """Gives genTime to a worker, guarded at every single token.

    The monitor sees the sources only at each poll; between polls this class
    holds the wall clock against CLOCK_BOOTTIME, so that a clock which was set
    is refused by the very next token. Safe for several threads.
    """

    def __init__(
        self,
        settings: ClockSettings,
        *,
        wall_ns: Callable[[], int] = time.time_ns,
        boot_ns: Callable[[], int] = machine_boot_ns,
    ) -> None:
        """Read the given clocks.

        Args:
            settings: settings without problems.
            wall_ns: the wall clock, nanoseconds since 1970 UTC.
            boot_ns: CLOCK_BOOTTIME, nanoseconds.
        """
        self._settings = settings
        self._resolution_us = settings.resolution_us
        self._wall_ns = wall_ns
        self._boot_ns = boot_ns
        self._lock = threading.Lock()
        self._verdict: ClockVerdict | None = None
        self._anchor_ns = 0
        self._tolerance_ns = 0
        self._leap_first = self._leap_last = 0
        self._stepped_at: int | None = None
        self._floors: dict[str, int] = {}

    def update(self, verdict: ClockVerdict) -> None:
        """Take the monitor's newest verdict; one older than the present is ignored."""
        settings = self._settings
        spare_us = (
            settings.accuracy_us - abs(verdict.offset_us) - verdict.uncertainty_us - settings.reserve_us
        )
        with self._lock:
            if self._verdict is not None and verdict.boot_ns < self._verdict.boot_ns:
                return
            self._verdict = verdict
            self._anchor_ns = verdict.wall_ns - verdict.boot_ns
            self._tolerance_ns = max(0, min(settings.step_us, spare_us)) * 1000
            if self._stepped_at is not None and verdict.boot_ns > self._stepped_at:
                self._stepped_at = None
            if verdict.leap:
                self._leap_first, self._leap_last = leap_window(verdict.wall_ns, settings.accuracy_us)
            elif verdict.wall_ns > self._leap_last:
                # Kept until it has passed: the first source to withdraw an announcement does so too early.
                self._leap_first = self._leap_last = 0

    def raise_floor(self, unit: str, gen_us: int) -> None:
        """Let no later genTime of `unit` be below `gen_us` (microseconds since 1970 UTC); it never sinks.

        Called with the highest genTime in the ledger at the start, and with
        every commit's, so that not even a restart with the clock set back lets
        time fall.
        """
        with self._lock:
            if gen_us > self._floors.get(unit, 0):
                self._floors[unit] = gen_us

    def read(self, unit: str) -> int | ClockFault:
        """Return genTime for one token of `unit`, or why none may be issued (RFC 3161 §2.4.2).

        Returns:
            Microseconds since 1970 UTC, truncated to the resolution and never below an earlier value of
            the same unit; equal values happen. Otherwise a fault, to be answered `timeNotAvailable`.
        """
        with self._lock:
            wall, boot = self._wall_ns(), self._boot_ns()
            stepped = self._off_anchor(wall, boot)
            if stepped:
                # The thread may have been put aside between the two readings: look again before judging.
                wall, boot = read_pair(self._wall_ns, self._boot_ns)
                stepped = self._off_anchor(wall, boot)
            fault = self._fault(wall, boot, stepped=stepped)
            if fault is not None:
                return fault
            gen = wall // 1000
            gen -= gen % self._resolution_us
            if gen < self._floors.get(unit, 0):
                return ClockFault.BACKWARDS
            self._floors[unit] = gen
            return gen

    def _off_anchor(self, wall: int, boot: int) -> bool:
        return abs(wall - boot - self._anchor_ns) > self._tolerance_ns

    def _fault(self, wall: int, boot: int, *, stepped: bool) -> ClockFault | None:
        verdict = self._verdict
        if verdict is None:
            return ClockFault.NOT_YET
        if verdict.fault is not None:
            return verdict.fault
        if not verdict.boot_ns <= boot <= verdict.expires_boot_ns:
            return ClockFault.STALE
        if self._leap_first <= wall <= self._leap_last:
            return ClockFault.LEAP
        if stepped and self._stepped_at is None:
            self._stepped_at = boot
        return None if self._stepped_at is None else ClockFault.STEP
