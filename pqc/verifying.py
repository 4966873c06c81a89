"""One signature judged: the outcome is a value, whatever octets come in.

The reader is tolerant where real certificates and tokens vary (a bare
rsaEncryption or ecPublicKey OID as signatureAlgorithm), never in what the
mathematics must show.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from kokuin.wire import oids
from pqc.pss import pss_digest_and_salt
from pqc.suites import Family

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

    from kokuin.wire.algorithms import AlgorithmIdentifier

MAX_RSA_BITS = 16384
"""A longer modulus costs seconds a verification: an attacker's certificate may hold any."""

HASHES: dict[str, hashes.HashAlgorithm] = {
    "md5": hashes.MD5(),  # noqa: S303  # old evidence is computed; policy refuses it
    "sha1": hashes.SHA1(),  # noqa: S303  # likewise
    "sha224": hashes.SHA224(),
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
    "sha3_256": hashes.SHA3_256(),
    "sha3_384": hashes.SHA3_384(),
    "sha3_512": hashes.SHA3_512(),
}

_SIGNATURE_DIGESTS: dict[str, tuple[Family, str | None]] = {
    oids.RSA_ENCRYPTION: (Family.RSA_PKCS1, None),
    oids.MD5_WITH_RSA: (Family.RSA_PKCS1, "md5"),
    oids.SHA1_WITH_RSA: (Family.RSA_PKCS1, "sha1"),
    oids.OIW_SHA1_WITH_RSA: (Family.RSA_PKCS1, "sha1"),
    oids.SHA224_WITH_RSA: (Family.RSA_PKCS1, "sha224"),
    oids.SHA256_WITH_RSA: (Family.RSA_PKCS1, "sha256"),
    oids.SHA384_WITH_RSA: (Family.RSA_PKCS1, "sha384"),
    oids.SHA512_WITH_RSA: (Family.RSA_PKCS1, "sha512"),
    oids.ID_RSASSA_PSS: (Family.RSA_PSS, None),
    oids.ID_EC_PUBLIC_KEY: (Family.ECDSA, None),
    oids.ECDSA_WITH_SHA1: (Family.ECDSA, "sha1"),
    oids.ECDSA_WITH_SHA224: (Family.ECDSA, "sha224"),
    oids.ECDSA_WITH_SHA256: (Family.ECDSA, "sha256"),
    oids.ECDSA_WITH_SHA384: (Family.ECDSA, "sha384"),
    oids.ECDSA_WITH_SHA512: (Family.ECDSA, "sha512"),
    oids.ID_ED25519: (Family.EDDSA, None),
    oids.ID_ML_DSA_44: (Family.ML_DSA, None),
    oids.ID_ML_DSA_65: (Family.ML_DSA, None),
    oids.ID_ML_DSA_87: (Family.ML_DSA, None),
}

_ML_DSA_KEYS = {
    oids.ID_ML_DSA_44: (mldsa.MLDSA44PublicKey, "ML-DSA-44", 44),
    oids.ID_ML_DSA_65: (mldsa.MLDSA65PublicKey, "ML-DSA-65", 65),
    oids.ID_ML_DSA_87: (mldsa.MLDSA87PublicKey, "ML-DSA-87", 87),
}


class SignatureOutcome(StrEnum):
    """What one signature turned out to be."""

    VALID = "VALID"
    INVALID = "INVALID"
    UNSUPPORTED = "UNSUPPORTED"
    """Algorithm, digest or key type that this release does not know."""
    MALFORMED = "MALFORMED"
    """The key or the parameters cannot be read, or key and algorithm do not belong together."""


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """What a public key is: family (`rsa`, `ec`, `ed25519`, `ml-dsa`), name (`P-256`) and size in bits."""

    family: str
    name: str
    bits: int


@dataclass(frozen=True, slots=True)
class SignatureVerdict:
    """Outcome, the key that was used, and the digest under the signature (None: the scheme's own)."""

    outcome: SignatureOutcome
    key: KeyFacts | None = None
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class _Scheme:
    """What an AlgorithmIdentifier resolves to: the family, the digest under it, the salt length of PSS."""

    oid: str
    family: Family
    digest: str | None = None
    salt: int = 0


_CURVE_NAMES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}


def _facts(key: PublicKeyTypes) -> KeyFacts | None:
    if isinstance(key, rsa.RSAPublicKey):
        return KeyFacts("rsa", f"RSA-{key.key_size}", key.key_size)
    if isinstance(key, ec.EllipticCurvePublicKey):
        return KeyFacts("ec", _CURVE_NAMES.get(key.curve.name, key.curve.name), key.curve.key_size)
    if isinstance(key, ed25519.Ed25519PublicKey):
        return KeyFacts("ed25519", "Ed25519", 256)
    for kind, name, bits in _ML_DSA_KEYS.values():
        if isinstance(key, kind):
            return KeyFacts("ml-dsa", name, bits)
    return None


def _load(public_key_der: bytes) -> PublicKeyTypes | SignatureOutcome:
    try:
        key = load_der_public_key(public_key_der)
    except UnsupportedAlgorithm:
        return SignatureOutcome.UNSUPPORTED
    except (ValueError, TypeError):
        return SignatureOutcome.MALFORMED
    if isinstance(key, rsa.RSAPublicKey) and key.key_size > MAX_RSA_BITS:
        return SignatureOutcome.UNSUPPORTED
    return key


def key_facts(public_key_der: bytes) -> KeyFacts | None:
    """Describe a SubjectPublicKeyInfo (DER); None when it cannot be read or is of an unknown kind."""
    key = _load(public_key_der)
    return None if isinstance(key, SignatureOutcome) else _facts(key)


def _scheme(algorithm: AlgorithmIdentifier, digest: str | None) -> _Scheme | None:
    """Resolve a signatureAlgorithm; `digest` serves the OIDs that name none themselves. None: unknown."""
    family, named = _SIGNATURE_DIGESTS.get(algorithm.oid, (None, None))
    if family is None:
        return None
    if family in {Family.EDDSA, Family.ML_DSA}:
        return _Scheme(algorithm.oid, family)
    if family is Family.RSA_PSS:
        parameters = pss_digest_and_salt(algorithm.parameters)
        return _Scheme(algorithm.oid, family, *parameters) if parameters else None
    used = named or digest
    return _Scheme(algorithm.oid, family, used) if used in HASHES else None


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
    key = _load(public_key_der)
    if isinstance(key, SignatureOutcome):
        return SignatureVerdict(key)
    facts, scheme = _facts(key), _scheme(algorithm, digest)
    if facts is None or scheme is None:
        return SignatureVerdict(SignatureOutcome.UNSUPPORTED, facts)
    try:
        fits = _verify(key, scheme, message, signature)
    except InvalidSignature:
        return SignatureVerdict(SignatureOutcome.INVALID, facts, scheme.digest)
    except (ValueError, UnsupportedAlgorithm):
        return SignatureVerdict(SignatureOutcome.MALFORMED, facts, scheme.digest)
    outcome = SignatureOutcome.VALID if fits else SignatureOutcome.MALFORMED
    return SignatureVerdict(outcome, facts, scheme.digest)


def _verify(key: PublicKeyTypes, scheme: _Scheme, message: bytes, signature: bytes) -> bool:
    """Return False when key and scheme do not belong together; raise InvalidSignature when it is wrong."""
    if isinstance(key, ec.EllipticCurvePublicKey) and scheme.family is Family.ECDSA and scheme.digest:
        key.verify(signature, message, ec.ECDSA(HASHES[scheme.digest]))
    elif isinstance(key, rsa.RSAPublicKey) and scheme.digest and scheme.family is Family.RSA_PKCS1:
        key.verify(signature, message, padding.PKCS1v15(), HASHES[scheme.digest])
    elif isinstance(key, rsa.RSAPublicKey) and scheme.digest and scheme.family is Family.RSA_PSS:
        digest = HASHES[scheme.digest]
        key.verify(signature, message, padding.PSS(padding.MGF1(digest), scheme.salt), digest)
    elif isinstance(key, ed25519.Ed25519PublicKey) and scheme.family is Family.EDDSA:
        key.verify(signature, message)
    elif isinstance(key, mldsa.MLDSA44PublicKey | mldsa.MLDSA65PublicKey | mldsa.MLDSA87PublicKey):
        if not isinstance(key, _ML_DSA_KEYS.get(scheme.oid, (type(None), "", 0))[0]):
            return False
        key.verify(signature, message)
    else:
        return False
    return True
