"""A PDF opened for an update: read strictly and within bounds, refused where readers might not agree."""

from __future__ import annotations

import logging
import os
import re
from typing import TYPE_CHECKING, Any

from pyhanko.pdf_utils.decode_limits import (
    DecodeContext,
    DecodeLimits,
    DecodePurpose,
    DocumentDecodeBudget,
    StreamDecodeLimits,
)
from pyhanko.pdf_utils.generic import DictionaryObject, Reference, StreamObject
from pyhanko.pdf_utils.misc import PdfDecodeLimitError, PdfReadError
from pyhanko.pdf_utils.reader import PdfFileReader, process_data_at_eof
from pyhanko.pdf_utils.xref import XRefBuilder, XRefCache, XRefSectionType

from eseal.pdf.guard import refusing
from eseal.pdf.refusals import PdfRefusal, PdfRefusedError
from eseal.values import MAX_PDF

if TYPE_CHECKING:
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
        self.stream = document
        size = document.seek(0, os.SEEK_END)
        self._bounds = DecodeContext(_LIMITS, input_size=size)
        self._security_handler = self._embedded_signatures = self._input_version = None
        self.resolved_objects = {}
        self._historical_resolver_cache = {}
        self._header_version = _version(document)
        document.seek(-1, os.SEEK_END)
        tables = _BoundedTables(self, document, strict=True, last_startxref=process_data_at_eof(document))
        self.xrefs = XRefCache(self, tables.read_xrefs())
        self.last_startxref, self.trailer = tables.last_startxref, tables.trailer
        self.has_xref_stream = tables.has_xref_stream

    @property
    def decode_context(self) -> DecodeContext:
        """The bounds, for every stream of the document."""
        return self._bounds

    def _get_object_from_stream(self, idnum: int, stmnum: int, idx: int) -> PdfObject:
        # pyHanko looks for the end of a comment for ever where the object stream ends first.
        stream = self.get_object(Reference(stmnum, 0, self))
        if not isinstance(stream, StreamObject):
            raise PdfReadError("no object stream")
        data = stream.read_data(DecodePurpose.OBJECT_STREAM)
        if not data.endswith(b"\n"):
            stream._data = data + b"\n"  # noqa: SLF001  # a stream has no other way to change what is unpacked
        return super()._get_object_from_stream(idnum, stmnum, idx)  # type: ignore[no-any-return, no-untyped-call]


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
