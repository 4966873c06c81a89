"""A PDF opened for an update: read strictly and within bounds, refused where readers might not agree."""

from __future__ import annotations

import logging
import os
import re
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

from pyhanko.pdf_utils.decode_limits import (
    DecodeContext,
    DecodeLimits,
    DecodePurpose,
    DocumentDecodeBudget,
    StreamDecodeLimits,
)
from pyhanko.pdf_utils.generic import DictionaryObject, IndirectObject, Reference, StreamObject, read_object
from pyhanko.pdf_utils.misc import PdfDecodeLimitError, PdfReadError
from pyhanko.pdf_utils.reader import PdfFileReader, process_data_at_eof
from pyhanko.pdf_utils.xref import XRefBuilder, XRefCache, XRefSectionType

from eseal.pdf.guard import refusing
from eseal.pdf.refusals import PdfRefusal, PdfRefusedError
from eseal.values import MAX_PDF

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import BinaryIO

    from pyhanko.pdf_utils.generic import PdfObject

logging.getLogger("pyhanko").addHandler(logging.NullHandler())
# What pyHanko has to say about a stranger's file is said by our codes, not on somebody's screen.

_MIB = 1024 * 1024
MAX_ENTRIES = 500_000
"""Entries of cross-reference streams, over all revisions."""
MAX_REVISIONS = 500
"""Cross-reference sections: an update of every month of forty years."""
MAX_NUMBER = 8_388_607
"""The highest number of an object (ISO 32000-2, annex C)."""
SHORT = 128 << 10
"""Octets of a document that has no room for so many steps."""
MAX_STEPS = 4_000_000
"""Steps in which objects of one document are read: some 150,000 tokens, or signatures of 2 MB."""
_STEP_BACK = 6
"""Steps that a step back is worth: it comes with each token, and what pyHanko does then takes as long."""
_CHUNK = _MIB
_MARK = b"startxref"
_HEADER = re.compile(rb"%PDF-(\d)\.(\d)")
_LIMITS = DecodeLimits(
    per_stream=StreamDecodeLimits(max_output_size=64 * _MIB),
    per_purpose={
        DecodePurpose.OBJECT_STREAM: StreamDecodeLimits(
            max_ratio=100, ratio_floor=_MIB, max_output_size=16 * _MIB
        ),
        DecodePurpose.XREF_STREAM: StreamDecodeLimits(max_output_size=16 * _MIB),
    },
    document_budget=DocumentDecodeBudget(base_allowance=64 * _MIB, max_ratio=4),
)
"""What is unpacked for a seal: cross-reference streams, object streams with catalog, form and one page."""


class _Steps:
    """Steps that may still be taken in one document."""

    def __init__(self) -> None:
        self._left = MAX_STEPS

    def take(self, count: int) -> None:
        """Take some.

        Raises:
            PdfDecodeLimitError: none are left.
        """
        self._left -= count
        if self._left < 0:
            raise PdfDecodeLimitError("steps")


class _Walked:
    """Octets whose reading is counted in steps; what is read in pieces, such as rows of tables, is not.

    Attack: an array of a million numbers in a catalog keeps pyHanko busy for half a minute, octet by octet.
    """

    def __init__(self, octets: BinaryIO, steps: _Steps) -> None:
        self._octets, self._steps = octets, steps

    def read(self, size: int = -1) -> bytes:
        """See `BinaryIO.read`."""
        if size == 1:
            self._steps.take(1)
        return self._octets.read(size)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """See `BinaryIO.seek`."""
        if whence == os.SEEK_CUR:
            self._steps.take(_STEP_BACK)
        return self._octets.seek(offset, whence)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._octets, name)


@dataclass(frozen=True, slots=True)
class _Packed:
    """An object stream: what it unpacks to, and index and offset of each object in it by number."""

    octets: BytesIO
    places: Mapping[int, tuple[int, int]]


class _BoundedTables(XRefBuilder):
    """pyHanko's reader of cross-reference sections, with a bound on the entries of streams.

    Attack: a stream whose entries have no octets (/W [0 0 0]) names a thousand million objects in ten octets.
    The entries of a table have twenty octets each, and need no bound beyond the size of the file.
    """

    _entries = 0

    def _read_xref_stream_object(self) -> tuple[Reference, StreamObject]:
        reference, stream = super()._read_xref_stream_object()  # type: ignore[no-untyped-call]
        ranges = stream.raw_get("/Index") if "/Index" in stream else (0, stream.raw_get("/Size"))
        self._entries += sum(int(count) for count in list(ranges)[1::2])
        if self._entries > MAX_ENTRIES or any(int(width) < 0 for width in stream.raw_get("/W")):
            raise PdfDecodeLimitError("cross-reference stream")
        return reference, stream


class BoundedReader(PdfFileReader):
    """pyHanko's reader, strict, with bounds for hostile files."""

    def __init__(self, document: BinaryIO) -> None:
        # pyHanko's own constructor cannot be told how to read the tables, which is most of what it does.
        self.strict = True
        self._steps, self._packed = _Steps(), dict[int, _Packed]()
        size = document.seek(0, os.SEEK_END)
        # To count costs half of what sealing a letter does, in which there is little to count.
        walked = document if size <= SHORT else _Walked(document, self._steps)
        self.stream = walked
        self._bounds = DecodeContext(_LIMITS, input_size=size)
        self._security_handler = self._embedded_signatures = self._input_version = None
        self.resolved_objects = {}
        self._historical_resolver_cache = {}
        self._header_version = _version(document)
        document.seek(-1, os.SEEK_END)
        tables = _BoundedTables(self, walked, strict=True, last_startxref=process_data_at_eof(document))
        self.xrefs = XRefCache(self, tables.read_xrefs())
        self.last_startxref, self.trailer = tables.last_startxref, tables.trailer
        self.has_xref_stream = tables.has_xref_stream

    @property
    def decode_context(self) -> DecodeContext:
        """The bounds, for every stream of the document."""
        return self._bounds

    def _get_object_from_stream(self, idnum: int, stmnum: int, idx: int) -> PdfObject:
        # pyHanko reads the heads of all objects in the stream for each of them, and looks for the end of a
        # comment for ever where the stream ends first.
        if stmnum not in self._packed:
            self._packed[stmnum] = self._unpacked(self.get_object(Reference(stmnum, 0, self)))
        packed = self._packed[stmnum]
        index, offset = packed.places.get(idnum, (-1, 0))
        if index != idx:
            raise PdfReadError("index in an object stream")
        packed.octets.seek(offset)
        found = read_object(_Walked(packed.octets, self._steps), Reference(idnum, 0, self))
        if isinstance(found, StreamObject | IndirectObject):
            raise PdfReadError("object in an object stream")
        return found

    def _unpacked(self, stream: PdfObject) -> _Packed:
        """Unpack an object stream (§7.5.7)."""
        if not isinstance(stream, StreamObject) or stream["/Type"] != "/ObjStm":
            raise PdfReadError("no object stream")
        count, first = int(stream["/N"]), int(stream["/First"])
        self._steps.take(2 * max(count, 0))
        octets = stream.read_data(DecodePurpose.OBJECT_STREAM)
        heads = [int(each) for each in octets[: max(first, 0)].split(None, 2 * count)[: 2 * count]]
        places: dict[int, tuple[int, int]] = {}
        for index, (number, offset) in enumerate(zip(heads[::2], heads[1::2], strict=True)):
            places.setdefault(number, (index, first + offset))
        return _Packed(BytesIO(octets + b"\n"), places)


def open_pdf(document: BinaryIO) -> BoundedReader:
    """Open a document that shall be updated.

    Args:
        document: a seekable stream, readable and writable; a line end is added where the last one is missing,
            since what is appended to a comment (`%%EOF`) would be part of it.

    Raises:
        PdfRefusedError: TOO_LARGE, BROKEN, LIMITS, ENCRYPTED or HYBRID_XREF.
        OSError: from the stream.
    """
    size = document.seek(0, os.SEEK_END)
    if size > MAX_PDF:
        raise PdfRefusedError(PdfRefusal.TOO_LARGE, str(size))
    if _count(document, _MARK, MAX_REVISIONS) > MAX_REVISIONS:
        raise PdfRefusedError(PdfRefusal.LIMITS, "revisions")
    _end_line(document)
    with refusing():
        reader = BoundedReader(document)
        if "/Encrypt" in reader.trailer:
            raise PdfRefusedError(PdfRefusal.ENCRYPTED)
        sections = map(reader.xrefs.get_xref_container_info, range(reader.total_revisions))
        if any(section.xref_section_type is XRefSectionType.HYBRID_MAIN for section in sections):
            raise PdfRefusedError(PdfRefusal.HYBRID_XREF)
        if not isinstance(reader.root, DictionaryObject):
            raise PdfRefusedError(PdfRefusal.BROKEN, "catalog")
        if not _highest(reader) < int(reader.trailer["/Size"]) <= MAX_NUMBER:
            # Attack: new objects are numbered from /Size on, and would replace what the document shows.
            raise PdfRefusedError(PdfRefusal.BROKEN, "size")
    return reader


def _highest(reader: BoundedReader) -> int:
    """Return the highest number that any object of the document has or had."""
    data = map(reader.xrefs.get_xref_data, range(reader.total_revisions))
    return max((number for each in data for number, _ in each.explicit_refs_in_revision), default=0)


def _version(document: BinaryIO) -> tuple[int, int]:
    """Read the version of the header (§7.5.2).

    Raises:
        PdfReadError: there is none.
    """
    document.seek(0)
    header = _HEADER.match(document.read(8))
    if header is None:
        raise PdfReadError("header")
    return int(header[1]), int(header[2])


def _end_line(document: BinaryIO) -> None:
    """End the last line, where pyHanko looks for the end of a comment for ever, too."""
    if document.seek(0, os.SEEK_END):
        document.seek(-1, os.SEEK_END)
        if document.read(1) not in (b"\n", b"\r"):
            document.write(b"\n")


def _count(document: BinaryIO, mark: bytes, enough: int) -> int:
    """Count a mark in a stream, up to just beyond `enough`; pieces overlap, so that none is missed."""
    document.seek(0)
    found, rest = 0, b""
    while found <= enough and (chunk := document.read(_CHUNK)):
        piece = rest + chunk
        found += piece.count(mark)
        rest = piece[-(len(mark) - 1) :]
    return found


def entry(dictionary: DictionaryObject, key: str, default: PdfObject | None = None) -> Any:
    """Return a value of a dictionary, references followed, as `DictionaryObject.get` does not."""
    try:
        return dictionary[key]
    except KeyError:
        return default
