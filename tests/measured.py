"""Hostile inputs taken one after the other: what came of each, its processor time, and its memory."""

from __future__ import annotations

import array
import re
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

WARM_UP = 0.1
"""Part of the inputs after which memory is taken as the level that must hold."""
SUSPECT_S = 0.1
"""Processor time above which an input is tried again, seconds: a disturbance is not slow every time."""


@dataclass(slots=True)
class Run:
    """What a run found.

    Attributes:
        verdicts: how often each.
        cpu_s: processor time of each, seconds: what a busy machine does not blur.
        slowest: the most processor time of one, and the input.
        largest: the most memory that one took above what was taken before, KiB, and the input.
        rss_kib: resident memory after the warm-up and at the end.
        violations: what was wrong, and with which input.
    """

    verdicts: Counter[str] = field(default_factory=Counter)
    cpu_s: array.array[float] = field(default_factory=lambda: array.array("d"))
    slowest: tuple[float, bytes] = (0.0, b"")
    largest: tuple[int, bytes] = (0, b"")
    rss_kib: tuple[int, int] = (0, 0)
    violations: list[tuple[str, bytes]] = field(default_factory=list)

    def add(self, verdict: str, octets: bytes, cost: float, peak: int) -> None:
        """Take what came of one input."""
        self.verdicts[verdict] += 1
        self.cpu_s.append(cost)
        self.slowest = max(self.slowest, (cost, octets))
        self.largest = max(self.largest, (peak, octets))


def take_all(count: int, next_input: Callable[[], bytes], work: Callable[[bytes], Callable[[], str]]) -> Run:
    """Work on so many inputs; whatever work or examination raises is a violation.

    Args:
        count: inputs.
        next_input: returns one.
        work: what is measured; it returns what examines the outcome and names it.
    """
    run, level = Run(), 0
    for number in range(count):
        octets = next_input()
        try:
            examine, cost, peak = measured(octets, work)
            run.add(examine(), octets, cost, peak)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is what fuzzing looks for
            where = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{Path(where.filename).name}:{where.lineno}"
            run.violations.append((f"input {number}: {type(error).__name__} at {place}: {error}", octets))
        if number == int(count * WARM_UP):
            level = memory_kib("VmRSS")
    run.rss_kib = (level, memory_kib("VmRSS"))
    return run


def measured(octets: bytes, work: Callable[[bytes], T]) -> tuple[T, float, int]:
    """Return what work returns, its processor time (seconds) and the memory above that before (KiB)."""
    forget_peak()
    before = memory_kib("VmRSS")
    found, cost = _timed(octets, work)
    peak = memory_kib("VmHWM") - before
    for _ in range(2 if cost > SUSPECT_S else 0):
        cost = min(cost, _timed(octets, work)[1])
    return found, cost, peak


def _timed(octets: bytes, work: Callable[[bytes], T]) -> tuple[T, float]:
    started = time.thread_time()
    found = work(octets)
    return found, time.thread_time() - started


def memory_kib(name: str) -> int:
    """Return a line of what the system says of our memory, KiB: `VmRSS`, or its peak `VmHWM`."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(re.search(rf"{name}:\s+(\d+) kB", status)[1])  # type: ignore[index]  # Linux always has it


def forget_peak() -> None:
    """Set the peak of our memory back to what we have now (proc(5), clear_refs)."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
