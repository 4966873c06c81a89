"""Seals judged (EN 319 102-1 §5.3 to §5.6): facts of any format in, one report out.

First the time-stamps, newest first; what they prove dates the seal. Then who signed, judged for the earliest
time for which the seal is proven to have existed.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from eseal.hybrid import check_required, key_name, worlds
from eseal.levels import Reached, find_level
from eseal.rules import JWS_SIGNATURE, SEAL_BINDING, SEAL_COUNT, SealReason
from eseal.signer_rules import SEALING, judge_claim, judge_expiry, judge_use, judge_validity
from eseal.stamps import RENEWING, JudgedStamp, Proof, check_stamps, judge_stamps
from eseal.values import MAX_CERTIFICATES, MAX_REVOCATION, MAX_SEALS, StampRole
from kokuin.trust.certificate import read_certificate
from kokuin.trust.context import RevocationData, RevocationMode
from kokuin.trust.fitness import Constraints, judge_digest
from kokuin.trust.horizon import find_end
from kokuin.trust.judge import judge_signature
from kokuin.trust.name import display
from kokuin.trust.report import (
    Check,
    End,
    Existence,
    Indication,
    Limit,
    ProofOfExistence,
    Report,
    Status,
    SubIndication,
    conclude,
    extend,
    iso_time,
    join,
)
from kokuin.trust.revocation_sources import shelves_for
from kokuin.trust.revocation_status import RevocationJudge
from kokuin.trust.rules import REVOCATION, SIGNATURE, Reason
from kokuin.trust.standing import vouch
from kokuin.trust.token_subject import qc_statements
from kokuin.wire.errors import WireError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from eseal.values import Found, FoundSeal
    from kokuin.trust.certificate import Certificate
    from kokuin.trust.context import Context
    from kokuin.trust.report import ReportValue

JADES = "jades-seal"


@dataclass(frozen=True, slots=True)
class _Carried:
    """What a seal brings along, and its time-stamps as they were judged with it.

    Attributes:
        certificates: those that can be read.
        revocation: of all that it carries, what is looked at.
        stamps: by their index.
        proof: since when the seal is known to have existed.
        material: since when what it carries is.
        not_before: a time before which it cannot have been made; None: nothing shows one.
    """

    certificates: tuple[Certificate, ...]
    revocation: RevocationData
    stamps: tuple[JudgedStamp, ...]
    proof: Proof
    material: Proof
    not_before: int | None


def judge_document(found: Found, context: Context) -> Report:
    """Judge a document that a finder took apart: each of its seals, and what they are together.

    Args:
        found: the facts.
        context: by what it is judged; its content was given to the finder and is not looked at.
    """
    context = replace(context, content=None)
    reports = tuple(judge_seal(seal, context) for seal in found.seals[:MAX_SEALS])
    if not reports:
        return _judge_stamped(found, context)
    seals = found.seals[:MAX_SEALS]
    before = (*found.before, _check_count(len(found.seals)), *check_required(seals, reports))
    subject = {**found.subject, "seals": len(found.seals), **worlds(seals, reports)}
    whole = join_seals(f"sealed-{found.kind}", reports, before, context)
    limits = tuple(dict.fromkeys((*whole.limits, *found.limits)))
    subject["combined"] = whole.indication.value
    return replace(whole, subject=subject, limits=limits)


def refuse_document(kind: str, check: Check, context: Context) -> Report:
    """Return the report of octets that a finder could not take apart.

    Args:
        kind: as `Found.kind`.
        check: why.
        context: by what the document would have been judged.
    """
    indication, sub_indication = conclude((check,))
    return Report(
        f"sealed-{kind}", {}, indication, sub_indication, context.at, (check,), policy=context.policy
    )


def join_seals(kind: str, reports: tuple[Report, ...], before: tuple[Check, ...], context: Context) -> Report:
    """Make one report of several seals of one document: each must pass, and so must the checks of the whole.

    Args:
        kind: of the whole.
        reports: of the seals; at least one.
        before: the checks of the whole.
        context: by what they were judged.
    """
    whole = replace(join(reports), kind=kind, subject={}, policy=context.policy)
    return extend(whole, before, ())


def _check_count(count: int) -> Check:
    if count > MAX_SEALS:
        means = SubIndication.SIG_CONSTRAINTS_FAILURE
        return SEAL_COUNT.indeterminate(SealReason.TOO_MANY_SEALS, means, count=count, most=MAX_SEALS)
    return SEAL_COUNT.ok(count=count)


def _judge_stamped(found: Found, context: Context) -> Report:
    """Judge a document without a seal; its time-stamps may show when it existed, and not by whom it is."""
    certificates = _read(found.certificates)
    judged = judge_stamps(found.stamps, _with(context, certificates, _bounded(found.revocation)))
    subject: dict[str, ReportValue] = {**found.subject, "seals": 0}
    if not judged:
        none = SEAL_COUNT.failed(SealReason.NO_SEAL, SubIndication.FORMAT_FAILURE)
        checks: tuple[Check, ...] = (*found.before, none)
    else:
        none = SEAL_COUNT.weak(SealReason.NO_SEAL)
        checks = (*found.before, none, *check_stamps(judged, len(found.stamps)))
        open_ones = [each for each in judged if not each.proves]
        if open_ones and conclude(checks)[0] is Indication.PASSED:
            # Nothing but the time-stamps is here to be judged.
            reason, means = SealReason.STAMP_OPEN, open_ones[0].report.sub_indication
            role = open_ones[0].stamp.role.value
            stamp = SEAL_COUNT.indeterminate(reason, means or SubIndication.SIGNED_DATA_NOT_FOUND, role=role)
            checks = (*checks, stamp)
    indication, sub_indication = conclude(checks)
    passed = indication is Indication.PASSED
    proof = functools.reduce(Proof.or_by, judged, Proof(context.existence))
    return Report(
        f"sealed-{found.kind}",
        subject,
        indication,
        sub_indication,
        context.at,
        checks,
        _limits(checks, judged, found.limits),
        parts=tuple(each.report for each in judged),
        proofs_of_existence=_proofs(proof),
        policy=context.policy,
        verifiable_until=proof.stamp.end if passed and proof.stamp else None,
    )


def judge_seal(found: FoundSeal, context: Context) -> Report:
    """Judge one seal; whatever was found, the outcome is a report.

    Args:
        found: the facts.
        context: by what it is judged; its content is not looked at.
    """
    carried = _carry(found, context)
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
        _limits(checks, carried.stamps, found.limits),
        parts=tuple(each.report for each in carried.stamps),
        proofs_of_existence=_proofs(carried.proof),
        policy=context.policy,
        verifiable_until=_find_end(found, carried.proof, context) if passed else None,
    )


def _find_end(found: FoundSeal, proof: Proof, context: Context) -> End | None:
    """Return until when a seal passes: by its proof, or without any while its certificate holds."""
    # What else proves it existed earlier holds as long as that proof does, which is known elsewhere.
    if context.existence != context.at:
        return None
    unproven = replace(found, stamps=())

    def again(at: int) -> tuple[Check, ...]:
        later = replace(context, at=at, proven=None, request=None)
        return _check(unproven, _carry(unproven, later), later)

    now = again(context.at)
    alone = find_end(now, again) if conclude(now)[0] is Indication.PASSED else None
    if proof.stamp is None or conclude(now)[0] is not Indication.PASSED:
        return alone if proof.stamp is None else proof.stamp.end
    known = [end for end in (alone, proof.stamp.end) if end is not None]
    return max(known, key=lambda end: end.time) if len(known) == 2 else None


def _carry(found: FoundSeal, context: Context) -> _Carried:
    certificates, revocation = _read(found.certificates), _bounded(found.revocation)
    within = _with(context, certificates, revocation)
    judged = judge_stamps(found.stamps, within)
    now = Proof(context.existence)
    dating = [each for each in judged if each.stamp.role is not StampRole.CONTENT]
    times = [
        each.gen_time - each.slack
        for each in judged
        if each.stamp.role is StampRole.CONTENT and each.proves and each.gen_time is not None
    ]
    return _Carried(
        certificates,
        revocation,
        judged,
        functools.reduce(Proof.or_by, dating, now),
        functools.reduce(Proof.or_by, (each for each in dating if each.stamp.role in RENEWING), now),
        max(times, default=None),
    )


def _check(found: FoundSeal, carried: _Carried, context: Context) -> tuple[Check, ...]:
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
    signer: Certificate, found: FoundSeal, carried: _Carried, context: Context
) -> tuple[tuple[Check, ...], tuple[Check, ...]]:
    """Return the checks of the signer's path, and those of its revocations."""
    proven = carried.proof.time
    claimed = proven if found.claimed_us is None else found.claimed_us
    constraints = Constraints(context.policy, proven, claimed)
    held = Constraints(context.policy, carried.material.time, claimed)
    shelves = shelves_for(context.revocation, carried.revocation)
    judge = RevocationJudge(shelves, context.revocation_mode, constraints, dated=False, held=held)
    path, revocation, _ = vouch(
        signer, carried.certificates, context.trust, constraints, judge, purposes=SEALING
    )
    return path, revocation


def _find_level(found: FoundSeal, carried: _Carried, context: Context) -> Reached:
    """Judge again by nothing but what the seal carries: who verifies in years has nothing else."""
    anchors = replace(context.trust, helpers=())
    alone = replace(context, trust=anchors, revocation=RevocationData())
    alone = replace(alone, revocation_mode=RevocationMode.REQUIRED)

    def signer_is_known() -> bool:
        if found.signer is None:
            return False
        path, revocation = _stand(found.signer, found, carried, alone)
        return all(
            check.status in {Status.OK, Status.WEAK} or check.reason == Reason.REVOCATION_OF_ANCHOR
            for check in (*path, *revocation)
        )

    within = _with(alone, carried.certificates, carried.revocation)
    return find_level(carried.stamps, within, signer_is_known)


def _describe(
    found: FoundSeal, carried: _Carried, checks: tuple[Check, ...], context: Context
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
        subject |= {
            "signer": display(signer.subject),
            "signer_issuer": display(signer.issuer),
            "signer_serial": f"{signer.serial:x}",
            "signer_not_before": iso_time(signer.not_before),
            "signer_not_after": iso_time(signer.not_after),
            "signer_sha256": hashlib.sha256(signer.der).hexdigest(),
            "signer_qc_statements": qc_statements(signer.extensions.values()),
        }
    if conclude(checks)[0] is not Indication.FAILED and signer is not None:
        reached = _find_level(found, carried, context)
        subject |= {"level": reached.level.value, "missing": [each.value for each in reached.missing]}
    return subject


def _read(octets: Iterable[bytes]) -> tuple[Certificate, ...]:
    certificates = []
    for der in list(dict.fromkeys(octets))[:MAX_CERTIFICATES]:
        with contextlib.suppress(WireError):
            certificates.append(read_certificate(der))
    return tuple(certificates)


def _bounded(data: RevocationData) -> RevocationData:
    return RevocationData(data.lists[:MAX_REVOCATION], data.answers[:MAX_REVOCATION])


def _with(context: Context, certificates: tuple[Certificate, ...], revocation: RevocationData) -> Context:
    """Add what the seal carries, for its time-stamps: their authority's chain stands beside the token."""
    helpers = (*context.trust.helpers, *certificates)
    return replace(
        context,
        trust=replace(context.trust, helpers=helpers),
        revocation=context.revocation.with_more(revocation),
    )


def _limits(
    checks: tuple[Check, ...], stamps: tuple[JudgedStamp, ...], limits: tuple[Limit, ...]
) -> tuple[Limit, ...]:
    undone = any(check.status is Status.NOT_DONE and check.id == REVOCATION.id for check in checks)
    own = (Limit.REVOCATION_NOT_CHECKED,) if undone else ()
    return tuple(dict.fromkeys((*own, *(each for stamp in stamps for each in stamp.report.limits), *limits)))


def _proofs(proof: Proof) -> tuple[ProofOfExistence, ...]:
    if proof.stamp is None:
        return ()
    by = str(proof.stamp.report.subject.get("unit"))
    return (ProofOfExistence(Existence.TIME_STAMPED, proof.time, {"by": by}, proof.stamp.end),)
