"""Cross-reference sections as they were appended (ISO 32000-2 §7.5.4-§7.5.8): where each object stands.

Every update of a file adds one section that points to the one before it. What a file was when it was
sealed is the chain from the newest section within what the seal covers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eseal.pdf.filters import decode
from eseal.pdf.objects import Array, Dictionary, PdfError, Stream
from eseal.pdf.syntax import GAP, read_indirect, read_value

if TYPE_CHECKING:
    from eseal.pdf.objects import Value
    from eseal.pdf.syntax import Budget

MAX_SECTIONS = 1_000
"""Sections of one file: one for each time that it was saved."""
MAX_ENTRIES = 700_000
"""Entries of all sections of one file."""
MAX_NUMBER = 8_388_607
"""The greatest object number (ISO 32000-1 annex C)."""

_STARTXREF = re.compile(
    rb"startxref[\x00\t\n\x0c\r ]*+(\d{1,12})(?!\d)"
    rb"(?:(?:[\x00\t\n\x0c\r ]*+%[^\r\n]*+[\r\n]){0,4}?[\x00\t\n\x0c\r ]*+%%EOF)?"
)
"""With its %%EOF, comments between them included; some writers leave it out."""
_MAX_MARKS = 64
"""Words `startxref` that are looked at from the end: behind the last good one there is damage."""
_KEYWORD = re.compile(rb"[\x00\t\n\x0c\r ]*+xref(?=[\x00\t\n\x0c\r ])")
_NEAR = re.compile(rb"(?<![a-z])xref(?=[\x00\t\n\x0c\r ])")
_HEAD = 1024
"""Octets in which the header begins."""
_OFF_BY = 16
"""Octets by which `startxref` may miss its table."""
_STREAM_HEAD = re.compile(rb"[\x00\t\n\x0c\r ]*+\d{1,10}[\x00\t\n\x0c\r ]++\d{1,5}[\x00\t\n\x0c\r ]++obj")
_SUBSECTION = re.compile(rb"[\x00\t\n\x0c\r ]*+(\d{1,10})[\x00\t\n\x0c\r ]++(\d{1,10})")
_ROW = re.compile(rb"[\x00\t\n\x0c\r ]*+(\d{1,12})[\x00\t\n\x0c\r ]++(\d{1,5})[\x00\t\n\x0c\r ]*+([nf])")
_HEAD_OF_FREE = re.compile(rb"[\x00\t\n\x0c\r ]*+0{10} 65535 f")
_TRAILER = re.compile(GAP + rb"*+trailer")


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
class Section:
    """One cross-reference section.

    Attributes:
        start: where `startxref` or /Prev point to.
        end: where its trailer dictionary or its stream's dictionary ends.
        entries: by object number.
        trailer: its trailer dictionary.
        own: number of the cross-reference stream; None of a table.
        ambiguous: two entries of it say otherwise about one number, so readers differ.
    """

    start: int
    end: int
    entries: dict[int, Entry]
    trailer: Dictionary
    own: int | None = None
    ambiguous: bool = False


def last_start(data: bytes, end: int) -> tuple[int, int]:
    """Return where the last section before `end` is said to be, and where its %%EOF ends.

    Offsets are as they are written: from the header on in a file with octets before it (`header_shift`).

    Raises:
        PdfError: no `startxref` with a number is there.
    """
    at = end
    for _ in range(_MAX_MARKS):
        at = data.rfind(b"startxref", 0, at)
        if at < 0:
            break
        found = _STARTXREF.match(data, at, end)
        if found is not None:
            return int(found[1]), found.end()
    raise PdfError("startxref")


def header_shift(data: bytes) -> int:
    """Return what the offsets of a file are short of: the octets before its header, or 0.

    ISO 32000-2 §7.5.4 counts from the beginning of the file, ISO 32000-1 annex H.3.4.1 has readers take files
    with octets before the header; writers count either way.
    """
    header = data.find(b"%PDF-", 0, _HEAD)
    if header <= 0:
        return 0
    try:
        start, _ = last_start(data, len(data))
    except PdfError:
        return 0
    return header if _begins(data, start + header) and not _begins(data, start) else 0


def _begins(data: bytes, start: int) -> bool:
    """Whether a section begins exactly here."""
    return any(pattern.match(data, start) is not None for pattern in (_KEYWORD, _STREAM_HEAD))


class Sections:
    """Reads the sections of one file, each once.

    What the file says of places is counted from `shift` on; what is returned is counted from its first octet.
    """

    def __init__(self, data: bytes, budget: Budget) -> None:
        self._data = data
        self._budget = budget
        self._shift = header_shift(data)
        self._known: dict[int, Section] = {}
        self._entries = 0

    def chain(self, start: int) -> tuple[Section, ...]:
        """Return the section that `startxref` says is at `start`, and all before it, newest first.

        Raises:
            PdfError: one cannot be read, they form a loop, or they are too many.
        """
        found: list[Section] = []
        seen = set()
        at: int | None = start
        while at is not None:
            if at in seen:
                raise PdfError("xref-loop")
            if len(found) >= MAX_SECTIONS:
                raise PdfError("revisions", bounded=True)
            seen.add(at)
            section = self.section(at + self._shift)
            found.append(section)
            previous = section.trailer.get("Prev")
            at = int(previous) if isinstance(previous, int | float) and previous > 0 else None
        return tuple(found)

    def section(self, start: int) -> Section:
        """Read the section at `start`.

        Raises:
            PdfError: none is there, or it cannot be read.
        """
        known = self._known.get(start)
        if known is None:
            known = self._known[start] = self._read(start)
        return known

    def _read(self, start: int) -> Section:
        if not 0 <= start < len(self._data):
            raise PdfError("startxref")
        keyword = _KEYWORD.match(self._data, start)
        if keyword is not None:
            return self._read_table(start, keyword.end())
        if _STREAM_HEAD.match(self._data, start) is not None:
            return self._read_stream(start)
        near = _NEAR.search(self._data, max(0, start - _OFF_BY), start + _OFF_BY)
        if near is None:
            raise PdfError("startxref")
        return self._read_table(start, near.end())  # as all readers do: writers count line ends wrongly

    def _spend(self, entries: int) -> None:
        self._entries += entries
        if self._entries > MAX_ENTRIES:
            raise PdfError("objects", bounded=True)

    def _read_table(self, start: int, position: int) -> Section:
        entries: dict[int, Entry] = {}
        ambiguous = False
        while (trailer := _TRAILER.match(self._data, position)) is None:
            head = _SUBSECTION.match(self._data, position)
            if head is None:
                raise PdfError("xref")
            rows, position = self._read_rows(head)
            for number, entry in rows:
                ambiguous = ambiguous or entries.get(number, entry) != entry
                entries[number] = entry
        value, end = read_value(self._data, trailer.end(), self._budget)
        if not isinstance(value, Dictionary):
            raise PdfError("trailer")
        place = value.get("XRefStm")
        if not isinstance(place, int):
            return Section(start, end, entries, value, ambiguous=ambiguous)
        hidden = self._read_stream(place + self._shift)
        for number, entry in hidden.entries.items():
            shown = entries.get(number, FREE)
            ambiguous = ambiguous or not (shown.free or shown == entry)
            entries[number] = entry if shown.free else shown
        return Section(start, max(end, hidden.end), entries, value, hidden.own, ambiguous=ambiguous)

    def _read_rows(self, head: re.Match[bytes]) -> tuple[list[tuple[int, Entry]], int]:
        """Read the rows of one subsection, and where they end."""
        first, count, position = int(head[1]), int(head[2]), head.end()
        if first == 1 and _HEAD_OF_FREE.match(self._data, position):
            first = 0  # the head of the list of free numbers is 0 whatever a writer counts from
        self._spend(count)
        if first + count > MAX_NUMBER:
            raise PdfError("xref")
        found = []
        for number in range(first, first + count):
            row = _ROW.match(self._data, position)
            if row is None:
                raise PdfError("xref")
            position = row.end()
            place = int(row[1]) + self._shift
            found.append((number, Entry(place, None, int(row[2])) if row[3] == b"n" else FREE))
        return found, position

    def _read_stream(self, start: int) -> Section:
        found = read_indirect(self._data, start, self._budget)
        stream = found.value
        if not isinstance(stream, Stream) or stream.dictionary.get("Type") != "XRef":
            raise PdfError("xref-stream")
        length = stream.dictionary.get("Length")
        if not isinstance(length, int) or not 0 <= length <= len(self._data) - stream.start:
            length = max(0, self._data.find(b"endstream", stream.start) - stream.start)
        raw = self._data[stream.start : stream.start + length]
        rows = decode(raw, stream.dictionary, self._budget)
        entries, ambiguous = self._rows(rows, stream.dictionary)
        end = stream.start + length
        return Section(start, end, entries, stream.dictionary, found.number, ambiguous=ambiguous)

    def _rows(self, rows: bytes, dictionary: Dictionary) -> tuple[dict[int, Entry], bool]:
        widths = _numbers(dictionary.get("W"))
        size = dictionary.get("Size")
        index = _numbers(dictionary.get("Index")) or [0, size if isinstance(size, int) else 0]
        total = sum(widths)
        if len(widths) < 3 or min(widths) < 0 or not 0 < total <= 64 or len(index) % 2 or min(index) < 0:
            raise PdfError("xref-stream")
        one, two = widths[0], widths[0] + widths[1]
        three = two + widths[2]
        entries: dict[int, Entry] = {}
        ambiguous = False
        at = 0
        for first, count in zip(index[::2], index[1::2], strict=True):
            here = min(count, (len(rows) - at) // total)
            self._spend(here)
            if first + here > MAX_NUMBER:
                raise PdfError("xref-stream")
            for number in range(first, first + here):
                row = rows[at : at + total]
                at += total
                kind = int.from_bytes(row[:one], "big") if one else 1
                second, third = int.from_bytes(row[one:two], "big"), int.from_bytes(row[two:three], "big")
                entry = _entry(kind, second + self._shift if kind == 1 else second, third)
                if entry is not None:
                    ambiguous = ambiguous or entries.get(number, entry) != entry
                    entries[number] = entry
        return entries, ambiguous


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
