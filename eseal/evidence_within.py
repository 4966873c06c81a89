"""Evidence within the time-stamps of seals: what it adds, and what seals come to without it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kokuin.trust.evidence_token import best_of_worlds
from kokuin.trust.report import Indication
from kokuin.trust.signing_worlds import World
from kokuin.wire.ber import definite
from kokuin.wire.errors import WireError
from kokuin.wire.prescan import TOKEN_LIMITS
from kokuin.wire.token_form import bare_token

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eseal.values import FoundSeal
    from kokuin.trust.report import Report, ReportValue

_WEIGHT = (Indication.FAILED, Indication.INDETERMINATE, Indication.PASSED)


def is_evidenced(report: Report) -> bool:
    """Say whether one of a seal's time-stamps was judged with evidence of its own."""
    return any("combined" in part.subject for part in report.parts)


def without_evidence(found: FoundSeal) -> FoundSeal:
    """Return a seal as if nothing had been added to its time-stamps; what they cover stays as found."""
    return replace(found, stamps=tuple(replace(stamp, token=_bare(stamp.token)) for stamp in found.stamps))


def _bare(token: bytes) -> bytes:
    try:
        return bare_token(definite(token, TOKEN_LIMITS))
    except WireError:
        return token


def worlds_of_evidence(
    alone: Mapping[str, ReportValue], reports: tuple[Report, ...]
) -> dict[str, ReportValue]:
    """Return what classical and post-quantum signatures come to, those of the evidence included.

    Args:
        alone: what the seals of each world come to without evidence; None: there is none.
        reports: of the seals, with it. What stands in all of them counts for the document.
    """
    verdicts = [
        (Indication(str(verdict)), {World(world): True}) for world, verdict in alone.items() if verdict
    ]
    for world in World:
        # The newest time-stamp has nothing but its evidence; those before it rest on it.
        through = [
            report.indication
            for report in reports
            if report.parts and report.parts[-1].subject.get(world.value) == Indication.PASSED
        ]
        if through and len(through) == len(reports):
            verdicts.append((min(through, key=_WEIGHT.index), {world: True}))
    return best_of_worlds(verdicts)
