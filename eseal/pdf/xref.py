"""Cross-reference sections as they were appended (ISO 32000-2 §7.5.4-§7.5.8): where each object stands.

Every update of a file adds one section that points to the one before it. What a file was when it was
sealed is the chain from the newest section within what the seal covers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eseal.pdf.filters import decode
from eseal.pdf.objects import Dictionary, PdfError, Stream
from eseal.pdf.syntax import GAP, read_indirect, read_value
from eseal.pdf.xref_rows import FREE, MAX_NUMBER, Entry, read_rows

if TYPE_CHECKING:
    from eseal.pdf.syntax import Budget

MAX_SECTIONS = 1_000
"""Sections of one file: one for each time that it was saved."""
MAX_ENTRIES = 700_000
"""Entries of all sections of one file."""

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
_SUBSECTION_AS_WRITTEN = re.compile(rb"\d+ \d+ ?(?:\r\n|\n|\r)")
_ROWS_AS_WRITTEN = re.compile(rb"(?:\d{10} \d{5} [nf](?: \r| \n|\r\n))*+")
"""§7.5.4: rows of twenty octets, which some readers count instead of reading what stands there."""
_HEAD_OF_FREE = re.compile(rb"[\x00\t\n\x0c\r ]*+0{10} 65535 f")
_TRAILER = re.compile(GAP + rb"*+trailer")


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
        hidden: numbers that its table calls free, and that the stream beside it (/XRefStm) has in use.
        odd: of a stream, see `eseal.pdf.xref_rows.Rows`; of a table, its rows have not twenty octets each.
    """

    start: int
    end: int
    entries: dict[int, Entry]
    trailer: Dictionary
    own: int | None = None
    ambiguous: bool = False
    hidden: frozenset[int] = frozenset()
    odd: bool = False


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
        ambiguous = odd = False
        while (trailer := _TRAILER.match(self._data, position)) is None:
            head = _SUBSECTION.match(self._data, position)
            if head is None:
                raise PdfError("xref")
            odd = odd or not _is_as_written(self._data, head)
            rows, position = self._read_rows(head)
            for number, entry in rows:
                ambiguous = ambiguous or entries.get(number, entry) != entry
                entries[number] = entry
        value, end = read_value(self._data, trailer.end(), self._budget)
        if not isinstance(value, Dictionary):
            raise PdfError("trailer")
        place = value.get("XRefStm")
        if not isinstance(place, int):
            return Section(start, end, entries, value, ambiguous=ambiguous, odd=odd)
        beside = self._read_stream(place + self._shift)
        hidden = frozenset(number for number in beside.entries if entries.get(number) == FREE)
        for number, entry in beside.entries.items():
            shown = entries.get(number, FREE)
            ambiguous = ambiguous or not (shown.free or shown == entry)
            entries[number] = entry if shown.free else shown
        end = max(end, beside.end)
        return Section(start, end, entries, value, beside.own, ambiguous, hidden, odd or beside.odd)

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
        read = read_rows(rows, stream.dictionary, self._shift, self._spend)
        return Section(
            start,
            stream.start + length,
            read.entries,
            stream.dictionary,
            found.number,
            ambiguous=read.ambiguous,
            odd=read.odd,
        )


def _is_as_written(data: bytes, head: re.Match[bytes]) -> bool:
    """Whether a subsection of a table is written as §7.5.4 says."""
    begin = _SUBSECTION_AS_WRITTEN.match(data, head.start(1))
    if begin is None:
        return False
    size = 20 * int(head[2])
    rows = _ROWS_AS_WRITTEN.match(data, begin.end(), begin.end() + size)
    return rows is not None and rows.end() == begin.end() + size
