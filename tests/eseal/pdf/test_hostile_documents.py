"""Documents that cannot or should not be sealed are refused with a code, and stay as they are."""

from __future__ import annotations

import io
import random
import subprocess
import zlib
from typing import TYPE_CHECKING

import pytest

from eseal.pdf.opening import MAX_ENTRIES, MAX_REVISIONS
from eseal.pdf.orders import PdfSealOrder, VisibleSeal
from eseal.pdf.refusals import PdfRefusal, PdfRefusedError
from eseal.pdf.seal_field import MAX_SIGNATURE_FIELDS
from eseal.pdf.sealing import PdfSealer
from eseal.values import MAX_PDF, Level
from tests.eseal.pdf.peers_of_pdf import qpdf_says
from tests.eseal.pdf.plain import compressed_pages, make_pdf, pages, stream
from tests.eseal.pki import NOW_US, seal_key
from tests.peers import need

if TYPE_CHECKING:
    from pathlib import Path

CATALOG = b"<</Type/Catalog/Pages 2 0 R%s>>"
ONE_PAGE = b"<</Type/Pages/Kids[3 0 R]/Count 1/MediaBox[0 0 9 9]>>"
PAGE = b"<</Type/Page/Parent 2 0 R/Resources<<>>>>"


def seal(document: bytes, page: int | None = None) -> bytes:
    octets = io.BytesIO(document)
    visible = None if page is None else VisibleSeal(page, (0, 0, 90, 90), "Sealed")
    PdfSealer((seal_key(),)).seal(octets, PdfSealOrder(Level.B_B, NOW_US, visible=visible))
    return octets.getvalue()


def refused(document: bytes, page: int | None = None) -> PdfRefusal:
    octets = io.BytesIO(document)
    visible = None if page is None else VisibleSeal(page, (0, 0, 90, 90), "Sealed")
    with pytest.raises(PdfRefusedError) as raised:
        PdfSealer((seal_key(),)).seal(octets, PdfSealOrder(Level.B_B, NOW_US, visible=visible))
    assert octets.getvalue() == document
    return raised.value.code


def packed(inner: bytes, more: bytes = b"", *, number: bytes = b"1 0 ") -> bytes:
    """A document whose catalog is in an object stream with these octets."""
    data = number + inner
    holder = stream(
        zlib.compress(data, 9), b"/Type/ObjStm/Filter/FlateDecode/N 1/First %d%s" % (len(number), more)
    )
    table = b"\x00" + bytes(4) + b"\xff\xff" + b"\x02" + (2).to_bytes(4, "big") + bytes(2)
    head = b"%PDF-1.7\n"
    octets = head + b"2 0 obj\n" + holder + b"\nendobj\n"
    rows = table + b"\x01" + len(head).to_bytes(4, "big") + bytes(2)
    rows += b"\x01" + len(octets).to_bytes(4, "big") + bytes(2)
    described = stream(rows, b"/Type/XRef/Size 4/W[1 4 2]/Root 1 0 R")
    return octets + b"3 0 obj\n%s\nendobj\nstartxref\n%d\n%%%%EOF\n" % (described, len(octets))


def test_an_encrypted_document(tmp_path: Path) -> None:
    (tmp_path / "plain.pdf").write_bytes(pages())
    subprocess.run(
        [need("qpdf"), "--encrypt", "", "owner", "256", "--", "plain.pdf", "locked.pdf"],
        cwd=tmp_path,
        check=True,
    )
    assert refused((tmp_path / "locked.pdf").read_bytes()) is PdfRefusal.ENCRYPTED


def test_a_document_with_a_table_for_old_readers_and_another_for_new_ones() -> None:
    document = pages()
    at = len(document)
    table = stream(bytes(7), b"/Type/XRef/Size 6/Index[0 1]/W[1 4 2]/Root 1 0 R")
    document += b"5 0 obj\n%s\nendobj\n" % table
    start = document.index(b"xref\n0 5")
    again = len(document)
    document += b"xref\n5 1\n%010d 00000 n \ntrailer\n<</Size 6/Root 1 0 R/Prev %d/XRefStm %d>>\n" % (
        at,
        start,
        at,
    )
    document += b"startxref\n%d\n%%%%EOF\n" % again
    assert refused(document) is PdfRefusal.HYBRID_XREF


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"%PDF-1.7\n",
        b"no PDF at all" * 100,
        pages()[:-40],
        pages()[100:],
        pages().replace(b"startxref\n", b"startxref\n9"),
        pages().replace(b"/Root 1 0 R", b"/Root 9 0 R"),
        pages().replace(b"/Root 1 0 R", b"/Root 1"),
        pages().replace(b"/Pages 2 0 R", b"/Pages 4 0 R"),
        pages().replace(b"/Kids[4 0 R]", b"/Kids[4 0 0]"),
        pages().replace(b"/Type/Catalog", b"/Type/Catalog/AcroForm 3 0 R"),
        pages(catalog=b"/AcroForm<</Fields[1 0 R 2 0 R]>>/Perms[]"),
        pages(catalog=b"/Extensions<</ESIC 7>>"),
        b"\x00" * 5_000,
    ],
)
def test_a_broken_document(document: bytes) -> None:
    assert refused(document) is PdfRefusal.BROKEN


def test_a_document_that_is_too_large(tmp_path: Path) -> None:
    path = tmp_path / "large.pdf"
    path.write_bytes(pages())
    with path.open("r+b") as document:
        document.truncate(MAX_PDF + 1)
        with pytest.raises(PdfRefusedError, match=PdfRefusal.TOO_LARGE):
            PdfSealer((seal_key(),)).seal(document, PdfSealOrder(Level.B_B, NOW_US))
    assert path.stat().st_size == MAX_PDF + 1


def test_a_document_of_too_many_revisions() -> None:
    document = pages()
    update = b"startxref\n%d\n%%%%EOF\n" % document.index(b"xref\n0 5")
    assert seal(document + update * (MAX_REVISIONS - 1))
    assert refused(document + update * MAX_REVISIONS) is PdfRefusal.LIMITS


def test_an_object_stream_that_unpacks_to_too_much() -> None:
    bomb = packed(CATALOG % b"" + b" " * 20 * 1024 * 1024)
    assert len(bomb) < 30_000
    assert refused(bomb) is PdfRefusal.LIMITS


def test_a_stream_packed_many_times_over() -> None:
    data = CATALOG % b"" + b" " * 200 * 1024 * 1024
    for _ in range(2):
        data = zlib.compress(data, 9)
    number = b"1 0 "
    holder = stream(data, b"/Type/ObjStm/Filter[/FlateDecode/FlateDecode]/N 1/First %d" % len(number))
    document = packed(CATALOG % b"")
    begin, end = document.index(b"<<"), document.index(b"endstream") + 9
    moved = document[:begin] + holder + document[end:]
    start = moved.index(b"3 0 obj")
    was = int(document.rpartition(b"startxref\n")[2].split()[0])
    moved = moved.replace(b"startxref\n%d" % was, b"startxref\n%d" % start)
    moved = moved.replace(was.to_bytes(4, "big") + bytes(2), start.to_bytes(4, "big") + bytes(2))
    assert refused(moved) is PdfRefusal.LIMITS


@pytest.mark.parametrize("count", [MAX_ENTRIES + 1, 10**12])
@pytest.mark.parametrize("width", [b"0 0 0", b"1 0 0", b"-1 -1 -1", b"1 4 2"])
def test_a_cross_reference_stream_with_more_entries_than_octets(count: int, width: bytes) -> None:
    document = compressed_pages()
    table = document.replace(b"/W[1 4 2]", b"/W[%s]/Index[0 %d]" % (width, count))
    assert refused(table) is PdfRefusal.LIMITS


def test_a_size_below_the_objects_that_are_there() -> None:
    """Attack: new objects are numbered from /Size on, and would replace what the document shows."""
    document = compressed_pages()
    for size in (b"2", b"0", b"-7", b"99999999999999999999"):
        assert refused(document.replace(b"/Size 6", b"/Size %s/Index[0 6]" % size)) is PdfRefusal.BROKEN
    assert refused(pages().replace(b"/Size 5", b"/Size 99999999")) is PdfRefusal.BROKEN


def test_comments_that_never_end() -> None:
    """Attack: the end of a comment is looked for beyond the end of the file, for ever."""
    assert refused(b"%PDF-1.7\nxref\n0 0\ntrailer\n<</Root %\nstartxref\n9\n%%EOF") is PdfRefusal.BROKEN
    assert refused(packed(b"[%")) is PdfRefusal.BROKEN
    assert refused(packed(b"%")) is PdfRefusal.BROKEN


def test_tables_that_follow_one_another_in_a_circle() -> None:
    document = pages()
    loop = document.replace(b"/Root 1 0 R", b"/Root 1 0 R/Prev %d" % document.index(b"xref\n0 5"))
    assert refused(loop) is PdfRefusal.BROKEN


@pytest.mark.parametrize("page", [None, 1, -1])
def test_pages_that_are_their_own_descendants(page: int | None) -> None:
    node = b"<</Type/Pages/Kids[2 0 R]/Count 9/Parent 2 0 R>>"
    code = refused(make_pdf([CATALOG % b"", node]), page)
    assert code in {PdfRefusal.BROKEN, PdfRefusal.PAGE_MISSING, PdfRefusal.LIMITS}


def test_a_document_without_a_page() -> None:
    assert refused(make_pdf([CATALOG % b"", b"<</Type/Pages/Kids[]/Count 0>>"]), 1) is PdfRefusal.PAGE_MISSING
    assert refused(make_pdf([CATALOG % b"", b"<</Type/Pages/Kids[]/Count 0>>"])) is PdfRefusal.BROKEN


def test_a_document_that_says_that_it_has_a_thousand_million_pages() -> None:
    node = b"<</Type/Pages/Kids[3 0 R]/Count 1000000000>>"
    assert refused(make_pdf([CATALOG % b"", node, PAGE]), -1) is PdfRefusal.LIMITS


@pytest.mark.parametrize(("begin", "end"), [(b"[", b"]"), (b"<</A ", b">>")])
def test_objects_nested_without_end(begin: bytes, end: bytes) -> None:
    deep = begin * 20_000 + b"0" + end * 20_000
    code = refused(make_pdf([CATALOG % (b"/Deep " + deep), ONE_PAGE, PAGE]))
    assert code in {PdfRefusal.LIMITS, PdfRefusal.BROKEN}


def test_fields_nested_in_a_circle() -> None:
    field = b"<</T(a)/FT/Sig/Kids[4 0 R]>>"
    document = make_pdf([CATALOG % b"/AcroForm<</Fields[4 0 R]>>", ONE_PAGE, PAGE, field])
    assert refused(document) is PdfRefusal.BROKEN


def test_more_signature_fields_than_anybody_needs() -> None:
    count = MAX_SIGNATURE_FIELDS + 1
    fields = [b"<</T(%d)/FT/Sig>>" % number for number in range(count)]
    listed = b" ".join(b"%d 0 R" % (4 + number) for number in range(count))
    document = make_pdf([CATALOG % (b"/AcroForm<</Fields[%s]>>" % listed), ONE_PAGE, PAGE, *fields])
    assert refused(document) is PdfRefusal.LIMITS


@pytest.mark.parametrize(
    "document",
    [
        pages(catalog=b"/AcroForm<</Fields[" + b"1 " * 200_000 + b"]>>"),
        pages(catalog=b"/AcroForm<</Fields[" + b"4 0 R " * 200_000 + b"]>>"),
        pages(page=b"/Annots[" + b"3 0 R " * 200_000 + b"]"),
        pages(catalog=b"".join(b"/N%d 1" % number for number in range(200_000))),
        pages(catalog=b"/X(" + b"x" * 5_000_000 + b")"),
        pages().replace(b"/Root", b"/X[" + b"1 " * 200_000 + b"]/Root"),
        packed(b"<</X[%s]>>" % b" ".join(b"%d" % number for number in range(200_000))),
    ],
    ids=["numbers", "fields", "annotations", "keys", "string", "trailer", "packed"],
)
def test_tokens_without_end(document: bytes) -> None:
    """Attack: each keeps the library that reads it busy for half a minute."""
    assert refused(document) is PdfRefusal.LIMITS


def test_the_objects_of_a_stream_are_found_by_number_and_index() -> None:
    """Attack: readers that go by number, and such as go by index, show different documents."""
    catalog = b"<</Type/Catalog/Pages 9 0 R>>"
    assert refused(packed(catalog, number=b"9 0 ")) is PdfRefusal.BROKEN
    assert refused(packed(b"9 0 R")) is PdfRefusal.BROKEN
    assert refused(packed(catalog, number=b"1 x ")) is PdfRefusal.BROKEN


def test_a_loop_of_references() -> None:
    assert refused(make_pdf([CATALOG % b"", b"2 0 R"])) in {PdfRefusal.BROKEN, PdfRefusal.LIMITS}


@pytest.mark.parametrize("document", [pages(2), compressed_pages()], ids=["table", "stream"])
def test_a_mutated_document_is_sealed_or_refused_and_never_anything_else(
    document: bytes, tmp_path: Path
) -> None:
    """What is sealed is at least as good as it was: qpdf says nothing of it that it did not say before."""
    chance = random.Random(7)  # noqa: S311  # the same mutations every time
    sealed = 0
    for _ in range(150):
        octets = bytearray(document)
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(octets))
            octets[at : at + chance.randint(0, 3)] = chance.randbytes(chance.randint(0, 3))
        try:
            result = seal(bytes(octets))
        except PdfRefusedError:
            continue
        assert result.startswith(bytes(octets))
        sealed += 1
        if sealed <= 10 and qpdf_says(bytes(octets), tmp_path) == "":
            assert qpdf_says(result, tmp_path) == ""
    assert sealed > 3
