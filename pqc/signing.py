"""Signers: whatever holds a private key and signs with one suite."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pqc.suites import Family, Suite
from pqc.verifying import HASHES, SignatureOutcome, key_facts, verify_signature

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    PrivateKey: TypeAlias = (
        rsa.RSAPrivateKey
        | ec.EllipticCurvePrivateKey
        | ed25519.Ed25519PrivateKey
        | mldsa.MLDSA44PrivateKey
        | mldsa.MLDSA65PrivateKey
        | mldsa.MLDSA87PrivateKey
    )


class KeyMismatchError(ValueError):
    """The key is not of the suite's type, or the suite is for verifying only, or its self-test failed."""


class Provider(StrEnum):
    """Where a signer's key is used, as the inventory names it."""

    SOFTWARE = "software"
    PKCS11 = "pkcs11"
    LIBOQS = "liboqs"


class SignerProblem(StrEnum):
    """Why a key outside this process's own library cannot be used."""

    BACKEND_MISSING = "SIGNER_BACKEND_MISSING"
    """The library that reaches the key is not installed, or is not the one that was named."""
    TOKEN_MISSING = "SIGNER_TOKEN_MISSING"  # noqa: S105  # a code, no secret
    TOKEN_AMBIGUOUS = "SIGNER_TOKEN_AMBIGUOUS"  # noqa: S105  # a code, no secret
    PIN_MISSING = "SIGNER_PIN_MISSING"
    PIN_TOO_OPEN = "SIGNER_PIN_TOO_OPEN"
    """Others than its owner may read the file with the PIN."""
    PIN_REFUSED = "SIGNER_PIN_REFUSED"
    """It is not tried again in this process: devices lock after a few wrong ones."""
    KEY_MISSING = "SIGNER_KEY_MISSING"
    KEY_AMBIGUOUS = "SIGNER_KEY_AMBIGUOUS"
    KEY_EXISTS = "SIGNER_KEY_EXISTS"
    KEY_EXTRACTABLE = "SIGNER_KEY_EXTRACTABLE"
    """The device would give the private key away."""
    KEY_CHANGED = "SIGNER_KEY_CHANGED"
    """A device that came back has another key in the place of the one that was loaded."""
    DEVICE_FAILED = "SIGNER_DEVICE_FAILED"


class SignerError(Exception):
    """A key that cannot be used; no secret is in the message.

    Attributes:
        problem: the stable code.
    """

    def __init__(self, problem: SignerProblem, detail: str) -> None:
        super().__init__(f"{problem.value}: {detail}")
        self.problem = problem


class Signer(Protocol):
    """A private key bound to one suite; it may live in software, in a device or in a service.

    Safe for several threads. Loading proves by a signature of its own that key and suite fit.
    """

    @property
    def suite(self) -> Suite:
        """The suite of every signature that this signer makes."""
        ...

    @property
    def public_key(self) -> bytes:
        """SubjectPublicKeyInfo, DER."""
        ...

    @property
    def provider(self) -> Provider:
        """Where the key is used."""
        ...

    @property
    def experimental(self) -> bool:
        """Whether the implementation is one that nobody vouches for in production."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Return the signature value over `message` as CMS carries it."""
        ...


_CURVES: dict[str, Callable[[], ec.EllipticCurve]] = {
    "P-256": ec.SECP256R1,
    "P-384": ec.SECP384R1,
    "P-521": ec.SECP521R1,
}


def generate_key(suite: Suite) -> PrivateKey:
    """Make a fresh private key for `suite`.

    Raises:
        KeyMismatchError: the suite is for verifying only.
    """
    if not suite.issue:
        raise KeyMismatchError(suite.id)
    match suite.family:
        case Family.RSA_PKCS1 | Family.RSA_PSS:
            return rsa.generate_private_key(65537, int(suite.key.removeprefix("RSA-")))
        case Family.ECDSA:
            return ec.generate_private_key(_CURVES[suite.key]())
        case Family.EDDSA:
            return ed25519.Ed25519PrivateKey.generate()
        case Family.ML_DSA:
            kinds: dict[str, Callable[[], PrivateKey]] = {
                "ML-DSA-44": mldsa.MLDSA44PrivateKey.generate,
                "ML-DSA-65": mldsa.MLDSA65PrivateKey.generate,
                "ML-DSA-87": mldsa.MLDSA87PrivateKey.generate,
            }
            return kinds[suite.key]()


class SoftwareSigner:
    """A `Signer` whose key is in this process's memory."""

    provider = Provider.SOFTWARE
    experimental = False

    def __init__(self, suite: Suite, key: PrivateKey) -> None:
        self.suite = suite
        self.public_key = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        facts = key_facts(self.public_key)
        if not suite.issue or facts is None or facts.name != suite.key:
            raise KeyMismatchError(suite.id)
        self._sign = _bind(suite, key)
        self_test(suite, self.public_key, self._sign)

    def sign(self, message: bytes) -> bytes:
        """Return the signature value over `message`."""
        return self._sign(message)


def self_test(suite: Suite, public_key: bytes, sign: Callable[[bytes], bytes]) -> None:
    """Sign and verify once before the key is used: a key that cannot is refused at load.

    Args:
        suite: the suite of the signature.
        public_key: SubjectPublicKeyInfo, DER.
        sign: makes the signature value.

    Raises:
        KeyMismatchError: the signature does not verify with this key under this suite.
    """
    message = hashlib.sha256(public_key).digest()
    verdict = verify_signature(
        public_key_der=public_key,
        algorithm=suite.algorithm,
        digest=suite.digest,
        message=message,
        signature=sign(message),
    )
    if verdict.outcome is not SignatureOutcome.VALID:
        raise KeyMismatchError(suite.id)


def _bind(suite: Suite, key: PrivateKey) -> Callable[[bytes], bytes]:
    """Resolve everything about the scheme once, so that a signature is a single call."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        scheme = ec.ECDSA(HASHES[suite.digest])
        return lambda message: key.sign(message, scheme)
    if isinstance(key, rsa.RSAPrivateKey):
        digest = HASHES[suite.digest]
        pad: padding.AsymmetricPadding = (
            padding.PSS(padding.MGF1(digest), digest.digest_size)
            if suite.family is Family.RSA_PSS
            else padding.PKCS1v15()
        )
        return lambda message: key.sign(message, pad, digest)
    # EdDSA and ML-DSA sign the message itself: pure mode, empty context (RFC 9882 §3.1).
    return key.sign
