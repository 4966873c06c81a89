"""The octets of a PDF, and what was read of them for any of its states: each object once."""

from __future__ import annotations

import bisect
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eseal.pdf.backward import headers, references, words
from eseal.pdf.filters import decode
from eseal.pdf.objects import PdfError
from eseal.pdf.syntax import Budget, read_indirect, read_value
from eseal.pdf.xref import Sections

if TYPE_CHECKING:
    from eseal.pdf.objects import Dictionary, Stream, Value
    from eseal.pdf.syntax import Indirect

TRAILER = 0
"""Stands for a trailer where objects are told by their numbers: none has this one."""


@dataclass(frozen=True, slots=True)
class Packed:
    """What is in an object stream: its objects by number, and its octets."""

    objects: dict[int, Value]
    octets: bytes


class Source:
    """The octets of a file, and what was read of them for any of its states.

    Attributes:
        data: the file.
        budget: what may still be spent on it.
        sections: its cross-reference sections.
    """

    __slots__ = ("_borders", "_objects", "_packed", "_references", "budget", "data", "sections")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.budget = Budget()
        self.sections = Sections(data, self.budget)
        self._objects: dict[int, Indirect] = {}
        self._packed: dict[tuple[int, int], Packed] = {}
        self._borders: tuple[tuple[int, int], ...] | None = None
        self._references: dict[int, list[int]] | None = None

    def indirect(self, offset: int) -> Indirect:
        """Read the object that begins at an offset.

        Raises:
            PdfError: none does, or it cannot be read.
        """
        found = self._objects.get(offset)
        if found is None:
            found = self._objects[offset] = read_indirect(self.data, offset, self.budget)
        return found

    def borders(self) -> tuple[tuple[int, int], ...]:
        """Return where each object definition begins and its number, in order; a trailer's is TRAILER.

        Raises:
            PdfError: they are too many.
        """
        if self._borders is None:
            size = len(self.data)
            trailers = ((place, TRAILER) for place in words(self.data, b"trailer", 0, size, self.budget))
            self._borders = tuple(sorted((*headers(self.data, 0, size, self.budget), *trailers)))
        return self._borders

    def telling(self) -> tuple[tuple[int, int], ...]:
        """Return those of `borders` that may say where others are: trailers, catalogs, streams of structure.

        Raises:
            PdfError: they are too many.
        """
        borders = self.borders()
        found = {each for each in borders if each[1] == TRAILER}
        for word in (b"Catalog", b"ObjStm", b"XRef"):
            for place in words(self.data, word, 0, len(self.data), self.budget):
                index = bisect.bisect_right(borders, (place, 1 << 62)) - 1
                if index >= 0:
                    found.add(borders[index])
        return tuple(sorted(found))

    def references(self) -> dict[int, list[int]]:
        """Return where each number is referred to, anywhere in the octets outside of packed streams.

        Raises:
            PdfError: they are too many.
        """
        if self._references is None:
            found: dict[int, list[int]] = {}
            for place, number in references(self.data, 0, len(self.data), self.budget):
                found.setdefault(number, []).append(place)
            self._references = found
        return self._references

    def packed(self, stream: Stream, raw: bytes, dictionary: Dictionary) -> Packed:
        """Return what is in an object stream (§7.5.7).

        Raises:
            PdfError: it cannot be read, or names a number twice.
        """
        key = (stream.start, len(raw))
        found = self._packed.get(key)
        if found is None:
            octets = decode(raw, dictionary, self.budget)
            objects = _unpack(octets, dictionary, self.budget)
            found = self._packed[key] = Packed(objects, octets)
        return found


def _unpack(octets: bytes, dictionary: Dictionary, budget: Budget) -> dict[int, Value]:
    first, count = dictionary.get("First"), dictionary.get("N")
    if not isinstance(first, int) or not isinstance(count, int) or not 0 <= count <= len(octets):
        raise PdfError("object-stream")
    budget.spend(count)
    numbers = octets[: max(0, first)].split()[: 2 * count]
    if len(numbers) < 2 * count:
        raise PdfError("object-stream")  # some readers take none of it
    found: dict[int, Value] = {}
    for number, offset in zip(numbers[::2], numbers[1::2], strict=True):
        if not number.isdigit() or not offset.isdigit() or len(number) > 10 or len(offset) > 12:
            raise PdfError("object-stream")
        if int(number) in found:
            raise PdfError("object-stream")  # readers differ in which of the two they show
        found[int(number)], _ = read_value(octets, first + int(offset), budget)
    return found
