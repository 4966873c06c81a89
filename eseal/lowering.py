"""What becomes of a seal when the level that was asked for cannot be had: a lower one, or none.

A seal that is there matters more than its level to some, and the level more than the seal to others; whoever
asks says which. A seal that was lowered is recorded as such, and can be extended later.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from eseal.values import Level

if TYPE_CHECKING:
    from collections.abc import Iterable


class Obstacle(StrEnum):
    """What is missing for a level."""

    STAMP = "STAMP_UNAVAILABLE"
    """No time-stamp over the signature can be had: B-T is out of reach."""
    MATERIAL = "MATERIAL_MISSING"
    """Certificates or revocation data are not there: B-LT is out of reach."""
    ARCHIVE_STAMP = "ARCHIVE_STAMP_UNAVAILABLE"
    """No time-stamp over the whole can be had: B-LTA is out of reach."""

    @property
    def bars(self) -> Level:
        """The lowest level that cannot be reached."""
        return _BARRED[self]


_BARRED = {
    Obstacle.STAMP: Level.B_T,
    Obstacle.MATERIAL: Level.B_LT,
    Obstacle.ARCHIVE_STAMP: Level.B_LTA,
}


@dataclass(frozen=True, slots=True)
class LevelDecision:
    """Which level a seal gets.

    Attributes:
        asked: the level that was asked for.
        reached: the level that it gets; None: it is refused, since the one that can be had is lower than
            whoever asked allows.
        obstacle: why it is not the one that was asked for; None: it is.
    """

    asked: Level
    reached: Level | None
    obstacle: Obstacle | None = None

    @property
    def lowered(self) -> bool:
        """Whether the seal is made at a lower level than was asked for."""
        return self.reached is not None and self.obstacle is not None


def decide_level(asked: Level, lowest: Level, obstacles: Iterable[Obstacle] = ()) -> LevelDecision:
    """Decide on the level of a seal.

    Args:
        asked: the level that is wanted.
        lowest: what whoever asks would do with; `asked` itself: nothing less.
        obstacles: what is missing.

    Raises:
        ValueError: `lowest` is higher than `asked`.
    """
    if lowest.rank > asked.rank:
        raise ValueError(f"{lowest} is higher than {asked}")
    barring = [each for each in obstacles if each.bars.rank <= asked.rank]
    if not barring:
        return LevelDecision(asked, asked)
    first = min(barring, key=lambda each: each.bars.rank)
    reached = list(Level)[first.bars.rank - 1]
    return LevelDecision(asked, reached if reached.rank >= lowest.rank else None, first)
