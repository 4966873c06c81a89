"""Damaged documents and bombs, to be sealed and to be judged: within time and memory, no mistake of ours."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from conformance.fuzzing.shares import Bounds, Kept, in_shares, tell
from conformance.fuzzing.table import at
from eseal.profile import Format
from eseal.values import Level
from kokuin.service.eseals.codes import STATUS
from kokuin.service.eseals.tasks import Act, Task
from tests.eseal.fuzz_judging import TARGETS, judge_pdf, run_judging
from tests.eseal.pdf.bombs import BOMBS
from tests.eseal.pdf.plain import pages
from tests.measured import measured
from tests.service.eseals.benches import PROFILE, benched, tenant_seal
from tests.service.eseals.fuzz_http import run_seal_http
from tests.service.eseals.fuzz_work import SEEN, WORKS, run_work
from tests.service.eseals.test_sealing_http import Sealing
from tests.service.eseals.work_bombs import WORK_BOMBS
from tests.service.running import prepare, serving

if TYPE_CHECKING:
    from pathlib import Path

    from conformance.fuzzing.table import Table

ONE = Bounds(0.25, 64 * 1024)
"""What one judgement, or one seal, may cost."""
BOMB = Bounds(5.0, 512 * 1024)
"""What judging the worst document that anybody may think of may cost."""
SEAL_SECONDS = 60.0
"""How long sealing one may take on two slow cores: its child may use 30 seconds of a processor."""


def fuzz_judging(table: Table, count: int, seed: int, keep: Path | None) -> None:
    """Judge `count` damaged seals of each format, a share of them in each process, and print what came of it.

    Args:
        table: where to print.
        count: seals of each format, in all processes together.
        seed: of the damage; keys and signatures are new in every run.
        keep: folder for the files that did what they should not.
    """
    for form in TARGETS:
        done = in_shares(run_judging, count, seed, form)
        tell(table, f"{form} judged", "a verdict, none undue", done, ONE, Kept(keep, f".{form}"))


def fuzz_sealing(table: Table, count: int, seed: int, keep: Path | None) -> None:
    """Seal and extend `count` damaged documents of each kind as a child does; see `fuzz_judging`."""
    for act, form in WORKS:
        done = in_shares(run_work, count, seed, act, form)
        name = f"{form} to {act}"
        tell(table, name, "it holds, or a refusal", done, ONE, Kept(keep, f".{form}"))


def fuzz_seal_bombs(table: Table) -> None:
    """Judge what costs most, and have children seal it, and print what it costs."""
    for name, make in BOMBS.items():
        report, cost, peak = measured(make(), judge_pdf)
        good = cost <= BOMB.cpu_s and peak <= BOMB.peak_kib
        found = f"{report.indication.value}, {cost * 1e3:.0f} ms, {peak / 1024:.0f} MiB"
        allowed = f"<= {BOMB.cpu_s:.0f} s, {BOMB.peak_kib // 1024} MiB"
        table.line(f"bomb judged: {name}", found, allowed, good=good)
    asyncio.run(_seal_bombs(table))


async def _seal_bombs(table: Table) -> None:
    async with benched() as bench:
        bench.keyring.seals["invoices"] = tenant_seal(text=PROFILE + SEEN)
        for name, bomb in WORK_BOMBS.items():
            made, started = bomb.make(), time.monotonic()
            code, reason = await bomb.set_off(bench, made)
            taken = time.monotonic() - started
            good = taken <= SEAL_SECONDS and (code is None or STATUS[code] < 500)
            found = f"{code or 'sealed'} {reason} in {taken:.1f} s"
            table.line(f"bomb {name}", found, f"<= {SEAL_SECONDS:.0f} s", good=good)
        _, octets = await bench.make(Task(Act.SEAL, Format.PDF, level=Level.B_T), pages())
        table.line("bombs: sealed after them", f"{len(octets)} octets", "", good=True)


def fuzz_seal_requests(table: Table, root: Path, count: int, seed: int) -> None:
    """Send `count` damaged documents to two workers of `tsa serve`, and print what came of them."""
    with serving(prepare(root, "classical"), workers=2) as service:
        run = run_seal_http(Sealing(service), count, seed)
    done = f"{len(run.wall_s)} requests in {run.seconds:.0f} s"
    table.line("seals over HTTP: no 5xx, a code for each no", done, "", good=not run.violations)
    table.violations(run.violations)
    print(f"      {', '.join(f'{outcome} {number}' for outcome, number in run.outcomes.most_common())}")
    wall = sorted(run.wall_s)
    times = f"p50 {at(wall, 0.5)}, p99 {at(wall, 0.99)}, max {at(wall, 1)} ms"
    table.line("seals over HTTP: time of an answer", times, "", good=True)
    table.memory("seals over HTTP", run.rss_kib)
