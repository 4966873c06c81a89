"""Foreign JSON seals, right ones and broken ones, that others published."""

from __future__ import annotations

import pytest

from eseal.jades_find import find
from eseal.judging import judge_document
from eseal.values import Found
from kokuin.trust.anchors import TrustStore
from kokuin.trust.certificate import Certificate, read_certificate
from kokuin.trust.context import Context
from kokuin.trust.report import Indication, Report, Status, SubIndication
from pqc.verifying import SignatureOutcome
from tests.eseal import pki
from tests.eseal.jades import Beside, reasons
from tests.peers import corpus

AT_US = 1_611_573_602 * 1_000_000
"""An hour after the archive time-stamps of 2021."""

BROKEN = {
    "altered-jws.json": ("SIGNATURE_INVALID", SubIndication.SIG_CRYPTO_FAILURE),
    "jades-b-iat-and-sigt.json": ("HEADER_WRONG", SubIndication.FORMAT_FAILURE),
    "jades-lta-broken-arcTst.json": ("STAMP_FAILED", SubIndication.HASH_FAILURE),
    "jades-t-copied-sigtst.json": ("STAMP_FAILED", SubIndication.HASH_FAILURE),
    "jades-with-mixed-etsiU-type.json": ("UNSIGNED_MIXED", SubIndication.FORMAT_FAILURE),
}


def found_in(name: str) -> Found:
    found = find((corpus() / "jades" / name).read_bytes(), None)
    assert isinstance(found, Found), found
    return found


def judged(name: str, *, at_us: int = AT_US) -> Report:
    """Judge a file by the roots that stand in it, as if they were trusted."""
    found = found_in(name)
    carried = [read_certificate(each) for seal in found.seals for each in seal.certificates]
    trust = TrustStore(tuple(dict.fromkeys(each for each in carried if _is_root(each))))
    return judge_document(found, Context(at_us, trust))


def _is_root(certificate: Certificate) -> bool:
    return certificate.self_issued or certificate.is_authority


@pytest.mark.parametrize("name", [*BROKEN, "jades-lta.json", "simple-detached.json"])
def test_nothing_passes_without_an_anchor(name: str) -> None:
    report = judge_document(found_in(name), Context(pki.NOW_US, TrustStore(())))
    assert report.indication is not Indication.PASSED


@pytest.mark.parametrize(("name", "found"), BROKEN.items())
def test_what_is_broken_fails_for_what_is_broken_in_it(name: str, found: tuple[str, SubIndication]) -> None:
    report = judged(name)
    assert report.indication is Indication.FAILED
    assert report.sub_indication is found[1]
    assert found[0] in reasons(report)


def test_a_foreign_seal_with_an_archive_time_stamp_is_read_whole_and_passes() -> None:
    (seal,) = found_in("jades-lta.json").seals
    assert seal.signature is not None
    assert seal.signature.outcome is SignatureOutcome.VALID
    assert [stamp.role.value for stamp in seal.stamps] == ["signature", "archive"]
    assert (len(seal.revocation.lists), len(seal.revocation.answers)) == (1, 1)
    report = judged("jades-lta.json")
    assert report.indication is Indication.PASSED
    assert [part.indication for part in report.parts[0].parts] == [Indication.PASSED] * 2


def test_a_detached_seal_without_its_data_is_open() -> None:
    report = judged("simple-detached.json")
    assert report.indication is Indication.INDETERMINATE
    assert report.sub_indication is SubIndication.SIGNED_DATA_NOT_FOUND


def test_a_foreign_detached_seal_is_of_its_data_in_base64url() -> None:
    data = (corpus() / "jades" / "simple-detached.json").read_bytes()
    for text, failing in (
        (b'{ "title": "Hello World!" }', None),
        (b'{ "title": "Hello World?" }', "seal-content"),
    ):
        found = find(data, Beside(text))
        assert isinstance(found, Found)
        failed = [check.id for check in found.seals[0].before if check.status is Status.FAILED]
        assert failed == ([] if failing is None else [failing])
