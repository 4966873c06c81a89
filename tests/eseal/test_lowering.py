"""Which level a seal gets when something is missing, tried for every case there is."""

from __future__ import annotations

import itertools

import pytest

from eseal.lowering import LevelDecision, Obstacle, decide_level
from eseal.values import Level

EVERY = [
    (asked, lowest, obstacles)
    for asked in Level
    for lowest in Level
    if lowest.rank <= asked.rank
    for count in range(len(Obstacle) + 1)
    for obstacles in itertools.combinations(Obstacle, count)
]


@pytest.mark.parametrize(("asked", "lowest", "obstacles"), EVERY)
def test_no_seal_is_lower_than_allowed_or_higher_than_can_be(
    asked: Level, lowest: Level, obstacles: tuple[Obstacle, ...]
) -> None:
    decision = decide_level(asked, lowest, obstacles)
    barred = min((each.bars.rank for each in obstacles), default=len(Level))
    best = min(asked.rank, barred - 1)
    if best < lowest.rank:
        assert decision.reached is None
        assert not decision.lowered
    else:
        assert decision.reached is not None
        assert decision.reached.rank == best
        assert decision.lowered == (best < asked.rank)
    assert (decision.obstacle is None) == (decision.reached is asked)


@pytest.mark.parametrize(
    ("obstacle", "reached"),
    [
        (Obstacle.STAMP, Level.B_B),
        (Obstacle.MATERIAL, Level.B_T),
        (Obstacle.ARCHIVE_STAMP, Level.B_LT),
    ],
)
def test_each_obstacle_leaves_the_level_below_it(obstacle: Obstacle, reached: Level) -> None:
    assert decide_level(Level.B_LTA, Level.B_B, [obstacle]) == LevelDecision(Level.B_LTA, reached, obstacle)
    assert decide_level(Level.B_LTA, Level.B_LTA, [obstacle]).reached is None


def test_of_several_obstacles_the_lowest_is_named() -> None:
    assert decide_level(Level.B_LTA, Level.B_B, reversed(Obstacle)).obstacle is Obstacle.STAMP


def test_what_is_not_needed_is_no_obstacle() -> None:
    assert decide_level(Level.B_B, Level.B_B, Obstacle) == LevelDecision(Level.B_B, Level.B_B)


def test_nobody_accepts_more_than_they_ask_for() -> None:
    with pytest.raises(ValueError, match="higher"):
        decide_level(Level.B_T, Level.B_LT)
