from __future__ import annotations

import pytest

from tests.clock.fakes import SECOND_NS, at_ns
from tsa.clock.leap import leap_window, month_end_ns


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("2026-11-21T12:00:00Z", "2026-12-01T00:00:00Z"),
        ("2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z"),
        ("2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"),
        ("2016-12-31T23:59:59Z", "2017-01-01T00:00:00Z"),
    ],
)
def test_any_month_may_end_in_a_leap_second(now: str, end: str) -> None:
    assert month_end_ns(at_ns(now)) == at_ns(end)


@pytest.mark.parametrize("seconds", [-600, -1, 0, 1])
def test_moments_around_a_turn_share_its_window(seconds: int) -> None:
    turn = at_ns("2027-01-01T00:00:00Z")
    span = leap_window(turn + seconds * SECOND_NS, 100_000)
    assert span == (turn - 1_100_000_000, turn + 1_100_000_000)


def test_after_the_window_the_next_turn_counts() -> None:
    turn = at_ns("2027-01-01T00:00:00Z")
    assert sum(leap_window(turn + 2 * SECOND_NS, 100_000)) // 2 == at_ns("2027-02-01T00:00:00Z")
