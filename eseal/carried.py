"""What a seal brings along for its own judgement, and what its time-stamps make of it.

Certificates and lists that come with a seal are material: nobody is trusted because he stands there.
"""

from __future__ import annotations

import contextlib
import functools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from eseal.known import known_now
from eseal.proofs import JudgedStamp, Proof
from eseal.stamps import judge_stamps
from eseal.values import MAX_CERTIFICATES, MAX_REVOCATION, StampRole
from kokuin.trust.certificate import read_certificate
from kokuin.trust.context import RevocationData
from kokuin.trust.report import Check, Existence, Limit, ProofOfExistence, Status
from kokuin.trust.rules import REVOCATION
from kokuin.wire.errors import WireError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from eseal.known import Known
    from eseal.values import FoundSeal
    from kokuin.trust.certificate import Certificate
    from kokuin.trust.context import Context


@dataclass(frozen=True, slots=True)
class Carried:
    """What a seal brings along, and its time-stamps as they were judged with it.

    Attributes:
        certificates: those that can be read.
        revocation: of all that it carries, what is looked at.
        stamps: by their index.
        proof: since when the seal is known to have existed.
        known: since when what it carries is.
        not_before: a time before which it cannot have been made; None: nothing shows one.
    """

    certificates: tuple[Certificate, ...]
    revocation: RevocationData
    stamps: tuple[JudgedStamp, ...]
    proof: Proof
    known: Known
    not_before: int | None

    def only(self, covered: frozenset[bytes]) -> Carried:
        """Return the same with no other certificates, lists and answers (DER) than these."""
        lists = tuple(each for each in self.revocation.lists if each in covered)
        answers = tuple(each for each in self.revocation.answers if each in covered)
        certificates = tuple(each for each in self.certificates if each.der in covered)
        return replace(self, certificates=certificates, revocation=RevocationData(lists, answers))


def carry(found: FoundSeal, context: Context) -> Carried:
    """Read what a seal brings along, and judge its time-stamps with it.

    Args:
        found: the facts.
        context: by what it is judged.
    """
    certificates, revocation = read_all(found.certificates), bounded(found.revocation)
    within = with_carried(context, certificates, revocation)
    judged, known = judge_stamps(found.stamps, within, known_now(certificates, revocation, context))
    now = Proof(context.existence)
    dating = [each for each in judged if each.stamp.role is not StampRole.CONTENT]
    times = [
        each.gen_time - each.slack
        for each in judged
        if each.stamp.role is StampRole.CONTENT and each.proves and each.gen_time is not None
    ]
    return Carried(
        certificates,
        revocation,
        judged,
        functools.reduce(Proof.or_by, dating, now),
        known,
        max(times, default=None),
    )


def read_all(octets: Iterable[bytes]) -> tuple[Certificate, ...]:
    """Return the certificates that can be read, of the first MAX_CERTIFICATES."""
    certificates = []
    for der in list(dict.fromkeys(octets))[:MAX_CERTIFICATES]:
        with contextlib.suppress(WireError):
            certificates.append(read_certificate(der))
    return tuple(certificates)


def bounded(data: RevocationData) -> RevocationData:
    """Return as much as is looked at."""
    return RevocationData(data.lists[:MAX_REVOCATION], data.answers[:MAX_REVOCATION])


def with_carried(
    context: Context, certificates: tuple[Certificate, ...], revocation: RevocationData
) -> Context:
    """Add what the seal carries, for its time-stamps: their authority's chain stands beside the token."""
    helpers = (*context.trust.helpers, *certificates)
    return replace(
        context,
        trust=replace(context.trust, helpers=helpers),
        revocation=context.revocation.with_more(revocation),
    )


def limits_of(
    checks: tuple[Check, ...], stamps: tuple[JudgedStamp, ...], limits: tuple[Limit, ...]
) -> tuple[Limit, ...]:
    """Return what was not looked at: in the checks, the time-stamps, and by the finder."""
    undone = any(check.status is Status.NOT_DONE and check.id == REVOCATION.id for check in checks)
    own = (Limit.REVOCATION_NOT_CHECKED,) if undone else ()
    return tuple(dict.fromkeys((*own, *(each for stamp in stamps for each in stamp.report.limits), *limits)))


def proofs_of(proof: Proof) -> tuple[ProofOfExistence, ...]:
    """Return a proof as a report has it; nothing where no time-stamp gives it."""
    if proof.stamp is None:
        return ()
    by = str(proof.stamp.report.subject.get("unit"))
    return (ProofOfExistence(Existence.TIME_STAMPED, proof.time, {"by": by}, proof.stamp.end),)
