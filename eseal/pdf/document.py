"""A PDF as it stands at the end of a revision: the same octets show another document at another end.

`Document` is one state of a file. What a seal covers is read as a document of its own from
the octets that it covers and nothing else, so that nothing behind them has a say in what was sealed.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from eseal.pdf.backward import references
from eseal.pdf.filters import decode
from eseal.pdf.objects import Array, Dictionary, PdfError, Reference, Stream
from eseal.pdf.source import TRAILER
from eseal.pdf.syntax import read_value
from eseal.pdf.xref import last_start
from eseal.pdf.xref_rows import FREE, Entry

if TYPE_CHECKING:
    from eseal.pdf.objects import Value
    from eseal.pdf.source import Packed, Source
    from eseal.pdf.xref import Section

MAX_HOPS = 16
"""References to references that are followed."""
MAX_STREAM = 64 * 1024 * 1024
"""Octets of a stream of structure as it is stored."""


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
            for index, each in enumerate(self._packed(number).objects):
                other = self.entry(each).offset
                if other is None or other < begins:
                    self.entries[each] = Entry(None, number, index)

    def entry(self, number: int) -> Entry:
        """Return where an object stands; a number that is nowhere is free."""
        return self.entries.get(number, FREE)

    def get(self, number: int) -> Value:
        """Return an object by its number; None when there is none, which is the null object.

        Raises:
            PdfError: it is not where the sections say, or cannot be read; of a mended file, a limit was met.
        """
        try:
            return self._get(number)
        except PdfError as error:
            if error.bounded or not self.mended:
                raise
            return None  # one object is damaged, and the seal may be in another

    def _get(self, number: int) -> Value:
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
        return self._packed(entry.container).objects.get(number)

    def _packed(self, container: int) -> Packed:
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
        return self._packed(container).objects

    def packed_references(self, container: int) -> frozenset[int]:
        """Return the numbers that any reader may find referred to in an object stream.

        Raises:
            PdfError: it is none, or cannot be read.
        """
        octets = self._packed(container).octets
        return frozenset(number for _, number in references(octets, 0, len(octets), self.source.budget))

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

    def span(self, stream: Stream) -> tuple[int, int]:
        """Return where the data of a stream begins and ends as it is stored.

        Raises:
            PdfError: it has no end within this state.
        """
        length = self.resolve(stream.dictionary.get("Length"))
        data = self.source.data
        if isinstance(length, int) and 0 <= length <= self.end - stream.start:
            tail = data[stream.start + length : stream.start + length + 16].lstrip()
            if tail.startswith(b"endstream") and length <= MAX_STREAM:
                return stream.start, stream.start + length
        close = data.find(b"endstream", stream.start, self.end)
        if close < 0 or close - stream.start > MAX_STREAM:
            raise PdfError("stream")
        return stream.start, close

    def raw(self, stream: Stream) -> bytes:
        """Return the data of a stream as it is stored.

        Raises:
            PdfError: as `span`.
        """
        start, end = self.span(stream)
        return self.source.data[start:end]

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
