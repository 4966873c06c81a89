"""Which baseline level a seal has reached, and what it lacks for the next one: facts for whoever extends it.

The level is that of what holds: a time-stamp that does not pass counts for nothing, nor does revocation data
that says nothing of the certificates.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from eseal.stamps import RENEWING
from eseal.values import Level, StampRole
from kokuin.trust.context import RevocationMode
from kokuin.trust.judge import judge_token
from kokuin.trust.report import Indication
from kokuin.wire.ber import definite
from kokuin.wire.prescan import TOKEN_LIMITS

if TYPE_CHECKING:
    from collections.abc import Callable

    from eseal.stamps import JudgedStamp
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


def find_level(
    judged: tuple[JudgedStamp, ...], carried: Context, signer_is_known: Callable[[], bool]
) -> Reached:
    """Find the level of a seal whose own form holds.

    Args:
        judged: its time-stamps.
        carried: to judge by with nothing but what the seal carries: no helpers, no other revocation data.
        signer_is_known: says whether that suffices for the signer's certificate.
    """
    proving = [each for each in judged if each.proves and each.stamp.role is not StampRole.CONTENT]
    if not proving:
        return Reached(Level.B_B, (Missing.TIME_STAMP,))
    renewing = [each for each in proving if each.stamp.role in RENEWING and _covers_another(each, proving)]
    last = renewing[-1] if renewing else None
    missing = [] if signer_is_known() else [Missing.SIGNER_VALIDATION_DATA]
    # Of the last archive time-stamp the next one will bring the validation data.
    if not all(_is_known(each, carried) for each in proving if each is not last):
        missing.append(Missing.STAMP_VALIDATION_DATA)
    if missing:
        return Reached(Level.B_T, tuple(missing))
    if last is None:
        return Reached(Level.B_LT, (Missing.ARCHIVE_TIME_STAMP,))
    return Reached(Level.B_LTA)


def _covers_another(judged: JudgedStamp, proving: list[JudgedStamp]) -> bool:
    """A document time-stamp is what a PDF may have for B-T too (EN 319 142-1 §6.3): one more makes B-LTA."""
    return any(each.stamp.index < judged.stamp.index for each in proving)


def _is_known(judged: JudgedStamp, carried: Context) -> bool:
    """Whether the unit's path and revocations can be judged by what the seal carries alone."""
    proven = judged.gen_time if judged.gen_time is not None else carried.at
    alone = replace(
        carried, content=None, request=None, proven=proven, revocation_mode=RevocationMode.REQUIRED
    )
    report = judge_token(definite(judged.stamp.token, TOKEN_LIMITS), alone)
    return report.indication is Indication.PASSED
