"""What a stored token or evidence record needs, and by when: decided from its judgement alone.

Nothing here reads a file or asks anybody. Only what still holds is renewed: a time-stamp over what no longer
does would prove that it was there when it was forgeable already (RFC 4998 §5.2).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from kokuin.trust.fitness import Constraints, judge_digest
from kokuin.trust.report import Check, Indication, Status, conclude, earliest
from kokuin.trust.rules import EVIDENCE_DIGEST, Reason
from kokuin.wire.algorithms import DIGEST_BY_NAME
from pqc.policies import Role

if TYPE_CHECKING:
    from kokuin.trust.report import End, Report
    from pqc.policies import Policy

MOST_GROUPS = 65_536
"""Tokens or records under one archive time-stamp."""
_AGAINST = frozenset({Status.FAILED, Status.INDETERMINATE})
_ROLES = (Role.TREE, Role.IMPRINT)


class Act(StrEnum):
    """What is to be done with a token or a record."""

    NOT_YET = "not-yet"
    """What holds it today holds beyond the day by which renewals are wanted."""
    NEW_RECORD = "new-record"
    """A token without evidence gets a record (§4.2)."""
    TIME_STAMP = "time-stamp-renewal"
    """The record's last archive time-stamp is covered by a further one."""
    HASH_TREE = "hash-tree-renewal"
    """The hash of the record's last chain falls: its data objects are hashed anew."""
    MISSING = "originals-missing"
    """A hash-tree renewal is due, and a data object is not at hand."""
    TOO_LATE = "too-late"
    """It does not pass now, so that nothing is left to renew."""

    @property
    def stamps(self) -> bool:
        """Whether a time-stamp is needed for it."""
        return self in {Act.NEW_RECORD, Act.TIME_STAMP, Act.HASH_TREE}


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of one token or record.

    Attributes:
        act: what is to be done.
        until: the last moment at which what holds it today does, and what ends then; None: no end is known,
            or it does not hold.
        bound: the same of the data under a token, where its imprint falls before the record ends: a renewal
            does not help, unless the record covers the document.
        reason: of TOO_LATE, the code of the check that speaks against it; of MISSING, the refusal; of others,
            BINDING_NO_LONGER_FIT where the token's digest of the data has fallen.
    """

    act: Act
    until: End | None = None
    bound: End | None = None
    reason: str | None = None


def plan_token(report: Report, due: int) -> Plan:
    """Plan for a token without evidence.

    Args:
        report: of the token for now.
        due: what ends by then is renewed now, microseconds since 1970 UTC.
    """
    reason = _speaks_against(report.checks)
    if report.indication is not Indication.PASSED:
        return Plan(Act.TOO_LATE, reason=reason)
    until = report.verifiable_until
    return Plan(Act.NOT_YET if _holds(until, due) else Act.NEW_RECORD, until)


def plan_record(report: Report, due: int) -> Plan:
    """Plan for an evidence record.

    A time-stamp renewal covers the time-stamps of a chain by the chain's own hash (§5.2): where that falls
    too, only a hash-tree renewal helps.

    Args:
        report: of the record for now, from `kokuin.trust.evidence.judge_evidence`. That no data object is at
            hand to compare speaks against nothing: the time-stamps are what ends.
        due: as of `plan_token`.
    """
    checks = tuple(check for check in report.checks if check.reason != Reason.CONTENT_NOT_GIVEN)
    if conclude(checks)[0] is not Indication.PASSED or not report.parts:
        return Plan(Act.TOO_LATE, reason=_speaks_against(checks))
    if any(check.reason == Reason.EVIDENCE_STAMPS_LATER for check in checks):
        # A clock is wrong: what is appended now would be from before what it covers.
        return Plan(Act.TOO_LATE, reason=Reason.EVIDENCE_STAMPS_LATER)
    tree = earliest(end for check in checks if check.id == EVIDENCE_DIGEST.id for end in check.ends)
    until = earliest((tree, report.parts[-1].verifiable_until))
    if _holds(until, due):
        return Plan(Act.NOT_YET, until)
    return Plan(Act.TIME_STAMP if _holds(tree, due) else Act.HASH_TREE, until)


def plan_covered(report: Report, due: int) -> Plan:
    """Plan for a token with evidence: by its first record, which is the one that is renewed.

    That its digest of the data has fallen is said and stops nothing: a record may bind a document that is
    kept elsewhere.

    Args:
        report: of the token, from `kokuin.trust.evidence_token.judge_with_evidence`; that of the record is
            its first part.
        due: as of `plan_token`.
    """
    checks = tuple(check for check in report.checks if check.reason != Reason.BINDING_NO_LONGER_FIT)
    if conclude(checks)[0] is not Indication.PASSED:
        return Plan(Act.TOO_LATE, reason=_speaks_against(checks))
    record = report.parts[0]
    plan = plan_record(record, due)
    if record.indication is not Indication.PASSED:
        return Plan(Act.TOO_LATE, reason=_speaks_against(record.checks))
    end = report.verifiable_until
    falls = end is not None and (plan.until is None or end.time < plan.until.time)
    return replace(plan, bound=end if falls else None, reason=_speaks_against(report.checks))


def digest_end(policy: Policy, digest: str, at: int) -> Check:
    """Return the check of a hash for new trees; it passes when the policy accepts it, and names its end.

    Args:
        policy: by which it is fit.
        digest: name of the algorithm.
        at: now, microseconds since 1970 UTC.
    """
    by = Constraints(policy, at, at)
    checks = [judge_digest(EVIDENCE_DIGEST, DIGEST_BY_NAME[digest].oid, role, by) for role in _ROLES]
    worst = next((check for check in checks if check.status in _AGAINST), checks[0])
    return worst.resting_on(*(end for check in checks if check is not worst for end in check.ends))


def trees_of(groups: int) -> int:
    """Return how many archive time-stamps so many groups of one hash need."""
    return -(-groups // MOST_GROUPS)


def _holds(end: End | None, due: int) -> bool:
    return end is None or end.time > due


def _speaks_against(checks: tuple[Check, ...]) -> str | None:
    """Return the code of the check that decides."""
    for status in (Status.FAILED, Status.INDETERMINATE):
        for check in checks:
            if check.status is status:
                return check.reason
    return None
