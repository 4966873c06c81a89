"""Which baseline level a seal has reached, and what it lacks for the next one: facts for whoever extends it.

The level is that of what holds: a time-stamp that does not pass counts for nothing, nor does revocation data
that says nothing of the certificates.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from eseal.stamps import RENEWING, later_than_token
from eseal.values import Level, StampRole
from kokuin.trust.context import RevocationMode
from kokuin.trust.judge import judge_token
from kokuin.trust.report import Indication
from kokuin.wire.ber import definite
from kokuin.wire.prescan import TOKEN_LIMITS

if TYPE_CHECKING:
    from collections.abc import Callable

    from eseal.known import Known
    from eseal.proofs import JudgedStamp
    from kokuin.trust.context import Context


class Missing(StrEnum):
    """What a seal lacks for the next level."""

    TIME_STAMP = "TIME_STAMP"
    SIGNER_VALIDATION_DATA = "SIGNER_VALIDATION_DATA"
    STAMP_VALIDATION_DATA = "STAMP_VALIDATION_DATA"
    ARCHIVE_TIME_STAMP = "ARCHIVE_TIME_STAMP"


@dataclass(frozen=True, slots=True)
class Reached:
    """The level of a seal, and what the next one wants; nothing of the highest."""

    level: Level
    missing: tuple[Missing, ...] = ()


@dataclass(frozen=True, slots=True)
class Brought:
    """What a seal brings along for its validation.

    Attributes:
        context: to judge by with nothing else: no helpers, no other revocation data.
        known: since when each of it is known to have existed.
        signer_is_known: says whether it suffices for the signer's certificate.
    """

    context: Context
    known: Known
    signer_is_known: Callable[[], bool]


def find_level(
    judged: tuple[JudgedStamp, ...], bring: Callable[[frozenset[bytes] | None], Brought]
) -> Reached:
    """Find the level of a seal whose own form holds.

    Args:
        judged: its time-stamps.
        bring: gives all that the seal carries, or only these certificates, lists and answers (DER) of it.
    """
    proving = [each for each in judged if each.proves and each.stamp.role is not StampRole.CONTENT]
    if not proving:
        return Reached(Level.B_B, (Missing.TIME_STAMP,))
    renewing = [each for each in proving if each.stamp.role in RENEWING and _covers_another(each, proving)]
    last = renewing[-1] if renewing else None
    # Of the last archive time-stamp the next one will bring the validation data.
    earlier = [each for each in proving if each is not last]
    # Attack: what no archive time-stamp covers was added later, by anybody.
    if last is not None and not _find_missing(earlier, bring(last.stamp.covered)):
        return Reached(Level.B_LTA)
    missing = _find_missing(earlier, bring(None))
    if missing:
        return Reached(Level.B_T, missing)
    return Reached(Level.B_LT, (Missing.ARCHIVE_TIME_STAMP,))


def _find_missing(stamps: list[JudgedStamp], brought: Brought) -> tuple[Missing, ...]:
    missing = [] if brought.signer_is_known() else [Missing.SIGNER_VALIDATION_DATA]
    if not all(_is_known(each, brought) for each in stamps):
        missing.append(Missing.STAMP_VALIDATION_DATA)
    return tuple(missing)


def _covers_another(judged: JudgedStamp, proving: list[JudgedStamp]) -> bool:
    """A document time-stamp is what a PDF may have for B-T too (EN 319 142-1 §6.3): one more makes B-LTA."""
    return any(each.stamp.index < judged.stamp.index for each in proving)


def _is_known(judged: JudgedStamp, brought: Brought) -> bool:
    """Whether the unit's path and revocations can be judged by what the seal carries alone."""
    context = brought.context
    proven = judged.gen_time if judged.gen_time is not None else context.at
    octets = definite(judged.stamp.token, TOKEN_LIMITS)
    alone = replace(
        context,
        content=None,
        request=None,
        proven=proven,
        bound=proven,
        revocation_mode=RevocationMode.REQUIRED,
        known_later=later_than_token(octets, proven, brought.known),
    )
    report = judge_token(octets, alone)
    return report.indication is Indication.PASSED
