"""Sealed documents judged: each of their seals and what they are together, or time-stamps without a seal."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING

from eseal.carried import bounded, limits_of, proofs_of, read_all, with_carried
from eseal.evidence_within import is_evidenced, without_evidence, worlds_of_evidence
from eseal.hybrid import check_required, worlds
from eseal.known import known_now
from eseal.proofs import Proof
from eseal.rules import SEAL_COUNT, SealReason
from eseal.seal_judging import judge_seal
from eseal.stamps import check_stamps, judge_stamps
from eseal.values import MAX_SEALS
from kokuin.trust.report import Check, Indication, Report, SubIndication, conclude, extend, join

if TYPE_CHECKING:
    from eseal.values import Found
    from kokuin.trust.context import Context
    from kokuin.trust.report import ReportValue


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
    told = worlds(seals, reports)
    if any(map(is_evidenced, reports)):
        alone = tuple(judge_seal(without_evidence(seal), context) for seal in seals)
        told = worlds_of_evidence(worlds(seals, alone), reports)
    subject = {**found.subject, "seals": len(found.seals), **told}
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
    certificates = read_all(found.certificates)
    revocation = bounded(found.revocation)
    within = with_carried(context, certificates, revocation)
    judged, _ = judge_stamps(found.stamps, within, known_now(certificates, revocation, context))
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
        limits_of(checks, judged, found.limits),
        parts=tuple(each.report for each in judged),
        proofs_of_existence=proofs_of(proof),
        policy=context.policy,
        verifiable_until=proof.stamp.end if passed and proof.stamp else None,
    )
