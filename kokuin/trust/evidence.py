"""An evidence record judged (RFC 4998 §5.3): data objects, hash trees and time-stamps, and one report.

A record proves that an object existed at the time of its first archive time-stamp. Each later one covers
what was there before, so that the proof goes on when a certificate expires or an algorithm falls.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING

from kokuin.trust.evidence_known import with_unproven
from kokuin.trust.evidence_objects import (
    Coverage,
    Reach,
    check_object,
    check_sequence,
    listed_material,
    material_of,
)
from kokuin.trust.evidence_stamps import (
    JudgedStamp,
    check_digests,
    check_stamps,
    judge_over_data,
    judge_stamps,
)
from kokuin.trust.evidence_tree import (
    check_chains,
    check_order,
    check_trees,
    find_stamps,
    first_of_chains,
    there_by,
)
from kokuin.trust.evidenced import Evidenced
from kokuin.trust.fitness import Constraints
from kokuin.trust.report import (
    Check,
    Existence,
    Indication,
    Limit,
    ProofOfExistence,
    Report,
    Status,
    SubIndication,
    conclude,
    earliest,
    iso_time,
)
from kokuin.trust.rules import EVIDENCE_FORM, EVIDENCE_OBJECT, EVIDENCE_STAMPS, FORMAT, Reason
from kokuin.trust.signing_worlds import worlds_of
from kokuin.wire.errors import WireError
from kokuin.wire.ers import EvidenceRecord, read_evidence_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kokuin.trust.context import Context
    from kokuin.trust.evidence_hashes import Covered
    from kokuin.trust.evidence_tree import FoundStamp
    from kokuin.trust.report import ReportValue

KIND = "evidence-record"
MAX_STAMPS = 200
"""Archive time-stamps that are judged; one renewed every year has as many after two centuries."""
MAX_CHAINS = 32
"""Chains; each costs one more hash over the whole record."""
_NO_OBJECT = EVIDENCE_OBJECT.indeterminate(Reason.CONTENT_NOT_GIVEN, SubIndication.SIGNED_DATA_NOT_FOUND)


def judge_evidence(
    octets: bytes, objects: tuple[Covered, ...], context: Context, forms: tuple[Covered, ...] = ()
) -> Evidenced:
    """Judge an evidence record; whatever the octets are, there is a report.

    Of one that was renewed after the validation time, the part is judged that was there by then.

    Args:
        octets: as `kokuin.wire.ber.definite` returned them.
        objects: the data object that the record is for, then others that may be of its group; none when none
            is at hand.
        context: by what it is judged; its content and request are not looked at.
        forms: of the data object that it is for; if it does not cover that as it is, one of these that it
            covers stands for it.

    Raises:
        OSError: from an object.
    """
    try:
        record = read_evidence_record(octets)
    except WireError as error:
        return refuse_record(error, context)
    if len(record.chains) > MAX_CHAINS or sum(len(each.stamps) for each in record.chains) > MAX_STAMPS:
        return Evidenced(_of_one(_too_long(record), context))
    every = find_stamps(record)
    stamps = there_by(every, context.at)
    coverage = Coverage(record, stamps)
    reaches = tuple(coverage.reach(functools.cache(each)) for each in objects)
    if reaches and not reaches[0].chains:
        others = map(coverage.reach, forms)
        reaches = (next((each for each in others if each.chains), reaches[0]), *reaches[1:])
    bound_by = functools.partial(_bound_by, coverage=coverage, stamps=stamps, context=context)
    material = material_of(record, lambda each: bound_by(coverage.reach(each)) is not None)
    # Nothing covers what stands there (§3.1): it may help to judge the time-stamps, and proves nothing old.
    beside = material_of(record, lambda _: True)
    within = with_unproven(replace(context, content=None), beside.certificates, beside.revocation)
    judged, later = judge_stamps(
        stamps, within, listed_material(record, lambda oid: _binds(oid, context) is not None)
    )
    checks = (
        _check_form(record, stamps),
        check_trees(stamps),
        check_chains(stamps),
        *_check_objects(reaches, coverage, record, bound_by),
        check_order(stamps),
        check_stamps(judged),
        *check_digests(stamps, context),
        *_check_later(every[len(stamps) :]),
    )
    report = _report(_describe(record, every, len(stamps)), judged, checks, context)
    proven = stamps[0].gen_time if report.indication is Indication.PASSED else None
    of_group = () if proven is None else tuple((each, proven) for each in material.octets)
    return Evidenced(
        report,
        proven,
        tuple(bound_by(reach) for reach in reaches),
        material.certificates,
        material.revocation.with_more(later.data),
        (*later.known, *of_group),
        worlds_of(stamps[-1].stamp.time_stamp, context.policy, context.at),
    )


def refuse_record(error: WireError, context: Context) -> Evidenced:
    """Return what octets come to that are no evidence record."""
    check = FORMAT.failed(
        Reason.EVIDENCE_UNREADABLE, SubIndication.FORMAT_FAILURE, code=error.code.value, offset=error.offset
    )
    return Evidenced(_of_one(check, context))


def _of_one(check: Check, context: Context) -> Report:
    indication, sub_indication = conclude((check,))
    return Report(KIND, {}, indication, sub_indication, context.at, (check,), policy=context.policy)


def _too_long(record: EvidenceRecord) -> Check:
    return EVIDENCE_FORM.indeterminate(
        Reason.EVIDENCE_TOO_LONG,
        SubIndication.SIG_CONSTRAINTS_FAILURE,
        count=sum(len(chain.stamps) for chain in record.chains),
        most=MAX_STAMPS,
    )


def _check_form(record: EvidenceRecord, stamps: tuple[FoundStamp, ...]) -> Check:
    """DigestAlgorithms lists every hash that is used (§3.1); nothing follows from it."""
    listed = {each.oid for each in record.digests}
    for each in stamps:
        if each.digest_oid is not None and each.digest_oid not in listed:
            return EVIDENCE_FORM.weak(Reason.EVIDENCE_DIGEST_UNLISTED, stamp=each.number)
    return EVIDENCE_FORM.ok()


def _check_later(later: tuple[FoundStamp, ...]) -> Iterator[Check]:
    """Say how many archive time-stamps are from after the validation time."""
    if later and later[0].gen_time is not None:
        yield EVIDENCE_STAMPS.not_done(
            Reason.EVIDENCE_STAMPS_LATER,
            stamp=later[0].number,
            gen_time=iso_time(later[0].gen_time),
            count=len(later),
        )


def _check_objects(
    reaches: tuple[Reach, ...],
    coverage: Coverage,
    record: EvidenceRecord,
    bound_by: Callable[[Reach], Check | None],
) -> tuple[Check, ...]:
    if not reaches:
        return (_NO_OBJECT,)
    reach = reaches[0]
    first = check_object(reach, coverage, record, sum(1 for each in reaches if each.chains))
    sequence = check_sequence(reaches, coverage)
    if sequence is None or first.status is not Status.OK:
        return (first,)
    if sequence.status is not Status.OK:
        return (first, sequence)
    return (first, *_check_left_out(reach, coverage, bound_by))


def _check_left_out(
    reach: Reach, coverage: Coverage, bound_by: Callable[[Reach], Check | None]
) -> Iterator[Check]:
    """To drop an object at a renewal is no fault. The last hash over it has to bind it from then on."""
    chain, by = reach.chains + 1, bound_by(reach)
    if chain > coverage.chains:
        return
    if by is not None:
        left_out = EVIDENCE_OBJECT.weak(Reason.EVIDENCE_OBJECT_LEFT_OUT, chain=chain)
        # Who has but the older hash of the data cannot tell.
        yield by if reach.is_open else left_out.resting_on(*by.ends)
    elif reach.is_open:
        yield coverage.why_open(EVIDENCE_OBJECT, chain)
    else:
        means = SubIndication.CRYPTO_CONSTRAINTS_FAILURE_NO_POE
        yield EVIDENCE_OBJECT.indeterminate(Reason.EVIDENCE_OBJECT_LEFT_OUT, means, chain=chain)


_BY_THE_LAST = EVIDENCE_OBJECT.ok()


def _bound_by(
    reach: Reach, *, coverage: Coverage, stamps: tuple[FoundStamp, ...], context: Context
) -> Check | None:
    """Return what binds an object now: the last chain, or the hash of the last one that covers it."""
    if not reach.chains:
        return None
    if reach.chains == coverage.chains:
        return _BY_THE_LAST
    return _binds(first_of_chains(stamps)[reach.chains - 1].digest_oid, context)


def _binds(oid: str | None, context: Context) -> Check | None:
    by = Constraints(context.policy, context.at, context.at)
    check = judge_over_data(EVIDENCE_OBJECT, oid, by)
    return check if check.status in {Status.OK, Status.WEAK} else None


def _report(
    subject: dict[str, ReportValue],
    judged: tuple[JudgedStamp, ...],
    checks: tuple[Check, ...],
    context: Context,
) -> Report:
    indication, sub_indication = conclude(checks)
    passed = indication is Indication.PASSED
    last = judged[-1].report
    ends = (last.verifiable_until, *(end for check in checks for end in check.ends))
    end = earliest(ends) if passed else None
    first = judged[0]  # of one that passed: of others the oldest may not have been judged
    proofs: tuple[ProofOfExistence, ...] = ()
    if passed and first.found.gen_time is not None:
        by = str(first.report.subject.get("unit"))
        proofs = (ProofOfExistence(Existence.EVIDENCE_RECORD, first.found.gen_time, {"by": by}, end),)
    limits = [limit for each in judged for limit in each.report.limits]
    if any(check.reason == Reason.EVIDENCE_STAMPS_LATER for check in checks):
        limits.append(Limit.EVIDENCE_STAMPS_LATER)
    return Report(
        KIND,
        {**subject, "proven_time": subject["first_time"] if passed else None},
        indication,
        sub_indication,
        context.at,
        checks,
        tuple(dict.fromkeys(each for each in limits if each is not Limit.CONTENT_NOT_COMPARED)),
        parts=tuple(each.report for each in judged),
        proofs_of_existence=proofs,
        policy=context.policy,
        verifiable_until=end,
    )


def _describe(record: EvidenceRecord, stamps: tuple[FoundStamp, ...], judged: int) -> dict[str, ReportValue]:
    times = [each.gen_time for each in stamps]
    digests = dict.fromkeys(each.digest_oid for each in stamps)
    return {
        "chains": len(record.chains),
        "archive_time_stamps": len(stamps),
        "later_time_stamps": len(stamps) - judged,
        "hash_algorithms": [each for each in digests if each is not None],
        "first_time": None if times[0] is None else iso_time(times[0]),
        "newest_time": None if times[-1] is None else iso_time(times[-1]),
        "encrypted": record.encryption is not None,
    }
