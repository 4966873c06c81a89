"""Measure, as ratios to references of the same run (`make bench`, docs/benchmarks.md). Linux only.

Subject and references take turns, round by round; a ratio is the median of the rounds' own ratios, so
that a machine which is slow for a while slows both sides of it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import subprocess
import sys
import tempfile
import urllib.request
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from conformance.benchmark import evidence, programs, sealing, sealing_json
from conformance.benchmark.inprocess import in_process
from conformance.benchmark.rounds import Cell, take_turns
from conformance.benchmark.servers import TSA, authority, reference
from conformance.benchmark.signatures import CORES, RawSignatures
from conformance.benchmark.verifying import RAW as RAW_VERIFY
from conformance.benchmark.verifying import WAYS, measure_verifying
from kokuin.service.initialising import InitRequest, initialise
from kokuin.wire import encode
from kokuin.wire.algorithms import DIGEST_BY_NAME
from pqc.profiles import load_shipped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from conformance.benchmark.load import Load
    from conformance.benchmark.servers import Server

PROFILES = {"classical": "P-256", "classical-rsa": "RSA-3072", "pq": "ML-DSA-65"}
FAST = "classical"
"""The profile whose signature takes no thread: one process of the server signs on one core."""
DATA = bytes(1000)
ROUTE, RAW, OPENSSL = "FastAPI route", "raw signatures", "openssl ts"
HTTP, IN_PROCESS = "HTTP", "in process"
HEAD = (
    "suite",
    "way",
    "wrk",
    "conn",
    "1/s",
    "p50 ms",
    "p99 ms",
    "MiB",
    f": {ROUTE}",
    f": {RAW}",
    f": {OPENSSL}",
)


@dataclass(frozen=True, slots=True)
class Effort:
    """How much: rounds of a cell, of one over HTTP with a budget, seconds of one, loads, rounds of seals."""

    rounds: int
    budget_rounds: int
    seconds: float
    connections: tuple[int, ...]
    workers: tuple[int, ...]
    seals: int


FULL = Effort(4, 10, 0.8, (1, 16, 64), (1, 2), 150)
QUICK = Effort(3, 3, 0.5, (64,), (1,), 30)


@dataclass(frozen=True, slots=True)
class Budget:
    """The least that a ratio may be, under `BUDGET_LOAD`."""

    suite: str
    way: str
    reference: str
    least: float


BUDGET_LOAD = (1, 64)
"""Workers and connections."""

BUDGETS = (
    Budget("P-256", HTTP, ROUTE, 0.70),
    Budget("ML-DSA-65", HTTP, RAW, 0.75),
    Budget("ML-DSA-65", IN_PROCESS, RAW, 0.95),
)
COMMAND_BUDGETS = {"tsa --version": 0.15, "tsa verify": 0.35}
"""The longest wall time of a command, seconds."""
LEAST_VERIFIED = 1_000
"""Tokens judged in a second of one core's time, whatever they carry."""


def make_request(*, cert_req: bool = False) -> bytes:
    """Return a TimeStampReq over `DATA` as `openssl ts -query -sha256` makes it."""
    digest = DIGEST_BY_NAME["sha256"]
    algorithm = encode.sequence(encode.oid(digest.oid), encode.NULL)
    return encode.sequence(
        encode.integer(1),
        encode.sequence(algorithm, encode.octet_string(hashlib.sha256(DATA).digest())),
        encode.integer(0x1122334455667788),
        encode.TRUE if cert_req else b"",
    )


def make_folder(scratch: Path, profile: str) -> Path:
    """Make a data folder as `tsa init` does."""
    root = scratch / profile
    initialise(InitRequest(root, profile=profile))
    return root


def openssl_reference(root: Path, seconds: float) -> Mapping[str, Callable[[], float]]:
    """Return `openssl ts` as a reference where there is one that knows the suite, else nothing."""
    if not programs.has_openssl():
        return {}
    peer = programs.OpenSSL(root, make_request())
    try:
        peer.rate(0)
        peer.rate(0.01)
    except subprocess.CalledProcessError:
        return {}
    return {OPENSSL: lambda: peer.rate(seconds / 2)}


def has_budget(profile: str, workers: int, connections: int) -> bool:
    """Say whether this cell over HTTP is held to a budget: a few rounds miss one by chance."""
    held = {budget.suite for budget in BUDGETS if budget.way == HTTP}
    return PROFILES[profile] in held and (workers, connections) == BUDGET_LOAD


def measure_http(effort: Effort, profile: str, root: Path, workers: int) -> Iterator[Cell]:
    """Measure one profile served by that many workers, under every number of connections."""
    request, seconds = make_request(), effort.seconds
    openssl = openssl_reference(root, seconds)
    processes = workers if profile == FAST else CORES
    with (
        reference(workers) as route,
        authority(root, workers) as subject,
        RawSignatures(load_shipped(profile).tst.id, processes) as raw,
    ):
        for connections in effort.connections:

            def load(server: Server, connections: int = connections) -> Load:
                return server.load(connections, seconds, request)

            rounds = take_turns(
                effort.budget_rounds if has_budget(profile, workers, connections) else effort.rounds,
                lambda: load(subject),
                {ROUTE: lambda: load(route).rate, RAW: lambda: raw.rate(seconds / 2), **openssl},
            )
            yield rounds.cell(PROFILES[profile], HTTP, workers, connections, subject.resident_mib())


def measure_in_process(effort: Effort, profile: str, root: Path) -> Cell:
    """Measure one profile without HTTP, 64 callers at a time."""
    with RawSignatures(load_shipped(profile).tst.id, CORES) as raw, in_process(root) as subject:
        rounds = take_turns(
            2 * effort.rounds,
            lambda: subject.load(64, effort.seconds, make_request()),
            {RAW: lambda: raw.rate(effort.seconds)},
        )
    return rounds.cell(PROFILES[profile], IN_PROCESS, 1, 64, None)


def measure_commands(scratch: Path, root: Path) -> dict[str, float]:
    """Return the median wall time of commands that have a budget, seconds."""
    data, token = scratch / "data", scratch / "token.tsr"
    data.write_bytes(DATA)
    with authority(root, 1) as server:
        query = urllib.request.Request(
            f"http://127.0.0.1:{server.port}/tsa",
            data=make_request(cert_req=True),
            headers={"content-type": "application/timestamp-query"},
        )
        with urllib.request.urlopen(query, timeout=30) as answer:  # noqa: S310 - likewise
            token.write_bytes(answer.read())
    verify = [TSA, "verify", str(token), "--data", str(data), "--trust", str(root / "trust")]
    return {
        "tsa --version": programs.wall_seconds([TSA, "--version"]),
        "tsa verify": programs.wall_seconds(verify),
    }


def machine() -> str:
    """Say in one line what was measured on."""
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        if line.startswith("model name")
    ]
    processor = names[0] if names else platform.machine()
    return f"{processor}, {CORES} cores; Linux {platform.release()}; Python {platform.python_version()}"


def show(cell: Cell) -> None:
    """Print one line of the table."""
    ratios = "  ".join(
        f"{ratio.median:8.2f} ({ratio.lowest:.2f}-{ratio.highest:.2f})" if ratio else f"{'-':>20}"
        for ratio in (cell.ratios.get(name) for name in (ROUTE, RAW, OPENSSL))
    )
    memory = f"{cell.resident_mib:5.0f}" if cell.resident_mib is not None else "    -"
    print(
        f"{cell.suite:10} {cell.way:10} {cell.workers:3} {cell.connections:4} {cell.rate:8.0f} "
        f"{cell.p50_ms:8.2f} {cell.p99_ms:8.2f} {memory}  {ratios}",
        flush=True,
    )


def show_verifying(cell: Cell) -> None:
    """Print how many tokens one core judges, and what that is of raw verifications."""
    ratio = cell.ratios[RAW_VERIFY]
    share = f"{ratio.median:.3f} ({ratio.lowest:.3f}-{ratio.highest:.3f}) of {RAW_VERIFY}"
    print(f"{cell.suite} {cell.way}: {cell.rate:.0f} tokens/s, p99 {cell.p99_ms:.2f} ms, {share}", flush=True)


def shortfalls(cells: list[Cell], commands: Mapping[str, float]) -> list[str]:
    """Return one line for every budget that was missed."""
    missed = []
    for budget in BUDGETS:
        (cell,) = (
            cell
            for cell in cells
            if (cell.suite, cell.way) == (budget.suite, budget.way)
            and (cell.workers, cell.connections) == BUDGET_LOAD
        )
        ratio = cell.ratios[budget.reference].median
        if ratio < budget.least:
            missed.append(
                f"{budget.suite} {budget.way}: {ratio:.2f} of {budget.reference}, wanted {budget.least}"
            )
    missed += [
        f"{cell.suite} {cell.way}: {cell.rate:.0f} tokens/s, wanted {LEAST_VERIFIED}"
        for cell in cells
        if cell.way in WAYS and cell.rate < LEAST_VERIFIED
    ]
    for name, most in COMMAND_BUDGETS.items():
        if commands[name] > most:
            missed.append(f"{name}: {commands[name]:.3f} s, wanted {most} s")
    return missed


@dataclass(frozen=True, slots=True)
class Seals:
    """What seals cost, each beside its reference."""

    pdf: list[sealing.SealTimes]
    json: list[sealing_json.JsonSeals]
    large: list[sealing.LargeSeal]


def measure_seals(effort: Effort) -> Seals:
    """Measure seals of PDF and of JSON in process."""
    small, documents = sealing.show_small(effort.seals), sealing_json.show(effort.seals)
    return Seals(small, documents, sealing.show_large())


def measure(effort: Effort, scratch: Path) -> tuple[list[Cell], dict[str, float]]:
    """Measure time-stamps and what judges them, and print each line as it is known."""
    print("{:10} {:10} {:>3} {:>4} {:>8} {:>8} {:>8} {:>5}  {:>20}  {:>20}  {:>20}".format(*HEAD))
    roots = {profile: make_folder(scratch, profile) for profile in PROFILES}
    cells = []
    for profile, root in roots.items():
        for workers in effort.workers:
            for cell in measure_http(effort, profile, root, workers):
                show(cell)
                cells.append(cell)
    cells.append(measure_in_process(effort, "pq", roots["pq"]))
    show(cells[-1])
    for cell in measure_verifying(effort.rounds, effort.seconds):
        show_verifying(cell)
        cells.append(cell)
    commands = measure_commands(scratch, roots[FAST])
    for name, seconds in commands.items():
        print(f"{name}: {seconds:.3f} s")
    return cells, commands


def measure_evidence(effort: Effort, scratch: Path) -> tuple[dict[str, object], list[str]]:
    """Measure tokens with evidence; return the figures, and a line for every budget that was missed."""
    cells = evidence.measure(effort.budget_rounds, effort.seconds, scratch, make_request())
    return {"evidence": [asdict(cell) for cell in cells]}, evidence.shortfalls(cells)


def measure_all(effort: Effort, scratch: Path) -> tuple[dict[str, object], list[str]]:
    """Measure all else, likewise."""
    cells, commands = measure(effort, scratch)
    seals = measure_seals(effort)
    figures: dict[str, object] = {
        "cells": [asdict(cell) for cell in cells],
        "seconds": commands,
        "seals": asdict(seals),
    }
    return figures, [*shortfalls(cells, commands), *sealing.shortfalls(seals.pdf)]


def main() -> int:
    """Run the benchmark; with --check, return 1 when a budget was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="only 64 connections and one worker, short rounds"
    )
    parser.add_argument("--evidence", action="store_true", help="only tokens with evidence")
    parser.add_argument("--check", action="store_true", help="fail when a budget is missed")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    parser.add_argument("--dir", type=Path, help="volume of the ledger (default: where temporary files are)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kokuin-bench-", dir=arguments.dir) as scratch:
        fsync = programs.fsync_ms(Path(scratch))
        effort = QUICK if arguments.quick else FULL
        print(machine())
        figures, missed = measure_evidence(effort, Path(scratch))
        if not arguments.evidence:
            more, missed_more = measure_all(effort, Path(scratch))
            figures, missed = figures | more, missed + missed_more
    print(f"fsync of 4 KiB on the ledger's volume: p50 {fsync[0]:.2f} ms, p99 {fsync[1]:.2f} ms")
    for line in missed:
        print(f"BUDGET MISSED  {line}")
    if arguments.json is not None:
        figures = {"machine": machine(), "fsync_ms": fsync, **figures, "missed": missed}
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return int(arguments.check and bool(missed))


if __name__ == "__main__":
    sys.exit(main())
