"""Tokens with evidence, fetched beside them or within them, by the rate of classical tokens."""

from __future__ import annotations

import contextlib
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from conformance.benchmark.rounds import Ratio
from conformance.benchmark.servers import authority
from kokuin.service.datafolder import DataFolder
from kokuin.service.initialising import InitRequest, initialise
from kokuin.service.operating import operate
from pqc.profiles import load_shipped

if TYPE_CHECKING:
    from pathlib import Path

    from conformance.benchmark.load import Load

CLASSICAL, DETACHED, EMBEDDED = "classical", "evidence beside", "evidence within"
CONNECTIONS = 64
_OWN = "embedded"


@dataclass(frozen=True, slots=True)
class Budget:
    """The least rate by the classical one, and the longest 99th percentile, milliseconds."""

    least: float
    p99_ms: float | None = None


BUDGETS = {DETACHED: Budget(0.8), EMBEDDED: Budget(0.5, 100.0)}


@dataclass(frozen=True, slots=True)
class EvidenceCell:
    """One way; medians over its rounds.

    Attributes:
        way: with what evidence, if any.
        rate: tokens a second.
        p50_ms: median of the answers' times.
        p99_ms: 99th percentile of them.
        ratio: rate by the classical one of the same round.
    """

    way: str
    rate: float
    p50_ms: float
    p99_ms: float
    ratio: Ratio


def measure(rounds: int, seconds: float, scratch: Path, body: bytes) -> list[EvidenceCell]:
    """Let the three ways take turns, one worker each, 64 connections; print each line.

    Raises:
        ConnectionError: an answer was no granted response.
    """
    with contextlib.ExitStack() as stack:
        servers = {way: stack.enter_context(authority(root, 1)) for way, root in _folders(scratch).items()}
        loads: dict[str, list[Load]] = {way: [] for way in servers}
        for number in range(rounds + 1):
            for way, server in servers.items():
                load = server.load(CONNECTIONS, seconds, body)
                if number:  # the first round only warms up
                    loads[way].append(load)
    cells = [_cell(way, found, loads[CLASSICAL]) for way, found in loads.items()]
    for cell in cells:
        print(
            f"{cell.way:16} {CONNECTIONS} connections: {cell.rate:6.0f} tokens/s, "
            f"p50 {cell.p50_ms:.2f} ms, p99 {cell.p99_ms:.2f} ms, "
            f"{cell.ratio.median:.2f} ({cell.ratio.lowest:.2f}-{cell.ratio.highest:.2f}) of {CLASSICAL}",
            flush=True,
        )
    return cells


def shortfalls(cells: list[EvidenceCell]) -> list[str]:
    """Return one line for every budget that was missed."""
    missed = []
    for cell in cells:
        budget = BUDGETS.get(cell.way)
        if budget is None:
            continue
        if cell.ratio.median < budget.least:
            missed.append(f"{cell.way}: {cell.ratio.median:.2f} of {CLASSICAL}, wanted {budget.least}")
        if budget.p99_ms is not None and cell.p99_ms > budget.p99_ms:
            missed.append(f"{cell.way}: p99 {cell.p99_ms:.1f} ms, wanted {budget.p99_ms:.0f} ms")
    return missed


def _folders(scratch: Path) -> dict[str, Path]:
    """Make a data folder for each way."""
    roots = {way: scratch / f"evidence-{number}" for number, way in enumerate((CLASSICAL, *BUDGETS))}
    for way, root in roots.items():
        initialise(InitRequest(root, profile="classical" if way == CLASSICAL else "hybrid"))
    folder = DataFolder(roots[EMBEDDED])
    folder.profiles.mkdir(exist_ok=True)
    text = f"{load_shipped('hybrid').text}\nembed = true\n".replace("arc = 7", "arc = 1000")
    (folder.profiles / f"{_OWN}.toml").write_text(text, encoding="utf-8")
    answer = operate(folder, "profile.use", {"name": _OWN})
    if not answer["ok"]:
        raise RuntimeError(answer)
    return roots


def _cell(way: str, loads: list[Load], classical: list[Load]) -> EvidenceCell:
    middle = statistics.median
    pairs = [load.rate / beside.rate for load, beside in zip(loads, classical, strict=True)]
    return EvidenceCell(
        way,
        middle(load.rate for load in loads),
        middle(load.p50_ms for load in loads),
        middle(load.p99_ms for load in loads),
        Ratio(middle(pairs), min(pairs), max(pairs), middle(load.rate for load in classical)),
    )
