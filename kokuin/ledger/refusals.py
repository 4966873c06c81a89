"""Refused requests in the ledger: one leaf a reason and minute with a count.

A leaf a refusal would let anybody fill the disk with requests that cost
nothing; no leaf at all would hide that somebody tries.
"""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

from kokuin.trust.records import TST_REFUSED, Record

if TYPE_CHECKING:
    from collections.abc import Callable

    from kokuin.trust.records import LeafValue

WINDOW_US = 60_000_000
"""How long refusals of one reason are counted before they become a leaf, microseconds."""

MAX_KEYS = 64
"""Distinct pairs of reason and profile that are counted apart; what comes above is counted together."""

OTHER = "other"
"""Reason and profile of what is counted together."""


class _Count:
    __slots__ = ("count", "first", "last")

    def __init__(self, now_us: int) -> None:
        self.count = 0
        self.first = now_us
        self.last = now_us


class RefusalCounter:
    """Counts refusals by reason and profile. Any thread may use it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: dict[tuple[str, str], _Count] = {}

    def note(self, reason: str, profile: str, now_us: int, times: int = 1) -> None:
        """Count refusals.

        Args:
            reason: stable code.
            profile: name of a configured profile, never what a client wrote.
            now_us: the wall clock, microseconds since 1970 UTC.
            times: how many there were.
        """
        with self._lock:
            count = self._counts.get((reason, profile))
            if count is None:
                key = (reason, profile) if len(self._counts) < MAX_KEYS else (OTHER, OTHER)
                count = self._counts.setdefault(key, _Count(now_us))
            count.count += times
            count.first = min(count.first, now_us)
            count.last = max(count.last, now_us)

    def due(self, now_us: int) -> tuple[Record, ...]:
        """Return a record for every count whose minute is over, and forget it.

        A clock that was set back ends a minute too, else its count would wait for the clock to come again.
        """
        return self._take(lambda count: not 0 <= now_us - count.first < WINDOW_US)

    def drain(self) -> tuple[Record, ...]:
        """Return a record for every count, and forget it: for a service that stops."""
        return self._take(lambda _count: True)

    def _take(self, over: Callable[[_Count], bool]) -> tuple[Record, ...]:
        with self._lock:
            keys = [key for key, count in self._counts.items() if over(count)]
            return tuple(_record(key, self._counts.pop(key)) for key in keys)


def _record(key: tuple[str, str], count: _Count) -> Record:
    reason, profile = key
    fields: dict[str, LeafValue] = {
        "reason": reason,
        "profile": profile,
        "count": count.count,
        "from": count.first,
        "to": count.last,
    }
    return Record(TST_REFUSED, fields)
