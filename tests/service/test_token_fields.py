"""Every field of response and token, read by asn1crypto (RFC 3161 §2.4.2, RFC 5652, RFC 5816, EN 319 422)."""

from __future__ import annotations

import hashlib
import re
import time
from typing import TYPE_CHECKING, Any

import pytest
from asn1crypto import cms, parser, pem, x509  # type: ignore[import-untyped]

from tests.service.asking import (
    DATA,
    DIGESTS,
    POLICY,
    extension,
    granted,
    imprint,
    query,
    read,
    tst_info,
)
from tests.service.conftest import EXTENSION

if TYPE_CHECKING:
    from tests.service.running import Service

P256, RSA, ML_DSA = "1.2.840.10045.4.3.2", "1.2.840.113549.1.1.11", "2.16.840.1.101.3.4.3.18"
PROFILES = pytest.mark.parametrize(
    ("service", "policy", "digest", "signature"),
    [
        ("single", POLICY, "sha256", P256),
        ("rsa", "1.3.6.1.4.1.32473.2", "sha256", RSA),
        ("pq", "1.3.6.1.4.1.32473.3", "sha512", ML_DSA),
    ],
    indirect=["service"],
)


def tags(octets: bytes) -> list[int]:
    """Return the identifier octets of the elements inside a constructed one, in their order."""
    return [element[0] for element in elements(octets)]


def elements(octets: bytes) -> list[bytes]:
    content: bytes = parser.parse(octets, strict=True)[4]
    found = []
    while content:
        _, _, _, header, body, trailer = parser.parse(content)
        size = len(header) + len(body) + len(trailer)
        found.append(content[:size])
        content = content[size:]
    return found


def certificates(path: Any) -> list[x509.Certificate]:
    return [x509.Certificate.load(der) for _, _, der in pem.unarmor(path.read_bytes(), multiple=True)]


def unit_of(service: Service) -> x509.Certificate:
    """Return the unit's certificate from the download, where it stands first."""
    return certificates(service.folder.units)[0]


def signer_of(token: Any) -> Any:
    (signer,) = token["content"]["signer_infos"]
    return signer


def attributes_of(token: Any) -> dict[str, Any]:
    found = {attribute["type"].native: attribute["values"] for attribute in signer_of(token)["signed_attrs"]}
    assert all(len(values) == 1 for values in found.values())
    return {name: values[0] for name, values in found.items()}


def test_the_http_answer_is_a_time_stamp_reply(single: Service) -> None:
    answer = single.post(query())
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/timestamp-reply"
    assert answer.headers["content-length"] == str(len(answer.content))
    assert answer.headers["cache-control"] == "no-store"
    assert "server" not in answer.headers
    assert single.post(query()).headers["x-request-id"] != answer.headers["x-request-id"]


@PROFILES
def test_tst_info(service: Service, policy: str, digest: str, signature: str) -> None:
    before = time.time()
    info = tst_info(granted(service.post(query(nonce=-5)).content))
    after = time.time()
    assert info["version"].native == "v1"
    assert info["policy"].dotted == policy
    assert info["message_imprint"]["hash_algorithm"]["algorithm"].dotted == DIGESTS["sha256"]
    assert info["message_imprint"]["hashed_message"].native == hashlib.sha256(DATA).digest()
    assert 2**63 < info["serial_number"].native < 2**159, (
        "positive, at most 160 bits, and with many random ones"
    )
    assert before - 0.01 <= info["gen_time"].native.timestamp() <= after
    text = info["gen_time"].contents.decode()
    assert re.fullmatch(r"\d{14}(\.\d*[1-9])?Z", text), "RFC 3161 §2.4.2: no trailing zeros, always Z"
    assert info["accuracy"].native == {"seconds": 1, "millis": None, "micros": None}
    assert info["nonce"].native == -5


@PROFILES
def test_optional_fields_are_there_only_when_wanted(
    service: Service, policy: str, digest: str, signature: str
) -> None:
    named = service.folder.root.parent.name.startswith("classical-rsa")
    info = tst_info(granted(service.post(query(nonce=None)).content))
    # version, policy, imprint, serial, genTime, accuracy; no ordering (0x01), no nonce, no extensions (0xa1).
    assert tags(info.dump()) == [0x02, 0x06, 0x30, 0x02, 0x18, 0x30, *([0xA0] if named else [])]
    if named:
        assert info["tsa"].chosen == unit_of(service).subject


def test_an_accepted_extension_is_copied_into_the_token(single: Service) -> None:
    asked = extension(EXTENSION, b"\x0c\x05hello")
    info = tst_info(granted(single.post(query(extensions=(asked,))).content))
    assert elements(elements(info.dump())[-1]) == [asked]
    assert tags(info.dump())[-1] == 0xA1


@pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512"])
@pytest.mark.parametrize("parameters", [b"", b"\x05\x00"], ids=["absent", "NULL"])
def test_the_imprint_comes_back_octet_by_octet(single: Service, digest: str, parameters: bytes) -> None:
    asked = imprint(digest, parameters=parameters)
    info = tst_info(granted(single.post(query(message_imprint=asked)).content))
    assert info["message_imprint"].dump() == asked


@pytest.mark.parametrize("nonce", [0, 1, -1, 127, 128, -128, -129, 2**64, 2**159 + 1, -(2**200)])
def test_the_nonce_comes_back_as_the_same_number(single: Service, nonce: int) -> None:
    assert tst_info(granted(single.post(query(nonce=nonce)).content))["nonce"].native == nonce


@PROFILES
def test_signed_data_and_its_one_signer(service: Service, policy: str, digest: str, signature: str) -> None:
    token = granted(service.post(query()).content)
    assert token["content_type"].native == "signed_data"
    data = token["content"]
    assert data["version"].native == "v3"
    assert [item["algorithm"].native for item in data["digest_algorithms"]] == [digest]
    assert data["encap_content_info"]["content_type"].native == "tst_info"
    assert tags(data.untag().dump()) == [0x02, 0x31, 0x30, 0xA0, 0x31], "certificates, but no crls"
    signer, unit = signer_of(token), unit_of(service)
    assert signer["version"].native == "v1"
    assert signer["sid"].chosen["issuer"] == unit.issuer
    assert signer["sid"].chosen["serial_number"].native == unit.serial_number
    assert signer["digest_algorithm"]["algorithm"].native == digest
    assert signer["signature_algorithm"]["algorithm"].dotted == signature
    assert tags(signer.dump()) == [0x02, 0x30, 0x30, 0xA0, 0x30, 0x04], "no unsigned attributes"


@PROFILES
def test_signed_attributes(service: Service, policy: str, digest: str, signature: str) -> None:
    token = granted(service.post(query()).content)
    attributes, signer = attributes_of(token), signer_of(token)
    assert set(attributes) == {
        *("content_type", "message_digest", "signing_certificate_v2", "cms_algorithm_protection")
    }
    content = token["content"]["encap_content_info"]["content"].contents
    assert attributes["content_type"].native == "tst_info"
    assert attributes["message_digest"].native == hashlib.new(digest, content).digest()
    protection = attributes["cms_algorithm_protection"]
    assert protection["digest_algorithm"].dump() == signer["digest_algorithm"].dump()
    assert protection["signature_algorithm"].contents == signer["signature_algorithm"].contents
    unit = unit_of(service)
    (identifier,) = attributes["signing_certificate_v2"]["certs"]
    assert identifier["hash_algorithm"]["algorithm"].native == digest
    assert identifier["cert_hash"].native == hashlib.new(digest, unit.dump()).digest()
    assert identifier["issuer_serial"]["serial_number"].native == unit.serial_number
    assert identifier["issuer_serial"]["issuer"][0].chosen == unit.issuer


@PROFILES
def test_everything_is_in_der(service: Service, policy: str, digest: str, signature: str) -> None:
    # Without certificates: asn1crypto does not know ML-DSA keys.
    body = service.post(query(certificates=False)).content
    signed = elements(signer_of(granted(body))["signed_attrs"].dump())
    assert signed == sorted(signed), "X.690 §11.6: a SET OF is sorted"
    assert read(body).copy().dump(force=True) == body


@PROFILES
def test_certificates_come_only_on_certreq(
    service: Service, policy: str, digest: str, signature: str
) -> None:
    wanted = granted(service.post(query(certificates=True)).content)
    sent = [item.chosen.dump() for item in wanted["content"]["certificates"]]
    # The unit and what lies between it and the root, which alone is left to the verifier.
    assert sent == sorted(item.dump() for item in certificates(service.folder.units))
    assert unit_of(service).dump() in sent
    unwanted = granted(service.post(query(certificates=False)).content)
    assert unwanted["content"]["certificates"].native is None
    assert isinstance(unwanted["content"], cms.SignedData)


@PROFILES
def test_the_unit_certificate_is_for_time_stamping_alone(
    service: Service, policy: str, digest: str, signature: str
) -> None:
    unit = unit_of(service)
    assert unit.extended_key_usage_value.native == ["time_stamping"]
    assert "extended_key_usage" in unit.critical_extensions
    assert unit.private_key_usage_period_value["not_after"].native < unit.not_valid_after
    (root,) = certificates(service.folder.anchors)
    sent = certificates(service.folder.units)
    assert [item.issuer for item in sent] == [*(item.subject for item in sent[1:]), root.subject]
    assert root.dump() not in {item.dump() for item in sent}
