"""Existing verifiers accept a token with an evidence record in it as they do the token without."""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
from typing import TYPE_CHECKING

import pytest
from asn1crypto import cms  # type: ignore[import-untyped]
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from rfc3161_client import (
    HashAlgorithm,
    TimeStampRequest,
    TimestampRequestBuilder,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from kokuin.wire import encode
from kokuin.wire.token_form import bare_token, evidence_in, with_evidence
from kokuin.wire.tsp import read_timestamp_response
from tests.peers import need
from tests.service.asking import DATA
from tests.trust.forge import pki as evidence_pki
from tests.tsa.evidence_made import token_over
from tsa.evidence.records import make_record
from tsa.evidence.tree import HashTree

if TYPE_CHECKING:
    from pathlib import Path

    from tests.service.running import Service

KNOWN = pytest.mark.parametrize("service", ["single", "rsa", "embedding"], indirect=True)


def embedded(token: bytes) -> bytes:
    """Return a token with a record whose archive time-stamp is of another authority, chain and all."""
    groups = [(hashlib.sha512(each).digest(),) for each in (bare_token(token), b"neighbour", b"another")]
    tree = HashTree("sha512", groups)
    archive = token_over(tree, certificates=[*evidence_pki().chain, evidence_pki().root.der])
    held = with_evidence(token, make_record(tree, 0, archive))
    assert len(evidence_in(held)) == 1
    assert len(held) > len(token) + len(archive)
    return held


def both(token: bytes) -> tuple[bytes, bytes]:
    """Return a token without evidence, and with it: its own, where it left with some."""
    return (bare_token(token), token) if evidence_in(token) else (token, embedded(token))


def roots(service: Service) -> list[bytes]:
    """Return the roots that these programs can read; that of the unit of evidence is of ML-DSA."""
    found = x509.load_pem_x509_certificates(service.folder.anchors.read_bytes())
    known = [each for each in found if each.signature_algorithm_oid.dotted_string.startswith("1.2.840.")]
    return [each.public_bytes(Encoding.DER) for each in known]


def answer_with(token: bytes) -> bytes:
    return encode.sequence(encode.sequence(encode.integer(0)), token)


def asked(service: Service, digest: HashAlgorithm = HashAlgorithm.SHA256) -> tuple[TimeStampRequest, bytes]:
    builder = TimestampRequestBuilder().data(DATA).hash_algorithm(digest)
    request = builder.nonce(nonce=True).cert_request(cert_request=True).build()
    token = read_timestamp_response(service.post(request.as_bytes()).content).token
    assert token is not None
    return request, token


@KNOWN
def test_openssl_accepts_a_token_with_evidence(service: Service, tmp_path: Path) -> None:
    _, token = asked(service)
    data, file = tmp_path / "data", tmp_path / "token"
    trust = service.folder.anchors.parent / "ca.pem"
    words = (need("openssl"), "ts", "-verify", "-token_in", "-in", file, "-CAfile", trust, "-data", data)
    for octets in both(token):
        file.write_bytes(octets)
        data.write_bytes(DATA)
        verdict = subprocess.run(words, check=False, capture_output=True, timeout=60)
        assert b"Verification: OK" in verdict.stdout, verdict.stderr
        data.write_bytes(b"other data")
        assert subprocess.run(words, check=False, capture_output=True, timeout=60).returncode != 0


@KNOWN
@pytest.mark.parametrize("digest", [HashAlgorithm.SHA256, HashAlgorithm.SHA512])
def test_rfc3161_client_accepts_a_token_with_evidence(service: Service, digest: HashAlgorithm) -> None:
    request, token = asked(service, digest)
    (root,) = map(x509.load_der_x509_certificate, roots(service))
    verifier = VerifierBuilder.from_request(request).add_root_certificate(root).build()
    for octets in both(token):
        response = decode_timestamp_response(answer_with(octets))
        assert verifier.verify_message(response, DATA)
        with pytest.raises(VerificationError):
            verifier.verify_message(response, b"other data")


@KNOWN
def test_pyhanko_accepts_a_token_with_evidence(service: Service) -> None:
    # Seconds to load, which each process of a test run would pay.
    from pyhanko.sign.validation.generic_cms import validate_tst_signed_data  # noqa: PLC0415
    from pyhanko_certvalidator import ValidationContext  # noqa: PLC0415

    _, token = asked(service)
    (root,) = roots(service)
    context = ValidationContext(trust_roots=[asn1_x509.Certificate.load(root)])

    def judge(octets: bytes, data: bytes) -> dict[str, object]:
        content = cms.ContentInfo.load(octets)["content"]
        found: dict[str, object] = asyncio.run(
            validate_tst_signed_data(content, context, lambda name: hashlib.new(name, data).digest())
        )
        return found

    for octets in both(token):
        verdict = judge(octets, DATA)
        assert (verdict["valid"], verdict["intact"], verdict["trust_problem_indic"]) == (True, True, None)
        assert judge(octets, b"other data")["intact"] is False
