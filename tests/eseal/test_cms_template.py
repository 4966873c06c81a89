"""The CMS of a seal: its size before it is signed, its attributes, and what others read of it."""

from __future__ import annotations

import pytest
from asn1crypto import cms as reference  # type: ignore[import-untyped]

from eseal.cms_template import CmsTemplate
from eseal.values import SealKey
from kokuin.wire import oids
from kokuin.wire.algorithms import DIGEST_BY_NAME
from kokuin.wire.cms import read_signed_data
from pqc.scheme import KeyMismatchError
from pqc.suites import SUITES, Family
from tests.eseal.pki import CLASSICAL, EVERY, NOW_US, P256, RSA, seal_key

PADES = {
    oids.ID_CONTENT_TYPE,
    oids.ID_MESSAGE_DIGEST,
    oids.ID_AA_SIGNING_CERTIFICATE_V2,
    oids.ID_CMS_ALGORITHM_PROTECT,
}
VARIABLE = {"ecdsa-p256-sha256", "ecdsa-p384-sha384", "mldsa65-ecdsa-p256-sha512"}
"""Suites whose signatures hold integers in DER, which are a few octets shorter now and then."""


def digest_of(template: CmsTemplate, data: bytes = b"document") -> bytes:
    return DIGEST_BY_NAME[template.digest].of(data)


@pytest.mark.parametrize("suite_id", EVERY)
@pytest.mark.parametrize("token", [None, 0, 127, 128, 3_000, 70_000])
def test_a_seal_is_never_longer_than_was_said_and_mostly_as_long(suite_id: str, token: int | None) -> None:
    template = CmsTemplate(seal_key(suite_id))
    room = template.largest(token)
    given = None if token is None else b"\x30\x00" * (token // 2) + b"\x05" * (token % 2)
    sizes = {len(template.sign(digest_of(template, bytes((at,)))).encode(given)) for at in range(12)}
    assert max(sizes) <= room
    slack = 12 if suite_id in VARIABLE else 0
    assert min(sizes) >= room - slack


def test_the_longest_ecdsa_signature_fills_the_room() -> None:
    template = CmsTemplate(seal_key(P256))
    digest = digest_of(template)
    assert max(len(template.sign(digest).encode()) for _ in range(100)) == template.largest()


@pytest.mark.parametrize("suite_id", EVERY)
def test_a_pades_seal_has_the_attributes_it_must_and_no_signing_time(suite_id: str) -> None:
    template = CmsTemplate(seal_key(suite_id))
    (info,) = read_signed_data(template.sign(digest_of(template)).encode()).signer_infos
    assert {each.oid for each in info.signed_attributes or ()} == PADES
    assert len(info.signed_attributes or ()) == len(PADES)


@pytest.mark.parametrize("suite_id", CLASSICAL)
def test_asn1crypto_reads_every_field_and_writes_the_same_octets(suite_id: str) -> None:
    template = CmsTemplate(seal_key(suite_id), commitment=oids.ID_CTI_ETS_PROOF_OF_ORIGIN)
    octets = template.sign(digest_of(template), signing_time_us=NOW_US).encode()
    read = reference.ContentInfo.load(octets, strict=True)
    signed_data = read["content"]
    assert signed_data["version"].native == "v1"
    assert signed_data["encap_content_info"]["content"].native is None
    assert len(signed_data["certificates"]) == 2
    (info,) = signed_data["signer_infos"]
    times = [
        each["values"][0].native for each in info["signed_attrs"] if each["type"].native == "signing_time"
    ]
    assert [int(time.timestamp()) for time in times] == [NOW_US // 1_000_000]
    assert read.dump(force=True) == octets


@pytest.mark.parametrize("suite_id", [each for each in EVERY if SUITES[each].quantum_category])
def test_a_post_quantum_seal_uses_sha512_and_no_parameters(suite_id: str) -> None:
    """RFC 9882 §3.3; OpenSSL and others compare these octets."""
    template = CmsTemplate(seal_key(suite_id))
    assert template.digest == "sha512"
    (info,) = read_signed_data(template.sign(digest_of(template)).encode()).signer_infos
    assert info.digest_algorithm.parameters is None
    assert info.signature_algorithm.parameters is None
    assert SUITES[suite_id].family in {Family.ML_DSA, Family.COMPOSITE_ML_DSA}


def test_a_certificate_of_another_key_is_refused() -> None:
    mixed = SealKey(seal_key(P256).signer, seal_key(RSA).certificate, seal_key(P256).chain)
    with pytest.raises(KeyMismatchError):
        CmsTemplate(mixed)


def test_a_digest_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="64 octets"):
        CmsTemplate(seal_key(P256)).sign(bytes(64))
