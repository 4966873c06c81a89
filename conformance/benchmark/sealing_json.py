"""JSON seals a second in process beside signatures alone by the same keys, by suite and level; their judging.

A unit in the process stamps them. Seals and signatures take turns, and processor time is measured, so that
what waits for other work does not count. Run as `python -m conformance.benchmark.sealing_json`.
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
    """Seals of a small document by some keys at one level: octets, and medians as numbers a second.

    Attributes:
        raw: signatures alone over as many octets, one by each of the keys.
        ratio: seals by signatures alone.
    """

    keys: str
    level: str
    octets: int
    sealed: float
    judged: float
    raw: float
    ratio: float


def measure(rounds: int) -> Iterator[JsonSeals]:
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

            def sign(keys: list[SealKey] = keys) -> None:
                for key in keys:
                    key.signer.sign(DATA)

            made_s, raw_s = _rates(rounds, seal, sign)
            (judged_s,) = _rates(rounds // 3, judge)
            yield JsonSeals(name, level, len(sealed), made_s, judged_s, raw_s, made_s / raw_s)


def _rates(rounds: int, *acts: Callable[[], object]) -> tuple[float, ...]:
    """Return what each act comes to in a second, when they take turns."""
    times: list[list[int]] = [[] for _ in acts]
    for _ in range(WARM + rounds):
        for act, taken in zip(acts, times, strict=True):
            begun = time.thread_time_ns()
            act()
            taken.append(time.thread_time_ns() - begun)
    return tuple(1e9 / statistics.median(taken[WARM:]) for taken in times)


def show(rounds: int) -> list[JsonSeals]:
    """Measure, and print each line as it is known."""
    measured = []
    for each in measure(rounds):
        print(
            f"JSON {each.keys} {each.level}: {each.octets} octets, {each.sealed:.0f} sealed/s, "
            f"{each.ratio:.2f} of {each.raw:.0f} signatures/s, {each.judged:.0f} judged/s",
            flush=True,
        )
        measured.append(each)
    return measured


if __name__ == "__main__":
    show(ROUNDS)
