"""EU DSS validates our CMS seals at the level that they claim; those of algorithms that it knows."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from conformance.interop.checks import Check
from conformance.interop.dss.library import EDDSA, NO_REPORT
from eseal.cades_create import create
from eseal.cades_extend import extend
from eseal.values import Level, Material
from kokuin.trust.context import RevocationData
from tests.eseal import pki
from tests.eseal.sealed_data import Data

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conformance.interop.dss.library import Dss

DATA = Data(b"what is sealed")
SUITES = (pki.P256, pki.P384, pki.RSA, pki.PSS)
"""Those that its default policy accepts."""
POST_QUANTUM = "ml-dsa-65"


def checks(judge: Dss, folder: Path) -> Iterator[Check]:
    """Yield what is held.

    Args:
        judge: EU DSS.
        folder: with the root and its lists, which it trusts.
    """
    for suite_id in SUITES:
        yield Check(f"{suite_id}: CMS seals pass at every level", partial(_passes, judge, folder, suite_id))
    yield Check(
        f"{pki.ED25519}: CMS seals are intact; its policy has no EdDSA", partial(_ed25519, judge, folder)
    )
    yield Check(f"CMS seals of {POST_QUANTUM}: no report, all intact", partial(_quantum, judge, folder))
    yield Check("CMS seals of two keys, renewed, and with answers pass", partial(_forms, judge, folder))
    yield Check("a CMS seal over other data fails", partial(_changed, judge, folder))


def _material() -> Material:
    made = pki.seal_pki()
    return Material(made.chain, made.revocation())


def _seal(*suites: str, level: Level, inside: bool = True, material: Material | None = None) -> bytes:
    return create(
        DATA,
        [pki.seal_key(each) for each in suites],
        pki.NOW_US,
        enveloping=inside,
        level=level,
        stamper=pki.seal_pki().stamper(),
        material=material or _material(),
    )


def _said(judge: Dss, folder: Path, *seals: bytes, beside: bytes | None = None) -> list[str]:
    words = []
    for number, octets in enumerate(seals):
        path = folder / f"{number}.p7m"
        path.write_bytes(octets)
        words.append(str(path))
    if beside is not None:
        data = folder / "beside"
        data.write_bytes(beside)
        words = [f"{word},{data},data" for word in words]
    return judge.validate(folder, *words)


def _format(level: Level) -> str:
    return f"CAdES-BASELINE-{level.removeprefix('B-')}"


def _passed(level: Level) -> str:
    return f"{_format(level)} TOTAL_PASSED null"


def _passes(judge: Dss, folder: Path, suite_id: str) -> None:
    expected = [_passed(level) for level in Level]
    said = _said(judge, folder, *(_seal(suite_id, level=level) for level in Level))
    assert said == expected, said
    detached = [_seal(suite_id, level=level, inside=False) for level in Level]
    said = _said(judge, folder, *detached, beside=DATA.held)
    assert said == expected, said


def _ed25519(judge: Dss, folder: Path) -> None:
    said = _said(judge, folder, *(_seal(pki.ED25519, level=level) for level in Level))
    for level, each in zip(Level, said, strict=True):
        assert each.startswith(f"{_format(level)} {EDDSA}"), each


def _quantum(judge: Dss, folder: Path) -> None:
    alone, both = (_seal(*more, POST_QUANTUM, level=Level.B_LTA) for more in ((), (pki.P256,)))
    said = _said(judge, folder, alone, both)
    assert said == [f"{NO_REPORT}; intact", f"{NO_REPORT}; intact; intact"], said


def _forms(judge: Dss, folder: Path) -> None:
    made, lta = pki.seal_pki(), _passed(Level.B_LTA)
    both = _seal(pki.P256, pki.P384, level=Level.B_LTA)
    once = _seal(pki.P256, level=Level.B_LTA)
    twice = extend(once, Level.B_LTA, stamper=made.stamper(), material=Material((), made.revocation()))
    answers = tuple(
        made.answer(each) for each in (pki.seal_key().certificate, made.stamper().certificate.der)
    )
    told = Material(made.chain, RevocationData(made.crls()[1:], answers))
    said = _said(judge, folder, both, twice, _seal(pki.P256, level=Level.B_LTA, material=told))
    assert said == [f"{lta}; {lta}", lta, lta], said


def _changed(judge: Dss, folder: Path) -> None:
    (said,) = _said(judge, folder, _seal(pki.P256, level=Level.B_LTA, inside=False), beside=b"other")
    assert "TOTAL_FAILED" in said, said
