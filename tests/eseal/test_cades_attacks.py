"""What somebody may do to a CMS seal who has no key of the organisation, and what signers get wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest

from eseal.cades_create import create
from eseal.cades_find import find
from eseal.judging import judge_document
from eseal.rules import SealReason
from eseal.values import MAX_SEALS, Found, Level, Material
from kokuin.trust.certificate import read_certificate
from kokuin.trust.context import Context
from kokuin.trust.report import Check, Indication, Limit, Status, SubIndication
from kokuin.wire import encode, oids
from kokuin.wire.algorithms import DIGEST_BY_NAME
from kokuin.wire.cms import encode_algorithm_protection, encode_attribute
from pqc.suites import SUITES
from tests.eseal.cms_forge import (
    DATA,
    LATER_US,
    Forged,
    content_type,
    found,
    inside,
    judged,
    message_digest,
    reasons,
    signing_certificate,
    signing_time,
)
from tests.eseal.pdf.handmade import update
from tests.eseal.pdf.plain import pages
from tests.eseal.pki import NOW_US, P256, P384, RSA, seal_key, seal_pki
from tests.eseal.sealed_data import Data
from tests.mutators import parse

OTHER = b"what the attacker wants sealed"


def named() -> bytes:
    return signing_certificate(seal_key().certificate)


def test_a_right_seal_passes() -> None:
    assert judged(Forged().make()).indication is Indication.PASSED
    assert judged(Forged(held=inside()).make(), None).indication is Indication.PASSED


def test_other_data_beside_a_seal_fails() -> None:
    report = judged(Forged().make(), OTHER)
    assert (report.indication, report.sub_indication) == (Indication.FAILED, SubIndication.HASH_FAILURE)


def test_other_data_inside_a_seal_fails() -> None:
    report = judged(Forged(held=inside(OTHER)).make(), None)
    assert (report.indication, report.sub_indication) == (Indication.FAILED, SubIndication.HASH_FAILURE)


def test_a_seal_over_its_own_data_does_not_pass_for_the_data_beside_it() -> None:
    report = judged(Forged(held=inside()).make(), OTHER)
    assert (report.indication, report.sub_indication) == (Indication.FAILED, SubIndication.HASH_FAILURE)
    assert SealReason.SEALED_DATA_TWICE in [check.reason for check in report.checks]


def test_the_same_data_inside_and_beside_passes() -> None:
    assert judged(Forged(held=inside()).make(), DATA).indication is Indication.PASSED


def test_data_that_is_nowhere_is_not_passed_over() -> None:
    report = judged(Forged().make(), None)
    assert report.sub_indication is SubIndication.SIGNED_DATA_NOT_FOUND


def test_data_inside_that_is_no_octet_string_is_no_data() -> None:
    """PKCS #7 digests content octets, CMS an OCTET STRING: the same digest must not stand for two things."""
    held = encode.explicit(0, encode.sequence(DATA))
    assert isinstance(find(Forged(held=held).make(), None), Check)


@pytest.mark.parametrize(
    "attributes",
    [
        [message_digest(), named()],
        [content_type(oids.ID_SIGNED_DATA), message_digest(), named()],
        [content_type(), content_type(oids.ID_SIGNED_DATA), message_digest(), named()],
        [content_type(), content_type(), message_digest(), named()],
        [content_type(), named()],
        [content_type(), message_digest(), message_digest(OTHER), named()],
        [content_type(), encode_attribute(oids.ID_MESSAGE_DIGEST, encode.octet_string(b"")), named()],
        [content_type(), encode_attribute(oids.ID_MESSAGE_DIGEST), named()],
        [content_type(), message_digest(), named(), named()],
    ],
    ids=[
        "no content type",
        "another content type",
        "two content types",
        "the same content type twice",
        "no digest",
        "two digests",
        "an empty digest",
        "a digest without a value",
        "the certificate named twice",
    ],
)
def test_games_with_signed_attributes_fail(attributes: list[bytes]) -> None:
    assert judged(Forged(attributes=attributes).make()).indication is Indication.FAILED


def test_two_digests_in_one_attribute_fail() -> None:
    values = [encode.octet_string(DIGEST_BY_NAME["sha256"].of(each)) for each in (DATA, OTHER)]
    two = encode_attribute(oids.ID_MESSAGE_DIGEST, *values)
    for seen in (DATA, OTHER):
        report = judged(Forged(attributes=[content_type(), two, named()]).make(), seen)
        assert report.indication is Indication.FAILED


def test_two_signing_times_are_none() -> None:
    two = Forged(more=[signing_time(), signing_time(NOW_US - 86_400_000_000)])
    assert found(two.make()).seals[0].claimed_us is None
    assert judged(two.make()).indication is Indication.INDETERMINATE


def test_a_signing_time_is_shown_as_claimed() -> None:
    assert found(Forged(more=[signing_time()]).make()).seals[0].claimed_us == NOW_US


def test_without_signed_attributes_there_is_no_seal() -> None:
    """Attack: the signed attributes of a seal become the content of another one that has none."""
    assert judged(Forged(bare=True).make()).indication is Indication.FAILED


def test_a_certificate_that_is_named_outside_the_signature_is_not_named() -> None:
    forged = Forged(attributes=[content_type(), message_digest()], unsigned=[named()])
    report = judged(forged.make())
    assert report.indication is Indication.INDETERMINATE
    assert "seal-binding BINDING_ABSENT" in reasons(report)


def test_another_certificate_of_the_same_key_fails() -> None:
    """Attack: a certificate that somebody else certified for the key, under another name."""
    key = seal_key()
    other = seal_pki().issue(key.signer.public_key, "別の組織")
    sid = read_certificate(other)
    forged = Forged(
        sid=encode.sequence(sid.issuer, encode.integer(sid.serial)), certificates=[other, *key.chain]
    )
    report = judged(forged.make())
    assert report.indication is Indication.FAILED
    assert "seal-binding BINDING_DIFFERS" in reasons(report)


def test_a_certificate_that_claims_the_same_number_is_passed_over() -> None:
    key = seal_key()
    certificate = read_certificate(key.certificate)
    impostor = seal_key(RSA, RSA).certificate
    assert read_certificate(impostor).serial != certificate.serial
    forged = Forged(certificates=[impostor, *key.chain, key.certificate])
    assert judged(forged.make()).indication is Indication.PASSED


def test_old_and_new_attribute_must_name_one_certificate() -> None:
    digest = DIGEST_BY_NAME["sha1"].of(seal_key(RSA).certificate)
    old = encode.sequence(encode.sequence(encode.sequence(encode.octet_string(digest))))
    first = encode_attribute(oids.ID_AA_SIGNING_CERTIFICATE, old)
    report = judged(Forged(more=[first]).make())
    assert "seal-binding BINDING_DIFFERS" in reasons(report)
    right = DIGEST_BY_NAME["sha1"].of(seal_key().certificate)
    agreeing = encode.sequence(encode.sequence(encode.sequence(encode.octet_string(right))))
    both = Forged(more=[encode_attribute(oids.ID_AA_SIGNING_CERTIFICATE, agreeing)])
    assert judged(both.make()).indication is Indication.PASSED


def test_a_seal_without_its_certificate_is_open() -> None:
    report = judged(Forged(certificates=[]).make())
    assert report.sub_indication is SubIndication.NO_SIGNING_CERTIFICATE_FOUND


def test_a_signature_of_another_key_fails() -> None:
    forged = Forged(key=replace(seal_key(), signer=seal_pki().seal_key(RSA).signer))
    assert judged(replace(forged, algorithm=SUITES[P256].algorithm).make()).indication is Indication.FAILED


def test_algorithms_outside_the_signature_are_held_against_those_within() -> None:
    """RFC 6211: what was signed for SHA-512 must not be shown under a weaker digest."""
    suite = SUITES[P256]
    stronger = encode_algorithm_protection(SUITES["ml-dsa-65"].digest_algorithm, suite.algorithm)
    report = judged(Forged(more=[encode_attribute(oids.ID_CMS_ALGORITHM_PROTECT, stronger)]).make())
    assert report.indication is Indication.FAILED
    assert "algorithm-protection ATTRIBUTE_DIFFERS" in reasons(report)


@pytest.mark.parametrize("suite_id", ["ml-dsa-65", "ml-dsa-87", "mldsa65-ecdsa-p256-sha512"])
def test_a_digest_that_is_weaker_than_the_signature_fails(suite_id: str) -> None:
    """RFC 9882 §3.3: pyHanko signs so by default."""
    report = judged(Forged(key=seal_key(suite_id), digest="sha256").make())
    assert report.indication is not Indication.PASSED


def test_a_broken_digest_does_not_pass_and_a_weak_one_is_named() -> None:
    assert judged(Forged(digest="md5").make()).indication is not Indication.PASSED
    assert "digest-algorithm DIGEST_WEAK" in reasons(judged(Forged(digest="sha1").make()))


def test_an_unknown_digest_is_open() -> None:
    octets = Forged().make()
    unknown = encode.oid("2.16.840.1.101.3.4.2.1")
    forged = octets.replace(unknown, encode.oid("2.16.840.1.101.3.4.2.99"))
    seal = found(forged).seals[0]
    assert any(check.reason == "DIGEST_UNKNOWN" for check in seal.before)


def test_signed_attributes_in_another_order_pass() -> None:
    """RFC 5652 §5.4: the signature is over the order of DER, in whatever order they are sent."""
    assert judged(Forged(reverse=True).make()).indication is Indication.PASSED


def test_what_must_be_signed_is_not_read_from_outside_the_signature() -> None:
    seal = found(Forged(unsigned=[signing_time(), content_type()]).make()).seals[0]
    assert seal.claimed_us is None
    misplaced = [check for check in seal.before if check.reason == SealReason.FORBIDDEN_ATTRIBUTE]
    assert [check.status for check in misplaced] == [Status.WEAK]


def test_a_time_stamp_under_the_signature_that_it_is_said_to_cover_is_none() -> None:
    token = seal_pki().stamper().stamp(DIGEST_BY_NAME["sha256"].of(b""))
    seal = found(Forged(more=[encode_attribute(oids.ID_AA_TIME_STAMP_TOKEN, token)]).make()).seals[0]
    assert seal.stamps == ()
    assert SealReason.FORBIDDEN_ATTRIBUTE in [check.reason for check in seal.before]


def test_a_counter_signature_is_named_and_is_no_seal() -> None:
    countersigned = Forged().signer()
    counter = encode_attribute(oids.ID_COUNTERSIGNATURE, Forged(key=seal_key(RSA)).signer().encode())
    octets = replace(Forged().parts(), signers=(countersigned.with_attribute(counter),)).encode()
    read = found(octets)
    assert len(read.seals) == 1
    assert Limit.COUNTER_SIGNATURES_NOT_JUDGED in read.seals[0].limits
    assert Limit.COUNTER_SIGNATURES_NOT_JUDGED in judged(octets).limits


def test_indefinite_lengths_and_cut_strings_are_the_same_seal() -> None:
    elements = parse(Forged(held=inside()).make())
    assert elements is not None
    root = elements[0]
    root.indefinite = True
    explicit = (root.children or [])[1]
    explicit.indefinite = True
    assert judged(root.encode(), None).indication is Indication.PASSED


def test_a_key_identifier_names_the_signer() -> None:
    certificate = read_certificate(seal_key().certificate)
    assert certificate.subject_key_id is not None
    forged = Forged(sid=encode.implicit(0, certificate.subject_key_id), version=3)
    assert judged(forged.make()).indication is Indication.PASSED


def test_a_pdf_inside_that_goes_on_in_unsigned_attributes() -> None:
    """Opened as a PDF, the file shows the update, which nobody sealed."""
    document = pages()
    more = update(document, {3: b"<</Type/Page/Parent 2 0 R>>"})[len(document) :]
    signed = (content_type(), message_digest(document), named())
    forged = Forged(held=inside(document), attributes=signed)
    assert judged(forged.make(), None).indication is Indication.PASSED
    attribute = encode_attribute("1.3.6.1.4.1.32473.9", encode.octet_string(more))
    report = judged(replace(forged, unsigned=(attribute,)).make(), None)
    assert report.indication is Indication.INDETERMINATE
    assert reasons(report) >= {"seal-content SEALED_DATA_TWICE"}


def test_a_time_stamp_token_is_no_seal() -> None:
    token = seal_pki().stamper().stamp(DIGEST_BY_NAME["sha256"].of(DATA))
    check = find(token, None)
    assert isinstance(check, Check)
    assert check.reason == SealReason.NO_SEAL


def test_a_unit_does_not_seal() -> None:
    """Attack: a token, which a unit makes of what anybody sends it, shown as a seal."""
    token = seal_pki().stamper().stamp(DIGEST_BY_NAME["sha256"].of(DATA))
    tst = encode.oid(oids.ID_CT_TST_INFO)
    forged = token.replace(tst, encode.oid("1.2.840.113549.1.9.16.1.5"))
    assert judged(forged, None).indication is Indication.FAILED


def test_zeros_behind_a_seal_are_named_and_anything_else_is_refused() -> None:
    octets = Forged().make()
    report = judged(octets + bytes(500))
    assert report.indication is Indication.PASSED
    assert "seal-form SYNTAX" in reasons(report)
    assert isinstance(find(octets + bytes(4) + b"\x01", None), Check)


def test_seals_beyond_the_bound_are_not_passed_over() -> None:
    parts = Forged().parts()
    signers = tuple(Forged().signer() for _ in range(MAX_SEALS + 3))
    read = found(replace(parts, signers=signers).encode())
    assert len(read.seals) == MAX_SEALS + 1
    assert judged(replace(parts, signers=signers).encode()).indication is Indication.INDETERMINATE


def test_one_wrong_seal_of_two_is_not_passed_over() -> None:
    parts = Forged().parts()
    wrong = Forged(attributes=[content_type(), message_digest(OTHER), named()]).signer()
    octets = replace(parts, signers=(*parts.signers, wrong)).encode()
    assert judged(octets).indication is Indication.FAILED


@pytest.mark.parametrize(
    "octets", [b"", b"\x00", b"\x30", b"%PDF-1.7", b"\x30\x80", b"\x30\x84\xff\xff\xff\xff"]
)
def test_what_is_no_cms_ends_in_a_check(octets: bytes) -> None:
    assert not isinstance(find(octets, None), Found)


@pytest.mark.parametrize(
    ("value", "what"),
    [(encode.sequence(encode.oid("1.3.6.1.4.1.32473.9")), "1.3.6.1.4.1.32473.9"), (encode.NULL, "?")],
)
def test_a_signature_policy_is_named_and_not_judged(value: bytes, what: str) -> None:
    forged = Forged(more=[encode_attribute(oids.ID_AA_ETS_SIG_POLICY_ID, value)])
    named = [
        each for each in found(forged.make()).seals[0].before if each.reason == SealReason.POLICY_NOT_JUDGED
    ]
    assert [each.params for each in named] == [{"what": what}]


def test_a_digest_of_another_algorithm_says_nothing_of_an_archive_time_stamp() -> None:
    pki = seal_pki()
    material, stamper = Material(pki.chain, pki.revocation()), pki.stamper(P384)
    octets = create(Data(DATA), (seal_key(),), NOW_US, level=Level.B_LTA, stamper=stamper, material=material)

    class DigestAlone(Data):
        def __call__(self, _algorithm: str, /) -> bytes:
            return super().__call__("sha256")

    read = find(octets, DigestAlone(DATA))
    assert isinstance(read, Found)
    assert judge_document(read, Context(LATER_US, pki.trust)).indication is not Indication.FAILED
