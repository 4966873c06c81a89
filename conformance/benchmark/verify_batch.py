"""`tsa verify DIR` over many P-256 tokens of our own: throughput, peak memory, and the run that goes on.

Each act is a process of its own, as a user starts it. Beside each, P-256 verifications alone are timed on one
processor: what is left when nothing is read, parsed or written. Linux only.

    python -m conformance.benchmark.verify_batch --tokens 100000
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from kokuin.cli.verify_batch import RESULTS, SUMMARY, TABLE
from tests.verify.batches import AT, authority, fill

TOKENS = 100_000
_TOP = Path(__file__).parents[2]
_TSA = (sys.executable, "-m", "kokuin.cli.main", "verify")
_SIGNATURES = 3_000


@dataclass(frozen=True, slots=True)
class Cost:
    """What one act cost.

    Attributes:
        act: what was done.
        tokens: how many were judged, or taken over.
        seconds: of wall time.
        processor: seconds of processor time, of all processes.
        peak_kib: highest resident memory, of each process its own, added up.
        raw: P-256 verifications a second of one processor, around the act.
    """

    act: str
    tokens: int
    seconds: float
    processor: float
    peak_kib: int
    raw: float

    @property
    def rate(self) -> float:
        """Tokens a second of processor time."""
        return self.tokens / self.processor

    @property
    def ratio(self) -> float:
        """That, as a part of the verifications alone."""
        return self.rate / self.raw


def raw_rate() -> float:
    """Return P-256 verifications a second of processor time: the median of three rounds."""
    key, message = ec.generate_private_key(ec.SECP256R1()), bytes(200)
    signature, public = key.sign(message, ec.ECDSA(hashes.SHA256())), key.public_key()
    rates = []
    for _ in range(3):
        begun = time.process_time()
        for _ in range(_SIGNATURES):
            public.verify(signature, message, ec.ECDSA(hashes.SHA256()))
        rates.append(_SIGNATURES / (time.process_time() - begun))
    return statistics.median(rates)


class Run:
    """One batch as a process, watched while it runs."""

    def __init__(self, folder: Path, out: str, *words: str) -> None:
        trust = ("--trust", "root.pem", "--at", AT)
        self._part = folder / out / f"{RESULTS}.part"
        self._peaks: dict[int, int] = {}
        self._processor = _processor()
        self._begun = time.perf_counter()
        self._process = subprocess.Popen(
            [*_TSA, "archive", *trust, "--out", out, *words],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(_TOP)},
            stdout=subprocess.PIPE,
        )

    def finish(self) -> tuple[float, float, int]:
        """Wait for its end; return seconds, those of the processors, and the peak of its memory in KiB.

        Raises:
            RuntimeError: not every token passed.
        """
        while self._process.poll() is None:
            self._look()
        said, _ = self._process.communicate()
        if self._process.returncode:
            raise RuntimeError(said.decode())
        return (
            time.perf_counter() - self._begun,
            _processor() - self._processor,
            sum(self._peaks.values()),
        )

    def kill_after(self, lines: int) -> int:
        """Kill it when it has judged so many; return how many judgements it leaves."""
        while not self._part.exists() or self._part.stat().st_size == 0 or self._lines() < lines:
            if self._process.poll() is not None:
                raise RuntimeError(f"it ended with {self._process.returncode} before it was killed")
            time.sleep(0.1)
        self._process.kill()
        self._process.communicate()
        return self._lines()

    def _lines(self) -> int:
        return self._part.read_bytes().count(b"\n") - 1

    def _look(self) -> None:
        for process in (self._process.pid, *_children(self._process.pid)):
            self._peaks[process] = max(self._peaks.get(process, 0), _peak_kib(process))
        time.sleep(0.05)


def _children(process: int) -> list[int]:
    try:
        return [
            int(word) for word in Path(f"/proc/{process}/task/{process}/children").read_text("ascii").split()
        ]
    except OSError:
        return []


def _peak_kib(process: int) -> int:
    try:
        lines = Path(f"/proc/{process}/status").read_text("ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)


def _processor() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def measure(folder: Path, tokens: int, act: str, out: str, *words: str) -> Cost:
    """Do one act to its end."""
    before = raw_rate()
    seconds, processor, peak = Run(folder, out, *words).finish()
    return Cost(act, tokens, seconds, processor, peak, statistics.mean((before, raw_rate())))


def measure_all(folder: Path, tokens: int) -> list[Cost]:
    """Judge an archive in one process and in two, kill a batch in its middle and go on with it.

    Raises:
        RuntimeError: a token did not pass, or results differ.
    """
    costs = [
        measure(folder, tokens, ("", "one process", "two processes")[jobs], f"of-{jobs}", "--jobs", str(jobs))
        for jobs in (1, 2)
    ]
    kept = Run(folder, "killed", "--jobs", "2").kill_after(tokens // 2)
    act = f"two processes, going on after {kept:,}"
    costs.append(measure(folder, tokens - kept, act, "killed", "--jobs", "2", "--resume"))
    whole = folder / "whole"
    whole.mkdir()
    (whole / f"{RESULTS}.part").write_bytes((folder / "of-1" / RESULTS).read_bytes())
    costs.append(measure(folder, tokens, "taking over all", whole.name, "--resume"))
    for name in (RESULTS, TABLE, SUMMARY):
        if len({(folder / out / name).read_bytes() for out in ("of-1", "of-2", "killed", "whole")}) != 1:
            raise RuntimeError(f"{name} is not the same in every run")
    return costs


def main() -> int:
    """Print a table for `docs/benchmarks.md`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tokens", type=int, default=TOKENS)
    parser.add_argument(
        "--dir", type=Path, help="where the archive is made (default: where temporary files are)"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kokuin-batch-", dir=arguments.dir) as scratch:
        folder = Path(scratch)
        begun = time.perf_counter()
        made = fill(folder / "archive", arguments.tokens)
        (folder / "root.pem").write_bytes(authority().pem)
        octets = made[-1].stat().st_size
        seconds = time.perf_counter() - begun
        print(f"{len(made):,} tokens of {octets} octets over as many documents, made in {seconds:.0f} s")
        costs = measure_all(folder, arguments.tokens)
        results = (folder / "of-1" / RESULTS).stat().st_size
    print(f"results.jsonl: {results:,} octets, the same in every run")
    print("| act | tokens | wall | processor | tokens/s of a processor | : P-256 alone | peak memory |")
    print("|---|---|---|---|---|---|---|")
    for cost in costs:
        print(
            f"| {cost.act} | {cost.tokens:,} | {cost.seconds:.1f} s | {cost.processor:.1f} s "
            f"| {cost.rate:,.0f} | {cost.ratio:.2f} | {cost.peak_kib // 1024} MiB |"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
