"""JSON seals raised from each level to each higher one, and renewed until after the first keys have ended."""

from __future__ import annotations

import datetime as dt
import itertools
import json

import pytest

from eseal.jades_content import NamedDocuments
from eseal.jades_create import create
from eseal.jades_extend import extend
from eseal.jades_form import Serialization
from eseal.jades_payload import Attached, ByUri, ByUriHash, Document
from eseal.jades_refusal import JadesRefusal, JadesRefusedError
from eseal.values import Level, Material, StampUnavailableError
from kokuin.trust.context import RevocationData
from kokuin.trust.report import Indication
from tests.eseal import pki
from tests.eseal.jades import DATA, Beside, header_of, judge, material, pack, seal, unpack

HIGHER = [(low, high) for low, high in itertools.combinations(Level, 2)]
PDF = Document("offer.pdf", b"%PDF-1.7 offer", "application/pdf")


def raised(sealed: bytes, level: Level, content: Beside | None = None) -> bytes:
    stamper = pki.seal_pki().stamper()
    return extend(sealed, level, content=content, stamper=stamper, material=material())


def names(sealed: bytes, place: int = 0) -> list[str]:
    """Names of the entries of `etsiU`, in order."""
    document = json.loads(sealed)
    entries = document.get("signatures", [document])[place]["header"]["etsiU"]
    return [name for each in entries for name in json.loads(unpack(each))]


@pytest.mark.parametrize("serialization", Serialization)
@pytest.mark.parametrize(("low", "high"), HIGHER)
def test_every_level_is_raised_to_every_higher_one(
    low: Level, high: Level, serialization: Serialization
) -> None:
    if low is not Level.B_B and serialization is Serialization.COMPACT:
        serialization = Serialization.FLATTENED
    sealed = seal(level=low, serialization=serialization)
    higher = raised(sealed, high)
    report = judge(higher)
    assert report.indication is Indication.PASSED
    assert report.parts[0].subject["level"] == high.value
    assert header_of(higher) == header_of(sealed)


def test_both_halves_of_a_hybrid_seal_are_raised() -> None:
    sealed = seal(None, pki.seal_key(), pki.seal_key("ml-dsa-65"))
    higher = raised(sealed, Level.B_LTA)
    report = judge(higher)
    assert report.indication is Indication.PASSED
    assert [part.subject["level"] for part in report.parts] == ["B-LTA", "B-LTA"]


def test_what_others_put_into_the_document_stays() -> None:
    document = json.loads(seal(serialization=Serialization.GENERAL))
    document["number"] = 7
    document["signatures"][0]["note"] = "seen"
    higher = json.loads(raised(json.dumps(document).encode(), Level.B_T))
    assert higher["number"] == 7
    assert higher["signatures"][0]["note"] == "seen"


def test_an_archive_time_stamp_is_renewed_with_what_the_former_one_lacks() -> None:
    once = seal(level=Level.B_LTA)
    assert names(once) == ["sigTst", "xVals", "rVals", "arcTst"]
    made = pki.seal_pki()
    later = Material(revocation=RevocationData(made.crls(this_update=pki.NOW)))
    twice = extend(once, Level.B_LTA, stamper=made.stamper(), material=later)
    assert names(twice) == ["sigTst", "xVals", "rVals", "arcTst", "tstVD", "arcTst"]
    report = judge(twice)
    assert report.indication is Indication.PASSED
    assert [part.subject.get("level") for part in report.parts] == ["B-LTA"]
    document = json.loads(twice)
    del document["header"]["etsiU"][4]
    assert judge(json.dumps(document).encode()).indication is Indication.FAILED


def test_a_renewed_seal_outlives_the_certificates_of_seal_and_time_stamp() -> None:
    """Sealed long ago by a certificate that has ended since; archive time-stamps carry it over."""
    made = pki.seal_pki()
    began = pki.NOW - 900 * pki.DAY
    key = made.seal_key(now=began, days=400)
    early = Material(
        material().certificates,
        RevocationData(made.crls(this_update=began + 2 * pki.DAY, next_update=began + 20 * pki.DAY)),
    )
    at = began + 1 * pki.DAY
    sealed = create(
        Attached(DATA),
        (key,),
        int(at.timestamp()) * 1_000_000,
        level=Level.B_LTA,
        stamper=made.stamper(at=at + dt.timedelta(days=2)),
        material=early,
    )
    plain = create(Attached(DATA), (key,), int(at.timestamp()) * 1_000_000)
    assert judge(plain, at_us=pki.NOW_US).indication is not Indication.PASSED
    assert judge(sealed, at_us=pki.NOW_US).indication is Indication.PASSED


def test_the_data_beside_is_under_the_archive_time_stamp() -> None:
    beside = Beside(PDF.octets)
    for payload in (ByUriHash((PDF,)), ByUri(PDF)):
        higher = raised(seal(payload), Level.B_LTA, beside)
        assert judge(higher, beside).indication is Indication.PASSED
    two = ByUriHash((PDF, Document("b", b"b")))
    both = NamedDocuments({PDF.uri: beside, "b": Beside(b"b")})
    higher = extend(
        seal(two), Level.B_LTA, content=both, stamper=pki.seal_pki().stamper(), material=material()
    )
    assert judge(higher, both).parts[0].subject["level"] == "B-LTA"


def refused(sealed: bytes, level: Level = Level.B_LTA, content: Beside | None = None) -> JadesRefusal:
    with pytest.raises(JadesRefusedError) as found:
        raised(sealed, level, content)
    return found.value.code


def test_data_that_is_not_here_cannot_be_put_under_an_archive_time_stamp() -> None:
    assert refused(seal(ByUriHash((PDF,)))) is JadesRefusal.CONTENT_MISSING
    assert refused(seal(ByUriHash((PDF,))), content=Beside(b"other")) is JadesRefusal.SEAL_NOT_RIGHT


def test_a_seal_that_does_not_hold_is_not_made_to_look_better() -> None:
    document = json.loads(seal(serialization=Serialization.FLATTENED))
    document["payload"] = pack(b"{}")
    assert refused(json.dumps(document).encode()) is JadesRefusal.SEAL_NOT_RIGHT
    hybrid = json.loads(seal(None, pki.seal_key(), pki.seal_key("ml-dsa-65")))
    hybrid["signatures"].pop()
    assert refused(json.dumps(hybrid).encode()) is JadesRefusal.SEAL_NOT_RIGHT


def test_what_is_no_jws_is_not_extended() -> None:
    assert refused(b"{}") is JadesRefusal.BROKEN
    assert refused(b"") is JadesRefusal.BROKEN


@pytest.mark.parametrize(
    ("low", "high"), [(high, low) for low, high in HIGHER if low is not Level.B_B] + [(Level.B_T, Level.B_T)]
)
def test_a_level_that_is_there_is_not_added_again(low: Level, high: Level) -> None:
    assert refused(seal(level=low), high) is JadesRefusal.LEVEL_REACHED


def test_material_that_is_carried_is_not_added_again() -> None:
    assert refused(seal(level=Level.B_LT), Level.B_LT) is JadesRefusal.LEVEL_REACHED


def test_a_level_that_wants_material_is_not_claimed_without_any() -> None:
    with pytest.raises(JadesRefusedError) as found:
        extend(seal(level=Level.B_T), Level.B_LT, stamper=pki.seal_pki().stamper())
    assert found.value.code is JadesRefusal.NO_MATERIAL


def test_without_a_time_stamp_authority_nothing_is_half_done() -> None:
    with pytest.raises(StampUnavailableError):
        extend(seal(), Level.B_T)


def test_the_clear_form_is_read_and_not_written() -> None:
    document = json.loads(seal(level=Level.B_T))
    document["header"]["etsiU"] = [json.loads(unpack(each)) for each in document["header"]["etsiU"]]
    clear = json.dumps(document).encode()
    assert judge(clear).parts[0].subject["level"] == "B-T"
    assert refused(clear) is JadesRefusal.CLEAR_FORM
