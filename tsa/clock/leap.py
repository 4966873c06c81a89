"""Leap seconds: when one may happen, seen from the wall clock.

ITU-R TF.460-6 lets a leap second end any UTC month, so the moment to avoid is
the turn of a month for which a source announces one.
"""

from __future__ import annotations

from datetime import UTC, datetime

SECOND_NS = 1_000_000_000
DAY_NS = 86_400 * SECOND_NS


def month_end_ns(wall_ns: int) -> int:
    """Return the first nanosecond of the UTC month after the one in which `wall_ns` lies."""
    day = datetime.fromtimestamp(wall_ns // SECOND_NS, UTC)
    year, month = (day.year + 1, 1) if day.month == 12 else (day.year, day.month + 1)
    return int(datetime(year, month, 1, tzinfo=UTC).timestamp()) * SECOND_NS


def leap_window(wall_ns: int, accuracy_us: int) -> tuple[int, int]:
    """Return the nearest span (first, last nanosecond) in which an announced leap second forbids issuing.

    One second on each side of the turn of the month, widened by the declared
    accuracy: the wall clock itself may be off by as much. A moment shortly after
    a turn belongs to that turn, not to the next.

    Args:
        wall_ns: the wall clock, nanoseconds since 1970 UTC.
        accuracy_us: declared accuracy, microseconds.
    """
    guard = SECOND_NS + accuracy_us * 1000
    turn = month_end_ns(wall_ns - guard)
    return turn - guard, turn + guard
