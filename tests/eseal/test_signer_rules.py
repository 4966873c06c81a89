"""Which certificates may seal, and which authorities may vouch for them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID as Purpose

from eseal.signer_rules import judge_use
from kokuin.trust.anchors import TrustStore
from kokuin.trust.certificate import read_certificate
from kokuin.trust.context import RevocationData
from tests.eseal.found import Made, context, judged, reasons, verdict
from tests.eseal.pki import BEGAN, DAY, seal_key
from tests.trust.forge import AUTHORITY, Party, issue, key_usage

DOCUMENTS = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36")
ENDS = BEGAN + 3_000 * DAY
SIGNING = (key_usage("content_commitment"), True)


def leaf(*extensions: tuple[x509.ExtensionType, bool]) -> Party:
    return issue("seal", None, extensions)


def purposes(*named: x509.ObjectIdentifier) -> tuple[x509.ExtensionType, bool]:
    return x509.ExtendedKeyUsage(list(named)), False


@pytest.mark.parametrize(
    ("extensions", "status", "reason"),
    [
        ((SIGNING,), "ok", None),
        (((key_usage("content_commitment", "digital_signature"), True),), "ok", None),
        (((key_usage("digital_signature"), True),), "weak", "SEAL_KEY_USAGE"),
        ((), "weak", "SEAL_KEY_USAGE"),
        (((key_usage("key_encipherment"), True),), "indeterminate", "SEAL_KEY_USAGE"),
        ((SIGNING, purposes(DOCUMENTS)), "ok", None),
        ((SIGNING, purposes(Purpose.EMAIL_PROTECTION)), "ok", None),
        ((SIGNING, purposes(x509.ObjectIdentifier("1.3.6.1.4.1.32473.9"))), "ok", None),
        ((SIGNING, purposes(Purpose.SERVER_AUTH)), "indeterminate", "NOT_FOR_SEALS"),
        ((SIGNING, purposes(Purpose.CODE_SIGNING)), "indeterminate", "NOT_FOR_SEALS"),
        ((SIGNING, purposes(Purpose.SERVER_AUTH, Purpose.CLIENT_AUTH)), "indeterminate", "NOT_FOR_SEALS"),
        ((SIGNING, purposes(Purpose.CLIENT_AUTH)), "ok", None),
        ((SIGNING, purposes(Purpose.SERVER_AUTH, DOCUMENTS)), "ok", None),
        ((SIGNING, purposes(Purpose.TIME_STAMPING)), "indeterminate", "NOT_FOR_SEALS"),
        ((SIGNING, purposes(DOCUMENTS, Purpose.OCSP_SIGNING)), "indeterminate", "NOT_FOR_SEALS"),
        (((x509.BasicConstraints(ca=True, path_length=None), True),), "indeterminate", "NOT_FOR_SEALS"),
        (AUTHORITY, "indeterminate", "SEAL_KEY_USAGE"),
    ],
)
def test_the_certificate_must_be_for_signing_documents(
    extensions: tuple[tuple[x509.ExtensionType, bool], ...], status: str, reason: str | None
) -> None:
    check = judge_use(leaf(*extensions).certificate)
    assert (check.status, check.reason) == (status, reason)


@pytest.mark.parametrize(
    ("limited", "found"),
    [
        ((), "PASSED"),
        ((purposes(DOCUMENTS),), "PASSED"),
        ((purposes(Purpose.SERVER_AUTH),), "INDETERMINATE CHAIN_CONSTRAINTS_FAILURE"),
        ((purposes(Purpose.TIME_STAMPING),), "INDETERMINATE CHAIN_CONSTRAINTS_FAILURE"),
    ],
    ids=["any", "documents", "servers", "stamps"],
)
def test_an_authority_that_is_limited_to_other_purposes_does_not_vouch_for_a_seal(
    limited: tuple[tuple[x509.ExtensionType, bool], ...], found: str
) -> None:
    root = issue("root", None, AUTHORITY, begins=BEGAN, ends=ENDS)
    between = issue("between", root, (*AUTHORITY, *limited), begins=BEGAN, ends=ENDS)
    key = seal_key()
    public = x509.load_der_x509_certificate(key.certificate).public_key()
    asked = x509.CertificateBuilder().subject_name(root.x509.subject).issuer_name(between.x509.subject)
    asked = asked.public_key(public).serial_number(7).not_valid_before(BEGAN)
    asked = asked.not_valid_after(between.x509.not_valid_after_utc).add_extension(*SIGNING)
    der = asked.sign(between.key, between.x509.signature_hash_algorithm).public_bytes(Encoding.DER)  # type: ignore[arg-type]  # SHA-256
    made = Made(key=replace(key, certificate=der, chain=(between.der,)))
    by = context(trust=TrustStore((read_certificate(root.der),)), revocation=RevocationData())
    report = judged(made, by)
    assert verdict(report) == found
    assert ("PURPOSE_NOT_PERMITTED" in reasons(report)) == (found != "PASSED")
