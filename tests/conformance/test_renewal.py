"""The rounds of `python -m conformance.renewal`, few."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from conformance.renewal import renew_killed

if TYPE_CHECKING:
    from pathlib import Path


def test_each_token_is_covered_once_however_often_the_command_is_killed(tmp_path: Path) -> None:
    chance = random.Random(7)  # noqa: S311  # moments, no secrets
    outcome = renew_killed(tmp_path, 600, 3, chance)
    assert not outcome.violations
    *killed, last = (each.end for each in outcome.attempts)
    assert killed == ["killed"] * 3
    assert last.startswith("exit 0")
    # What was written before the kills was found again.
    assert "kept" in last
