"""JSON seals that we make, read by jwcrypto and by our own judge."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.serialization import load_der_public_key
from jwcrypto import jwk, jws  # type: ignore[import-untyped]

from eseal.jades_form import Serialization
from eseal.values import Level
from kokuin.trust.report import Indication
from tests.eseal import pki
from tests.eseal.jades import DATA, judge, seal

JOSE = (pki.P256, pki.P384, pki.PSS, pki.ED25519, *pki.ML_DSA)
"""Suites that JSON seals are made with."""


def peer_key(suite_id: str) -> jwk.JWK:
    """The public key of a seal key, as jwcrypto reads it out of its SubjectPublicKeyInfo."""
    key = load_der_public_key(pki.seal_key(suite_id).signer.public_key)
    return jwk.JWK.from_pyca(key)


def peer_reads(sealed: bytes, suite_id: str, place: int = 0) -> bytes:
    """The payload, once jwcrypto has verified the signature as that of a plain JWS."""
    token = jws.JWS()
    token.allowed_algs = ["ES256", "ES384", "PS256", "EdDSA", "ML-DSA-44", "ML-DSA-65", "ML-DSA-87"]
    token.deserialize(sealed.decode())
    token.verify(peer_key(suite_id))
    return bytes(token.payload)


@pytest.mark.parametrize("suite_id", JOSE)
@pytest.mark.parametrize("serialization", Serialization)
def test_jwcrypto_verifies_every_suite_in_every_serialisation(
    suite_id: str, serialization: Serialization
) -> None:
    sealed = seal(None, pki.seal_key(suite_id), serialization=serialization)
    assert peer_reads(sealed, suite_id) == DATA
    assert judge(sealed).indication is Indication.PASSED


@pytest.mark.parametrize("level", Level)
@pytest.mark.parametrize("suite_id", [pki.P256, "ml-dsa-65"])
def test_every_level_is_reached_and_jwcrypto_verifies_it(suite_id: str, level: Level) -> None:
    sealed = seal(None, pki.seal_key(suite_id), level=level)
    report = judge(sealed)
    assert report.indication is Indication.PASSED
    assert report.parts[0].subject["level"] == level.value
    assert peer_reads(sealed, suite_id) == DATA
