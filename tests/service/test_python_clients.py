"""rfc3161-client and pyHanko ask and judge; for ML-DSA, which they do not know, our own verifier judges."""

from __future__ import annotations

import asyncio
import hashlib
import time
from typing import TYPE_CHECKING

import pytest
from asn1crypto import pem  # type: ignore[import-untyped]
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from rfc3161_client import (
    HashAlgorithm,
    TimestampRequestBuilder,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from kokuin.trust.anchors import load_trust
from kokuin.trust.context import Context
from kokuin.verify.content import of_octets
from kokuin.verify.verifying import verify_bytes
from tests.service.asking import DATA, POLICY, query
from tests.service.running import PATIENCE_S

if TYPE_CHECKING:
    from tests.service.running import Service

KNOWN = pytest.mark.parametrize("service", ["single", "double", "rsa"], indirect=True)
ALL = pytest.mark.parametrize("service", ["single", "double", "rsa", "pq"], indirect=True)


@KNOWN
@pytest.mark.parametrize("digest", [HashAlgorithm.SHA256, HashAlgorithm.SHA512])
def test_rfc3161_client_accepts_the_token(service: Service, digest: HashAlgorithm) -> None:
    builder = TimestampRequestBuilder().data(DATA).hash_algorithm(digest)
    request = builder.nonce(nonce=True).cert_request(cert_request=True).build()
    response = decode_timestamp_response(service.post(request.as_bytes()).content)
    root = x509.load_pem_x509_certificate(service.folder.anchors.read_bytes())
    verifier = VerifierBuilder.from_request(request).add_root_certificate(root).build()
    assert verifier.verify_message(response, DATA)
    with pytest.raises(VerificationError):
        verifier.verify_message(response, b"other data")


@KNOWN
def test_pyhanko_accepts_the_token(service: Service) -> None:
    # Seconds to load, which each process of a test run would pay.
    from pyhanko.sign.timestamps import HTTPTimeStamper  # noqa: PLC0415
    from pyhanko.sign.validation.generic_cms import validate_tst_signed_data  # noqa: PLC0415
    from pyhanko_certvalidator import ValidationContext  # noqa: PLC0415

    stamper = HTTPTimeStamper(service.url, timeout=PATIENCE_S)
    token = asyncio.run(stamper.async_timestamp(hashlib.sha256(DATA).digest(), "sha256"))
    (root,) = pem.unarmor(service.folder.anchors.read_bytes(), multiple=True)
    context = ValidationContext(trust_roots=[asn1_x509.Certificate.load(root[2])])

    def judge(data: bytes) -> dict[str, object]:
        found: dict[str, object] = asyncio.run(
            validate_tst_signed_data(token["content"], context, lambda name: hashlib.new(name, data).digest())
        )
        return found

    verdict = judge(DATA)
    assert (verdict["valid"], verdict["intact"]) == (True, True)
    assert verdict["trust_problem_indic"] is None
    assert judge(b"other data")["intact"] is False


@ALL
def test_our_verifier_accepts_the_token(service: Service) -> None:
    now = time.time_ns() // 1_000
    response = service.post(query()).content
    trust = load_trust(service.folder.anchors)
    report = verify_bytes(response, Context(trust=trust, at=now + 60_000_000, content=of_octets(DATA)))
    assert report.indication == "PASSED", report.to_json()
    other = verify_bytes(
        response, Context(trust=trust, at=now + 60_000_000, content=of_octets(b"other data"))
    )
    assert (other.indication, other.sub_indication) == ("FAILED", "HASH_FAILURE")


def test_the_policy_asked_for_is_the_one_granted(single: Service) -> None:
    response = decode_timestamp_response(single.post(query(policy=POLICY)).content)
    assert response.tst_info.policy.dotted_string == POLICY
