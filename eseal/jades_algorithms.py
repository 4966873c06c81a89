"""The signature algorithms of JOSE that a seal may be made with, by the suites of `pqc`.

Each `alg` goes with keys of its own kind and no other (RFC 7518 §3.4, RFC 8037 §3.1, RFC 9964 §4), so that
no key is used in a way that its owner never meant.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from eseal.jades_refusal import JadesRefusal, JadesRefusedError
from kokuin.wire import encode, oids
from kokuin.wire.algorithms import DIGEST_BY_NAME, AlgorithmIdentifier
from pqc.pss import encode_pss_parameters
from pqc.suites import SUITES, Family
from pqc.verifying import SignatureOutcome, SignatureVerdict, key_facts, verify_signature

if TYPE_CHECKING:
    from pqc.suites import Suite

_COORDINATES = {"P-256": 32, "P-384": 48, "P-521": 66}
"""Octets of each half of a signature (RFC 7518 §3.4)."""
_RSA_DIGESTS = {"256": oids.SHA256_WITH_RSA, "384": oids.SHA384_WITH_RSA, "512": oids.SHA512_WITH_RSA}
_EDWARDS = {"Ed25519": oids.ID_ED25519, "Ed448": oids.ID_ED448}


@dataclass(frozen=True, slots=True)
class JoseAlgorithm:
    """One `alg`.

    Attributes:
        name: as in the header.
        keys: name of each kind of key that it goes with, and the signatureAlgorithm of X.509 that is the
            same. Of RSA, whose sizes have no end, the family.
        digest: the hash of the message, by our name; None: the scheme's own.
    """

    name: str
    keys: dict[str, AlgorithmIdentifier]
    digest: str | None = None

    def identifier(self, name: str, family: str) -> AlgorithmIdentifier | None:
        """Return the signatureAlgorithm that it is with a kind of key; None: it does not go with it."""
        return self.keys.get(name) or self.keys.get(family)


def _rsa(number: str) -> tuple[JoseAlgorithm, JoseAlgorithm]:
    digest = DIGEST_BY_NAME[f"sha{number}"]
    # RFC 7518 §3.5: the salt is as long as the digest.
    pss = AlgorithmIdentifier(oids.ID_RSASSA_PSS, encode_pss_parameters(digest.oid, digest.size))
    pkcs1 = AlgorithmIdentifier(_RSA_DIGESTS[number], encode.NULL)
    return (
        JoseAlgorithm(f"PS{number}", {"rsa": pss}, digest.name),
        JoseAlgorithm(f"RS{number}", {"rsa": pkcs1}, digest.name),
    )


def _of_suite(suite: Suite) -> JoseAlgorithm:
    digest = suite.digest if suite.family is Family.ECDSA else None
    return JoseAlgorithm(str(suite.jose), {suite.key: suite.algorithm}, digest)


ALGORITHMS: dict[str, JoseAlgorithm] = {
    found.name: found
    for found in (
        *_rsa("256"),
        *_rsa("384"),
        *_rsa("512"),
        *(_of_suite(each) for each in SUITES.values() if each.family in {Family.ECDSA, Family.ML_DSA}),
        JoseAlgorithm("EdDSA", {key: AlgorithmIdentifier(oid) for key, oid in _EDWARDS.items()}),
        # RFC 9864 §2.2: the same, by the curve's name.
        *(JoseAlgorithm(key, {key: AlgorithmIdentifier(oid)}) for key, oid in _EDWARDS.items()),
    )
}
"""Every `alg` that is verified."""

_WITH_SHARED_SECRET = frozenset({"none", "HS256", "HS384", "HS512"})


def is_no_signature(alg: str) -> bool:
    """Say whether an `alg` proves nothing to a third party.

    Attack: `none`, in any spelling, or a MAC whose key is the public key.
    """
    return alg.lower() == "none" or alg in _WITH_SHARED_SECRET


def jose_name(suite: Suite) -> str:
    """Return the `alg` of a suite.

    Raises:
        JadesRefusedError: SUITE.
    """
    if suite.jose is None or suite.family is Family.RSA_PKCS1:
        raise JadesRefusedError(JadesRefusal.SUITE, suite.id)
    return suite.jose


def to_jose(suite: Suite, signature: bytes) -> bytes:
    """Return a signature value as a JWS carries it: of ECDSA both numbers at full length (RFC 7518 §3.4)."""
    if suite.family is not Family.ECDSA:
        return signature
    size = _COORDINATES[suite.key]
    return b"".join(number.to_bytes(size, "big") for number in decode_dss_signature(signature))


def verify(
    alg: str, public_key: bytes, message: bytes, signature: bytes
) -> tuple[AlgorithmIdentifier | None, SignatureVerdict]:
    """Verify one signature of a JWS.

    Args:
        alg: as in the protected header.
        public_key: SubjectPublicKeyInfo, DER.
        message: the signing input.
        signature: the signature value as the JWS carries it.

    Returns:
        The signatureAlgorithm of X.509 that it is with this key (None: `alg` is unknown, or not of this
        key's kind), and the outcome.
    """
    known, key = ALGORITHMS.get(alg), key_facts(public_key)
    if known is None or key is None:
        return None, SignatureVerdict(SignatureOutcome.UNSUPPORTED, key)
    identifier = known.identifier(key.name, key.family)
    if identifier is None:
        # Attack: the algorithm is chosen to fit another key than the certificate's.
        return None, SignatureVerdict(SignatureOutcome.MALFORMED, key, known.digest)
    size = _COORDINATES.get(key.name)
    if size is not None:
        if len(signature) != 2 * size:
            return identifier, SignatureVerdict(SignatureOutcome.MALFORMED, key, known.digest)
        halves = (int.from_bytes(half, "big") for half in (signature[:size], signature[size:]))
        signature = encode.sequence(*(encode.integer(half) for half in halves))
    verdict = verify_signature(
        public_key_der=public_key,
        algorithm=identifier,
        digest=known.digest,
        message=message,
        signature=signature,
    )
    return identifier, verdict
