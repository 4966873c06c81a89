"""Inputs shared out among the cores, and what came of them as lines of the table."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from conformance.fuzzing.table import at

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conformance.fuzzing.table import Table
    from tests.measured import Run

CORES = len(os.sched_getaffinity(0))


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one input may cost.

    Attributes:
        cpu_s: processor time, seconds.
        peak_kib: memory above that before, KiB.
    """

    cpu_s: float
    peak_kib: int


@dataclass(frozen=True, slots=True)
class Kept:
    """Where inputs are put that did what they should not.

    Attributes:
        folder: None: nowhere, and their beginning is shown.
        suffix: of their names, with a dot.
    """

    folder: Path | None
    suffix: str

    def line(self, what: str, octets: bytes) -> str:
        """Return a line about an input, which lies in the folder when there is one."""
        if self.folder is None:
            return f"{what}: {octets[:200].hex()}"
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{hashlib.sha256(octets).hexdigest()[:16]}{self.suffix}"
        path.write_bytes(octets)
        return f"{what}: {path}"


def in_shares(run: Callable[..., Run], count: int, seed: int, *before: object) -> tuple[list[Run], float]:
    """Return what came of `count` inputs, a share of them in each process, and the seconds that it took.

    Args:
        run: called with `before`, a seed and a count; of a module, so that a process can be told of it.
        count: inputs, in all processes together.
        seed: of the first process.
        before: arguments of every process.
    """
    started = time.monotonic()
    shares = [count // CORES + (number < count % CORES) for number in range(CORES)]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(CORES, mp_context=context) as pool:
        asked = [pool.submit(run, *before, seed + number, share) for number, share in enumerate(shares)]
        return [each.result() for each in asked], time.monotonic() - started


def tell(  # noqa: PLR0913, PLR0917  # each is of a line
    table: Table, name: str, promise: str, done: tuple[list[Run], float], bounds: Bounds, kept: Kept
) -> None:
    """Print what came of all shares: what was promised, time, memory of one and of all.

    Args:
        table: where to print.
        name: of the inputs.
        promise: what is to hold of each.
        done: of `in_shares`.
        bounds: of one input.
        kept: where inputs are put.
    """
    runs, seconds = done
    found = [violation for run in runs for violation in run.violations]
    count = sum(len(run.cpu_s) for run in runs)
    table.line(f"{name}: {promise}", f"{count} in {seconds:.0f} s", "", good=not found)
    table.violations([kept.line(what, octets) for what, octets in found])
    verdicts = sum((run.verdicts for run in runs), Counter[str]())
    print(f"      {', '.join(f'{verdict} {number}' for verdict, number in verdicts.most_common())}")
    cpu = sorted(cost for run in runs for cost in run.cpu_s)
    slowest, slow = max(run.slowest for run in runs)
    good = slowest <= bounds.cpu_s
    times = f"p50 {at(cpu, 0.5)}, p99 {at(cpu, 0.99)}, max {slowest * 1e3:.2f} ms"
    table.line(f"{name}: processor time of one", times, f"<= {bounds.cpu_s * 1e3:.0f} ms", good=good)
    table.violations([] if good else [kept.line("the slowest", slow)])
    peak, large = max(run.largest for run in runs)
    good = peak <= bounds.peak_kib
    table.line(
        f"{name}: memory of one", f"+{peak / 1024:.1f} MiB", f"<= {bounds.peak_kib // 1024} MiB", good=good
    )
    table.violations([] if good else [kept.line("the largest", large)])
    for run in runs:
        table.memory(name, run.rss_kib)
