"""The `baseline` policy: which algorithms a judgement accepts when no dated policy is named.

MD5 is refused, a SHA-1 imprint cannot be relied on (whoever made the data may
have made a second one), SHA-1 elsewhere passes with a named weakness.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kokuin.trust.report import SubIndication
from kokuin.trust.rules import IMPRINT_ALGORITHM, SIGNATURE_ALGORITHM, Reason, Rule
from kokuin.wire import oids
from kokuin.wire.algorithms import DIGEST_BY_OID

if TYPE_CHECKING:
    from kokuin.trust.report import Check
    from kokuin.wire.algorithms import AlgorithmIdentifier
    from pqc.verifying import KeyFacts

WEAK_DIGESTS = frozenset({"sha1"})
REFUSED_DIGESTS = frozenset({"md5"})
WEAK_RSA_BITS = 2048
"""A shorter modulus is named as weak."""
REFUSED_RSA_BITS = 1024
"""A shorter modulus was factored in public (RSA-768 in 2009)."""

ML_DSA_DIGESTS = {
    oids.ID_ML_DSA_44: frozenset({"sha256", "sha384", "sha512", "sha3_256", "sha3_384", "sha3_512"}),
    oids.ID_ML_DSA_65: frozenset({"sha384", "sha512", "sha3_384", "sha3_512"}),
    oids.ID_ML_DSA_87: frozenset({"sha512", "sha3_512"}),
}
"""RFC 9882 §3.3: the message digests that do not weaken the signature under which they stand."""

_FAILURE = SubIndication.CRYPTO_CONSTRAINTS_FAILURE


def judge_digest(rule: Rule, oid: str) -> Check:
    """Judge a digest that the token uses or names."""
    digest = DIGEST_BY_OID.get(oid)
    if digest is None:
        return rule.indeterminate(Reason.DIGEST_UNKNOWN, _FAILURE, algorithm=oid)
    if digest.name in REFUSED_DIGESTS:
        return rule.failed(Reason.DIGEST_REFUSED, _FAILURE, algorithm=digest.name)
    if digest.name in WEAK_DIGESTS:
        if rule is IMPRINT_ALGORITHM:
            return rule.indeterminate(Reason.DIGEST_WEAK, _FAILURE, algorithm=digest.name)
        return rule.weak(Reason.DIGEST_WEAK, algorithm=digest.name)
    return rule.ok(algorithm=digest.name)


def judge_parameters(algorithm: AlgorithmIdentifier) -> Check | None:
    """RFC 9882 §2: the parameters of ML-DSA are absent; return the check that fails otherwise."""
    if algorithm.oid in ML_DSA_DIGESTS and algorithm.parameters is not None:
        return SIGNATURE_ALGORITHM.failed(Reason.PARAMETERS_PRESENT, SubIndication.FORMAT_FAILURE)
    return None


def judge_key(rule: Rule, key: KeyFacts | None, digest: str | None) -> Check:
    """Judge the key behind a signature, and the digest under it (None where the scheme has its own)."""
    if key is None:
        return rule.indeterminate(Reason.KEY_UNKNOWN, _FAILURE)
    if digest in REFUSED_DIGESTS:
        return rule.failed(Reason.DIGEST_REFUSED, _FAILURE, algorithm=digest)
    if key.family == "rsa" and key.bits < REFUSED_RSA_BITS:
        return rule.indeterminate(Reason.KEY_TOO_SHORT, _FAILURE, key=key.name)
    if key.family == "rsa" and key.bits < WEAK_RSA_BITS:
        return rule.weak(Reason.KEY_WEAK, key=key.name)
    if digest in WEAK_DIGESTS:
        return rule.weak(Reason.DIGEST_WEAK, algorithm=digest)
    return rule.ok(key=key.name, digest=digest)
