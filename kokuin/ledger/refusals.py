"""What was refused, in the ledger: one leaf a reason and minute with a count.

A leaf a refusal would let anybody fill the disk with requests that cost
nothing; no leaf at all would hide that somebody tries.
"""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

from kokuin.trust.records import Record

if TYPE_CHECKING:
    from collections.abc import Callable

    from kokuin.trust.records import LeafValue

WINDOW_US = 60_000_000
"""How long refusals of one reason are counted before they become a leaf, microseconds."""

MAX_KEYS = 64
"""Distinct pairs of reason and subject that are counted apart; what comes above is counted together."""

OTHER = "other"
"""Reason and subject of what is counted together."""


class _Count:
    __slots__ = ("count", "first", "last")

    def __init__(self, now_us: int) -> None:
        self.count = 0
        self.first = now_us
        self.last = now_us


class RefusalCounter:
    """Counts refusals by reason and subject. Any thread may use it."""

    def __init__(self, kind: str, about: str) -> None:
        """Args: kind of the leaves; the field in which they name whom or what a refusal was about."""
        self._kind, self._about = kind, about
        self._lock = Lock()
        self._counts: dict[tuple[str, str], _Count] = {}

    def note(self, reason: str, subject: str, now_us: int, times: int = 1) -> None:
        """Count refusals.

        Args:
            reason: stable code.
            subject: a name or pseudonym that the operator gave, never what a client wrote.
            now_us: the wall clock, microseconds since 1970 UTC.
            times: how many there were.
        """
        with self._lock:
            count = self._counts.get((reason, subject))
            if count is None:
                key = (reason, subject) if len(self._counts) < MAX_KEYS else (OTHER, OTHER)
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
            return tuple(self._record(key, self._counts.pop(key)) for key in keys)

    def _record(self, key: tuple[str, str], count: _Count) -> Record:
        reason, subject = key
        fields: dict[str, LeafValue] = {
            "reason": reason,
            self._about: subject,
            "count": count.count,
            "from": count.first,
            "to": count.last,
        }
        return Record(self._kind, fields)
