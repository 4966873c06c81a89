from __future__ import annotations

import random
import subprocess
from typing import TYPE_CHECKING

import pytest
from asn1crypto import csr as peer_csr  # type: ignore[import-untyped]
from asn1crypto import pem as peer_pem
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from kokuin.trust.certification_request import (
    CertificationRequest,
    RequestCode,
    RequestError,
    read_request,
    unit_request,
)
from kokuin.trust.name import display
from kokuin.trust.tbs import signed
from kokuin.wire import encode, oids
from kokuin.wire.algorithms import AlgorithmIdentifier
from kokuin.wire.errors import WireCode
from kokuin.wire.pem import read_blocks, write_block
from pqc.suites import SUITES
from tests.peers import need
from tests.pqc.keys import signer_of
from tests.trust.authorities import CRYPTOGRAPHY, EVERY, NOW, OPENSSL, flipped, name, pki
from tests.trust.forge import AUTHORITY, UNIT, key_usage
from tests.trust.forge import name as peer_name

if TYPE_CHECKING:
    from pathlib import Path

P256 = "ecdsa-p256-sha256"
ORGANISATION = "株式会社 Test"


def request_of(suite_id: str) -> bytes:
    return unit_request(signer_of(SUITES[suite_id]), ORGANISATION)


def der_of(pem: bytes) -> bytes:
    ((_, der),) = read_blocks(pem, 1)
    return der


def refusal(data: bytes) -> tuple[RequestCode, WireCode | None]:
    with pytest.raises(RequestError) as refused:
        read_request(data)
    return refused.value.code, refused.value.wire


@pytest.mark.parametrize("suite_id", EVERY)
def test_a_request_of_every_suite_is_read_back(suite_id: str) -> None:
    pem = request_of(suite_id)
    found = read_request(pem)
    assert read_request(der_of(pem)) == found
    assert found.public_key == signer_of(SUITES[suite_id]).public_key
    assert display(found.subject).endswith(f"O={ORGANISATION}, C=JP")
    assert {each.oid: each.critical for each in found.extensions.values()} == {
        oids.ID_CE_KEY_USAGE: True,
        oids.ID_CE_EXT_KEY_USAGE: True,
    }
    assert found.extensions[oids.ID_CE_EXT_KEY_USAGE].value == encode.sequence(
        encode.oid(oids.ID_KP_TIME_STAMPING)
    )


@pytest.mark.parametrize("suite_id", EVERY)
def test_an_independent_reader_finds_every_field(suite_id: str) -> None:
    pem = request_of(suite_id)
    label, _, der = peer_pem.unarmor(pem)
    found = peer_csr.CertificationRequest.load(der, strict=True)
    info = found["certification_request_info"]
    assert label == "CERTIFICATE REQUEST"
    assert info["version"].native == "v1"
    assert info["subject"].native["organization_name"] == ORGANISATION
    assert info["subject"].native["country_name"] == "JP"
    assert info["subject"].native["common_name"].startswith("time-stamp unit ")
    assert info["subject_pk_info"].dump() == signer_of(SUITES[suite_id]).public_key
    (attribute,) = info["attributes"]
    assert attribute["type"].native == "extension_request"
    assert attribute["values"].native == [
        [
            {"extn_id": "key_usage", "critical": True, "extn_value": {"digital_signature"}},
            {"extn_id": "extended_key_usage", "critical": True, "extn_value": ["time_stamping"]},
        ]
    ]


@pytest.mark.parametrize("suite_id", CRYPTOGRAPHY)
def test_cryptography_sees_that_the_key_is_possessed(suite_id: str) -> None:
    found = x509.load_pem_x509_csr(request_of(suite_id))
    assert found.is_signature_valid
    usage = found.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert (usage.critical, list(usage.value)) == (True, [ExtendedKeyUsageOID.TIME_STAMPING])


@pytest.mark.parametrize("suite_id", OPENSSL)
def test_openssl_sees_that_the_key_is_possessed(suite_id: str, tmp_path: Path) -> None:
    path = tmp_path / "unit.csr"
    path.write_bytes(request_of(suite_id))
    done = subprocess.run(
        [need("openssl"), "req", "-verify", "-noout", "-text", "-in", str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "verify OK" in done.stdout + done.stderr
    assert "X509v3 Extended Key Usage: critical\n                    Time Stamping\n" in done.stdout


@pytest.mark.parametrize("suite_id", EVERY)
def test_a_request_becomes_a_certificate(suite_id: str) -> None:
    request = read_request(request_of(suite_id))
    issued = pki(P256).root.issue_unit(request.public_key, request.subject, now=NOW, days=2, key_days=1)
    certificate = x509.load_der_x509_certificate(issued.der)
    assert certificate.subject.public_bytes() == request.subject


@pytest.mark.parametrize("suite_id", EVERY)
def test_a_request_that_was_changed_proves_nothing(suite_id: str) -> None:
    der = der_of(request_of(suite_id))
    at = der.index(ORGANISATION.encode())
    forged = [flipped(der, at + len(ORGANISATION.encode()) - 1), flipped(der, len(der) - 1)]
    for each in forged:
        assert refusal(each) == (RequestCode.NO_POSSESSION, None)
        assert refusal(write_block("CERTIFICATE REQUEST", each)) == (RequestCode.NO_POSSESSION, None)


def body(public_key: bytes, *attributes: bytes) -> bytes:
    return encode.sequence(encode.integer(0), name("x"), public_key, encode.tlv(0xA0, b"".join(attributes)))


def test_a_certificate_for_somebody_elses_key_is_not_asked_for() -> None:
    """Else the holder of one key could have a certificate name the signatures of another as his own."""
    thief, owner = signer_of(SUITES[P256]), signer_of(SUITES["ecdsa-p384-sha384"])
    assert refusal(signed(thief, body(owner.public_key))) == (RequestCode.NO_POSSESSION, None)


def test_a_request_under_an_unknown_algorithm_is_refused() -> None:
    info = body(signer_of(SUITES[P256]).public_key)
    unknown = encode.algorithm(AlgorithmIdentifier("1.3.6.1.4.1.32473.9"))
    request = encode.sequence(info, unknown, encode.bit_string(b"signature"))
    assert refusal(request) == (RequestCode.ALGORITHM, None)


def test_a_request_without_wishes_is_read() -> None:
    signer = signer_of(SUITES[P256])
    assert read_request(signed(signer, body(signer.public_key))).extensions == {}
    password = encode.sequence(
        encode.oid("1.2.840.113549.1.9.7"), encode.set_of(encode.utf8_string("challenge"))
    )
    assert read_request(signed(signer, body(signer.public_key, password))).extensions == {}
    bare = encode.sequence(encode.integer(0), name("x"), signer.public_key)
    assert read_request(signed(signer, bare)).extensions == {}


def test_an_extension_asked_for_twice_is_not_guessed_at() -> None:
    signer = signer_of(SUITES[P256])
    wish = encode.sequence(encode.oid(oids.ID_CE_KEY_USAGE), encode.octet_string(encode.named_bits(0)))
    once = encode.sequence(encode.oid(oids.ID_EXTENSION_REQUEST), encode.set_of(encode.sequence(wish)))
    twice = encode.sequence(encode.oid(oids.ID_EXTENSION_REQUEST), encode.set_of(encode.sequence(wish, wish)))
    assert list(read_request(signed(signer, body(signer.public_key, once))).extensions) == [
        oids.ID_CE_KEY_USAGE
    ]
    for attributes in ((once, once), (twice,)):
        request = signed(signer, body(signer.public_key, *attributes))
        assert refusal(request) == (RequestCode.UNREADABLE, WireCode.BAD_VALUE)


def test_foreign_requests_are_read(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    builder = x509.CertificateSigningRequestBuilder().subject_name(peer_name("foreign"))
    for extension, critical in (*UNIT, AUTHORITY[0]):
        builder = builder.add_extension(extension, critical=critical)
    pem = builder.sign(key, hashes.SHA384()).public_bytes(Encoding.PEM)
    found = read_request(b"Certificate Request:\n    Data:\n" + pem)
    assert found.subject == peer_name("foreign").public_bytes()
    assert found.public_key == key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert found.extensions[oids.ID_CE_KEY_USAGE].value == key_usage("digital_signature").public_bytes()
    made = tmp_path / "made.csr"
    openssl = ("req", "-newkey", "rsa:2048", "-nodes", "-keyout", str(tmp_path / "key.pem"))
    subprocess.run(
        [need("openssl"), *openssl, "-subj", "/C=JP/CN=OpenSSL unit", "-out", str(made)],
        capture_output=True,
        check=True,
    )
    assert display(read_request(made.read_bytes()).subject) == "CN=OpenSSL unit, C=JP"


@pytest.mark.parametrize(
    ("data", "wire"),
    [
        (b"", WireCode.TRUNCATED),
        (b"no request", None),
        (bytes(300_000), WireCode.TOO_LARGE),
        (encode.sequence(encode.octet_string(bytes(200_000))), WireCode.TOO_LARGE),
        (b"x" * 300_000 + write_block("CERTIFICATE REQUEST", encode.NULL), WireCode.TOO_LARGE),
        (b"\x30" * 100, None),
        (write_block("CERTIFICATE", encode.NULL), WireCode.BAD_ARMOUR),
        (2 * write_block("CERTIFICATE REQUEST", encode.NULL), WireCode.TOO_MANY),
        (b"-----BEGIN CERTIFICATE REQUEST-----\nMII", WireCode.BAD_ARMOUR),
        (b"-----BEGIN CERTIFICATE REQUEST-----\nM\n-----END CERTIFICATE REQUEST-----", WireCode.BAD_ARMOUR),
        (write_block("CERTIFICATE REQUEST", encode.NULL), WireCode.UNEXPECTED),
    ],
)
def test_what_is_no_request_is_refused_with_its_reason(data: bytes, wire: WireCode | None) -> None:
    code, found = refusal(data)
    assert code is RequestCode.UNREADABLE
    assert found is wire or (wire is None and found is not None)


def test_changed_requests_are_refused_and_nothing_else() -> None:
    dice = random.Random(7)  # noqa: S311  # a seed, to see the same again
    der = der_of(request_of(P256))
    original = read_request(der)
    for _ in range(2_000):
        octets = bytearray(der)
        for _ in range(dice.randrange(1, 4)):
            octets[dice.randrange(len(octets))] = dice.randrange(256)
        try:
            found = read_request(bytes(octets))
        except RequestError:
            continue
        assert isinstance(found, CertificationRequest)
        assert found == original


def test_an_organisation_that_x_509_has_no_room_for_is_refused() -> None:
    for organisation in ("", "x" * 65):
        with pytest.raises(ValueError, match="64 characters"):
            unit_request(signer_of(SUITES[P256]), organisation)
    unit_request(signer_of(SUITES[P256]), "刻" * 64)
