"""Foreign CMS seals, right ones and broken ones, that others published."""

from __future__ import annotations

import pytest

from eseal.cades_find import find
from eseal.judging import judge_document
from eseal.values import Content, Found, FoundSeal
from kokuin.trust.anchors import TrustStore
from kokuin.trust.context import Context
from kokuin.trust.report import Indication, Limit
from kokuin.trust.token import TokenFacts, read_token
from kokuin.wire.algorithms import DIGEST_BY_OID
from kokuin.wire.ber import definite
from kokuin.wire.prescan import TOKEN_LIMITS
from pqc.verifying import SignatureOutcome
from tests.eseal.pki import NOW_US
from tests.eseal.sealed_data import Data
from tests.peers import corpus

RIGHT: dict[str, tuple[str, ...]] = {
    "Signature-C-B-B-8.p7m": (),
    "Signature-C-BES-4.p7m": ("content",),
    "Signature-CBp-LT-2.p7m": ("signature",),
    "Signature-C-HU_POL-3.p7m": ("signature", "archive"),
    "Signature-C-CZ_SIX-1.p7m": ("signature", "archive"),
    "cades-extended-a.pkcs7": ("signature", "archive"),
    "CAdESDoubleLTA.p7m": ("signature", "archive", "archive"),
    "cades_signeddata_extended_after_lta.p7m": ("signature", "archive", "archive"),
    "counterSignedLTA.p7s": ("signature", "archive"),
    "dss-667/BER_reordered_prova.txt.p7m": (),
    "dss-667/DER_reordered_prova.txt.p7m": (),
}
"""Enveloped seals by several makers, and the time-stamps that fit what they cover, in their order."""

BROKEN = {
    "cades-ats-v3-wrong-cert.p7m": "STAMP_LIST_BROKEN",
    "cades-ats-v3-wrong-ocsp.p7s": "STAMP_LIST_BROKEN",
    "dss-1220/CAdES-BpLTA_removed_ocsp.p7m": "STAMP_LIST_BROKEN",
    "dss-1220/CAdES-BpLTA_modified_ats_hash_element.p7m": "STAMP_LIST_BROKEN",
    "dss-1220/CAdES-BpT_modified_ts_hash.p7m": "STAMP_FAILED",
    "cades-t-copied-sigtst.p7m": "STAMP_FAILED",
    "dss-2011/cades-enveloping-broken.pkcs7": "SEALED_DATA_CHANGED",
    "cades-broken-sig-tst.p7m": "SIGNATURE_INVALID",
    "dss-1419/CAdES-BpB-att-SHA256-SHA512withRSA.p7m": "SIGNATURE_INVALID",
    "cms-no-sign-cert.p7m": "BINDING_ABSENT",
    "no-key-info-cert.pkcs7": "CERTIFICATE_ABSENT",
}
"""What is wrong with the others; OpenSSL passes the one whose signature is by another digest than it says."""


def found_in(name: str, content: Content | None = None) -> Found:
    path = corpus() / "cades" / name
    if not path.exists():
        pytest.skip("the corpus has no CMS seals")
    found = find(path.read_bytes(), content)
    assert isinstance(found, Found), found
    return found


def fitting(seal: FoundSeal) -> tuple[str, ...]:
    """Roles of the time-stamps whose imprint is of what they cover."""
    roles = []
    for stamp in seal.stamps:
        token = read_token(definite(stamp.token, TOKEN_LIMITS))
        assert isinstance(token, TokenFacts)
        imprint = token.tst_info.imprint
        digest = DIGEST_BY_OID[imprint.digest_oid].name
        if stamp.content is not None and stamp.content(digest) == imprint.value:
            roles.append(stamp.role.value)
    return tuple(roles)


@pytest.mark.parametrize("name", RIGHT)
def test_a_foreign_seal_and_its_time_stamps_fit(name: str) -> None:
    (seal,) = found_in(name).seals
    assert seal.signature is not None
    assert seal.signature.outcome is SignatureOutcome.VALID
    assert fitting(seal) == RIGHT[name]


@pytest.mark.parametrize("name", [*RIGHT, *BROKEN])
def test_nothing_passes_without_an_anchor(name: str) -> None:
    report = judge_document(found_in(name), Context(NOW_US, TrustStore()))
    assert report.indication is not Indication.PASSED


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_wrong_with_a_foreign_seal_is_named(name: str) -> None:
    report = judge_document(found_in(name), Context(NOW_US, TrustStore()))
    assert BROKEN[name] in {check.reason for part in report.parts for check in part.checks}


def test_two_foreign_seals_are_two_and_a_counter_signature_is_none() -> None:
    assert len(found_in("evidence-record/Double-C-B-B-basic.p7m").seals) == 2
    (seal,) = found_in("counterSig.p7m").seals
    assert Limit.COUNTER_SIGNATURES_NOT_JUDGED in seal.limits


def test_a_foreign_detached_seal_covers_its_document() -> None:
    name = "dss-1892/detached_with_counter_sig.p7m"
    folder = corpus() / "cades" / "dss-1892"
    found_in(name)
    content = Data((folder / "signed_content.bin").read_bytes())
    (seal,) = found_in(name, content).seals
    assert any(check.id == "seal-content" and check.reason is None for check in seal.before)
