"""Seals of PDF in process, beside pyHanko's own in the same run; and what large documents take.

Both seal the same small document with the same P-256 key, certificate and chain, and have their time-stamps
from the same unit in the same process. They take turns, seal by seal, and processor time is measured, so that
what waits for other work does not count. Run as `python -m conformance.benchmark.sealing [--check]`.
"""

from __future__ import annotations

import argparse
import io
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from conformance.benchmark.sealing_scene import Scene, make_document
from eseal.pdf.orders import PdfSealOrder
from eseal.pdf.sealing import PdfSealer
from eseal.pdf.stamping import Stamping
from eseal.values import MAX_FILE, Level

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BUDGET_MS = {Level.B_B: 2.0, Level.B_T: 3.0}
"""The longest median of a seal of the small document."""
LEAST_RATIO = 8.0
"""pyHanko's median by ours, at every level that has a budget."""
ROUNDS = 150
WARM = 5
_MIB = 1024 * 1024
LARGE = {"1,000 pages": (1_000, 0), "100 MiB": (10, MAX_FILE - _MIB)}
"""Pages, and octets of their content."""


@dataclass(frozen=True, slots=True)
class SealTimes:
    """Seals of the small document at one level: milliseconds of processor time; pyHanko's median by ours."""

    level: str
    median_ms: float
    p95_ms: float
    pyhanko_ms: float
    ratio: float


@dataclass(frozen=True, slots=True)
class LargeSeal:
    """A B-T seal of one large document where it lies: processor seconds, and memory beyond what was there."""

    what: str
    octets: int
    seconds: float
    more_mib: float


def measure_small(rounds: int) -> Iterator[SealTimes]:
    """Measure the levels that have a budget."""
    scene, document = Scene(), make_document()
    for level in BUDGET_MS:
        ours, theirs = scene.ours(level), scene.pyhanko(level)
        pairs = [(_ms(ours, document), _ms(theirs, document)) for _ in range(WARM + rounds)][WARM:]
        mine = sorted(pair[0] for pair in pairs)
        median, reference = statistics.median(mine), statistics.median(pair[1] for pair in pairs)
        yield SealTimes(level, median, mine[len(mine) * 95 // 100], reference, reference / median)


def _ms(seal: Callable[[io.BytesIO], None], document: bytes) -> float:
    stream = io.BytesIO(document)
    begun = time.thread_time_ns()
    seal(stream)
    return (time.thread_time_ns() - begun) / 1e6


def measure_large() -> Iterator[LargeSeal]:
    """Measure each large document in a process of its own, whose memory is its peak."""
    for what in LARGE:
        ran = subprocess.run(
            [sys.executable, "-m", "conformance.benchmark.sealing", "--large", what],
            check=True,
            capture_output=True,
            text=True,
            timeout=600,
        )
        yield LargeSeal(**json.loads(ran.stdout))


def seal_large(what: str) -> LargeSeal:
    """Seal one large document in this process."""
    scene = Scene()
    with tempfile.TemporaryDirectory(prefix="kokuin-bench-") as folder:
        path = Path(folder) / "large.pdf"
        # Another process makes it: the memory that it takes to make one is not the seal's.
        arguments = [str(path), *map(str, LARGE[what])]
        writer = "conformance.benchmark.sealing_scene"
        subprocess.run([sys.executable, "-m", writer, *arguments], check=True, timeout=300)
        before, begun = _peak_mib(), time.process_time()
        with path.open("r+b") as document:
            order = PdfSealOrder(Level.B_T, time.time_ns() // 1_000)
            PdfSealer((scene.key,), Stamping(scene)).seal(document, order)
        seconds, more = time.process_time() - begun, _peak_mib() - before
        return LargeSeal(what, path.stat().st_size, seconds, more)


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def show_small(rounds: int) -> list[SealTimes]:
    """Measure the levels that have a budget, and print each line as it is known."""
    measured = []
    for each in measure_small(rounds):
        print(
            f"PDF {each.level}: p50 {each.median_ms:.2f} ms, p95 {each.p95_ms:.2f} ms, "
            f"{each.ratio:.1f} x pyHanko ({each.pyhanko_ms:.1f} ms)",
            flush=True,
        )
        measured.append(each)
    return measured


def show_large() -> list[LargeSeal]:
    """Measure the large documents, and print each line as it is known."""
    measured = []
    for each in measure_large():
        size = each.octets / _MIB
        print(
            f"PDF {each.what} ({size:.1f} MiB): {each.seconds:.2f} s, {each.more_mib:.1f} MiB of memory",
            flush=True,
        )
        measured.append(each)
    return measured


def shortfalls(measured: list[SealTimes]) -> list[str]:
    """Return one line for every budget that was missed."""
    missed = []
    for each in measured:
        most = BUDGET_MS[Level(each.level)]
        if each.median_ms > most:
            missed.append(f"PDF {each.level}: {each.median_ms:.2f} ms, wanted {most} ms")
        if each.ratio < LEAST_RATIO:
            missed.append(f"PDF {each.level}: {each.ratio:.1f} x pyHanko, wanted {LEAST_RATIO}")
    return missed


def main() -> int:
    """Measure and print; with --check, return 1 when a budget was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail when a budget is missed")
    parser.add_argument("--large", choices=LARGE, help="seal one large document here, and print JSON")
    arguments = parser.parse_args()
    if arguments.large is not None:
        print(json.dumps(asdict(seal_large(arguments.large))))
        return 0
    measured = show_small(ROUNDS)
    show_large()
    missed = shortfalls(measured)
    for line in missed:
        print(f"BUDGET MISSED  {line}")
    return int(arguments.check and bool(missed))


if __name__ == "__main__":
    sys.exit(main())
