"""Plain PDFs to seal, made by hand, so that no library decides what is in them."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HEADER = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"


def make_pdf(objects: Sequence[bytes], trailer: bytes = b"", *, header: bytes = HEADER) -> bytes:
    """A file of these objects, numbered from 1; the first one is the catalog."""
    octets, offsets = header, []
    for number, each in enumerate(objects, 1):
        offsets.append(len(octets))
        octets += b"%d 0 obj\n%s\nendobj\n" % (number, each)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(objects) + 1
    octets_of_table = b"xref\n0 %d\n0000000000 65535 f \n%s" % (size, table)
    end = b"trailer\n<</Size %d/Root 1 0 R%s>>\nstartxref\n%d\n%%%%EOF\n" % (size, trailer, len(octets))
    return octets + octets_of_table + end


def stream(data: bytes, more: bytes = b"") -> bytes:
    """A stream object with these octets."""
    return b"<<%s/Length %d>>\nstream\n%s\nendstream" % (more, len(data), data)


def pages(count: int = 1, *, catalog: bytes = b"", page: bytes = b"", more: Sequence[bytes] = ()) -> bytes:
    """A document of empty pages.

    Args:
        count: of pages; the first is object 4.
        catalog: further entries of the catalog.
        page: further entries of every page.
        more: further objects; the first of them has the number 4 + count.
    """
    kids = b" ".join(b"%d 0 R" % (4 + number) for number in range(count))
    return make_pdf(
        [
            b"<</Type/Catalog/Pages 2 0 R%s>>" % catalog,
            b"<</Type/Pages/Kids[%s]/Count %d/MediaBox[0 0 595 842]>>" % (kids, count),
            stream(b"0 0 m 595 842 l S"),
            *(b"<</Type/Page/Parent 2 0 R/Contents 3 0 R/Resources<<>>%s>>" % page for _ in range(count)),
            *more,
        ]
    )


def compressed(objects: Mapping[int, bytes], *, table: bytes = b"", width: bytes = b"1 4 2") -> bytes:
    """A file with one object stream and a cross-reference stream (§7.5.7, §7.5.8); object 1 is the catalog.

    Args:
        objects: by number from 1 on, none a stream.
        table: further entries of the cross-reference stream's dictionary.
        width: its /W.
    """
    numbers = sorted(objects)
    offsets, body = [], b""
    for number in numbers:
        offsets.append(len(body))
        body += objects[number] + b"\n"
    head = b" ".join(b"%d %d" % pair for pair in zip(numbers, offsets, strict=True)) + b"\n"
    packed = zlib.compress(head + body)
    holder, last = max(numbers) + 1, max(numbers) + 2
    octets = HEADER
    at = len(octets)
    octets += b"%d 0 obj\n%s\nendobj\n" % (
        holder,
        stream(packed, b"/Type/ObjStm/Filter/FlateDecode/N %d/First %d" % (len(numbers), len(head))),
    )
    start = len(octets)
    rows = [(0, 0, 65535), *((2, holder, place) for place in range(len(numbers))), (1, at, 0), (1, start, 0)]
    data = b"".join(
        kind.to_bytes(1, "big") + a.to_bytes(4, "big") + b.to_bytes(2, "big") for kind, a, b in rows
    )
    described = b"/Type/XRef/Size %d/W[%s]/Root 1 0 R%s" % (last + 1, width, table)
    octets += b"%d 0 obj\n%s\nendobj\n" % (last, stream(data, described))
    return octets + b"startxref\n%d\n%%%%EOF\n" % start


def compressed_pages() -> bytes:
    """A document of one page whose objects are in an object stream."""
    return compressed(
        {
            1: b"<</Type/Catalog/Pages 2 0 R>>",
            2: b"<</Type/Pages/Kids[3 0 R]/Count 1/MediaBox[0 0 595 842]>>",
            3: b"<</Type/Page/Parent 2 0 R/Resources<<>>>>",
        }
    )
