"""CMS seals from B-B to B-LTA: made, extended step by step, renewed, and what each time-stamp proves."""

from __future__ import annotations

import datetime as dt
import functools
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from eseal.cades_create import create
from eseal.cades_extend import extend
from eseal.cades_find import find
from eseal.cades_refusal import CadesRefusal, CadesRefusedError
from eseal.cms_parts import read_parts
from eseal.judging import judge_document
from eseal.values import MAX_CMS, Found, Level, Material, StampRole, StampUnavailableError
from kokuin.trust.context import Context, RevocationData
from kokuin.trust.report import Indication
from kokuin.wire.cms import read_signed_data
from tests.eseal.pki import DAY, EVERY, NOW, NOW_US, P256, seal_key, seal_pki
from tests.eseal.sealed_data import Data
from tests.pqc.keys import ISSUING

if TYPE_CHECKING:
    from kokuin.trust.report import Report

DATA = Data(b"what is sealed")
LEVELS = list(Level)


@functools.cache
def material() -> Material:
    return Material(seal_pki().chain, seal_pki().revocation())


def sealed(suite_id: str = P256, level: Level = Level.B_B, *, enveloping: bool = False) -> bytes:
    stamper = seal_pki().stamper()
    keys = (seal_key(suite_id),)
    return create(
        DATA, keys, NOW_US, enveloping=enveloping, level=level, stamper=stamper, material=material()
    )


def raised(octets: bytes, level: Level, at: dt.datetime | None = None) -> bytes:
    return extend(octets, level, content=DATA, stamper=seal_pki().stamper(at=at), material=material())


def found_in(octets: bytes, content: Data | None = DATA) -> Found:
    found = find(octets, content)
    assert isinstance(found, Found)
    return found


def judged(octets: bytes, at: dt.datetime = NOW + dt.timedelta(minutes=5)) -> Report:
    context = Context(int(at.timestamp()) * 1_000_000, seal_pki().trust)
    return judge_document(found_in(octets), context)


@pytest.mark.parametrize("suite_id", EVERY)
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("enveloping", [False, True], ids=["beside", "inside"])
def test_a_seal_of_every_suite_passes_at_the_level_asked_for(
    suite_id: str,
    level: Level,
    enveloping: bool,  # noqa: FBT001  # pytest's
) -> None:
    report = judged(sealed(suite_id, level, enveloping=enveloping))
    assert report.indication is Indication.PASSED
    assert report.parts[0].subject["level"] == level.value


@pytest.mark.parametrize("suite_id", sorted(each.id for each in ISSUING if each.id not in EVERY))
def test_a_seal_of_any_other_suite_passes_too(suite_id: str) -> None:
    report = judged(sealed(suite_id, Level.B_T))
    assert report.indication is Indication.PASSED


@pytest.mark.parametrize("level", LEVELS[1:])
def test_a_seal_is_extended_to_what_it_would_have_been(level: Level) -> None:
    at_once = found_in(sealed(level=level)).seals[0]
    later = found_in(raised(sealed(), level)).seals[0]
    assert [each.role for each in later.stamps] == [each.role for each in at_once.stamps]
    assert judged(raised(sealed(), level)).parts[0].subject["level"] == level.value


def test_a_seal_climbs_step_by_step_and_what_is_signed_stays() -> None:
    octets = sealed()
    first = read_parts(octets).signers[0]
    for level in LEVELS[1:]:
        octets = raised(octets, level)
        now = read_parts(octets).signers[0]
        assert now.fields == first.fields
        assert judged(octets).parts[0].subject["level"] == level.value


def test_an_archive_time_stamp_is_renewed_and_each_covers_those_before() -> None:
    octets = sealed(level=Level.B_LTA)
    for _ in range(3):
        octets = raised(octets, Level.B_LTA)
    stamps = found_in(octets).seals[0].stamps
    assert [each.role for each in stamps] == [StampRole.SIGNATURE, *[StampRole.ARCHIVE] * 4]
    assert all(each.content is not None for each in stamps)
    assert judged(octets).indication is Indication.PASSED


def test_an_archived_seal_outlives_its_certificate() -> None:
    """Sealed 900 days ago by a certificate that ended long since."""
    began = NOW - 900 * DAY
    key = seal_pki().seal_key(P256, now=began - DAY, days=100)
    lists = seal_pki().crls(this_update=began, next_update=began + 7 * DAY)
    then = Material(seal_pki().chain, RevocationData(lists=lists))
    stamper = seal_pki().stamper(at=began + dt.timedelta(hours=1))
    at = int(began.timestamp()) * 1_000_000
    octets = create(DATA, (key,), at, level=Level.B_LTA, stamper=stamper, material=then)
    assert judged(octets).indication is Indication.PASSED
    bare = create(DATA, (key,), at)
    assert judged(bare).indication is Indication.INDETERMINATE


def test_an_extension_over_changed_data_is_refused() -> None:
    with pytest.raises(CadesRefusedError) as refused:
        extend(sealed(), Level.B_T, content=Data(b"other"), stamper=seal_pki().stamper())
    assert refused.value.code is CadesRefusal.SEAL_NOT_RIGHT


def test_a_seal_whose_signature_does_not_fit_is_not_extended() -> None:
    octets = bytearray(sealed())
    octets[-1] ^= 1
    with pytest.raises(CadesRefusedError) as refused:
        raised(bytes(octets), Level.B_T)
    assert refused.value.code is CadesRefusal.SEAL_NOT_RIGHT


def test_an_archive_time_stamp_needs_the_data() -> None:
    with pytest.raises(CadesRefusedError) as refused:
        extend(sealed(), Level.B_LTA, stamper=seal_pki().stamper(), material=material())
    assert refused.value.code is CadesRefusal.CONTENT_MISSING
    inside = sealed(enveloping=True)
    assert extend(inside, Level.B_LTA, stamper=seal_pki().stamper(), material=material())


@pytest.mark.parametrize("level", [Level.B_B, Level.B_T, Level.B_LT])
def test_a_level_that_is_there_is_not_added_again(level: Level) -> None:
    with pytest.raises(CadesRefusedError) as refused:
        raised(sealed(level=level), level)
    assert refused.value.code is CadesRefusal.LEVEL_REACHED


def test_a_level_without_its_material_is_refused() -> None:
    with pytest.raises(CadesRefusedError) as refused:
        extend(sealed(), Level.B_LT, content=DATA, stamper=seal_pki().stamper())
    assert refused.value.code is CadesRefusal.NO_MATERIAL


def test_a_level_without_a_time_stamp_authority_is_said_so() -> None:
    with pytest.raises(StampUnavailableError):
        extend(sealed(), Level.B_T, content=DATA)


@pytest.mark.parametrize("octets", [b"", b"\x30\x00", b"nonsense", sealed()[:100]], ids=range(4))
def test_what_is_no_seal_is_not_extended(octets: bytes) -> None:
    with pytest.raises(CadesRefusedError) as refused:
        raised(octets, Level.B_T)
    assert refused.value.code is CadesRefusal.BROKEN


def test_certificates_without_a_seal_are_not_extended() -> None:
    bare = replace(read_parts(sealed()), signers=()).encode()
    with pytest.raises(CadesRefusedError) as refused:
        raised(bare, Level.B_T)
    assert refused.value.code is CadesRefusal.NOT_SEALED


def test_an_answer_of_a_responder_makes_version_5() -> None:
    """RFC 5652 §5.1, RFC 5940 §2.1."""
    answer = seal_pki().answer(seal_key().certificate)
    given = Material(seal_pki().chain, RevocationData(seal_pki().crls()[1:], (answer,)))
    octets = extend(sealed(), Level.B_LT, content=DATA, stamper=seal_pki().stamper(), material=given)
    read = read_signed_data(octets)
    assert read.version == 5
    assert read.ocsp_answers == (answer,)
    assert found_in(octets).seals[0].revocation.answers == (answer,)


def test_data_of_any_size_is_sealed_beside_and_bounded_inside() -> None:
    class Large(Data):
        def octets(self, most: int) -> bytes | None:
            return super().octets(most - MAX_CMS)

    large = Large(b"x")
    assert create(large, (seal_key(),), NOW_US)
    with pytest.raises(CadesRefusedError) as refused:
        create(large, (seal_key(),), NOW_US, enveloping=True)
    assert refused.value.code is CadesRefusal.TOO_LARGE
    with pytest.raises(CadesRefusedError) as refused:
        create(large, (), NOW_US)
    assert refused.value.code is CadesRefusal.KEYS
