"""A token judged together with its place in a ledger: what the ledger proves of its existence counts.

A token whose certificate has expired, whose unit's key was stolen since, or
whose algorithm is no longer fit, proves nothing by itself: whoever has the key
today can date one back. That it stood in a ledger before, by the word of
witnesses or of another authority's time-stamp, shows that it is no such token
(ETSI EN 319 102-1 §5.6.2). So it is judged for that time.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kokuin.trust.evidence_known import moved, of_bare
from kokuin.trust.horizon import end_of_unproven
from kokuin.trust.report import (
    Check,
    End,
    Indication,
    ProofOfExistence,
    Report,
    SubIndication,
    earliest,
    extend,
    iso_time,
    join,
    latest,
)
from kokuin.trust.rules import EXISTENCE, IN_LEDGER, Reason
from kokuin.verify.ledger_claim import judge_claim
from kokuin.verify.ledger_search import Sought
from kokuin.verify.ledger_sidecar import judge_proof
from kokuin.verify.verifying import take_token, verify_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kokuin.trust.context import Context
    from kokuin.verify.ledger_claim import Auditor, ReadBundle


_NOT_SOUGHT = IN_LEDGER.indeterminate(Reason.LEDGER_TOKENS_ENCLOSED, SubIndication.NO_POE)


@dataclass(frozen=True, slots=True)
class LedgerEvidence:
    """What is at hand of a ledger.

    Attributes:
        auditor: whose word on ledgers counts; None: nobody's.
        proof: octets of the proof that travels with the token; None when there is none.
        bundle: reads the bundle in which the token must stand; None when nobody asks for that.
    """

    auditor: Auditor | None = None
    proof: bytes | None = None
    bundle: ReadBundle | None = None


def verify_with_ledger(data: bytes, context: Context, evidence: LedgerEvidence) -> Report:
    """Judge a token as `verify_bytes` does, and its place in a ledger.

    Args:
        data: whatever was found.
        context: by what it is judged.
        evidence: what is at hand of a ledger.

    Raises:
        OSError: from `context.content`, or the bundle cannot be read.
    """
    taken = take_token(data)
    sought = None if isinstance(taken, Check) else Sought.of(taken.octets)
    if sought is None:
        report = verify_bytes(data, context)
        if evidence.bundle is None:
            return report
        # No ledger names what is no token, and what holds some must not pass without the ledger.
        return extend(report, (_NOT_SOUGHT,), ())
    if context.content is not None:
        # The token is judged once for each proof, and the data may be a large file.
        context = replace(context, content=functools.cache(context.content))
    others, auditor = replace(context, content=None, request=None), evidence.auditor
    shown = None if evidence.proof is None else judge_proof(sought, evidence.proof, auditor, others)
    claim = None if evidence.bundle is None else judge_claim(sought, evidence.bundle, auditor, others)
    proofs = (*(shown.existence if shown else ()), *(claim.existence if claim else ()))
    report = _judge_for_earliest(data, context, sought, proofs)
    if shown is not None:
        report = extend(report, shown.checks, shown.limits, shown.proofs)
    return report if claim is None else join((report, claim.report))


def _end_of(then: Report, data: bytes, within: Context, proof: ProofOfExistence) -> End | None:
    """Return until when a token passes by a proof, and by what no proof shows to be as old."""
    end = earliest((then.verifiable_until, proof.verifiable_until))
    if not within.known_later:
        return end
    return end_of_unproven(
        then.checks, within.at, end, lambda at: verify_bytes(data, moved(within, at)).checks
    )


def _judge_for_earliest(
    data: bytes, context: Context, sought: Sought, proofs: Iterable[ProofOfExistence]
) -> Report:
    """Judge a token for now, and where that does not suffice, for the earliest time for which it does."""
    report = verify_bytes(data, context)
    if report.indication is Indication.FAILED:
        return report  # a proof answers what is open, and nothing that is wrong
    helpful: list[tuple[Report, End | None]] = []
    earlier, bare = None, of_bare(sought.facts, context)
    for proof in sorted(proofs, key=lambda each: each.time):
        # Witnesses write whole seconds, and a clock may be slow: no token was there before its genTime.
        time = max(proof.time, sought.gen)
        if time >= context.existence:
            continue
        within = replace(bare, proven=time)
        then = verify_bytes(data, within)
        named = EXISTENCE.ok(time=iso_time(time), code=proof.code.value)
        if then.indication is Indication.PASSED:
            passed = extend(then, (named,), ())
            helpful.append((passed, _end_of(then, data, within, proof)))
        elif earlier is None:
            earlier = extend(then, (named,), ())
    if report.indication is Indication.PASSED:
        ends = (report.verifiable_until, *(end for _, end in helpful))
        return replace(report, verifiable_until=latest(ends))
    if helpful:
        return replace(helpful[0][0], verifiable_until=latest(end for _, end in helpful))
    return earlier or report
