"""Updates of a sealed PDF that show something nobody sealed, or that other readers read in another way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kokuin.trust.report import Indication
from kokuin.wire.algorithms import DIGEST_BY_NAME
from tests.eseal.pdf.handmade import (
    CATALOG,
    EMPTY_PLACE,
    FIELDS,
    FONT_OF,
    FORM,
    FORM_OF,
    PAGE,
    PAGE_OF,
    PAY_100,
    PAY_900,
    ROOT,
    SHADOW_ROOT,
    TEXT,
    TEXT_FIELD,
    certified,
    certify,
    contract,
    last_xref,
    seal,
    sealed,
    signature_dictionary,
    update,
    update_packed,
)
from tests.eseal.pdf.plain import stream
from tests.eseal.pdf.test_attacks import judged
from tests.eseal.pki import seal_pki

if TYPE_CHECKING:
    from collections.abc import Callable

NEW, VALUE, LOOK_OF_NEW = 20, 21, 22
WIDGET = (
    b"<</FT/Sig/T(extra)/Type/Annot/Subtype/Widget/Rect[300 300 450 340]/F %d/P 4 0 R"
    b"/V 21 0 R/AP<</N 22 0 R>>>>"
)
SHOWN = stream(b"BT /F1 12 Tf (and 1,000,000 more) Tj ET", b"/Type/XObject/Subtype/Form/BBox[0 0 150 40]")
BLANKS = {
    "nothing": b"<</Type/Sig>>",
    "zeros": b"<</Type/Sig/Contents<0000>/ByteRange[0 1 2 3]>>",
    "zeros for a time-stamp": b"<</Type/Sig/SubFilter/ETSI.RFC3161/Contents<0000>/ByteRange[0 1 2 3]>>",
}
AREA = b"[100 100 200 140]"


def shown(value: bytes, widget: bytes = WIDGET % 4) -> dict[int, bytes]:
    """Objects of an update with a field of signature type beside the text, and its look."""
    return {
        FIELDS: b"[6 0 R 7 0 R 20 0 R]",
        PAGE: PAGE_OF % (b"6 0 R 7 0 R 20 0 R", b""),
        NEW: widget,
        VALUE: value,
        LOOK_OF_NEW: SHOWN,
    }


def stamped(document: bytes, objects: dict[int, bytes]) -> bytes:
    """Append an update with a document time-stamp of a trusted authority."""
    stamper = seal_pki().stamper()
    room = 16_384
    blank = b"0 AAAAAAAAAA BBBBBBBBBB CCCCCCCCCC"
    string = b"<" + b"00" * room + b">"
    dictionary = signature_dictionary(blank, string).replace(b"ETSI.CAdES.detached", b"ETSI.RFC3161")
    octets = update(document, {**objects, VALUE: dictionary})
    gap = octets.index(string, len(document))
    end = gap + len(string)
    octets = octets.replace(blank, b"0 %010d %010d %010d" % (gap, end, len(octets) - end))
    token = stamper.stamp(DIGEST_BY_NAME[stamper.digest].of(octets[:gap] + octets[end:]))
    return octets[: gap + 1] + (token + bytes(room - len(token))).hex().encode() + octets[end - 1 :]


def fails(document: bytes) -> None:
    assert judged(document).indication is Indication.FAILED


@pytest.mark.parametrize("value", BLANKS.values(), ids=BLANKS)
def test_a_look_whose_signature_nobody_made(value: bytes) -> None:
    fails(update(sealed(), shown(value)))


@pytest.mark.parametrize("value", BLANKS.values(), ids=BLANKS)
def test_a_prepared_place_filled_with_a_look_and_no_signature(value: bytes) -> None:
    second = EMPTY_PLACE.replace(b"(seal)", b"(second)").replace(AREA, b"[0 0 595 842]")
    page = PAGE_OF % (b"6 0 R 7 0 R 17 0 R", b"")
    document = seal(contract(o4=page, o14=b"[6 0 R 7 0 R 17 0 R]", o17=second % b""))
    filled = second % b"/V 21 0 R/AP<</N 22 0 R>>"
    fails(update(document, {SHADOW_ROOT: filled, VALUE: value, LOOK_OF_NEW: SHOWN}))


def test_a_prepared_look_that_is_put_on_a_page() -> None:
    second = EMPTY_PLACE.replace(b"(seal)", b"(second)").replace(AREA, b"[300 300 450 340]")
    document = seal(contract(o14=b"[6 0 R 7 0 R 17 0 R]", o17=second % b"/AP<</N 10 0 R>>"))
    assert judged(document).indication is Indication.PASSED
    fails(update(document, {PAGE: PAGE_OF % (b"6 0 R 7 0 R 17 0 R", b"")}))


@pytest.mark.parametrize("level", [None, 1, 2])
def test_words_put_on_a_page_by_a_trusted_authority_s_time_stamp(level: int | None) -> None:
    document = sealed() if level is None else certified(level)
    assert judged(stamped(document, shown(b""))).indication is not Indication.PASSED


def test_words_put_into_a_prepared_place_by_a_trusted_authority_s_time_stamp() -> None:
    second = EMPTY_PLACE.replace(b"(seal)", b"(second)").replace(AREA, b"[0 0 595 842]")
    page = PAGE_OF % (b"6 0 R 7 0 R 17 0 R", b"")
    document = seal(contract(o4=page, o14=b"[6 0 R 7 0 R 17 0 R]", o17=second % b""))
    filled = second % b"/V 21 0 R/AP<</N 22 0 R>>"
    report = judged(stamped(document, {SHADOW_ROOT: filled, LOOK_OF_NEW: SHOWN}))
    assert report.indication is not Indication.PASSED


def test_a_time_stamp_that_shows_nothing_passes() -> None:
    unseen = (WIDGET % 132).replace(b"[300 300 450 340]", b"[0 0 0 0]")
    assert judged(stamped(sealed(), shown(b"", unseen))).indication is Indication.PASSED


@pytest.mark.parametrize("flags", [4 | 32, 32 | 256])
def test_a_seal_over_the_text_that_prints_and_is_not_on_the_screen(flags: int) -> None:
    widget = (WIDGET % flags).replace(b"[300 300 450 340]", b"[90 690 300 720]")
    objects = shown(b"", widget)
    del objects[VALUE]
    assert judged(seal(sealed(), objects, number=VALUE)).indication is Indication.INDETERMINATE


REFERENCES = (
    b"19 000000 R",
    b"00000000000019 0 R",
    b"+19 0 R",
    b"19 +0 R",
    b"19 0R",
    b"19.0 0 R",
    b"1-9 0 R",
)


@pytest.mark.parametrize("reference", REFERENCES)
def test_a_reference_in_a_spelling_that_only_other_readers_take(reference: bytes) -> None:
    """Readers show object 19 where the sealed page had nothing."""
    page = PAGE_OF % (b"6 0 R 7 0 R", b"")
    document = seal(contract(o4=page.replace(b"/Contents 3 0 R", b"/Contents " + reference)))
    fails(update(document, {19: stream(PAY_900)}))


@pytest.mark.parametrize("place", ["before its section", "behind it"])
def test_a_trailer_of_no_section_that_names_another_catalog(place: str) -> None:
    document = update(
        sealed(), {NEW: b"<</Type/Catalog/Pages 21 0 R>>", 21: b"<</Type/Pages/Count 0/Kids[]>>"}
    )
    assert judged(document).indication is Indication.PASSED
    decoy = b"trailer\n<</Size 30/Root 20 0 R>>\n"
    start, behind = last_xref(document), place == "behind it"
    at = document.rindex(b"startxref") if behind else start
    end = b"startxref\n%d\n%%%%EOF\n" % (start if behind else start + len(decoy))
    fails(document[:at] + decoy + document[at : document.rindex(b"startxref")] + end)


@pytest.mark.parametrize("resources", [b"/DR<</Font<</Helv 8 0 R>>>>", b""])
def test_a_font_that_a_sealed_field_waits_for(resources: bytes) -> None:
    """A field without a look is drawn by the viewer, in a font with other digits."""
    form = FORM_OF.replace(b"/DR<</Font<</Helv 8 0 R>>>>", b"%s") % (resources, b"")
    field = (TEXT_FIELD % b"").replace(b"/Helv 12", b"/F9 12").replace(b"/AP<</N 10 0 R>>", b"")
    document = seal(contract(o5=form, o6=field))
    more = FORM_OF.replace(b"/Helv 8 0 R", b"/Helv 8 0 R/F9 20 0 R") % b""
    report = judged(update(document, {FORM: more, NEW: FONT_OF % b"Exchanged"}))
    assert report.indication is Indication.INDETERMINATE


def test_a_font_that_no_field_waits_for_passes() -> None:
    more = FORM_OF.replace(b"/Helv 8 0 R", b"/Helv 8 0 R/F9 20 0 R") % b""
    assert judged(update(sealed(), {FORM: more, NEW: FONT_OF % b"More"})).indication is Indication.PASSED


@pytest.mark.parametrize("more", [b"/AS/Off", b"/I[0]"])
def test_a_look_exchanged_beside_an_entry_that_says_nothing_of_a_value(more: bytes) -> None:
    """The certified field still says 100, and shows another amount."""
    look = stream(b"BT (9 000 000) Tj ET", b"/Type/XObject/Subtype/Form/BBox[0 0 100 20]")
    field = (TEXT_FIELD % more).replace(b"10 0 R", b"20 0 R")
    fails(update(certified(2), {TEXT: field, NEW: look}))


def _twice(value: bytes, key: bytes, first: bytes) -> bytes:
    """The same for readers that take the last of two equal keys."""
    return value.replace(key, key + b" " + first + key, 1)


TWICE: dict[str, Callable[[], bytes]] = {
    "contents of a page": lambda: update(
        sealed(),
        {PAGE: _twice(PAGE_OF % (b"6 0 R 7 0 R", b""), b"/Contents", b"20 0 R"), NEW: stream(PAY_900)},
    ),
    "pages of the catalog": lambda: update(
        sealed(), {ROOT: _twice(CATALOG % b"", b"/Pages", b"20 0 R"), NEW: b"<</Type/Pages/Kids[]/Count 0>>"}
    ),
    "catalog of the trailer": lambda: update(
        sealed(), {NEW: b"<</Type/Catalog>>"}, trailer=b"/Root 20 0 R/Root 1 0 R/Info 11 0 R"
    ),
    "font of the form": lambda: update(
        sealed(), {FORM: _twice(FORM_OF % b"", b"/Helv", b"20 0 R"), NEW: FONT_OF % b"Exchanged"}
    ),
    "value of a field": lambda: update(certified(2), {TEXT: _twice(TEXT_FIELD % b"", b"/V", b"(900)")}),
    "place of a seal": lambda: seal(
        sealed(),
        {
            FIELDS: b"[6 0 R 7 0 R 20 0 R]",
            NEW: b"<</FT/Sig/T(second)/Rect[90 690 300 720]/Rect[0 0 0 0]/V 22 0 R>>",
        },
        number=LOOK_OF_NEW,
    ),
    "in an object stream": lambda: update_packed(
        sealed(), {PAGE: _twice(PAGE_OF % (b"6 0 R 7 0 R", b""), b"/Contents", b"20 0 R")}
    ),
}


@pytest.mark.parametrize("make", TWICE.values(), ids=TWICE)
def test_a_key_that_stands_twice_in_an_update(make: Callable[[], bytes]) -> None:
    """Readers that take the first show another page."""
    assert judged(make()).indication is Indication.INDETERMINATE


def test_a_key_that_stands_twice_does_not_hide_another_change() -> None:
    page = _twice(PAGE_OF % (b"6 0 R 7 0 R", b"/Rotate 90"), b"/Contents", b"20 0 R")
    fails(update(sealed(), {PAGE: page, NEW: stream(PAY_900)}))


@pytest.mark.parametrize("size", [b"3", b"10", b"(30)"])
def test_a_size_by_which_readers_forget_sealed_objects(size: bytes) -> None:
    document = update(sealed(), {})
    at = document.rindex(b"/Size 30")
    shrunk = document[:at] + b"/Size " + size + document[at + 8 :]
    assert judged(document).indication is Indication.PASSED
    assert judged(shrunk).indication is Indication.INDETERMINATE


@pytest.mark.parametrize("index", [0, 1, 7])
def test_an_object_whose_row_names_another_place_in_its_object_stream(index: int) -> None:
    """The page is what it was for readers that go by its number, and gone for those that go by its row."""
    objects = {NEW: b"null", PAGE: PAGE_OF % (b"6 0 R 7 0 R", b"")}
    document = update_packed(sealed(), objects)
    row = b"\x02" + (28).to_bytes(4, "big")
    at = document.rindex(row + b"\x00\x01")
    report = judged(document[: at + 5] + index.to_bytes(2, "big") + document[at + 7 :])
    assert report.indication is (Indication.PASSED if index == 1 else Indication.FAILED)


def test_how_a_sealed_field_without_a_look_is_drawn() -> None:
    """In white, for one, so that its value is gone."""
    form = FORM_OF.replace(b"/DA(/Helv 0 Tf)", b"")
    field = (TEXT_FIELD % b"").replace(b"/DA(/Helv 12 Tf)", b"").replace(b"/AP<</N 10 0 R>>", b"")
    white = form % b"/DA(/Helv 0 Tf 1 g)"
    unlooked = seal(contract(o5=form % b"", o6=field))
    assert judged(update(unlooked, {FORM: white})).indication is Indication.INDETERMINATE
    assert judged(update(seal(contract(o5=form % b"")), {FORM: white})).indication is Indication.PASSED


OVER_THE_TEXT = b"[90 690 300 720]"
SEEN_BY_OTHERS = {
    "a place that is a reference to others": (b"/Rect 23 0R", b"/F 4"),
    "a generation of many digits": (b"/Rect 23 000000 R", b"/F 4"),
    "a place of five numbers": (b"/Rect[90 690 300 720 0]", b"/F 4"),
    "a place whose numbers have signs within": (b"/Rect[9-0 6-90 3-00 7-20]", b"/F 4"),
    "flags with an underscore": (b"/Rect" + OVER_THE_TEXT, b"/F 1_30"),
    "flags that are a reference to others": (b"/Rect" + OVER_THE_TEXT, b"/F 2 0R"),
    "flags beyond the 32 bits of others": (b"/Rect" + OVER_THE_TEXT, b"/F 4294967298"),
    "a place that grows when the page is shown small": (b"/Rect[90 650 300 680]", b"/F 12"),
    "a place that does not turn with the page": (b"/Rect[90 650 300 680]", b"/F 20"),
}


@pytest.mark.parametrize(("place", "flags"), SEEN_BY_OTHERS.values(), ids=SEEN_BY_OTHERS)
def test_a_seal_over_the_text_that_only_other_readers_show(place: bytes, flags: bytes) -> None:
    """The second seal is a trusted one; nothing of it is to be seen, by a careful reading."""
    widget = (WIDGET % 4).replace(b"/Rect[300 300 450 340]", place).replace(b"/F 4", flags)
    objects = {**shown(b"", widget), 23: OVER_THE_TEXT}
    del objects[VALUE]
    assert judged(seal(sealed(), objects, number=VALUE)).indication is Indication.INDETERMINATE


CATALOG_TO_OTHERS = {
    "a name that ends at a NUL": b"/Root 1 0 R/Info 11 0 R/Root#00 20 0 R",
    "half an escape": b"/Root 1 0 R/Info 11 0 R/Encry#7xt 20 0 R",
    "a word where a key should be": b"/Root 1 0 R 20 0R/Info 11 0 R",
}


@pytest.mark.parametrize("trailer", CATALOG_TO_OTHERS.values(), ids=CATALOG_TO_OTHERS)
def test_a_trailer_in_which_other_readers_find_another_catalog(trailer: bytes) -> None:
    """Poppler takes `/Root#00` for `/Root`, and shows another document altogether."""
    objects = {NEW: b"<</Type/Catalog/Pages 21 0 R>>", VALUE: b"<</Type/Pages/Count 0/Kids[]>>"}
    assert judged(update(sealed(), objects)).indication is Indication.PASSED
    assert judged(update(sealed(), objects, trailer=trailer)).indication is Indication.INDETERMINATE


@pytest.mark.parametrize("number", [PAGE, TEXT, 3])
def test_a_table_that_frees_what_the_stream_beside_it_has(number: int) -> None:
    """The object is what it was for readers that look into both, and gone for those that do not."""
    same = {PAGE: PAGE_OF % (b"6 0 R 7 0 R", b""), TEXT: TEXT_FIELD % b"", 3: stream(PAY_100)}[number]
    place = len(sealed())
    octets = sealed() + b"%d 0 obj\n%s\nendobj\n" % (number, same)
    beside = len(octets)
    rows = b"".join(b"\x01" + each.to_bytes(4, "big") + b"\0\0" for each in (place, beside))
    octets += b"29 0 obj\n%s\nendobj\n" % stream(
        rows, b"/Type/XRef/Size 30/W[1 4 2]/Index[%d 1 29 1]/Root 1 0 R" % number
    )
    more = b"/Root 1 0 R/Info 11 0 R/XRefStm %d" % beside
    appended = octets[place:]
    fails(update(sealed(), {}, free=(number,), before=appended, trailer=more))


LOCK = b"/Lock<</Type/SigFieldLock/Action/Include/Fields[%s]>>"


def test_a_locked_place_for_a_signature_that_somebody_fills() -> None:
    second = EMPTY_PLACE.replace(b"(seal)", b"(second)").replace(AREA, b"[0 0 0 0]")
    waiting = contract(o14=b"[6 0 R 7 0 R 17 0 R]", o17=second % b"")
    for lock, means in ((b"(second)", Indication.FAILED), (b"(amount)", Indication.PASSED)):
        document = certify(2, waiting, LOCK % lock)
        filled = seal(document, {SHADOW_ROOT: second % b"/V 21 0 R"}, number=VALUE)
        assert judged(filled).indication is means


@pytest.mark.parametrize("spelling", [b"(Betrag \xa0)", b"<FEFF 0042 0065 0074 0072 0061 0067 0020 20AC>"])
def test_a_locked_field_whose_name_is_written_in_the_other_encoding(spelling: bytes) -> None:
    """The euro sign, in PDFDocEncoding and in UTF-16."""
    field = (TEXT_FIELD % b"").replace(b"(amount)", b"(Betrag \xa0)")
    document = certify(2, contract(o6=field), LOCK % spelling)
    fails(update(document, {TEXT: field.replace(b"(100)", b"(900)")}))


def _packed_page() -> bytes:
    return update_packed(sealed(), {PAGE: PAGE_OF % (b"6 0 R 7 0 R", b""), NEW: b"null"})


TAKEN_OTHERWISE: dict[str, Callable[[], bytes]] = {
    "data that begins elsewhere": lambda: _packed_page().replace(
        b"/Length 28>>\nstream\n", b"/Length 28>>\nstream stream\n"
    ),
    "more rows than there are": lambda: _packed_page().replace(b"/Index[4 1", b"/Index[5 1 4 1"),
    "a row of an unknown kind": lambda: update_packed(sealed(), {PAGE: b"null"}).replace(
        b"\x02\x00\x00\x00\x1c\x00\x00", b"\x07\x00\x00\x00\x1c\x00\x00"
    ),
    "fewer objects than it says": lambda: _packed_page().replace(b"/N 2", b"/N 9"),
    "the number of the page": lambda: _packed_page().replace(b"29 0 obj", b"4 0 obj "),
}


@pytest.mark.parametrize("make", TAKEN_OTHERWISE.values(), ids=TAKEN_OTHERWISE)
def test_a_stream_of_structure_that_other_readers_take_otherwise(make: Callable[[], bytes]) -> None:
    """MuPDF shows an empty page, or none."""
    assert judged(_packed_page()).indication is Indication.PASSED
    assert make() not in {_packed_page(), update_packed(sealed(), {PAGE: b"null"})}
    assert judged(make()).indication is not Indication.PASSED


@pytest.mark.parametrize(
    ("row", "written"),
    [
        (b" 00000 n \n", b" 00000 n\n"),
        (b" 00000 n \n", b" 00000 n\x0c"),
        (b"trailer", b" trailer"),
        (b"\n20 1\n", b"\n20  1\n"),
    ],
    ids=["short rows", "a row and a form feed", "a space that no row has", "two spaces"],
)
def test_a_table_whose_rows_other_readers_count(row: bytes, written: bytes) -> None:
    """PDFium takes twenty octets for each row, and shows an empty page."""
    document = update(sealed(), {PAGE: PAGE_OF % (b"6 0 R 7 0 R", b""), NEW: b"null"})
    assert judged(document).indication is Indication.PASSED
    changed = sealed() + document[len(sealed()) :].replace(row, written, 1)
    strict = written == b" trailer"  # nothing is read otherwise
    assert judged(changed).indication is (Indication.PASSED if strict else Indication.INDETERMINATE)


def test_an_object_of_another_generation_than_its_row_says() -> None:
    """The page is null to poppler."""
    document = update(sealed(), {PAGE: PAGE_OF % (b"6 0 R 7 0 R", b"")})
    changed = sealed() + document[len(sealed()) :].replace(b"4 0 obj", b"4 1 obj")
    fails(changed)


@pytest.mark.parametrize("reference", REFERENCES)
def test_a_reference_in_an_object_stream_in_a_spelling_that_only_other_readers_take(reference: bytes) -> None:
    page = PAGE_OF.replace(b"/Contents 3 0 R", b"/Contents " + reference) % (b"6 0 R 7 0 R", b"")
    document = seal(update_packed(contract(), {PAGE: page}))
    assert judged(document).indication is Indication.PASSED
    fails(update(document, {19: stream(PAY_900)}))
