"""One seal judged (EN 319 102-1 §5.3 to §5.6): facts of any format in, one report out.

First the time-stamps, newest first; what they prove dates the seal. Then who signed, judged for the earliest
time for which the seal is proven to have existed.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING

from eseal.carried import Carried, carry, limits_of, proofs_of, with_carried
from eseal.hybrid import key_name
from eseal.levels import Brought, Reached, find_level
from eseal.rules import JWS_SIGNATURE, SEAL_BINDING
from eseal.signer_rules import SEALING, judge_claim, judge_expiry, judge_use, judge_validity
from eseal.stamps import check_stamps
from kokuin.trust.context import RevocationData, RevocationMode
from kokuin.trust.fitness import Constraints, judge_digest
from kokuin.trust.horizon import end_of_unproven, find_end
from kokuin.trust.judge import judge_signature
from kokuin.trust.report import Check, End, Indication, Report, Status, SubIndication, conclude, iso_time
from kokuin.trust.revocation_sources import shelves_for
from kokuin.trust.revocation_status import RevocationJudge
from kokuin.trust.rules import SIGNATURE, Reason
from kokuin.trust.standing import vouch
from kokuin.trust.token_subject import describe_certificate

if TYPE_CHECKING:
    from eseal.values import FoundSeal
    from kokuin.trust.certificate import Certificate
    from kokuin.trust.context import Context
    from kokuin.trust.report import ReportValue

JADES = "jades-seal"


def judge_seal(found: FoundSeal, context: Context) -> Report:
    """Judge one seal; whatever was found, the outcome is a report.

    Args:
        found: the facts.
        context: by what it is judged; its content is not looked at.
    """
    carried = carry(found, context)
    checks = _check(found, carried, context)
    indication, sub_indication = conclude(checks)
    passed = indication is Indication.PASSED
    return Report(
        found.kind,
        _describe(found, carried, checks, context),
        indication,
        sub_indication,
        context.at,
        checks,
        limits_of(checks, carried.stamps, found.limits),
        parts=tuple(each.report for each in carried.stamps),
        proofs_of_existence=proofs_of(carried.proof),
        policy=context.policy,
        verifiable_until=_find_end(found, carried, context) if passed else None,
    )


def _find_end(found: FoundSeal, carried: Carried, context: Context) -> End | None:
    """Return until when a seal passes: by its proof, or without any while its certificate holds."""
    # What else proves it existed earlier holds as long as that proof does, which is known elsewhere.
    if context.existence != context.at:
        return None
    unproven = replace(found, stamps=())

    def again(at: int) -> tuple[Check, ...]:
        later = replace(context, at=at, proven=None, request=None)
        return _check(unproven, carry(unproven, later), later)

    now = again(context.at)
    alone = find_end(now, again) if conclude(now)[0] is Indication.PASSED else None
    stamp = carried.proof.stamp
    if stamp is None:
        return alone
    by_proof = _find_end_of_proof(found, carried, context, stamp.end)
    if conclude(now)[0] is not Indication.PASSED:
        return by_proof
    known = [end for end in (alone, by_proof) if end is not None]
    return max(known, key=lambda end: end.time) if len(known) == 2 else None


def _find_end_of_proof(found: FoundSeal, carried: Carried, context: Context, proof: End | None) -> End | None:
    """Return until when a seal passes by its proof: what that does not cover has ends of its own."""
    signer = found.signer
    if signer is None:
        return proof

    def again(at: int) -> tuple[Check, ...]:
        known = carried.known.moved(context.existence, at)
        path, revocation = _stand(signer, found, replace(carried, known=known), replace(context, at=at))
        return (*path, *revocation)

    return end_of_unproven(again(context.existence), context.at, proof, again)


def _check(found: FoundSeal, carried: Carried, context: Context) -> tuple[Check, ...]:
    stamps = check_stamps(carried.stamps, len(found.stamps))
    signer = found.signer
    proven = carried.proof.time
    claimed = proven if found.claimed_us is None else found.claimed_us
    constraints = Constraints(context.policy, proven, claimed)
    digests = tuple(judge_digest(use.rule, use.oid, use.role, constraints) for use in found.digests)
    if signer is None:
        absent = () if conclude(found.before)[0] is not Indication.PASSED else (_NO_SIGNER,)
        return (*found.before, *absent, *digests, *stamps)
    path, revocation = _stand(signer, found, carried, context)
    return (
        *found.before,
        *_check_signature(found, constraints),
        *digests,
        *path,
        judge_use(signer),
        judge_validity(signer, proven, context.at, carried.not_before),
        *judge_claim(signer, found.claimed_us, proven, context.at),
        *judge_expiry(found.expires_us, context.at),
        *stamps,
        *revocation,
    )


_NO_SIGNER = SEAL_BINDING.indeterminate(Reason.CERTIFICATE_ABSENT, SubIndication.NO_SIGNING_CERTIFICATE_FOUND)


def _check_signature(found: FoundSeal, constraints: Constraints) -> tuple[Check, ...]:
    rule = JWS_SIGNATURE if found.kind == JADES else SIGNATURE
    if found.signature is None or found.signature_algorithm is None:
        if conclude(found.before)[0] is not Indication.PASSED:
            return ()  # which says why it was not tried
        means = SubIndication.CRYPTO_CONSTRAINTS_FAILURE
        return (rule.indeterminate(Reason.ALGORITHM_UNKNOWN, means, algorithm="?"),)
    return judge_signature(rule, found.signature_algorithm, found.signature, constraints)


def _stand(
    signer: Certificate, found: FoundSeal, carried: Carried, context: Context
) -> tuple[tuple[Check, ...], tuple[Check, ...]]:
    """Return the checks of the signer's path, and those of its revocations."""
    proven = carried.proof.time
    claimed = proven if found.claimed_us is None else found.claimed_us
    constraints = Constraints(context.policy, proven, claimed, carried.known.later_than(proven))
    shelves = shelves_for(context.revocation, carried.revocation)
    judge = RevocationJudge(shelves, context.revocation_mode, constraints, dated=False)
    path, revocation, _ = vouch(
        signer, carried.certificates, context.trust, constraints, judge, purposes=SEALING
    )
    return path, revocation


def _find_level(found: FoundSeal, carried: Carried, context: Context) -> Reached:
    """Judge again by nothing but what the seal carries: who verifies in years has nothing else."""
    anchors = replace(context.trust, helpers=())
    alone = replace(context, trust=anchors, revocation=RevocationData())
    alone = replace(alone, revocation_mode=RevocationMode.REQUIRED)

    def bring(covered: frozenset[bytes] | None) -> Brought:
        part = carried if covered is None else carried.only(covered)
        part = replace(part, known=replace(part.known, trusted=frozenset()))
        within = with_carried(alone, part.certificates, part.revocation)
        return Brought(within, part.known, functools.partial(_is_known, found, part, alone))

    return find_level(carried.stamps, bring)


def _is_known(found: FoundSeal, carried: Carried, alone: Context) -> bool:
    """Whether the signer's path and revocations can be judged by what is carried."""
    if found.signer is None:
        return False
    path, revocation = _stand(found.signer, found, carried, alone)
    return all(
        check.status in {Status.OK, Status.WEAK} or check.reason == Reason.REVOCATION_OF_ANCHOR
        for check in (*path, *revocation)
    )


def _describe(
    found: FoundSeal, carried: Carried, checks: tuple[Check, ...], context: Context
) -> dict[str, ReportValue]:
    signer, proof = found.signer, carried.proof
    subject: dict[str, ReportValue] = {
        **found.subject,
        "algorithm": key_name(found),
        "claimed_time": None if found.claimed_us is None else iso_time(found.claimed_us),
        "proven_time": None if proof.time == context.at else iso_time(proof.time),
        "required": list(found.required),
    }
    if signer is not None:
        subject |= describe_certificate("signer", signer)
    if conclude(checks)[0] is not Indication.FAILED and signer is not None:
        reached = _find_level(found, carried, context)
        subject |= {"level": reached.level.value, "missing": [each.value for each in reached.missing]}
    return subject
