"""A sealed document judged together with evidence records over its whole file (RFC 4998).

Such a record lies beside the file. Its time-stamp covers each seal with all that stands in it, so that every
seal, time-stamp, certificate and list is known to have existed then: they are judged for that time.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING

from eseal.judging import judge_document
from kokuin.trust.evidence_known import with_material
from kokuin.trust.evidence_through import judge_through
from kokuin.trust.evidence_token import best_of_worlds, check_records, judge_records
from kokuin.trust.report import Existence, Indication, Report, earliest, extend, iso_time
from kokuin.trust.rules import EXISTENCE
from kokuin.trust.signing_worlds import World

if TYPE_CHECKING:
    from eseal.values import Found
    from kokuin.trust.context import Context
    from kokuin.trust.evidence_hashes import Covered
    from kokuin.trust.evidenced import Evidenced
    from kokuin.trust.report import ReportValue


def judge_evidenced(found: Found, file: Covered, context: Context) -> Report:
    """Judge a document, and the evidence records that came beside its file.

    Args:
        found: the facts.
        file: gives the digest of the whole file.
        context: by what; its `evidence` is what came beside, its `content` the data of a detached seal.

    Raises:
        OSError: from `context.content`.
    """
    alone = judge_document(found, context)
    if not context.evidence:
        return alone
    objects: tuple[Covered, ...] = (functools.cache(file),)
    if context.content is not None:
        objects = (*objects, functools.cache(context.content))
    others = replace(context, content=None, request=None, proven=None, evidence=())
    records = judge_records(context.evidence, objects, others)
    report = judge_through(alone, records, lambda some: _prove(some, found, context))
    parts = tuple(each.report for each in records)
    proofs = tuple(proof for part in parts for proof in part.proofs_of_existence)
    limits = tuple(limit for part in parts for limit in part.limits)
    whole = extend(report, (check_records(records, len(context.evidence)),), limits, proofs)
    subject = {**whole.subject, **_worlds(alone, records), "combined": whole.indication.value}
    return replace(whole, parts=(*whole.parts, *parts), subject=subject)


def _worlds(alone: Report, records: tuple[Evidenced, ...]) -> dict[str, ReportValue]:
    """Return what each world comes to: the seals by themselves, and the records."""
    told = {world: alone.subject.get(world.value) for world in World}
    own = [
        (Indication(str(verdict)), {world: True}) for world, verdict in told.items() if verdict is not None
    ]
    return best_of_worlds([*own, *((each.report.indication, each.worlds) for each in records)])


def _prove(records: tuple[Evidenced, ...], found: Found, context: Context) -> Report:
    """Judge a document by what records prove, all of which hold."""
    time = min(each.proven for each in records if each.proven is not None)
    # What lies beside a detached seal is not in the file: it is bound where a record covers it as well.
    binding = (each.proven for each in records if context.content is None or any(each.covers[1:]))
    bound = min((each for each in binding if each is not None), default=None)
    within = replace(with_material(context, records), bound=bound, evidence=())
    if time < context.existence:
        within = replace(within, proven=time)
    then = judge_document(found, within)
    end = earliest((then.verifiable_until, *(each.report.verifiable_until for each in records)))
    if time < context.existence:
        named = EXISTENCE.ok(time=iso_time(time), code=Existence.EVIDENCE_RECORD.value)
        then = extend(then, (named,), ())
    return replace(then, verifiable_until=end if then.indication is Indication.PASSED else None)
