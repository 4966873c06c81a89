"""EU DSS validates our seals of JSON, CMS and PDF at the level that they claim, and we judge its own."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

from conformance.interop.checks import Check
from conformance.interop.dss import cms_seals, evidenced_seals, foreign, pdf_seals
from conformance.interop.dss.library import EDDSA, dss
from eseal.jades_create import create
from eseal.jades_extend import extend
from eseal.jades_form import Serialization
from eseal.jades_payload import Attached, ByUri, ByUriHash, Document
from eseal.values import Level, Material
from tests.eseal import pki
from tests.eseal.jades import Beside

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conformance.interop.dss.library import Dss
    from conformance.interop.place import Place
    from eseal.jades_payload import Payload

DATA = '{"name":"試験株式会社","total":1200.5}'.encode()
OFFER = Document("offer.pdf", b"%PDF-1.7 offer", "application/pdf")
SUITES = (pki.P256, pki.P384, pki.PSS)
"""Those that its default policy accepts."""
DETACHED: dict[str, Payload] = {
    "its digest": ByUriHash((OFFER,)),
    "its digest in base64url": ByUriHash((OFFER,), encoded=True),
    "its name": ByUri(OFFER),
    "its name, as it is": ByUri(OFFER, encoded=False),
}


def checks(place: Place) -> Iterator[Check]:
    """Raises `AbsentError`."""
    folder = place.own("dss")
    classes = folder / "classes"
    classes.mkdir(exist_ok=True)
    judge = dss(classes)
    made = pki.seal_pki()
    (folder / "root.der").write_bytes(made.root.certificate.der)
    for number, each in enumerate(made.crls()):
        (folder / f"{number}.crl").write_bytes(each)
    for suite_id in SUITES:
        yield Check(f"{suite_id}: JSON seals pass at every level", partial(_passes, judge, folder, suite_id))
    yield Check(
        f"{pki.ED25519}: JSON seals are intact; its policy has no EdDSA", partial(_ed25519, judge, folder)
    )
    yield Check(
        "JSON seals pass in every serialisation, two at once, renewed", partial(_forms, judge, folder)
    )
    yield Check("a payload as it is passes", partial(_plain, judge, folder))
    for name, payload in DETACHED.items():
        yield Check(f"data beside a JSON seal by {name} passes", partial(_beside, judge, folder, payload))
    yield Check("a changed JSON payload fails", partial(_changed, judge, folder))
    yield from cms_seals.checks(judge, folder)
    yield from pdf_seals.checks(judge, folder)
    yield from evidenced_seals.checks(judge, folder)
    yield from foreign.checks(judge, place.own("dss-foreign"))


def _seal(
    payload: Payload, *suites: str, level: Level = Level.B_B, form: Serialization | None = None
) -> bytes:
    return create(
        payload,
        [pki.seal_key(each) for each in suites or (pki.P256,)],
        pki.NOW_US,
        serialization=form,
        level=level,
        stamper=pki.seal_pki().stamper(),
        material=_material(),
    )


def _material() -> Material:
    made = pki.seal_pki()
    return Material((made.authority.certificate.der,), made.revocation())


def _said(judge: Dss, folder: Path, *seals: bytes, beside: Document | None = None) -> list[str]:
    words = []
    for number, octets in enumerate(seals):
        path = folder / f"{number}.json"
        path.write_bytes(octets)
        words.append(str(path))
    if beside is not None:
        data = folder / "beside"
        data.write_bytes(beside.octets)
        words = [f"{word},{data},{beside.uri}" for word in words]
    return judge.validate(folder, *words)


def _format(level: Level) -> str:
    return f"JAdES-BASELINE-{level.removeprefix('B-')}"


def _passed(level: Level) -> str:
    return f"{_format(level)} TOTAL_PASSED null"


def _passes(judge: Dss, folder: Path, suite_id: str) -> None:
    seals = [_seal(Attached(DATA), suite_id, level=level) for level in Level]
    said = _said(judge, folder, *seals)
    assert said == [_passed(level) for level in Level], said


def _ed25519(judge: Dss, folder: Path) -> None:
    said = _said(judge, folder, *(_seal(Attached(DATA), pki.ED25519, level=level) for level in Level))
    for level, each in zip(Level, said, strict=True):
        assert each.startswith(f"{_format(level)} {EDDSA}"), each


def _forms(judge: Dss, folder: Path) -> None:
    once = _seal(Attached(DATA), level=Level.B_LTA)
    general = _seal(Attached(DATA), level=Level.B_LTA, form=Serialization.GENERAL)
    both = _seal(Attached(DATA), pki.P256, pki.P384, level=Level.B_LTA)
    twice = extend(once, Level.B_LTA, stamper=pki.seal_pki().stamper(), material=_material())
    lta = _passed(Level.B_LTA)
    said = _said(judge, folder, general, both, twice)
    assert said == [lta, f"{lta}; {lta}", lta], said


def _plain(judge: Dss, folder: Path) -> None:
    payload = Attached(DATA, encoded=False)
    sealed = _seal(payload, level=Level.B_LTA, form=Serialization.FLATTENED)
    said = _said(judge, folder, sealed)
    assert said == [_passed(Level.B_LTA)], said


def _beside(judge: Dss, folder: Path, payload: Payload) -> None:
    sealed = _seal(payload)
    higher = extend(
        sealed,
        Level.B_LTA,
        content=Beside(OFFER.octets),
        stamper=pki.seal_pki().stamper(),
        material=_material(),
    )
    said = _said(judge, folder, sealed, higher, beside=OFFER)
    assert said == [_passed(Level.B_B), _passed(Level.B_LTA)], said
    other = Document(OFFER.uri, b"other")
    (wrong,) = _said(judge, folder, sealed, beside=other)
    assert "TOTAL_FAILED" in wrong, wrong


def _changed(judge: Dss, folder: Path) -> None:
    document = json.loads(_seal(Attached(DATA), level=Level.B_LTA))
    document["payload"] = json.loads(_seal(Attached(b"{}"), form=Serialization.FLATTENED))["payload"]
    (said,) = _said(judge, folder, json.dumps(document).encode())
    assert "TOTAL_FAILED" in said, said
