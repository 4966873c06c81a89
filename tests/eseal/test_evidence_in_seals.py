"""Seals whose time-stamps carry evidence: judged when their own algorithms are relied on no more."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from eseal.cades_create import create as create_cades
from eseal.cades_extend import extend as extend_cades
from eseal.cades_find import find as find_cades
from eseal.cms_parts import read_parts
from eseal.cms_template import signature_time_stamp
from eseal.jades_create import create as create_jades
from eseal.jades_extend import extend as extend_jades
from eseal.jades_find import find as find_jades
from eseal.jades_payload import Attached
from eseal.pdf.contents import read_contents
from eseal.pdf.extending import extend_pdf
from eseal.pdf.find import find as find_pdf
from eseal.pdf.orders import PdfSealOrder
from eseal.pdf.sealing import PdfSealer
from eseal.pdf.stamping import Stamping
from eseal.values import Found, Level
from kokuin.cli.report_text import sentences
from kokuin.trust.anchors import TrustStore
from kokuin.trust.certificate import read_certificate
from kokuin.trust.report import Existence, Indication
from kokuin.trust.rules import Reason
from kokuin.verify.content import of_octets
from kokuin.verify.verifying import verify_bytes
from kokuin.wire import oids
from kokuin.wire.ber import definite
from kokuin.wire.ers import read_evidence_record
from kokuin.wire.pem import write_block
from kokuin.wire.prescan import TOKEN_LIMITS
from kokuin.wire.token_form import bare_token, evidence_in
from tests.eseal.evidencing import EvidencedStamper, keeper, later, trust
from tests.eseal.jades import DATA, material, pack, unpack
from tests.eseal.pdf.plain import pages
from tests.eseal.pki import DAY_US, NOW, NOW_US, seal_key, seal_pki
from tests.eseal.sealed_data import Data
from tests.reportschema import valid
from tests.trust.evidences import PQ, first, moment, unit
from tests.unsigned import attribute

if TYPE_CHECKING:
    import datetime as dt

    from eseal.values import SealKey, TimeStamper
    from kokuin.trust.context import Context
    from kokuin.trust.report import Report

FORMATS = ("pdf", "json", "cades")
STAMPED = [level for level in Level if level is not Level.B_B]


def seal(form: str, level: Level, stamper: TimeStamper, *keys: SealKey) -> bytes:
    """Seal a document of a format; what is sealed by CAdES lies beside."""
    keys = keys or (seal_key(),)
    if form == "pdf":
        stream = io.BytesIO(pages())
        PdfSealer(keys, Stamping(stamper)).seal(stream, PdfSealOrder(level, NOW_US, material=material()))
        return stream.getvalue()
    if form == "json":
        return create_jades(Attached(DATA), keys, NOW_US, level=level, stamper=stamper, material=material())
    return create_cades(Data(DATA), keys, NOW_US, level=level, stamper=stamper, material=material())


def judged(form: str, octets: bytes, by: Context | None = None) -> Report:
    by = by or later(content=of_octets(DATA) if form == "cades" else None)
    return verify_bytes(octets, by)


def extended(form: str, octets: bytes, level: Level, stamper: TimeStamper) -> bytes:
    if form == "pdf":
        stream = io.BytesIO(octets)
        extend_pdf(stream, level, Stamping(stamper), material())
        return stream.getvalue()
    if form == "json":
        return extend_jades(octets, level, stamper=stamper, material=material())
    return extend_cades(octets, level, content=Data(DATA), stamper=stamper, material=material())


def found_in(form: str, octets: bytes) -> Found:
    finder = {"pdf": find_pdf, "json": find_jades, "cades": find_cades}[form]
    found = finder(octets, Data(DATA) if form == "cades" else None)
    assert isinstance(found, Found)
    return found


def evidence_of(form: str, octets: bytes) -> list[tuple[bytes, ...]]:
    """Return the records within each time-stamp of the first seal."""
    stamps = found_in(form, octets).seals[0].stamps
    return [evidence_in(definite(stamp.token, TOKEN_LIMITS)) for stamp in stamps]


def swapped(form: str, octets: bytes, old: bytes, new: bytes) -> bytes:
    """Return a sealed document with another token in the place of one."""
    if form == "json":
        document = json.loads(octets)
        before, after = map(base64.b64encode, (old, new))
        elements = document["header"]["etsiU"]
        document["header"]["etsiU"] = [
            pack(unpack(elements[0]).replace(before, after)),
            *elements[1:],
        ]
        assert document["header"]["etsiU"] != elements
        return json.dumps(document).encode()
    start = stop = 0
    cms = octets
    if form == "pdf":
        at = octets.index(old.hex().encode())
        start, stop = octets.rindex(b"<", 0, at) + 1, octets.index(b">", at)
        cms, _ = read_contents(bytes.fromhex(octets[start:stop].decode()))
    parts = read_parts(cms)
    (signer,) = parts.signers
    unsigned = tuple(signature_time_stamp(new) if old in each else each for each in signer.unsigned)
    assert unsigned != signer.unsigned
    changed = replace(parts, signers=(replace(signer, unsigned=unsigned),)).encode()
    if form == "cades":
        return changed
    return octets[:start] + changed.hex().encode().ljust(stop - start, b"0") + octets[stop:]


def beside(octets: bytes, at: dt.datetime = NOW) -> bytes:
    """Return a record over a whole file."""
    return first(keeper(), at, octets)


def reasons(report: Report) -> set[str | None]:
    return {check.reason for part in (report, *report.parts) for check in part.checks}


@pytest.mark.parametrize("form", FORMATS)
def test_a_seal_of_the_highest_level_outlives_its_algorithms_by_the_evidence_within(form: str) -> None:
    content = of_octets(DATA) if form == "cades" else None
    without = judged(form, seal(form, Level.B_LTA, seal_pki().stamper()))
    assert without.indication is Indication.INDETERMINATE
    assert Reason.NO_LONGER_FIT in reasons(without)
    report = judged(form, seal(form, Level.B_LTA, EvidencedStamper()))
    assert report.indication is Indication.PASSED
    (sealed,) = report.parts
    assert sealed.subject["level"] == Level.B_LTA
    assert [part.subject["post_quantum"] for part in sealed.parts] == ["PASSED", "PASSED"]
    worlds = [report.subject[name] for name in ("classical", "post_quantum", "combined")]
    assert worlds == ["INDETERMINATE", "PASSED", "PASSED"], "without the evidence it would not pass"
    today = judged(
        form, seal(form, Level.B_LTA, EvidencedStamper()), later(at=NOW_US + DAY_US, content=content)
    )
    worlds = [today.subject[name] for name in ("classical", "post_quantum", "combined")]
    assert worlds == ["PASSED", "PASSED", "PASSED"]
    assert report.verifiable_until is not None
    after = later(at=report.verifiable_until.time + 1)
    after = replace(after, content=of_octets(DATA) if form == "cades" else None)
    again = judged(form, seal(form, Level.B_LTA, EvidencedStamper()), after)
    assert again.indication is Indication.INDETERMINATE


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("level", [Level.B_T, Level.B_LT])
def test_below_it_what_vouches_for_the_signer_is_signed_already_or_known_to_the_verifier(
    form: str, level: Level
) -> None:
    """The time-stamp covers the signature alone; of JSON the chain is in what is signed."""
    sealed = seal(form, level, EvidencedStamper())
    report = judged(form, sealed)
    assert report.indication is (Indication.PASSED if form == "json" else Indication.INDETERMINATE)
    known = TrustStore(trust().anchors, tuple(map(read_certificate, seal_pki().chain)))
    by = later(trust=known, content=of_octets(DATA) if form == "cades" else None)
    assert judged(form, sealed, by).indication is Indication.PASSED


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("level", Level)
def test_a_record_over_the_file_carries_a_seal_of_every_level(form: str, level: Level) -> None:
    sealed = seal(form, level, seal_pki().stamper())
    content = of_octets(DATA) if form == "cades" else None
    assert judged(form, sealed).indication is Indication.INDETERMINATE
    report = judged(form, sealed, later(content=content, evidence=(beside(sealed),)))
    assert report.indication is Indication.PASSED, report.checks
    worlds = [report.subject[name] for name in ("classical", "post_quantum", "combined")]
    assert worlds == ["INDETERMINATE", "PASSED", "PASSED"]
    assert report.parts[-1].kind == "evidence-record"
    assert Existence.EVIDENCE_RECORD in {proof.code for proof in report.proofs_of_existence}
    valid(report)


@pytest.mark.parametrize("form", FORMATS)
def test_through_several_records_a_seal_passes_until_those_that_are_left_do_not_suffice(form: str) -> None:
    """The one that ends last was made when the seal's algorithms had fallen: alone it proves nothing."""
    sealed = seal(form, Level.B_T, seal_pki().stamper())
    content = of_octets(DATA) if form == "cades" else None
    brief, long = unit(PQ, NOW.year, 3_000), unit(PQ, 2032, 3_700)
    records = (first(brief, NOW, sealed), first(long, moment(2032, 6), sealed))
    for shown in (records, records[::-1]):
        store = TrustStore((*trust().anchors, *(each.root.certificate for each in (brief, long))))
        by = later(content=content, evidence=shown, trust=store)
        end = judged(form, sealed, by).verifiable_until
        assert end is not None
        assert end.time == read_certificate(brief.unit.certificate).not_after + 999_999
        for more, wanted in ((0, "PASSED"), (1, "INDETERMINATE")):
            assert judged(form, sealed, replace(by, at=end.time + more)).indication == wanted


@pytest.mark.parametrize("oid", [oids.ID_AA_ER_INTERNAL, oids.ID_AA_ER_EXTERNAL])
def test_a_record_within_the_signature_itself_is_not_passed_over_in_silence(oid: str) -> None:
    sealed = seal("cades", Level.B_T, seal_pki().stamper())
    parts = read_parts(sealed)
    (signer,) = parts.signers
    unsigned = (*signer.unsigned, attribute(oid, beside(sealed)))
    report = judged("cades", replace(parts, signers=(replace(signer, unsigned=unsigned),)).encode())
    assert report.indication is Indication.INDETERMINATE
    assert "EVIDENCE_WITHIN_NOT_JUDGED" in report.limits
    assert any("within the signature itself was not judged" in line for line in sentences(report, "en"))
    assert "EVIDENCE_WITHIN_NOT_JUDGED" not in judged("cades", sealed).limits


@pytest.mark.parametrize("form", FORMATS)
def test_a_record_over_another_file_fails_and_one_from_too_late_proves_nothing(form: str) -> None:
    sealed = seal(form, Level.B_LTA, seal_pki().stamper())
    content = of_octets(DATA) if form == "cades" else None
    other = judged(form, sealed, later(content=content, evidence=(beside(sealed + b" "),)))
    assert other.indication is Indication.FAILED
    assert Reason.EVIDENCE_FAILED in reasons(other)
    late = judged(form, sealed, later(content=content, evidence=(beside(sealed, moment(2032)),)))
    assert late.indication is Indication.INDETERMINATE


@pytest.mark.parametrize("form", FORMATS)
def test_a_record_makes_no_wrong_seal_right(form: str) -> None:
    sealed = seal(form, Level.B_T, seal_pki().stamper())
    if form == "cades":
        wrong, content = sealed, of_octets(b"other data")
    else:
        changed = {"pdf": (b"/Count 1", b"/Count 2"), "json": (b'"payload":"e', b'"payload":"f')}[form]
        wrong, content = sealed.replace(*changed, 1), None
        assert wrong != sealed
    report = judged(form, wrong, later(content=content, evidence=(beside(wrong),)))
    assert report.indication is Indication.FAILED


def test_a_record_is_over_the_file_as_it_is_armour_and_all() -> None:
    sealed = write_block("CMS", seal("cades", Level.B_LTA, seal_pki().stamper()))
    by = later(content=of_octets(DATA), evidence=(beside(sealed),))
    assert judged("cades", sealed, by).indication is Indication.PASSED


@pytest.mark.parametrize("form", FORMATS)
def test_two_seals_by_two_keys_pass_together_by_the_evidence_within(form: str) -> None:
    report = judged(form, seal(form, Level.B_LTA, EvidencedStamper(), seal_key(), seal_key("ml-dsa-65")))
    assert report.indication is Indication.PASSED
    assert (report.subject["classical"], report.subject["post_quantum"]) == ("INDETERMINATE", "PASSED")
    assert report.subject["combined"] == "PASSED"


@pytest.mark.parametrize("form", FORMATS)
def test_what_is_extended_keeps_the_evidence_that_is_there_and_gets_more(form: str) -> None:
    low = seal(form, Level.B_T, EvidencedStamper())
    high = extended(form, low, Level.B_LTA, EvidencedStamper())
    assert [len(each) for each in evidence_of(form, high)] == [1, 1]
    assert evidence_of(form, high)[0] == evidence_of(form, low)[0]
    assert judged(form, high).indication is Indication.PASSED
    again = extended(form, high, Level.B_LTA, EvidencedStamper())
    assert evidence_of(form, again)[:2] == evidence_of(form, high)
    assert judged(form, again).indication is Indication.PASSED


@pytest.mark.parametrize("form", FORMATS)
def test_evidence_taken_out_of_a_covered_time_stamp_is_missed(form: str) -> None:
    """Attack: nothing signs an unsigned attribute; what was added later covers it all the same."""
    sealed = seal(form, Level.B_LTA, EvidencedStamper())
    first_token = found_in(form, sealed).seals[0].stamps[0].token
    without = bare_token(definite(first_token, TOKEN_LIMITS))
    assert without != first_token
    stripped = swapped(form, sealed, first_token, without)
    assert judged(form, stripped).indication is not Indication.PASSED


def test_a_pdf_has_room_for_the_evidence_of_the_largest_batch_at_once() -> None:
    """What outgrows its room costs a further signature, and a token that nobody sees."""
    small, large = EvidencedStamper(neighbours=0), EvidencedStamper(neighbours=511)
    seal("pdf", Level.B_LTA, small)
    sealed = seal("pdf", Level.B_LTA, large)
    assert len(large.stamped) == 2
    lists = [
        read_evidence_record(record).chains[0].stamps[0].reduced for (record,) in evidence_of("pdf", sealed)
    ]
    assert [len(each or ()) for each in lists] == [9, 9]
    assert judged("pdf", sealed).indication is Indication.PASSED
