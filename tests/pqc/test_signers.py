"""What every signer does, wherever its key is: one contract, asked of each backend."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from pqc import liboqs as liboqs_module
from pqc import pkcs11 as pkcs11_module
from pqc.signing import KeyMismatchError, Provider
from pqc.suites import SUITES, Family
from pqc.verifying import SignatureOutcome, key_facts, verify_signature
from tests.pqc.backends import BACKENDS

if TYPE_CHECKING:
    from pqc.signing import Signer
    from tests.pqc.backends import Backend

MESSAGES = (b"", b"signed attributes", bytes(range(256)) * 4096)
HASH = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}
EACH = pytest.mark.parametrize("backend", BACKENDS, ids=[backend.id for backend in BACKENDS])


def judged(signer: Signer, message: bytes, signature: bytes) -> SignatureOutcome:
    return verify_signature(
        public_key_der=signer.public_key,
        algorithm=signer.suite.algorithm,
        digest=signer.suite.digest,
        message=message,
        signature=signature,
    ).outcome


def pyca_verifies(signer: Signer, message: bytes, signature: bytes) -> None:
    """Verify with pyca/cryptography, called by the book and not through our table of suites."""
    key = load_der_public_key(signer.public_key)
    digest = HASH[signer.suite.digest]
    if isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(signature, message, ec.ECDSA(digest))
    elif isinstance(key, rsa.RSAPublicKey):
        pss = padding.PSS(padding.MGF1(digest), padding.PSS.DIGEST_LENGTH)
        chosen = pss if signer.suite.family is Family.RSA_PSS else padding.PKCS1v15()
        key.verify(signature, message, chosen, digest)
    else:
        kinds = (
            ed25519.Ed25519PublicKey,
            mldsa.MLDSA44PublicKey,
            mldsa.MLDSA65PublicKey,
            mldsa.MLDSA87PublicKey,
        )
        assert isinstance(key, kinds)
        key.verify(signature, message)


@EACH
def test_what_is_signed_verifies_here_and_with_pyca_and_nothing_else_does(
    backend: Backend, request: pytest.FixtureRequest
) -> None:
    signer = backend.open(request)
    for message in MESSAGES:
        signature = signer.sign(message)
        assert 0 < len(signature) <= signer.suite.signature_size
        assert judged(signer, message, signature) is SignatureOutcome.VALID
        pyca_verifies(signer, message, signature)
        assert judged(signer, message + b".", signature) is SignatureOutcome.INVALID
        with pytest.raises(InvalidSignature):
            pyca_verifies(signer, message, signature[:-1] + bytes((signature[-1] ^ 1,)))


@EACH
def test_the_signer_says_what_it_is(backend: Backend, request: pytest.FixtureRequest) -> None:
    signer = backend.open(request)
    assert signer.suite is backend.suite
    assert signer.provider is backend.provider
    assert signer.experimental is (backend.provider is Provider.LIBOQS)
    facts = key_facts(signer.public_key)
    assert facts is not None
    assert facts.name == backend.suite.key
    assert backend.open(request).public_key == signer.public_key, "the same key, opened again"


@EACH
def test_many_threads_sign_with_one_signer(backend: Backend, request: pytest.FixtureRequest) -> None:
    signer = backend.open(request)
    messages = [f"message {number}".encode() for number in range(64)]
    with ThreadPoolExecutor(8) as pool:
        signatures = list(pool.map(signer.sign, messages))
    for message, signature in zip(messages, signatures, strict=True):
        assert judged(signer, message, signature) is SignatureOutcome.VALID


@EACH
def test_a_suite_that_is_not_the_keys_is_refused(backend: Backend, request: pytest.FixtureRequest) -> None:
    backend.open(request)
    for other in SUITES.values():
        if other.key != backend.suite.key:
            with pytest.raises(KeyMismatchError):
                backend.open(request, other)


@pytest.mark.parametrize(
    "backend",
    [each for each in BACKENDS if each.provider is not Provider.SOFTWARE],  # those: tests/pqc/test_signing.py
    ids=lambda backend: backend.id,
)
def test_a_key_that_signs_wrongly_is_refused_at_load(
    backend: Backend, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.open(request)
    wrong = bytes(backend.suite.signature_size)
    monkeypatch.setattr(pkcs11_module, "_operation", lambda _suite: lambda _key, _message: wrong)
    monkeypatch.setattr(liboqs_module.LiboqsSigner, "sign", lambda _signer, _message: wrong)
    with pytest.raises(KeyMismatchError):
        backend.open(request)
