"""A policy's use in judging: whether an algorithm is fit by the policy at the time of a proof of existence.

What the policy accepts at that time passes. What it accepted when the token
says that it was made, and no longer does, is open: whoever can forge it today
can date it back, so only another proof of existence could show that it is
genuine (ETSI EN 319 102-1 §5.2.8, §5.6.2). What it never accepted is open too,
for another policy may; what is broken is refused.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kokuin.trust.horizon import algorithm_ends
from kokuin.trust.report import SubIndication
from kokuin.trust.rules import SIGNATURE_ALGORITHM, Reason
from kokuin.wire import oids
from kokuin.wire.algorithms import DIGEST_BY_OID
from pqc.policies import Role, Subject, Suitability, Usage, Weakness

if TYPE_CHECKING:
    from kokuin.trust.report import Check, ReportValue
    from kokuin.trust.rules import Rule
    from kokuin.wire.algorithms import AlgorithmIdentifier
    from pqc.policies import Judgement, Policy
    from pqc.scheme import KeyFacts

_FROM_512 = frozenset({"sha512", "sha3_512", "shake256"})
_FROM_384 = _FROM_512 | {"sha384", "sha3_384"}
_FROM_256 = _FROM_384 | {"sha256", "sha3_256"}

PURE_DIGESTS = {
    oids.ID_ML_DSA_44: _FROM_256,
    oids.ID_ML_DSA_65: _FROM_384,
    oids.ID_ML_DSA_87: _FROM_512,
    oids.ID_SLH_DSA_SHA2_128S: _FROM_256,
    oids.ID_SLH_DSA_SHA2_128F: _FROM_256,
    oids.ID_SLH_DSA_SHA2_192S: _FROM_384,
    oids.ID_SLH_DSA_SHA2_192F: _FROM_384,
    oids.ID_SLH_DSA_SHA2_256S: _FROM_512,
    oids.ID_SLH_DSA_SHA2_256F: _FROM_512,
    # draft-ietf-lamps-cms-composite-sigs-05 §3: the algorithm's own pre-hash, and no other.
    oids.ID_MLDSA65_ECDSA_P256_SHA512: frozenset({"sha512"}),
    oids.ID_MLDSA65_ED25519_SHA512: frozenset({"sha512"}),
}
"""RFC 9882 §3.3, and the same for SLH-DSA: the message digests that do not weaken the signature under which
they stand; RFC 9814 §4 has writers take SHA-256 or SHA-512."""

_FAILURE = SubIndication.CRYPTO_CONSTRAINTS_FAILURE


@dataclass(frozen=True, slots=True)
class Constraints:
    """What algorithms are judged by.

    Attributes:
        policy: which of them are fit, and until when.
        proven: the time for which existence is proven, microseconds since 1970 UTC.
        claimed: the time at which the object says that it was made.
        known_later: certificates, lists and answers (DER) that are known to have existed only from a later
            time on, likewise. A proof that a signature existed says nothing of what was put beside it. An
            earlier time counts as `proven`.
    """

    policy: Policy
    proven: int
    claimed: int
    known_later: tuple[tuple[bytes, int], ...] = ()

    def since(self, octets: bytes) -> int:
        """Since when a certificate, list or answer is known to have existed (EN 319 102-1 §5.6.2)."""
        return max(dict(self.known_later).get(octets, self.proven), self.proven)

    def for_item(self, octets: bytes) -> Constraints:
        """Return what the signature of a certificate, list or answer is judged by."""
        return replace(self, proven=self.since(octets))


def judge_digest(rule: Rule, oid: str, role: Role, constraints: Constraints) -> Check:
    """Judge a digest that the token uses or names."""
    digest = DIGEST_BY_OID.get(oid)
    if digest is None:
        return rule.indeterminate(Reason.DIGEST_UNKNOWN, _FAILURE, algorithm=oid)
    return judge_subject(rule, _hash(digest.name, role), constraints, algorithm=digest.name)


def judge_key(
    rule: Rule, key: KeyFacts | None, digest: str | None, algorithm: str, constraints: Constraints
) -> Check:
    """Judge the key behind a signature, and the digest under it.

    Args:
        rule: the check that this is.
        key: None where it is of no kind that we know.
        digest: None where the scheme has its own.
        algorithm: OID of the signature algorithm.
        constraints: what it is judged by.
    """
    if key is None:
        return rule.indeterminate(Reason.KEY_UNKNOWN, _FAILURE)
    return judge_subject(rule, _key(key, digest, algorithm), constraints, key=key.name, digest=digest)


def judge_parameters(algorithm: AlgorithmIdentifier) -> Check | None:
    """Return the check that fails when a post-quantum algorithm has parameters (RFC 9882 §2, RFC 9814 §3)."""
    if algorithm.oid in PURE_DIGESTS and algorithm.parameters is not None:
        return SIGNATURE_ALGORITHM.failed(Reason.PARAMETERS_PRESENT, SubIndication.FORMAT_FAILURE)
    return None


_hash = functools.lru_cache(maxsize=64)(Subject.of_hash)
_key = functools.lru_cache(maxsize=64)(Subject.of_key)


def judge_subject(rule: Rule, subject: Subject, constraints: Constraints, **params: str | None) -> Check:
    """Judge a subject by the policy, at the time of the proof of existence; `params` are those of a pass."""
    policy, proven = constraints.policy, constraints.proven
    fit = _judge_fit(rule, subject, policy, proven, tuple(params.items()))
    return fit or _judge_unfit(rule, subject, policy.judge(subject, Usage.VERIFY, proven), constraints)


@functools.lru_cache(maxsize=512)
def _judge_fit(
    rule: Rule, subject: Subject, policy: Policy, proven: int, params: tuple[tuple[str, str | None], ...]
) -> Check | None:
    """Return None for what is not fit: that depends on more. One authority's algorithms repeat."""
    found = policy.judge(subject, Usage.VERIFY, proven)
    named = found.subject.name
    if found.status is Suitability.UNKNOWN:
        return rule.indeterminate(Reason.NOT_IN_POLICY, _FAILURE, algorithm=named)
    if found.status is Suitability.FORBIDDEN:
        return None
    ends = algorithm_ends(policy, subject, found.until_us)
    if found.status is Suitability.WEAK:
        if found.subject.role is Role.SIGNATURE:
            return rule.weak(Reason.KEY_WEAK, key=named).resting_on(*ends)
        return rule.weak(Reason.DIGEST_WEAK, algorithm=named).resting_on(*ends)
    shown: dict[str, ReportValue] = dict(params)
    if found.row is not None and found.row.until is not None:
        shown["until"] = str(found.row.until)
    return rule.ok(**shown).resting_on(*ends)


def _judge_unfit(rule: Rule, subject: Subject, found: Judgement, constraints: Constraints) -> Check:
    named = found.subject.name
    if found.broken:
        return rule.failed(Reason.DIGEST_REFUSED, _FAILURE, algorithm=named)
    policy = constraints.policy
    # A claim from after the proof cannot help: what is unfit stays unfit.
    if policy.judge(subject, Usage.VERIFY, constraints.claimed).status.fit:
        return rule.indeterminate(
            Reason.NO_LONGER_FIT,
            SubIndication.CRYPTO_CONSTRAINTS_FAILURE_NO_POE,
            algorithm=named,
            until=str(policy.last_fit(subject, Usage.VERIFY)),
        )
    match found.row.weakness if found.row is not None else None:
        case Weakness.COLLISIONS:
            return rule.indeterminate(Reason.DIGEST_WEAK, _FAILURE, algorithm=named)
        case Weakness.SHORT:
            return rule.indeterminate(Reason.KEY_TOO_SHORT, _FAILURE, key=named)
        case _:
            return rule.indeterminate(Reason.NOT_ACCEPTED, _FAILURE, algorithm=named)
