"""Rows of a cross-reference stream (ISO 32000-2 §7.5.8): where each object stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from eseal.pdf.objects import Array, PdfError

if TYPE_CHECKING:
    from collections.abc import Callable

    from eseal.pdf.objects import Dictionary, Value

MAX_NUMBER = 8_388_607
"""The greatest object number (ISO 32000-1 annex C)."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Where an object stands.

    Attributes:
        offset: octets from the start of the file; None in an object stream, and of a free number.
        container: number of the object stream; None outside of one.
        index: its place in the object stream, or the generation of an object that stands alone.
    """

    offset: int | None
    container: int | None = None
    index: int = 0

    @property
    def free(self) -> bool:
        """Whether the number is in no use."""
        return self.offset is None and self.container is None

    @property
    def generation(self) -> int:
        """0 in an object stream (§7.5.7)."""
        return self.index if self.container is None else 0


FREE = Entry(None)


@dataclass(frozen=True, slots=True)
class Rows:
    """What a stream says.

    Attributes:
        entries: by object number.
        ambiguous: two rows say otherwise about one number, so readers differ.
        odd: there are fewer or more rows than it says, or some of an unknown kind: readers that take the
            stream from another octet on, or not at all, find other objects.
    """

    entries: dict[int, Entry]
    ambiguous: bool
    odd: bool


def read_rows(rows: bytes, dictionary: Dictionary, shift: int, spend: Callable[[int], None]) -> Rows:
    """Read the rows of a cross-reference stream.

    Args:
        rows: its data, decoded.
        dictionary: that describes it.
        shift: what its places are short of.
        spend: counts rows before they are read.

    Raises:
        PdfError: it does not say how long rows are, or of which numbers; or from `spend`.
    """
    widths = _numbers(dictionary.get("W"))
    size = dictionary.get("Size")
    index = _numbers(dictionary.get("Index")) or [0, size if isinstance(size, int) else 0]
    total = sum(widths)
    if len(widths) < 3 or min(widths) < 0 or not 0 < total <= 64 or len(index) % 2 or min(index) < 0:
        raise PdfError("xref-stream")
    one, two = widths[0], widths[0] + widths[1]
    three = two + widths[2]
    entries: dict[int, Entry] = {}
    ambiguous, odd = False, len(rows) != total * sum(index[1::2])
    at = 0
    for first, count in zip(index[::2], index[1::2], strict=True):
        here = min(count, (len(rows) - at) // total)
        spend(here)
        if first + here > MAX_NUMBER:
            raise PdfError("xref-stream")
        for number in range(first, first + here):
            row = rows[at : at + total]
            at += total
            kind = int.from_bytes(row[:one], "big") if one else 1
            second, third = int.from_bytes(row[one:two], "big"), int.from_bytes(row[two:three], "big")
            entry = _entry(kind, second + shift if kind == 1 else second, third)
            if entry is None:
                odd = True
            else:
                ambiguous = ambiguous or entries.get(number, entry) != entry
                entries[number] = entry
    return Rows(entries, ambiguous, odd)


def _entry(kind: int, second: int, third: int) -> Entry | None:
    """§7.5.8.3; an unknown kind is a reference to null, as if it were not there."""
    if kind == 1:
        return Entry(second, None, third)
    if kind == 2:
        return Entry(None, second, third)
    return FREE if kind == 0 else None


def _numbers(value: Value) -> list[int]:
    if not isinstance(value, Array):
        return []
    return [each if isinstance(each, int) and not isinstance(each, bool) else -1 for each in value]
