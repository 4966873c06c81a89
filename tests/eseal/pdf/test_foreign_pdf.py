"""Foreign PDFs, sound ones and attacks, that others published."""

from __future__ import annotations

import io

import pytest
from pyhanko.pdf_utils.reader import PdfFileReader

from eseal.judging import judge_document
from eseal.pdf.find import find
from eseal.values import Found
from kokuin.trust.anchors import TrustStore
from kokuin.trust.certificate import read_certificate
from kokuin.trust.context import Context
from kokuin.trust.report import Indication, Report, Status
from pqc.verifying import SignatureOutcome
from tests.eseal.pki import NOW_US
from tests.peers import corpus

SOUND = ("PAdES-LT.pdf", "certified-changes-permitted.pdf")
ATTACKED = ("hide.pdf", "siwa.pdf", "pdf-byterange-overlap.pdf", "pdf-removed-pages.pdf")
PDF_RULES = {"pdf-coverage", "pdf-changes", "pdf-dictionary", "seal-form", "seal-content"}


def octets_of(name: str) -> bytes:
    return (corpus() / "pdf" / name).read_bytes()


def found_in(name: str) -> Found:
    found = find(octets_of(name), None)
    assert isinstance(found, Found)
    return found


def judged(name: str) -> Report:
    """Judge by whatever self-issued certificate is in the file, as if it were trusted."""
    found = found_in(name)
    carried = [read_certificate(each) for seal in found.seals for each in seal.certificates]
    roots = tuple(dict.fromkeys(each for each in carried if each.self_issued))
    return judge_document(found, Context(NOW_US, TrustStore(roots)))


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_file_has_no_fault_of_form_coverage_or_later_changes(name: str) -> None:
    found = found_in(name)
    assert found.seals
    for seal in found.seals:
        of_pdf = [check for check in seal.before if check.id in PDF_RULES]
        assert {check.status for check in of_pdf} == {Status.OK}, of_pdf
        assert seal.signature is not None
        assert seal.signature.outcome is SignatureOutcome.VALID


def test_three_seals_a_store_and_a_document_time_stamp_are_found() -> None:
    first, second, third = found_in("PAdES-LT.pdf").seals
    assert [len(seal.stamps) for seal in (first, second, third)] == [1, 2, 1]
    assert all(seal.revocation.answers for seal in (first, second, third))


@pytest.mark.parametrize("name", ATTACKED)
def test_a_published_attack_fails_even_when_its_signer_is_trusted(name: str) -> None:
    assert judged(name).indication is Indication.FAILED


def test_a_field_that_waits_for_a_signature_is_none() -> None:
    found = found_in("pdf-with-empty-sig.pdf")
    assert not found.seals
    assert [check.reason for check in found.before] == ["EMPTY_FIELD"]


@pytest.mark.parametrize("name", SOUND)
def test_as_many_signatures_are_found_as_pyhanko_finds(name: str) -> None:
    reader = PdfFileReader(io.BytesIO(octets_of(name)), strict=False)
    theirs = {each.field_name for each in reader.embedded_regular_signatures}
    assert {seal.subject["field"] for seal in found_in(name).seals} == theirs
