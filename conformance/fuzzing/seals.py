"""Damaged PDFs and bombs against the judging of seals: a verdict each, within time and memory."""

from __future__ import annotations

import hashlib
import multiprocessing
import resource
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING

from conformance.fuzzing.table import at
from conformance.fuzzing.tokens import CORES
from tests.eseal.pdf.bombs import BOMBS
from tests.eseal.pdf.fuzz_seals import judge, run_seals

if TYPE_CHECKING:
    from pathlib import Path

    from conformance.fuzzing.table import Table

CPU_S = 0.25
"""Processor time of one judgement, seconds."""
BOMB_S = 5.0
"""Processor time of the worst file that anybody may think of, seconds."""
PEAK_MIB = 400
"""Resident memory of a process that judges one bomb after the other."""


def fuzz_seals(table: Table, count: int, seed: int, keep: Path | None) -> None:
    """Judge `count` damaged PDFs, a share of them in each process, and print what came of it.

    Args:
        table: where to print.
        count: files, in all processes together.
        seed: of the damage; keys and signatures are new in every run.
        keep: folder for the files that did what they should not.
    """
    started = time.monotonic()
    with ProcessPoolExecutor(CORES, mp_context=multiprocessing.get_context("spawn")) as pool:
        shares = [count // CORES + (number < count % CORES) for number in range(CORES)]
        runs = list(pool.map(run_seals, range(seed, seed + CORES), shares))
    found = [violation for run in runs for violation in run.violations]
    done = f"{count} in {time.monotonic() - started:.0f} s"
    table.line("PDF seals: a verdict each, none that was not due", done, "", good=not found)
    table.violations([_kept(what, octets, keep) for what, octets in found])
    verdicts = sum((run.verdicts for run in runs), Counter[str]())
    print(f"      {', '.join(f'{verdict} {number}' for verdict, number in verdicts.most_common())}")
    cpu = sorted(cost for run in runs for cost in run.cpu_s)
    slowest, slow = max(run.slowest for run in runs)
    good = slowest <= CPU_S
    times = f"p50 {at(cpu, 0.5)}, p99 {at(cpu, 0.99)}, max {slowest * 1e3:.2f} ms"
    table.line("PDF seals: processor time of one", times, f"<= {CPU_S * 1e3:.0f} ms", good=good)
    table.violations([] if good else [_kept("the slowest", slow, keep)])


def fuzz_seal_bombs(table: Table) -> None:
    """Judge what costs most, and print what it costs."""
    for name, make in BOMBS.items():
        octets = make()
        started = time.process_time()
        report = judge(octets)
        cost = time.process_time() - started
        found = f"{report.indication.value} in {cost * 1e3:.0f} ms"
        table.line(f"PDF bomb: {name}", found, f"<= {BOMB_S * 1e3:.0f} ms", good=cost <= BOMB_S)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    table.line("PDF bombs: resident memory", f"{peak} MiB", f"<= {PEAK_MIB} MiB", good=peak <= PEAK_MIB)


def _kept(what: str, octets: bytes, keep: Path | None) -> str:
    """Return a line about a file, which lies in the folder when there is one."""
    digest = hashlib.sha256(octets).hexdigest()[:16]
    if keep is None:
        return f"{what}: {digest}"
    keep.mkdir(parents=True, exist_ok=True)
    path = keep / f"{digest}.pdf"
    path.write_bytes(octets)
    return f"{what}: {path}"
