from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from kokuin.trust.anchors import TrustStore
from kokuin.wire import encode, oids
from kokuin.wire.algorithms import DIGEST_BY_NAME
from tests.trust.forge import (
    AUTHORITY,
    NOW_US,
    UNIT,
    Party,
    ess_v1,
    ess_v2,
    issue,
    issuer_and_serial,
    judge,
    order,
    pki,
    reasons,
    verdict,
)

if TYPE_CHECKING:
    from kokuin.trust.report import Report


def test_a_right_token_passes_and_says_what_was_not_checked() -> None:
    report = judge(order().make())
    assert verdict(report) == ("PASSED", None)
    assert reasons(report) == {"revocation": "REVOCATION_NO_DATA"}
    assert [limit.value for limit in report.limits] == ["REVOCATION_NOT_CHECKED"]


def test_without_the_data_the_token_passes_and_the_gap_is_named() -> None:
    report = judge(order().make(), data=None)
    assert verdict(report) == ("PASSED", None)
    assert "CONTENT_NOT_COMPARED" in report.limits


def test_other_data_fails() -> None:
    assert verdict(judge(order().make(), data=b"other")) == ("FAILED", "HASH_FAILURE")


def test_an_unknown_root_is_not_trusted() -> None:
    stranger = issue("Root", None, AUTHORITY)
    report = judge(order().make(), TrustStore((stranger.certificate,)))
    assert verdict(report) == ("INDETERMINATE", "NO_CERTIFICATE_CHAIN_FOUND")


def test_a_root_inside_the_token_is_not_an_anchor() -> None:
    token = order(certificates=[*pki().chain, pki().root.der]).make()
    assert verdict(judge(token, TrustStore())) == ("INDETERMINATE", "NO_CERTIFICATE_CHAIN_FOUND")


def test_certificates_in_any_order_with_strangers_among_them_pass() -> None:
    strangers = [issue(f"Stranger {number}", None, AUTHORITY).der for number in range(3)]
    token = order(certificates=[*strangers, pki().authority.der, pki().root.der, pki().unit.der]).make()
    assert verdict(judge(token)) == ("PASSED", None)


def test_a_chain_that_only_the_trust_store_holds_passes() -> None:
    trust = TrustStore((pki().root.certificate,), (pki().authority.certificate, pki().unit.certificate))
    assert verdict(judge(order(certificates=()).make(), trust)) == ("PASSED", None)
    assert verdict(judge(order(certificates=()).make())) == ("INDETERMINATE", "NO_SIGNING_CERTIFICATE_FOUND")


def test_an_injected_certificate_of_the_same_name_is_not_taken_for_the_signer() -> None:
    impostor = issue("Unit", None, UNIT, serial=pki().unit.x509.serial_number)
    token = order(certificates=[impostor.der, *pki().chain]).make()
    report = judge(token)
    assert verdict(report) == ("PASSED", None)
    assert report.subject["serial"] == f"{4711:x}"


def test_an_impostor_with_issuer_and_serial_of_the_unit_is_refused() -> None:
    unit = pki().unit
    impostor = issue("Unit", None, UNIT, serial=unit.x509.serial_number, issuer_name=unit.x509.issuer)
    forged = order(signer=impostor, attributes={oids.ID_AA_SIGNING_CERTIFICATE_V2: ess_v2(unit.der)})
    forged.certificates = [impostor.der, pki().authority.der]
    assert verdict(judge(forged.make())) == ("FAILED", "SIG_CONSTRAINTS_FAILURE")
    # With the real certificate beside it the signature is tried with the real key, and does not fit.
    forged.certificates = [impostor.der, *pki().chain]
    assert verdict(judge(forged.make())) == ("FAILED", "SIG_CRYPTO_FAILURE")


def test_a_sibling_unit_cannot_be_passed_off_by_the_sid_alone() -> None:
    sibling = issue("Sibling", pki().authority, UNIT)
    forged = order(signer=sibling, sid=issuer_and_serial(pki().unit))
    forged.certificates = [*pki().chain, sibling.der]
    report = judge(forged.make())
    assert report.indication == "FAILED"


def test_only_the_first_id_names_the_signer_and_others_may_be_absent() -> None:
    unit, root = pki().unit, pki().root
    good = ess_v2(unit.der, root.der, b"a certificate that is nowhere")
    bad = ess_v2(root.der, unit.der)
    attribute = oids.ID_AA_SIGNING_CERTIFICATE_V2
    assert verdict(judge(order(attributes={attribute: good}).make())) == ("PASSED", None)
    assert verdict(judge(order(attributes={attribute: bad}).make())) == (
        "FAILED",
        "SIG_CONSTRAINTS_FAILURE",
    )


def test_version_one_and_two_of_the_signing_certificate_must_agree() -> None:
    both = {oids.ID_AA_SIGNING_CERTIFICATE: ess_v1(pki().unit.der)}
    assert verdict(judge(order(attributes=both).make())) == ("PASSED", None)
    split = {oids.ID_AA_SIGNING_CERTIFICATE: ess_v1(pki().root.der)}
    assert verdict(judge(order(attributes=split).make())) == ("FAILED", "SIG_CONSTRAINTS_FAILURE")


def test_a_signing_certificate_by_sha1_alone_passes_as_weak() -> None:
    attributes = {
        oids.ID_AA_SIGNING_CERTIFICATE: ess_v1(pki().unit.der),
        oids.ID_AA_SIGNING_CERTIFICATE_V2: None,
    }
    report = judge(order(attributes=attributes).make())
    assert verdict(report) == ("PASSED", None)
    assert reasons(report)["signer"] == "DIGEST_WEAK"


def test_issuer_and_serial_in_the_signing_certificate_are_compared() -> None:
    unit, root = pki().unit, pki().root

    def with_issuer_serial(party: Party) -> Report:
        issuer = encode.sequence(encode.explicit(4, party.certificate.issuer))
        serial = encode.sequence(issuer, encode.integer(party.certificate.serial))
        value = ess_v2(unit.der, digest="sha512", issuer_serial=serial)
        return judge(order(attributes={oids.ID_AA_SIGNING_CERTIFICATE_V2: value}).make())

    assert verdict(with_issuer_serial(unit)) == ("PASSED", None)
    assert verdict(with_issuer_serial(root)) == ("FAILED", "SIG_CONSTRAINTS_FAILURE")


@pytest.mark.parametrize(
    ("attribute", "value", "expected"),
    [
        (oids.ID_CONTENT_TYPE, None, "FORMAT_FAILURE"),
        (oids.ID_CONTENT_TYPE, encode.oid(oids.ID_DATA), "FORMAT_FAILURE"),
        (oids.ID_MESSAGE_DIGEST, None, "FORMAT_FAILURE"),
        (oids.ID_MESSAGE_DIGEST, encode.octet_string(bytes(32)), "HASH_FAILURE"),
        (oids.ID_AA_SIGNING_CERTIFICATE_V2, None, "FORMAT_FAILURE"),
        (oids.ID_AA_SIGNING_CERTIFICATE_V2, encode.sequence(encode.sequence()), "FORMAT_FAILURE"),
        (oids.ID_CMS_ALGORITHM_PROTECT, encode.NULL, "FORMAT_FAILURE"),
    ],
)
def test_a_signed_attribute_that_is_absent_or_wrong_fails(
    attribute: str, value: bytes | None, expected: str
) -> None:
    assert verdict(judge(order(attributes={attribute: value}).make())) == ("FAILED", expected)


def test_a_signed_attribute_given_twice_fails() -> None:
    digest = encode.octet_string(bytes(32))
    second = encode.sequence(encode.oid(oids.ID_MESSAGE_DIGEST), encode.set_of(digest))
    assert verdict(judge(order(more_attributes=[second]).make())) == ("FAILED", "FORMAT_FAILURE")


def _protection(digest: str, signature: str) -> dict[str, bytes]:
    value = encode.sequence(
        encode.sequence(encode.oid(DIGEST_BY_NAME[digest].oid), encode.NULL),
        encode.explicit(1, encode.oid(signature)),
    )
    return {oids.ID_CMS_ALGORITHM_PROTECT: value}


def test_algorithm_substitution_is_caught_by_the_protected_algorithms() -> None:
    good = order(attributes=_protection("sha256", oids.ECDSA_WITH_SHA256))
    assert verdict(judge(good.make())) == ("PASSED", None)
    for digest, signature in (("sha512", oids.ECDSA_WITH_SHA256), ("sha256", oids.ECDSA_WITH_SHA512)):
        bad = order(attributes=_protection(digest, signature))
        assert verdict(judge(bad.make())) == ("FAILED", "SIG_CONSTRAINTS_FAILURE")


def test_attributes_out_of_order_pass_when_signed_as_sent_or_in_the_order_of_der() -> None:
    for sent, signed, expected in ((True, True, "PASSED"), (True, False, "PASSED"), (False, True, "FAILED")):
        report = judge(order(reverse_sent=sent, reverse_signed=signed).make())
        assert report.indication == expected


def test_a_changed_signature_fails() -> None:
    assert verdict(judge(order(flip_signature=True).make())) == ("FAILED", "SIG_CRYPTO_FAILURE")


def test_a_changed_statement_fails() -> None:
    token = order().make()
    assert verdict(judge(token.replace(b"20260601", b"20250601"))) == ("FAILED", "HASH_FAILURE")


@pytest.mark.parametrize("signers", [0, 2])
def test_any_number_of_signers_but_one_fails(signers: int) -> None:
    report = judge(order(signers=signers).make())
    assert verdict(report) == ("FAILED", "FORMAT_FAILURE")
    assert reasons(report) == {"signer-count": "NOT_ONE_SIGNER"}


def test_another_content_type_fails() -> None:
    assert verdict(judge(order(content_type=oids.ID_DATA).make())) == ("FAILED", "FORMAT_FAILURE")


def test_an_unknown_version_of_tst_info_fails() -> None:
    assert verdict(judge(order(version=2).make())) == ("FAILED", "FORMAT_FAILURE")


def test_tst_info_that_is_none_fails() -> None:
    assert verdict(judge(order(tst_info=encode.sequence(encode.NULL)).make())) == ("FAILED", "FORMAT_FAILURE")


def test_an_odd_cms_version_passes_as_weak() -> None:
    report = judge(order(cms_version=1).make())
    assert verdict(report) == ("PASSED", None)
    assert reasons(report)["versions"] == "UNEXPECTED_VERSION"


def test_an_accuracy_out_of_range_fails() -> None:
    assert verdict(judge(order(accuracy=encode.sequence(b"\x80\x02\x03\xe8")).make())) == (
        "FAILED",
        "FORMAT_FAILURE",
    )


def test_a_critical_extension_in_tst_info_is_not_ignored() -> None:
    extension = encode.sequence(encode.oid("1.3.6.1.4.1.32473.9"), encode.TRUE, encode.octet_string(b""))
    report = judge(order(tst_extensions=encode.explicit(1, extension)).make())
    assert verdict(report) == ("INDETERMINATE", "SIG_CONSTRAINTS_FAILURE")


def test_a_time_that_is_not_der_passes_as_weak() -> None:
    report = judge(order(gen_time=b"20260601090000+0900").make())
    assert verdict(report) == ("PASSED", None)
    assert reasons(report)["tst-info"] == "TIME_NOT_DER"
    assert report.subject["gen_time"] == "2026-06-01T00:00:00Z"


def test_a_token_from_the_future_is_not_accepted_but_a_slow_clock_is() -> None:
    token = order().make()
    assert verdict(judge(token, at=NOW_US - 50_000_000)) == ("PASSED", None)
    assert verdict(judge(token, at=NOW_US - 90_000_000)) == ("INDETERMINATE", "TIMESTAMP_ORDER_FAILURE")


def test_a_unit_named_by_its_key_identifier_is_found() -> None:
    identifier = x509.SubjectKeyIdentifier(b"the unit's key")
    unit = issue("SKI unit", pki().authority, (*UNIT, (identifier, False)))
    token = order(signer=unit, certificates=[unit.der, pki().authority.der])
    token.sid = encode.implicit(0, identifier.digest)
    assert verdict(judge(token.make())) == ("PASSED", None)
    token.sid = encode.implicit(0, b"another key")
    assert verdict(judge(token.make())) == ("INDETERMINATE", "NO_SIGNING_CERTIFICATE_FOUND")


def test_a_bag_of_certificates_is_bounded_and_said_so() -> None:
    strangers = [issue(f"Stranger {number}", pki().root, UNIT).der for number in range(70)]
    report = judge(order(certificates=[*pki().chain, *strangers]).make())
    assert verdict(report) == ("PASSED", None)
    assert "CERTIFICATES_IGNORED" in report.limits


def test_the_same_judgement_gives_the_same_json() -> None:
    token = order().make()
    assert judge(token).to_json() == judge(token).to_json()
