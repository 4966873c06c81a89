"""One signature judged: the outcome is a value, whatever octets come in.

The reader is tolerant where real certificates and tokens vary (a bare
rsaEncryption or ecPublicKey OID as signatureAlgorithm), never in what the
mathematics must show.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from pqc.classical import HASHES
from pqc.keyinfo import read_public_info
from pqc.registry import scheme_of_key, scheme_of_signature
from pqc.scheme import KeyFacts

if TYPE_CHECKING:
    from kokuin.wire.algorithms import AlgorithmIdentifier
    from pqc.keyinfo import PublicKeyInfo
    from pqc.scheme import Scheme, Verifier

__all__ = ["HASHES", "KeyFacts", "SignatureOutcome", "SignatureVerdict", "key_facts", "verify_signature"]


class SignatureOutcome(StrEnum):
    """What one signature turned out to be."""

    VALID = "VALID"
    INVALID = "INVALID"
    UNSUPPORTED = "UNSUPPORTED"
    """Algorithm, digest or key type that this release does not know."""
    MALFORMED = "MALFORMED"
    """The key or the parameters cannot be read, or key and algorithm do not belong together."""


@dataclass(frozen=True, slots=True)
class SignatureVerdict:
    """Outcome, the key that was used, and the digest under the signature (None: the scheme's own)."""

    outcome: SignatureOutcome
    key: KeyFacts | None = None
    digest: str | None = None


@functools.lru_cache(maxsize=64)
def _read(public_key_der: bytes) -> PublicKeyInfo:
    return read_public_info(public_key_der)


@functools.lru_cache(maxsize=64)
def _verifier(scheme: Scheme, public: PublicKeyInfo) -> Verifier:
    """Keys repeat from signature to signature, and loading one costs as much as a verification of P-256."""
    return scheme.load_public(public)


def _load(public_key_der: bytes) -> tuple[Scheme, Verifier] | SignatureOutcome:
    try:
        public = _read(public_key_der)
        scheme = scheme_of_key(public.algorithm.oid)
        if scheme is None:
            return SignatureOutcome.UNSUPPORTED
        return scheme, _verifier(scheme, public)
    except UnsupportedAlgorithm:
        return SignatureOutcome.UNSUPPORTED
    except (ValueError, TypeError):
        return SignatureOutcome.MALFORMED


def key_facts(public_key_der: bytes) -> KeyFacts | None:
    """Describe a SubjectPublicKeyInfo (DER); None when it cannot be read or is of an unknown kind."""
    loaded = _load(public_key_der)
    return None if isinstance(loaded, SignatureOutcome) else loaded[1].facts


def verify_signature(
    *,
    public_key_der: bytes,
    algorithm: AlgorithmIdentifier,
    digest: str | None,
    message: bytes,
    signature: bytes,
) -> SignatureVerdict:
    """Verify one signature.

    Args:
        public_key_der: SubjectPublicKeyInfo, DER.
        algorithm: signatureAlgorithm as found.
        digest: name of SignerInfo.digestAlgorithm, used where `algorithm` names no digest itself.
        message: the octets that were signed.
        signature: the signature value.
    """
    loaded = _load(public_key_der)
    if isinstance(loaded, SignatureOutcome):
        return SignatureVerdict(loaded)
    scheme, key = loaded
    named = scheme_of_signature(algorithm.oid)
    if named is None:
        return SignatureVerdict(SignatureOutcome.UNSUPPORTED, key.facts)
    try:
        under = named.digest_under(algorithm, digest)
    except UnsupportedAlgorithm:
        return SignatureVerdict(SignatureOutcome.UNSUPPORTED, key.facts)
    outcome = SignatureOutcome.MALFORMED
    if named is scheme:
        outcome = _outcome(key, algorithm, under, message, signature)
    return SignatureVerdict(outcome, key.facts, under)


def _outcome(
    key: Verifier, algorithm: AlgorithmIdentifier, digest: str | None, message: bytes, signature: bytes
) -> SignatureOutcome:
    try:
        key.verify(algorithm, digest, message, signature)
    except InvalidSignature:
        return SignatureOutcome.INVALID
    except (ValueError, UnsupportedAlgorithm):
        return SignatureOutcome.MALFORMED
    return SignatureOutcome.VALID
