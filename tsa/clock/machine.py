"""The machine's two clocks: the wall clock, which people set, and CLOCK_BOOTTIME, which nobody can.

The wall clock is what a time-stamp says. CLOCK_BOOTTIME runs at the same rate,
is never stepped and goes on while the machine sleeps: the difference of the two
moves only when somebody sets the wall clock.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_TRIES = 3


def boot_ns() -> int:
    """Return CLOCK_BOOTTIME in nanoseconds (Linux)."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def read_pair(wall_ns: Callable[[], int], boot_ns: Callable[[], int]) -> tuple[int, int]:
    """Return (wall, boot) in nanoseconds as of one moment.

    A thread that is put aside between the two readings would see a step that
    never happened: the wall clock is read between two readings of the other,
    and of a few such readings the tightest counts.
    """
    readings: list[tuple[int, int, int]] = []
    for _ in range(_TRIES):
        before = boot_ns()
        wall = wall_ns()
        readings.append((boot_ns() - before, wall, before))
    _, wall, boot = min(readings)
    return wall, boot
