"""Rounds in which a subject and its references take turns, and what comes out of them."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from conformance.benchmark.load import Load


@dataclass(frozen=True, slots=True)
class Ratio:
    """Subject by reference: the median of the rounds' own ratios, and the lowest and highest of them.

    Attributes:
        reference: median of the reference's rate, each second.
    """

    median: float
    lowest: float
    highest: float
    reference: float


@dataclass(frozen=True, slots=True)
class Cell:
    """One subject under one load; medians over its rounds."""

    suite: str
    way: str
    workers: int
    connections: int
    rate: float
    p50_ms: float
    p99_ms: float
    resident_mib: float | None
    ratios: Mapping[str, Ratio]


@dataclass(frozen=True, slots=True)
class Rounds:
    """The loads of the subject, and beside each the references' rates."""

    loads: list[Load]
    rates: Mapping[str, list[float]]

    def cell(self, suite: str, way: str, workers: int, connections: int, resident_mib: float | None) -> Cell:
        """Sum up."""
        middle = statistics.median
        return Cell(
            suite,
            way,
            workers,
            connections,
            middle(load.rate for load in self.loads),
            middle(load.p50_ms for load in self.loads),
            middle(load.p99_ms for load in self.loads),
            resident_mib,
            {name: self._ratio(rates) for name, rates in self.rates.items()},
        )

    def _ratio(self, rates: list[float]) -> Ratio:
        pairs = [load.rate / rate for load, rate in zip(self.loads, rates, strict=True)]
        return Ratio(statistics.median(pairs), min(pairs), max(pairs), statistics.median(rates))


def take_turns(
    count: int, subject: Callable[[], Load], references: Mapping[str, Callable[[], float]]
) -> Rounds:
    """Run subject and references in turn, after one round of the subject that does not count."""
    subject()
    loads: list[Load] = []
    rates: dict[str, list[float]] = {name: [] for name in references}
    for _ in range(count):
        for name, rate in references.items():
            rates[name].append(rate())
        loads.append(subject())
    return Rounds(loads, rates)
