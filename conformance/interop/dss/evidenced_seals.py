"""EU DSS validates our seals with evidence of ML-DSA within their time-stamps as it does those without."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from conformance.interop.checks import Check
from eseal.values import Level
from tests.eseal.evidencing import EvidencedStamper
from tests.eseal.jades import DATA
from tests.eseal.test_evidence_in_seals import STAMPED, extended, seal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conformance.interop.dss.library import Dss

_NAMES = {"pdf": "PAdES", "json": "JAdES", "cades": "CAdES"}


def checks(judge: Dss, folder: Path) -> Iterator[Check]:
    """Yield what is held; arguments as of `pdf_seals.checks`."""
    for form, name in _NAMES.items():
        yield Check(f"{name}: seals with evidence of ML-DSA pass", partial(_passes, judge, folder, form))


def _passes(judge: Dss, folder: Path, form: str) -> None:
    seals = [seal(form, level, EvidencedStamper()) for level in STAMPED]
    seals.append(extended(form, seals[-1], Level.B_LTA, EvidencedStamper()))
    words = []
    for number, octets in enumerate(seals):
        path = folder / f"evidenced-{number}.{form}"
        path.write_bytes(octets)
        words.append(str(path))
    if form == "cades":
        data = folder / "evidenced-data"
        data.write_bytes(DATA)
        words = [f"{word},{data},data" for word in words]
    said = judge.validate(folder, *words)
    levels = [level.removeprefix("B-") for level in (*STAMPED, Level.B_LTA)]
    assert said == [f"{_NAMES[form]}-BASELINE-{level} TOTAL_PASSED null" for level in levels], said
