"""A token judged together with its evidence records: those within it, and what came beside it (RFC 4998).

A token whose certificate has expired, or whose algorithm is no longer fit, proves nothing by itself. A record
that covers it, with a time-stamp that holds, shows that it existed before; so it is judged for that time, as
with a ledger's proof. What a record covers besides (certificates, revocation data, the document) counts too.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kokuin.trust.evidence import judge_evidence, refuse_record
from kokuin.trust.evidence_forms import of_octets, other_forms
from kokuin.trust.evidence_known import moved, of_bare, with_material
from kokuin.trust.evidence_through import judge_through
from kokuin.trust.horizon import end_of_unproven
from kokuin.trust.judge import judge_token
from kokuin.trust.report import (
    Check,
    Existence,
    Indication,
    Report,
    SubIndication,
    earliest,
    extend,
    iso_time,
)
from kokuin.trust.rules import EVIDENCE, EXISTENCE, Reason
from kokuin.trust.signing_worlds import World, worlds_of
from kokuin.trust.token import read_token
from kokuin.wire import oids
from kokuin.wire.ber import definite
from kokuin.wire.errors import WireError
from kokuin.wire.ers import RECORD_LIMITS
from kokuin.wire.pem import take_block
from kokuin.wire.token_form import bare_token

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from kokuin.trust.context import Context
    from kokuin.trust.evidence_hashes import Covered
    from kokuin.trust.evidenced import Evidenced
    from kokuin.trust.report import End, ReportValue
    from kokuin.trust.token import TokenFacts

MAX_RECORDS = 4
"""Records of one token that are judged; real ones have one, or two where two archives keep them."""
_OPEN = Indication.INDETERMINATE
_WEIGHT = (Indication.FAILED, _OPEN, Indication.PASSED)


@dataclass(frozen=True, slots=True)
class _Judged:
    """A token by itself, and what its records come to."""

    alone: Report
    found: tuple[Evidenced, ...]


def judge_with_evidence(
    octets: bytes, context: Context, before: tuple[Check, ...] = (), file: bytes | None = None
) -> Report:
    """Judge a token, and its evidence records where it has any.

    Args:
        octets: the token, as `kokuin.wire.ber.definite` returned it.
        context: by what; its `evidence` is what came beside the token.
        before: the checks of what enclosed it.
        file: what the token was found in, as that is; None when it was no file of its own.

    Raises:
        OSError: from `context.content`.
    """
    if context.content is not None:
        # Judged more than once, and the data may be a large file.
        context = replace(context, content=functools.cache(context.content))
    alone = judge_token(octets, context, before)
    within = oids.ID_AA_ER_INTERNAL in _listed(alone)
    facts = read_token(octets) if context.evidence or within else None
    if facts is None or isinstance(facts, Check):
        return alone
    attributes = facts.signer_info.unsigned_attributes
    named = [each.values for each in attributes if each.oid == oids.ID_AA_ER_INTERNAL]
    internal = tuple(value for values in named for value in values)
    records = (*context.evidence, *internal)
    objects: tuple[Covered, ...] = (of_octets(bare_token(octets)),)
    if context.content is not None:
        objects = (*objects, context.content)
    others = replace(context, content=None, request=None, proven=None, evidence=())
    found = judge_records(records, objects, others, other_forms(octets, internal[:MAX_RECORDS], file))
    report = judge_through(alone, found, lambda some: _prove(some, facts, octets, before, context))
    own = worlds_of(octets, context.policy, context.existence)
    return _conclude(report, _Judged(alone, found), own, len(records))


def _listed(report: Report) -> list[str]:
    named = report.subject.get("unsigned_attributes")
    return named if isinstance(named, list) else []


def judge_records(
    records: Iterable[bytes],
    objects: tuple[Covered, ...],
    context: Context,
    forms: tuple[Covered, ...] = (),
) -> tuple[Evidenced, ...]:
    """Judge the first MAX_RECORDS of the records of one thing.

    Args:
        records: as they were found.
        objects: what they are for, and what else may be of its group; see `judge_evidence`.
        context: by what; see `judge_evidence`.
        forms: of what they are for; see `judge_evidence`.

    Raises:
        OSError: from an object.
    """
    first = itertools.islice(records, MAX_RECORDS)
    return tuple(_judge_record(each, objects, context, forms) for each in first)


def _judge_record(
    octets: bytes, objects: tuple[Covered, ...], context: Context, forms: tuple[Covered, ...]
) -> Evidenced:
    try:
        return judge_evidence(definite(take_block(octets), RECORD_LIMITS), objects, context, forms)
    except WireError as error:
        return refuse_record(error, context)


def _prove(
    records: tuple[Evidenced, ...],
    facts: TokenFacts,
    octets: bytes,
    before: tuple[Check, ...],
    context: Context,
) -> Report:
    """Judge a token by what records prove, all of which hold."""
    # A clock may be slow: no token was there before its genTime.
    gen_time = facts.tst_info.gen_time.microseconds
    time = min(max(each.proven or gen_time, gen_time) for each in records)
    bound, rests = binding_of(records)
    within = of_bare(facts, replace(with_material(context, records), bound=bound))
    if time < context.existence:
        within = replace(within, proven=time)
    then = judge_token(octets, within, before)
    end = earliest((then.verifiable_until, *rests, *(each.report.verifiable_until for each in records)))
    end = end_of_unproven(
        then.checks, context.at, end, lambda at: judge_token(octets, moved(within, at), before).checks
    )
    if time < context.existence:
        named = EXISTENCE.ok(time=iso_time(time), code=Existence.EVIDENCE_RECORD.value)
        then = extend(then, (named,), ())
    return replace(then, verifiable_until=end if then.indication is Indication.PASSED else None)


def binding_of(holding: tuple[Evidenced, ...]) -> tuple[int | None, tuple[End, ...]]:
    """Return since when a record proves the data itself, and what that rests on beside the record.

    A renewal may have left the data out, and kept the token: then the hash of before binds it.

    Args:
        holding: records that pass; the data are all of their objects but the first.
    """
    found = [
        (each.proven, check.ends)
        for each in holding
        for check in each.bound_by[1:]
        if each.proven is not None and check is not None
    ]
    return min(found, key=lambda each: each[0], default=(None, ()))


def _conclude(report: Report, judged: _Judged, own: Mapping[World, bool], count: int) -> Report:
    parts = tuple(each.report for each in judged.found)
    proofs = tuple(proof for part in parts for proof in part.proofs_of_existence)
    whole = extend(report, (check_records(judged.found, count),), (), proofs)
    limits = (*whole.limits, *(limit for part in parts for limit in part.limits))
    subject = {**whole.subject, **_worlds(whole, judged, own)}
    return replace(whole, subject=subject, parts=parts, limits=tuple(dict.fromkeys(limits)))


def check_records(found: tuple[Evidenced, ...], count: int) -> Check:
    """Conclude what the records mean for what they are for.

    One that is open proves nothing, and all is judged without it. One that is wrong is not passed over:
    whoever put it there meant to show what is not so.

    Args:
        found: those that were judged.
        count: how many there are.
    """
    if count > MAX_RECORDS:
        means = SubIndication.SIG_CONSTRAINTS_FAILURE
        return EVIDENCE.indeterminate(Reason.EVIDENCE_TOO_MANY, means, count=count, most=MAX_RECORDS)
    for each in found:
        if each.report.indication is Indication.FAILED:
            means = each.report.sub_indication or SubIndication.SIG_CONSTRAINTS_FAILURE
            return EVIDENCE.failed(Reason.EVIDENCE_FAILED, means)
    if any(each.report.indication is not Indication.PASSED for each in found):
        return EVIDENCE.weak(Reason.EVIDENCE_OPEN)
    return EVIDENCE.ok(count=len(found))


def _worlds(whole: Report, judged: _Judged, own: Mapping[World, bool]) -> dict[str, ReportValue]:
    """Return what classical and post-quantum signatures come to, each alone; None: there are none.

    The token's own signature counts alone, that of a record by what the record comes to.
    """
    of_each = [
        (judged.alone.indication, own),
        *((each.report.indication, each.worlds) for each in judged.found),
    ]
    return {**best_of_worlds(of_each), "combined": whole.indication.value}


def best_of_worlds(verdicts: Sequence[tuple[Indication, Mapping[World, bool]]]) -> dict[str, ReportValue]:
    """Return the best verdict in each world, by its name; None: there is none.

    Args:
        verdicts: with the worlds that each is of, and whether it could be relied on for each of them alone.
    """
    named: dict[str, ReportValue] = {}
    for world in World:
        found = [
            verdict if worlds[world] else min(verdict, _OPEN, key=_WEIGHT.index)
            for verdict, worlds in verdicts
            if world in worlds
        ]
        named[world.value] = max(found, key=_WEIGHT.index).value if found else None
    return named
