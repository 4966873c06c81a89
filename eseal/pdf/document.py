"""A PDF as it stands at the end of a revision: the same octets show another document at another end.

`Source` is the file, `Document` one state of it. What a seal covers is read as a document of its own from
the octets that it covers and nothing else, so that nothing behind them has a say in what was sealed.
"""

from __future__ import annotations

import bisect
import contextlib
from typing import TYPE_CHECKING

from eseal.pdf.backward import headers, references, words
from eseal.pdf.filters import decode
from eseal.pdf.objects import Array, Dictionary, PdfError, Reference, Stream
from eseal.pdf.syntax import Budget, read_indirect, read_value
from eseal.pdf.xref import FREE, Entry, Sections, last_start

if TYPE_CHECKING:
    from eseal.pdf.objects import Value
    from eseal.pdf.syntax import Indirect
    from eseal.pdf.xref import Section

TRAILER = 0
"""Stands for a trailer where objects are told by their numbers: none has this one."""
MAX_HOPS = 16
"""References to references that are followed."""
MAX_STREAM = 64 * 1024 * 1024
"""Octets of a stream of structure as it is stored."""


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
        self._packed: dict[tuple[int, int], dict[int, Value]] = {}
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

    def packed(self, stream: Stream, raw: bytes, dictionary: Dictionary) -> dict[int, Value]:
        """Return the objects of an object stream by number (§7.5.7).

        Raises:
            PdfError: it cannot be read, or names a number twice.
        """
        key = (stream.start, len(raw))
        found = self._packed.get(key)
        if found is None:
            found = self._packed[key] = _unpack(decode(raw, dictionary, self.budget), dictionary, self.budget)
        return found


def _unpack(octets: bytes, dictionary: Dictionary, budget: Budget) -> dict[int, Value]:
    first, count = dictionary.get("First"), dictionary.get("N")
    if not isinstance(first, int) or not isinstance(count, int) or not 0 <= count <= len(octets):
        raise PdfError("object-stream")
    budget.spend(count)
    numbers = octets[: max(0, first)].split()[: 2 * count]
    found: dict[int, Value] = {}
    for number, offset in zip(numbers[::2], numbers[1::2], strict=False):
        if not number.isdigit() or not offset.isdigit() or len(number) > 10 or len(offset) > 12:
            raise PdfError("object-stream")
        if int(number) in found:
            raise PdfError("object-stream")  # readers differ in which of the two they show
        found[int(number)], _ = read_value(octets, first + int(offset), budget)
    return found


class Document:
    """One state of a file.

    Attributes:
        source: the file.
        end: octets that belong to this state.
        eof: where its last %%EOF ends.
        chain: its cross-reference sections, newest first.
        entries: where each object stands.
        trailer: the newest section's trailer dictionary.
        mended: its sections are of no use, and `entries` is what was found without them (`mend`).
    """

    def __init__(self, source: Source, end: int) -> None:
        """Read the cross-reference sections.

        Raises:
            PdfError: they cannot be read.
        """
        self.source = source
        self.end = end
        self.mended = False
        start, self.eof = last_start(source.data, end)
        self.chain: tuple[Section, ...] = source.sections.chain(start)
        self.entries: dict[int, Entry] = {}
        for section in reversed(self.chain):
            if section.start >= end or section.end > end:
                raise PdfError("xref-beyond")  # what was sealed cannot rest on what came later
            self.entries.update(section.entries)
        self.trailer = self.chain[0].trailer

    @classmethod
    def mend(cls, source: Source) -> Document:
        """Return the state of a file whose sections are of no use: the last definition of a number counts.

        Other readers mend the same file in other ways. What it shows may be relied on only as far as that
        makes no difference.

        Raises:
            PdfError: no object of it is a catalog.
        """
        self = cls.__new__(cls)
        self.source, self.end, self.eof = source, len(source.data), len(source.data)
        self.mended, self.chain, self.trailer = True, (), Dictionary()
        places = {number: place for place, number in source.borders() if number != TRAILER}
        self.entries = {number: Entry(place) for number, place in places.items()}
        for place, number in source.telling():
            with contextlib.suppress(PdfError):  # damage; another object may say the same
                if number == TRAILER:
                    self._mend_by(read_value(source.data, place + len(b"trailer"), source.budget)[0])
                elif places[number] == place:
                    self._mend_by(self.get(number), number)
        if not isinstance(self.trailer.get("Root"), Reference):
            raise PdfError("catalog")
        return self

    def _mend_by(self, value: Value, number: int = TRAILER) -> None:
        """Take what one object says of the others: a trailer, a catalog where none is, an object stream."""
        described = value.dictionary if isinstance(value, Stream) else value
        if not isinstance(described, Dictionary):
            return
        kind = described.get("Type")
        if number == TRAILER or kind == "XRef":
            self.trailer.update({key: described[key] for key in ("Root", "Encrypt") if key in described})
        elif kind == "Catalog":
            self.trailer.setdefault("Root", Reference(number, 0))
        elif kind == "ObjStm":
            begins = self.entry(number).offset or 0
            for index, each in enumerate(self._packed(number)):
                other = self.entry(each).offset
                if other is None or other < begins:
                    self.entries[each] = Entry(None, number, index)

    def entry(self, number: int) -> Entry:
        """Return where an object stands; a number that is nowhere is free."""
        return self.entries.get(number, FREE)

    def get(self, number: int) -> Value:
        """Return an object by its number; None when there is none, which is the null object.

        Raises:
            PdfError: it is not where the sections say, or cannot be read.
        """
        entry = self.entry(number)
        if entry.offset is not None:
            if entry.offset >= self.end:
                raise PdfError("xref-beyond")
            found = self.source.indirect(entry.offset)
            if found.number != number:
                raise PdfError("object-place")
            return found.value
        if entry.container is None:
            return None
        return self._packed(entry.container).get(number)

    def _packed(self, container: int) -> dict[int, Value]:
        if self.entry(container).offset is None:
            raise PdfError("object-stream")
        stream = self.get(container)
        if not isinstance(stream, Stream) or self.resolve(stream.dictionary.get("Type")) != "ObjStm":
            raise PdfError("object-stream")
        return self.source.packed(stream, self.raw(stream), self._direct(stream.dictionary))

    def packed_numbers(self, container: int) -> dict[int, Value]:
        """Return the objects in an object stream.

        Raises:
            PdfError: it is none, or cannot be read.
        """
        return self._packed(container)

    def resolve(self, value: Value) -> Value:
        """Follow references to what they stand for.

        Raises:
            PdfError: they lead in a circle, or an object cannot be read.
        """
        for _ in range(MAX_HOPS):
            if not isinstance(value, Reference):
                return value
            entry = self.entry(value.number)
            if not entry.free and not self.mended and entry.generation != value.generation:
                raise PdfError("generation")  # null to a careful reader, an object to a lenient one
            value = self.get(value.number)
        raise PdfError("reference-loop")

    def dictionary(self, value: Value) -> Dictionary | None:
        """Return the dictionary that a value is or refers to; None for another type.

        Raises:
            PdfError: as `resolve`.
        """
        found = self.resolve(value)
        return found if isinstance(found, Dictionary) else None

    def array(self, value: Value) -> Array:
        """Return the array that a value is or refers to; an empty one for another type.

        Raises:
            PdfError: as `resolve`.
        """
        found = self.resolve(value)
        return found if isinstance(found, Array) else Array()

    def raw(self, stream: Stream) -> bytes:
        """Return the data of a stream as it is stored.

        Raises:
            PdfError: it has no end within this state.
        """
        length = self.resolve(stream.dictionary.get("Length"))
        data = self.source.data
        if isinstance(length, int) and 0 <= length <= self.end - stream.start:
            tail = data[stream.start + length : stream.start + length + 16].lstrip()
            if tail.startswith(b"endstream") and length <= MAX_STREAM:
                return data[stream.start : stream.start + length]
        close = data.find(b"endstream", stream.start, self.end)
        if close < 0 or close - stream.start > MAX_STREAM:
            raise PdfError("stream")
        return data[stream.start : close]

    def decoded(self, stream: Stream) -> bytes:
        """Return the data of a stream with its filters undone.

        Raises:
            PdfError: as `raw`, or as `eseal.pdf.filters.decode`.
        """
        return decode(self.raw(stream), self._direct(stream.dictionary), self.source.budget)

    def _direct(self, dictionary: Dictionary) -> Dictionary:
        """Return a stream's dictionary with what its filters need resolved, two levels deep."""
        made = Dictionary()
        for key, value in dictionary.items():
            found = self.resolve(value) if key != "Extends" else None
            if isinstance(found, Array):
                found = Array([self.resolve(each) for each in found])
            made[key] = found
        return made

    @property
    def root_number(self) -> int | None:
        """Number of the catalog; None when it has none."""
        root = self.trailer.get("Root")
        return root.number if isinstance(root, Reference) else None

    @property
    def catalog(self) -> Dictionary:
        """The document catalog (§7.7.2).

        Raises:
            PdfError: there is none.
        """
        found = self.dictionary(self.trailer.get("Root"))
        if found is None:
            raise PdfError("catalog")
        return found

    @property
    def encrypted(self) -> bool:
        """Whether any section of it says that it is encrypted."""
        return "Encrypt" in self.trailer or any("Encrypt" in section.trailer for section in self.chain)
