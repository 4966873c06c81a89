"""The time-stamps of a seal, newest first: each that passes proves what it covers (EN 319 102-1 §5.6.3).

What a later time-stamp covers was there before it, so an earlier one is judged for the time of the later:
its unit's certificate may have expired since, and its algorithms may have aged.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

from eseal.proofs import JudgedStamp, Proof
from eseal.rules import SEAL_STAMPS, SealReason
from eseal.values import MAX_STAMPS, StampRole
from kokuin.trust.evidence_token import judge_with_evidence
from kokuin.trust.horizon import end_of_unproven
from kokuin.trust.judge import judge_token, make_report
from kokuin.trust.report import Check, Indication, Limit, Report, SubIndication
from kokuin.trust.revocation_sources import carried_certificates, carried_revocation
from kokuin.trust.rules import IMPRINT, Reason
from kokuin.trust.token import read_token, unreadable
from kokuin.trust.token_checks import CLOCK_SKEW
from kokuin.wire.ber import definite
from kokuin.wire.errors import WireError
from kokuin.wire.prescan import TOKEN_LIMITS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from eseal.known import Known
    from eseal.values import Stamp
    from kokuin.trust.context import Context
    from kokuin.trust.report import ReportValue

RENEWING = frozenset({StampRole.ARCHIVE, StampRole.DOCUMENT})
"""What covers all that was there before, earlier time-stamps included."""


def judge_stamps(
    stamps: Iterable[Stamp], context: Context, known: Known
) -> tuple[tuple[JudgedStamp, ...], Known]:
    """Judge the time-stamps of a seal.

    Args:
        stamps: as the format found them; the newest MAX_STAMPS are judged.
        context: by what; with the certificates and revocation data that the seal carries.
        known: since when these are known to have existed, before any time-stamp was judged.

    Returns:
        By their index; and since when what is carried is known to have existed by their proofs.
    """
    newest_first = sorted(stamps, key=lambda stamp: stamp.index, reverse=True)
    proof = Proof(context.existence)
    judged = []
    for stamp in newest_first[:MAX_STAMPS]:
        found = _judge(stamp, context, proof, known)
        judged.append(found)
        if stamp.role is not StampRole.CONTENT:
            known = known.proven_by(found)
        if stamp.role in RENEWING:
            proof = proof.or_by(found)
    return tuple(reversed(judged)), known


def later_than_token(octets: bytes, proven: int, known: Known) -> tuple[tuple[bytes, int], ...]:
    """Return what is known only from a later time on than a token; what stands in it is as old as it is.

    Args:
        octets: the token.
        proven: since when it is known to have existed, microseconds since 1970 UTC.
        known: of what is carried beside it.
    """
    facts = read_token(octets)
    if isinstance(facts, Check):
        return ()
    data = carried_revocation(facts)
    return known.later_than(proven, {*carried_certificates(facts), *data.lists, *data.answers})


def _judge(stamp: Stamp, context: Context, proof: Proof, known: Known) -> JudgedStamp:
    shown: dict[str, ReportValue] = {"stamp_role": stamp.role.value}
    proven = proof.time if proof.time < context.at else None
    # What renews covers the sealed data itself, and by its own digest.
    bound = context.bound if proof.stamp is None else proof.time
    within = replace(context, content=stamp.content, proven=proven, bound=bound, evidence=())
    try:
        octets = definite(stamp.token, TOKEN_LIMITS)
    except WireError as error:
        report = make_report(shown, within, (unreadable(error),))
        return JudgedStamp(stamp, report, None, 0, None)
    within = replace(within, known_later=later_than_token(octets, proof.time, known))
    report = judge_with_evidence(octets, within)
    if stamp.content is None:
        report = _of_unknown_coverage(report)
    report = replace(report, subject={**report.subject, **shown})
    facts = read_token(octets)
    if isinstance(facts, Check):
        return JudgedStamp(stamp, report, None, 0, None)
    info = facts.tst_info
    end = report.verifiable_until
    if proof.stamp is not None:

        def again(at: int) -> tuple[Check, ...]:
            moved = later_than_token(octets, proof.time, known.moved(context.existence, at))
            return judge_token(octets, replace(within, at=at, known_later=moved)).checks

        end = end_of_unproven(report.checks, context.at, proof.stamp.end, again)
    slack = CLOCK_SKEW + (info.accuracy.microseconds if info.accuracy else 0)
    return JudgedStamp(stamp, report, info.gen_time.microseconds, slack, end)


def _of_unknown_coverage(report: Report) -> Report:
    checks = tuple(
        IMPRINT.not_done(Reason.COVERAGE_NOT_COMPUTED) if check.reason == Reason.CONTENT_NOT_GIVEN else check
        for check in report.checks
    )
    limits = (
        Limit.COVERAGE_NOT_COMPUTED if limit is Limit.CONTENT_NOT_COMPARED else limit
        for limit in report.limits
    )
    return replace(report, checks=checks, limits=tuple(limits))


def check_stamps(judged: tuple[JudgedStamp, ...], count: int) -> tuple[Check, ...]:
    """Conclude what the time-stamps mean for the seal that holds them.

    One that is open proves nothing, and the seal is judged without it. One that is wrong is not passed over:
    whoever added it meant to show what is not so, and whoever changed it did not mean well.

    Args:
        judged: by their index.
        count: how many there are.
    """
    if not count:
        return ()
    if count > MAX_STAMPS:
        return (
            SEAL_STAMPS.indeterminate(
                SealReason.TOO_MANY_STAMPS,
                SubIndication.SIG_CONSTRAINTS_FAILURE,
                count=count,
                most=MAX_STAMPS,
            ),
        )
    for each in judged:
        if each.report.indication is Indication.FAILED:
            means = each.report.sub_indication or SubIndication.SIG_CONSTRAINTS_FAILURE
            return (SEAL_STAMPS.failed(SealReason.STAMP_FAILED, means, role=each.stamp.role.value),)
    return (_check_open(judged), *_check_order(judged))


def _check_open(judged: tuple[JudgedStamp, ...]) -> Check:
    unproved = [each for each in judged if not each.proves]
    if not unproved:
        return SEAL_STAMPS.ok(count=len(judged))
    for each in unproved:
        if each.report.indication is not Indication.PASSED:
            return SEAL_STAMPS.weak(SealReason.STAMP_OPEN, role=each.stamp.role.value)
    return SEAL_STAMPS.weak(SealReason.STAMP_COVERAGE_UNKNOWN, role=unproved[0].stamp.role.value)


def _check_order(judged: tuple[JudgedStamp, ...]) -> tuple[Check, ...]:
    """Times must follow the order in which the time-stamps cover each other.

    Attack: a time-stamp from before what it is said to cover shows that one of the two is not what it says.
    """
    dated = [each for each in judged if each.proves]
    for earlier, later in itertools.combinations(dated, 2):
        covered = earlier.stamp.role is StampRole.CONTENT or later.stamp.role in RENEWING
        if not covered or earlier.gen_time is None or later.gen_time is None:
            continue
        if earlier.gen_time - earlier.slack > later.gen_time + later.slack:
            return (
                SEAL_STAMPS.indeterminate(
                    SealReason.STAMPS_OUT_OF_ORDER,
                    SubIndication.TIMESTAMP_ORDER_FAILURE,
                    role=later.stamp.role.value,
                ),
            )
    return ()
