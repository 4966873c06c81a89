"""Mutated tokens and bombs against `tsa verify`, a process a core: a verdict each, within time and memory."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING

from conformance.fuzzing.table import at
from tests.verify.fuzz_tokens import PEAK_KIB, contexts, examine, judge_measured, run_tokens
from tests.verify.token_bombs import token_bombs
from tests.verify.token_seeds import QUICK_CHAIN, make_seeds

if TYPE_CHECKING:
    from pathlib import Path

    from conformance.fuzzing.table import Table
    from tests.verify.fuzz_tokens import TokenRun

CORES = len(os.sched_getaffinity(0))
CPU_S = 0.05
"""Processor time of one judgement, seconds."""
BOMB_S = 2.0
"""Processor time of the worst octets that anybody may think of, seconds: up to 16 MiB, or 60 keys to try."""


def fuzz_tokens(table: Table, count: int, seed: int, keep: Path | None) -> None:
    """Judge `count` mutated tokens, a share of them in each process, and print what came of it.

    Args:
        table: where to print.
        count: tokens, in all processes together.
        seed: of the mutations; keys and signatures are new in every run.
        keep: folder for the inputs that did what they should not.
    """
    started = time.monotonic()
    seeds = make_seeds()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(CORES, mp_context=context) as pool:
        shares = [count // CORES + (number < count % CORES) for number in range(CORES)]
        runs = list(pool.map(run_tokens, [seeds] * CORES, range(seed, seed + CORES), shares))
    found = [violation for run in runs for violation in run.violations]
    done = f"{count} in {time.monotonic() - started:.0f} s"
    table.line("tokens: a verdict and a whole report each", done, "", good=not found)
    table.violations([_kept(what, octets, keep) for what, octets in found])
    _print_measured(table, runs, keep)


def _print_measured(table: Table, runs: list[TokenRun], keep: Path | None) -> None:
    verdicts = sum((run.verdicts for run in runs), Counter[str]())
    print(f"      {', '.join(f'{verdict} {number}' for verdict, number in verdicts.most_common())}")
    cpu = sorted(cost for run in runs for cost in run.cpu_s)
    slowest, slow = max(run.slowest for run in runs)
    good = slowest <= CPU_S
    times = f"p50 {at(cpu, 0.5)}, p99 {at(cpu, 0.99)}, max {slowest * 1e3:.2f} ms"
    table.line("tokens: processor time of one", times, f"<= {CPU_S * 1e3:.0f} ms", good=good)
    table.violations([] if good else [_kept("the slowest", slow, keep)])
    peak, large = max(run.largest for run in runs)
    good = peak <= PEAK_KIB
    found = f"+{peak / 1024:.1f} MiB"
    table.line("tokens: memory of one", found, f"<= {PEAK_KIB // 1024} MiB", good=good)
    table.violations([] if good else [_kept("the largest", large, keep)])
    for run in runs:
        table.memory("tokens", run.rss_kib)


def _kept(what: str, octets: bytes, keep: Path | None) -> str:
    """Return a line about an input, which lies in the folder when there is one."""
    if keep is None:
        return f"{what}: {octets[:200].hex()}"
    keep.mkdir(parents=True, exist_ok=True)
    path = keep / f"{hashlib.sha256(octets).hexdigest()[:16]}.der"
    path.write_bytes(octets)
    return f"{what}: {path}"


def fuzz_token_bombs(table: Table) -> None:
    """Judge what costs most, and print what it costs."""
    context, *_ = contexts(make_seeds((QUICK_CHAIN.id,)))
    for name, make in token_bombs().items():
        report, cost, peak = judge_measured(make(), context)
        examine(report)
        good = cost <= BOMB_S and peak <= PEAK_KIB
        allowed = f"<= {BOMB_S * 1e3:.0f} ms, {PEAK_KIB // 1024} MiB"
        table.line(f"token bomb: {name}", f"{cost * 1e3:.1f} ms, {peak / 1024:.1f} MiB", allowed, good=good)
