"""The time-stamps of an evidence record judged: each until the next one covers it (RFC 4998 §5.3).

The next archive time-stamp proves that the one before existed then, so its signature is judged for that
time. The hash by which a chain binds the data must hold until the next chain hashes the data anew.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kokuin.trust.evidence_known import Later, held_by, verifiers
from kokuin.trust.evidence_tree import first_of_chains
from kokuin.trust.fitness import Constraints, judge_digest
from kokuin.trust.judge import judge_token
from kokuin.trust.report import Indication, Report, Status, SubIndication, iso_time
from kokuin.trust.rules import EVIDENCE_DIGEST, EVIDENCE_STAMPS, IMPRINT_ALGORITHM, Reason
from pqc.policies import Role

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kokuin.trust.context import Context, RevocationData
    from kokuin.trust.evidence_tree import FoundStamp
    from kokuin.trust.report import Check, End, ReportValue
    from kokuin.trust.rules import Rule

MAX_OPEN = 4
"""Time-stamps of a record that may not hold before the rest is left alone: what each carries can be made so
that it takes a second, and nothing passes any more."""
_ROLES = (Role.TREE, Role.IMPRINT)
_WORST = (Status.FAILED, Status.INDETERMINATE, Status.WEAK, Status.OK)
_OPEN = SubIndication.SIG_CONSTRAINTS_FAILURE


@dataclass(frozen=True, slots=True)
class JudgedStamp:
    """An archive time-stamp and the judgement of its token.

    Attributes:
        found: the archive time-stamp.
        report: of its token, for the time until which it had to hold.
        by: by what it was judged.
        needed: that time, microseconds since 1970 UTC: of the next archive time-stamp, or of validation.
        last: whether none follows.
    """

    found: FoundStamp
    report: Report
    by: Context
    needed: int
    last: bool


def judge_stamps(
    stamps: tuple[FoundStamp, ...], context: Context, listed: Callable[[FoundStamp], RevocationData]
) -> tuple[tuple[JudgedStamp, ...], Later]:
    """Judge the time-stamps of a record, each for the time of the next.

    Args:
        stamps: the oldest first.
        context: by what; its `proven` is of the record as a whole.
        listed: what stands in the record, and in the first list of an archive time-stamp, of revocations.

    Returns:
        In their order; and what they carry that tells of what they cover. After MAX_OPEN that do not hold,
        those before are not judged.
    """
    judged, later, left = [], Later(), MAX_OPEN
    known = tuple(verifiers(context).items())
    proven, bound = context.proven, context.bound
    following: FoundStamp | None = None
    for each in reversed(stamps):
        if following is not None and following.gen_time is not None:
            # A later one of an earlier time is named elsewhere; nothing existed before its own time.
            proven = max(following.gen_time, each.gen_time or following.gen_time)
            bound = proven if following.chain != each.chain else bound
        within = replace(context, proven=proven, bound=bound, content=_covering(each), request=None)
        own = held_by(each.stamp.time_stamp)
        apart = tuple(item for item in (*known, *later.known) if item[0] not in own)
        within = replace(within, evidence=(), beside=later.data, known_later=apart)
        report = judge_token(each.stamp.time_stamp, within)
        subject: dict[str, ReportValue] = {"evidence_stamp": each.number, "evidence_chain": each.chain}
        report = replace(report, subject={**report.subject, **subject})
        judged.append(JudgedStamp(each, report, within, within.existence, following is None))
        later = later.with_those_of(each.stamp.time_stamp, within.existence)
        later = later.with_listed(listed(each), each.gen_time)
        following = each
        left -= report.indication is Indication.FAILED or _is_open(report)
        if not left:
            break
    return tuple(reversed(judged)), later


def _covering(found: FoundStamp) -> Callable[[str], bytes] | None:
    root = found.root()
    return None if root is None else lambda _: root


def check_stamps(judged: tuple[JudgedStamp, ...]) -> Check:
    """Conclude what the time-stamps come to: all must hold, each until the next.

    Of one that held when it was made and not as long as it had to, the renewal is named that is missing.
    """
    for each in judged:
        if each.report.indication is Indication.FAILED:
            means = each.report.sub_indication or _OPEN
            return EVIDENCE_STAMPS.failed(Reason.EVIDENCE_STAMP_FAILED, means, stamp=each.found.number)
    for each in judged:
        if _is_open(each.report):
            return _name_open(each)
    return EVIDENCE_STAMPS.ok(count=len(judged))


def _is_open(report: Report) -> bool:
    """Whether anything is open but the hash, of which `check_digests` tells."""
    return any(
        check.status is Status.INDETERMINATE and check.id != IMPRINT_ALGORITHM.id for check in report.checks
    )


def _name_open(judged: JudgedStamp) -> Check:
    found, means = judged.found, judged.report.sub_indication or _OPEN
    end = _end_of(judged)
    named: dict[str, ReportValue] = {"stamp": found.number, "gen_time": _iso(found.gen_time)}
    if end is None or end.time >= judged.needed:
        return EVIDENCE_STAMPS.indeterminate(Reason.EVIDENCE_STAMP_OPEN, means, stamp=found.number)
    named |= {"ended": iso_time(end.time), "cause": end.cause.value, "what": _what(end)}
    named["needed"] = iso_time(judged.needed)
    reason = Reason.EVIDENCE_NOT_RENEWED if judged.last else Reason.EVIDENCE_RENEWED_LATE
    return EVIDENCE_STAMPS.indeterminate(reason, means, **named)


def _end_of(judged: JudgedStamp) -> End | None:
    """Return until when a time-stamp held; None: it was not good when it was made, or no end is known."""
    gen_time = judged.found.gen_time
    if gen_time is None:
        return None
    then = replace(judged.by, at=gen_time, proven=None, bound=gen_time, content=None)
    return judge_token(judged.found.stamp.time_stamp, then).verifiable_until


def _what(end: End) -> str:
    return str(end.params.get("certificate", end.params.get("algorithm")))


def _iso(moment: int | None) -> str | None:
    return None if moment is None else iso_time(moment)


def check_digests(stamps: tuple[FoundStamp, ...], context: Context) -> tuple[Check, ...]:
    """Check that the hash of each chain was fit until the next chain, the last one's until now (§5.3).

    Returns:
        What is open or refused, or one check of all.
    """
    firsts = first_of_chains(stamps)
    checks = [
        _check_digest(each, following, context)
        for each, following in zip(firsts, (*firsts[1:], None), strict=True)
        if each.digest_oid is not None
    ]
    against = tuple(check for check in checks if check.status in {Status.FAILED, Status.INDETERMINATE})
    return against or tuple(_worst_of(checks))


def _worst_of(checks: list[Check]) -> Iterable[Check]:
    """Of what holds, what is weak is said; what the last chain rests on may end some day."""
    weak = next((check for check in checks if check.status is Status.WEAK), None)
    if weak is not None:
        yield weak
    elif checks:
        yield EVIDENCE_DIGEST.ok(count=len(checks)).resting_on(*checks[-1].ends)


def judge_over_data(rule: Rule, oid: str | None, constraints: Constraints) -> Check:
    """Judge the hash of a chain over a data object, by its dotted identifier.

    It is an imprint as well as a node of the tree: whoever made the data may have made a second one.
    """
    checks = [judge_digest(rule, oid or "", role, constraints) for role in _ROLES]
    check = min(checks, key=lambda each: _WORST.index(each.status))
    return replace(check, ends=tuple(end for each in checks for end in each.ends))


def _check_digest(first: FoundStamp, following: FoundStamp | None, context: Context) -> Check:
    needed = context.at
    if following is not None and following.gen_time is not None:
        needed = min(needed, following.gen_time)
    claimed = needed if first.gen_time is None else first.gen_time
    check = judge_over_data(EVIDENCE_DIGEST, first.digest_oid, Constraints(context.policy, needed, claimed))
    if check.reason != Reason.NO_LONGER_FIT:
        return check
    late = following is not None
    reason = Reason.EVIDENCE_TREE_RENEWED_LATE if late else Reason.EVIDENCE_TREE_NOT_RENEWED
    return EVIDENCE_DIGEST.indeterminate(
        reason,
        SubIndication.CRYPTO_CONSTRAINTS_FAILURE_NO_POE,
        chain=first.chain,
        algorithm=check.params["algorithm"],
        ended=check.params["until"],
        needed=iso_time(needed),
    )
