"""PDFs that are made to cost time or memory: each ends in a verdict within bounds."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from tests.eseal.pdf.handmade import (
    CATALOG,
    FORM_OF,
    certified,
    contract,
    gap_of,
    last_xref,
    seal,
    sealed,
    signature_dictionary,
    update,
)
from tests.eseal.pdf.plain import HEADER, make_pdf, pages, stream

if TYPE_CHECKING:
    from collections.abc import Callable

BOMBS: dict[str, Callable[[], bytes]] = {}


def bomb(make: Callable[[], bytes]) -> Callable[[], bytes]:
    """Register a bomb by its function's name."""
    BOMBS[make.__name__] = make
    return make


@bomb
def arrays_in_arrays() -> bytes:
    return pages(catalog=b"/X" + b"[" * 500_000 + b"]" * 500_000)


@bomb
def dictionaries_in_dictionaries() -> bytes:
    return pages(catalog=b"/X" + b"<</A" * 200_000 + b" 1" + b">>" * 200_000)


@bomb
def parentheses_in_parentheses() -> bytes:
    return pages(catalog=b"/X" + b"(" * 300_000 + b")" * 300_000)


@bomb
def tokens_without_end() -> bytes:
    return pages(catalog=b"/AcroForm<</Fields[" + b"1 " * 1_000_000 + b"]>>")


@bomb
def fields_without_end() -> bytes:
    return pages(catalog=b"/AcroForm<</Fields[" + b"4 0 R " * 600_000 + b"]>>")


@bomb
def fields_in_a_circle() -> bytes:
    return make_pdf(
        [
            b"<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[3 0 R 4 0 R]>>>>",
            b"<</Type/Pages/Kids[]/Count 0>>",
            b"<</T(a)/Kids[4 0 R 3 0 R]/Parent 4 0 R>>",
            b"<</T(b)/Kids[3 0 R 4 0 R]/Parent 3 0 R>>",
        ]
    )


@bomb
def references_in_a_circle() -> bytes:
    return make_pdf([b"<</Type/Catalog/AcroForm 2 0 R>>", b"3 0 R", b"2 0 R"])


@bomb
def sections_in_a_circle() -> bytes:
    document = pages()
    return update(document, {}, previous=len(document))


@bomb
def sections_without_end() -> bytes:
    document = contract()
    for _ in range(1_200):
        document = update(document, {})
    return document


@bomb
def table_of_millions_of_rows() -> bytes:
    document = pages()
    start = len(document)
    return (
        document
        + b"xref\n0 8000000\n%s\ntrailer\n<</Root 1 0 R/Size 8000000>>\nstartxref\n%d\n%%%%EOF\n"
        % (
            b"0000000000 65535 f \n" * 10_000,
            start,
        )
    )


def _packed_table(data: bytes, more: bytes) -> bytes:
    octets = HEADER + b"1 0 obj\n<</Type/Catalog>>\nendobj\n"
    start = len(octets)
    described = b"/Type/XRef/Root 1 0 R" + more
    return octets + b"2 0 obj\n%s\nendobj\nstartxref\n%d\n%%%%EOF\n" % (stream(data, described), start)


@bomb
def xref_stream_that_unpacks_to_much() -> bytes:
    engine = zlib.compressobj(9)
    block = bytes(1 << 20)
    data = b"".join(engine.compress(block) for _ in range(64)) + engine.flush()
    return _packed_table(data, b"/Filter/FlateDecode/Size 100000000/W[1 4 2]")


@bomb
def xref_stream_packed_twice() -> bytes:
    data = zlib.compress(zlib.compress(bytes(60 << 20), 9), 9)
    return _packed_table(data, b"/Filter[/FlateDecode/FlateDecode]/Size 100000000/W[1 4 2]")


@bomb
def xref_stream_with_rows_of_no_octets() -> bytes:
    return _packed_table(b"", b"/Size 100000000/W[0 0 0]")


@bomb
def xref_stream_with_rows_of_a_gigabyte() -> bytes:
    return _packed_table(b"x" * 100, b"/Size 10/W[1000000000 4 2]")


@bomb
def xref_stream_with_a_predictor_of_millions() -> bytes:
    data = zlib.compress(b"\x04" + bytes(12 << 20))
    parameters = b"/DecodeParms<</Predictor 15/Columns 7>>"
    return _packed_table(data, b"/Filter/FlateDecode/Size 4000000/W[1 4 2]" + parameters)


@bomb
def security_store_of_bombs() -> bytes:
    packed = zlib.compress(bytes(60 << 20), 9)
    store = b"/DSS<</Certs[%s]>>" % b" ".join(b"%d 0 R" % number for number in range(20, 80))
    document = seal(contract())
    streams = {number: stream(packed, b"/Filter/FlateDecode") for number in range(20, 80)}
    return update(document, {1: CATALOG % store, **streams})


@bomb
def graph_with_paths_without_number() -> bytes:
    """Each object names the next one twice: 2 to the 200 paths, over 200 objects."""
    chain = {number: b"[%d 0 R %d 0 R]" % (number + 1, number + 1) for number in range(18, 218)}
    document = seal(
        contract(**{f"o{number}": value for number, value in chain.items()}, o218=b"1"), number=219
    )
    return update(document, {218: b"2"})


@bomb
def keywords_without_end() -> bytes:
    filler = stream(b" R" * 300_000 + b"1 0 obj" * 300_000)
    return update(seal(contract(o16=filler)), {20: b"<<>>"})


@bomb
def comments_between_all_tokens() -> bytes:
    filler = stream(b"12%\n" * 500_000 + b"R" + b"% \nR" * 200_000)
    return update(seal(contract(o16=filler)), {20: b"<<>>"})


@bomb
def string_of_megabytes_for_a_signature() -> bytes:
    return seal(contract(), spare=4 << 20)


@bomb
def fields_that_are_all_signed() -> bytes:
    """Two thousand fields with a signature dictionary each, all of which claim the same octets."""
    numbers = range(20, 2_020)
    start, end, covered = gap_of(sealed())
    dictionary = signature_dictionary(b"0 %d %d %d" % (start, end, covered - end), sealed()[start:end])
    fields = {number: b"<</FT/Sig/T(f%d)/V %d 0 R>>" % (number, number + 2_000) for number in numbers}
    values = {number + 2_000: dictionary for number in numbers}
    listed = b" ".join(b"%d 0 R" % number for number in numbers)
    return update(sealed(), {**fields, **values, 14: b"[6 0 R 7 0 R %s]" % listed})


@bomb
def content_of_a_page_that_is_covered() -> bytes:
    """A further visible seal makes the page's content be read: forms that draw each other."""
    look = b"/Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</A 16 0 R>>>>"
    page = (
        b"<</Type/Page/Parent 2 0 R/Contents 3 0 R/Annots[6 0 R 7 0 R]/Resources<</XObject<</A 16 0 R>>>>%s>>"
    )
    document = seal(contract(o3=stream(b"/A Do " * 50), o16=stream(b"/A Do " * 50, look), o4=page % b""))
    field = b"<</Type/Annot/Subtype/Widget/FT/Sig/T(x)/Rect[9 9 99 99]/V 22 0 R>>"
    again = page.replace(b"7 0 R]", b"7 0 R 20 0 R]") % b""
    return seal(document, {4: again, 14: b"[6 0 R 7 0 R 20 0 R]", 20: field}, number=22)


@bomb
def form_that_is_its_own_resource() -> bytes:
    document = certified(2)
    return update(document, {5: FORM_OF % b"/DR 5 0 R"}, previous=last_xref(document))
