"""Which records are asked for: those of some fields, or of a period and around it."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from kokuin.ledger.leaf import LeafError, read_leaf
from kokuin.trust.records import TST_ISSUED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kokuin.ledger.reader import StoreReader

AROUND_US = 120_000_000
"""To judge a token takes one beyond doubt before it and one after it: a minute, and time for accuracy."""

_ISSUED_BEFORE = "SELECT idx FROM ix WHERE kind = ? AND idx < ? ORDER BY idx DESC LIMIT 1"
_ISSUED_FROM = "SELECT idx FROM ix WHERE kind = ? AND idx >= ? AND idx < ? ORDER BY idx LIMIT 1"


def select(source: StoreReader, size: int, fields: Mapping[str, str]) -> array[int]:
    """Return the indexes of the leaves below `size` whose fields have these values; every leaf is looked at.

    No index of the store is asked: what it leaves out would be missing without a trace.
    """
    found = array("q")
    sought = [value.encode() for value in fields.values()]
    for stored in source.walk(0, size, tokens=False):
        if all(octets in stored.leaf for octets in sought) and all(
            _field(stored.leaf, field) == value for field, value in fields.items()
        ):
            found.append(stored.index)
    return found


def within(source: StoreReader, size: int, since_us: int | None, until_us: int | None) -> range:
    """Return the leaves that were committed in a period; as `around`."""
    start = 0 if since_us is None else first_since(source, size, since_us)
    stop = size if until_us is None else first_since(source, size, until_us)
    return range(start, max(start, stop))


def around(source: StoreReader, size: int, since_us: int | None, until_us: int | None) -> range:
    """Return the leaves of a period, and those around it that are needed to judge every token of it.

    That is from the newest record of a token that was committed `AROUND_US` before the period, to the first
    that was so long after it; where there is none, from the log's beginning, or to its end.

    Args:
        source: the store. Its search columns are believed: what they hide would leave a token undecided.
        size: of the log.
        since_us: begin of the period, microseconds since 1970 UTC; None: of the log.
        until_us: its end, not within; None: of the log.
    """
    start, stop = 0, size
    if since_us is not None:
        first = first_since(source, size, since_us - AROUND_US)
        rows = source.execute(_ISSUED_BEFORE, (TST_ISSUED, first))
        start = rows[0][0] if rows else 0
    if until_us is not None:
        first = first_since(source, size, until_us + AROUND_US)
        rows = source.execute(_ISSUED_FROM, (TST_ISSUED, first, size))
        stop = rows[0][0] + 1 if rows else size
    return range(start, max(start, stop))


def first_since(source: StoreReader, size: int, moment: int) -> int:
    """Return the index of the first leaf that was committed at `moment` (µs) or later; `size` when none was.

    A leaf whose retention is over has no time; the next one that has answers for it.
    """
    low, high = 0, size
    while low < high:
        middle = (low + high) // 2
        index, at = _next_time(source, middle, high)
        if at is None or at >= moment:
            high = middle
        else:
            low = index + 1
    return low


def _next_time(source: StoreReader, index: int, stop: int) -> tuple[int, int | None]:
    for stored in source.walk(index, stop, tokens=False):
        at = _field(stored.leaf, "at")
        if isinstance(at, int):
            return stored.index, at
    return stop, None


def _field(leaf: bytes, name: str) -> object:
    try:
        return read_leaf(leaf).get(name)
    except LeafError:
        return None
