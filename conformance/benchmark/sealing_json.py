"""JSON seals a second in process, by suite and level, and their judging; a unit in the process stamps them.

Processor time is measured, so that what waits for other work does not count. Run as
`python -m conformance.benchmark.sealing_json`.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eseal.jades_create import create
from eseal.jades_find import find
from eseal.jades_payload import Attached
from eseal.judging import judge_document
from eseal.values import Found, Level, Material, SealKey
from kokuin.trust.context import Context
from tests.eseal import pki

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DATA = b'{"invoice":"2026-11","total":1200.50,"items":[1,2,3]}'
WAYS = {"P-256": (pki.P256,), "ML-DSA-65": ("ml-dsa-65",), "P-256 and ML-DSA-65": (pki.P256, "ml-dsa-65")}
ROUNDS = 300
WARM = 10
_HOUR_US = 3_600_000_000


@dataclass(frozen=True, slots=True)
class JsonSeals:
    """Seals of a small document by some keys at one level: octets, and medians as numbers a second."""

    keys: str
    level: str
    octets: int
    sealed: float
    judged: float


def measure(rounds: int = ROUNDS) -> Iterator[JsonSeals]:
    """Measure every way at every level."""
    made = pki.seal_pki()
    stamper, material = made.stamper(), Material((made.authority.certificate.der,), made.revocation())
    context = Context(pki.NOW_US + _HOUR_US, made.trust)
    for name, suites in WAYS.items():
        keys = [pki.seal_key(each) for each in suites]
        for level in Level:

            def seal(level: Level = level, keys: list[SealKey] = keys) -> bytes:
                return create(
                    Attached(DATA), keys, pki.NOW_US, level=level, stamper=stamper, material=material
                )

            sealed = seal()

            def judge(sealed: bytes = sealed) -> None:
                found = find(sealed, None)
                assert isinstance(found, Found)
                judge_document(found, context)

            yield JsonSeals(name, level, len(sealed), _rate(seal, rounds), _rate(judge, rounds // 3))


def _rate(act: Callable[[], object], rounds: int) -> float:
    times = []
    for _ in range(WARM + rounds):
        begun = time.thread_time_ns()
        act()
        times.append(time.thread_time_ns() - begun)
    return 1e9 / statistics.median(times[WARM:])


def main() -> None:
    """Measure and print."""
    for each in measure():
        print(
            f"JSON {each.keys} {each.level}: {each.octets} octets, "
            f"{each.sealed:.0f} sealed/s, {each.judged:.0f} judged/s"
        )


if __name__ == "__main__":
    main()
