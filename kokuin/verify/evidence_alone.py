"""Evidence records that are no part of a token: judged by themselves, and looked into for their times."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kokuin.trust.evidence import judge_evidence
from kokuin.trust.evidence_tree import find_stamps
from kokuin.wire.errors import WireError
from kokuin.wire.ers import read_evidence_record

if TYPE_CHECKING:
    from kokuin.trust.context import Context
    from kokuin.trust.report import Report


def judge_record(octets: bytes, context: Context) -> Report:
    """Judge an evidence record alone, over the data where that is at hand.

    Args:
        octets: as `kokuin.wire.ber.definite` returned them.
        context: by what.

    Raises:
        OSError: from `context.content`.
    """
    objects = () if context.content is None else (context.content,)
    return judge_evidence(octets, objects, context).report


def evidence_times(octets: bytes) -> list[int]:
    """Return when the archive time-stamps of a record were made, microseconds since 1970 UTC.

    Args:
        octets: as `kokuin.wire.ber.definite` returned them.
    """
    try:
        found = find_stamps(read_evidence_record(octets))
    except WireError:
        return []
    return [each.gen_time for each in found if each.gen_time is not None]
