"""Attacks on sealed PDFs, each built from a freshly sealed one and named as its literature names it.

Universal signature forgery (USF), incremental saving (ISA), signature wrapping (SWA): Mladenov et al., "1
Trillion Dollar Refund" (2019). Shadow attacks (hide, replace, hide-and-replace): Mainka et al. (2021). Evil
annotation and sneaky signature attacks (EAA, SSA) on certified documents: Rohlmann et al. (2021).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.eseal.pdf.handmade import (
    CATALOG,
    CONTENT,
    EMPTY_PLACE,
    FIELDS,
    FONT,
    FONT_OF,
    FORM,
    FORM_OF,
    IMAGE,
    IMAGE_OF,
    INFO,
    LOOK,
    PAGE,
    PAGE_OF,
    PAGES,
    PAY_900,
    PLACE,
    ROOT,
    SECOND,
    SHADOW,
    SIGNATURE,
    TEXT,
    TEXT_FIELD,
    XMP,
    XMP_OF,
    certified,
    certify,
    contract,
    gap_of,
    last_xref,
    seal,
    sealed,
    signature_dictionary,
    update,
    update_packed,
)
from tests.eseal.pdf.plain import stream

if TYPE_CHECKING:
    from collections.abc import Callable

ATTACKS: dict[str, Callable[[], bytes]] = {}
FORGED = {CONTENT: stream(PAY_900)}
ANNOTATION = (
    b"<</Type/Annot/Subtype/FreeText/Rect[90 690 300 720]/Contents(Pay 900 yen)/DA(/F1 12 Tf)/F 4%s>>"
)
NEW = 20
"""The first number that no contract knows."""


def attack(make: Callable[[], bytes]) -> Callable[[], bytes]:
    """Register an attack by its function's name."""
    ATTACKS[make.__name__] = make
    return make


def _usf(dictionary: bytes) -> bytes:
    return update(sealed(), {**FORGED, SIGNATURE: dictionary})


def _own() -> tuple[bytes, bytes]:
    """Ranges and string of the sealed contract's signature."""
    start, end, covered = gap_of(sealed())
    return b"0 %d %d %d" % (start, end, covered - end), sealed()[start:end]


@attack
def usf_byte_range_removed() -> bytes:
    return _usf(signature_dictionary(b"", _own()[1]).replace(b"/ByteRange[]", b""))


@attack
def usf_byte_range_null() -> bytes:
    return _usf(signature_dictionary(b"", _own()[1]).replace(b"/ByteRange[]", b"/ByteRange null"))


@attack
def usf_byte_range_of_zeros() -> bytes:
    return _usf(signature_dictionary(b"0 0 0 0", _own()[1]))


@attack
def usf_byte_range_negative() -> bytes:
    return _usf(signature_dictionary(b"0 -1 -1 -1", _own()[1]))


@attack
def usf_byte_range_cut_short() -> bytes:
    return _usf(signature_dictionary(b"0 100", _own()[1]))


@attack
def usf_byte_range_beyond_the_file() -> bytes:
    return _usf(signature_dictionary(b"0 100 200 99999999", _own()[1]))


@attack
def usf_byte_range_of_the_old_place() -> bytes:
    return _usf(signature_dictionary(*_own()))


@attack
def usf_contents_removed() -> bytes:
    return _usf(signature_dictionary(_own()[0], b" null"))


@attack
def usf_contents_of_one_zero() -> bytes:
    return _usf(signature_dictionary(_own()[0], b"<00>"))


@attack
def usf_contents_empty() -> bytes:
    return _usf(signature_dictionary(_own()[0], b"<>"))


@attack
def usf_contents_a_literal_string() -> bytes:
    return _usf(signature_dictionary(_own()[0], b"(0)"))


@attack
def usf_contents_twice() -> bytes:
    return _usf(signature_dictionary(_own()[0], b"<00>/Contents" + _own()[1]))


@attack
def usf_whole_file_but_nothing() -> bytes:
    size = len(sealed())
    return _usf(signature_dictionary(b"0 %d %d 0" % (size, size), _own()[1]))


@attack
def isa_content_replaced() -> bytes:
    return update(sealed(), FORGED)


@attack
def isa_without_xref() -> bytes:
    return sealed() + b"3 0 obj\n%s\nendobj\ntrailer\n<</Size 30/Root 1 0 R>>\n" % FORGED[CONTENT]


@attack
def isa_without_trailer() -> bytes:
    return sealed() + b"3 0 obj\n%s\nendobj\n" % FORGED[CONTENT]


@attack
def isa_without_xref_and_a_copied_end() -> bytes:
    end = b"startxref\n%d\n%%%%EOF\n" % last_xref(sealed())
    return sealed() + b"3 0 obj\n%s\nendobj\n" % FORGED[CONTENT] + end


@attack
def isa_with_a_copied_signature() -> bytes:
    return update(sealed(), {**FORGED, SIGNATURE: signature_dictionary(*_own())})


@attack
def isa_in_an_object_stream() -> bytes:
    page = PAGE_OF.replace(b"/Contents 3 0 R", b"/Contents 16 0 R") % (b"6 0 R 7 0 R", b"")
    return update_packed(sealed(), {PAGE: page})


@attack
def isa_object_outside_the_table() -> bytes:
    extra = b"3 0 obj\n%s\nendobj\n" % FORGED[CONTENT]
    return update(sealed(), {NEW: b"<<>>"}, before=extra)


@attack
def isa_behind_a_second_revision() -> bytes:
    return update(update(sealed(), {NEW: b"<<>>"}), FORGED)


@attack
def isa_undone_by_a_third_revision_of_pages() -> bytes:
    return update(update(sealed(), FORGED), {PAGES: b"<</Type/Pages/Kids[13 0 R]/Count 1>>"})


@attack
def isa_table_behind_the_end_of_file() -> bytes:
    document = update(sealed(), FORGED)
    return document[: document.rindex(b"startxref")]


@attack
def isa_text_after_the_end_of_file() -> bytes:
    return sealed() + b"%PDF-1.7\n1 0 obj\n<</Type/Catalog>>\nendobj\n"


@attack
def isa_trailer_with_another_root() -> bytes:
    root = CATALOG.replace(b"2 0 R", b"21 0 R") % b""
    pages = b"<</Type/Pages/Kids[13 0 R]/Count 1>>"
    return update(sealed(), {NEW: root, NEW + 1: pages}, trailer=b"/Root 20 0 R")


@attack
def swa_objects_in_the_gap() -> bytes:
    document = seal(contract(), spare=600)
    start, end, _ = gap_of(document)
    string = document[start:end].rstrip(b">").rstrip(b"0")
    string += b"0" * (len(string) % 2 == 0) + b"00>"
    injected = string + b"\n3 0 obj\n%s\nendobj\n" % FORGED[CONTENT]
    return document[:start] + injected.ljust(end - start) + document[end:]


@attack
def swa_second_range_moved() -> bytes:
    document = sealed()
    start, end, covered = gap_of(document)
    injected = b"\n3 0 obj\n%s\nendobj\n" % FORGED[CONTENT]
    moved = document[:end] + injected + document[end:]
    old = b"0 %010d %010d %010d" % (start, end, covered - end)
    new = b"0 %010d %010d %010d" % (start, end + len(injected), covered - end)
    return moved.replace(old, new)


@attack
def swa_gap_wider_than_the_string() -> bytes:
    document = sealed()
    start, end, covered = gap_of(document)
    old = b"0 %010d %010d %010d" % (start, end, covered - end)
    return document.replace(old, b"0 %010d %010d %010d" % (start - 40, end + 2, covered - end - 2))


@attack
def swa_coverage_ends_early() -> bytes:
    document = sealed()
    start, end, covered = gap_of(document)
    old = b"0 %010d %010d %010d" % (start, end, covered - end)
    return document.replace(old, b"0 %010d %010d %010d" % (start, end, 10))


@attack
def swa_string_with_white_space() -> bytes:
    document = seal(contract(), spare=600)
    end = gap_of(document)[1]
    return document[: end - 41] + b" " * 40 + document[end - 1 :]


@attack
def shadow_hide_by_an_entry_for_another_object() -> bytes:
    place = sealed().index(b"\n12 0 obj") + 1
    return update(sealed(), {}, entries={IMAGE: place})


@attack
def shadow_hide_by_freeing_the_picture() -> bytes:
    return update(sealed(), {}, free=(IMAGE,))


@attack
def shadow_hide_by_another_picture() -> bytes:
    return update(sealed(), {IMAGE: stream(b"\x00", IMAGE_OF)})


@attack
def shadow_replace_font() -> bytes:
    return update(sealed(), {FONT: FONT_OF % b"Symbol"})


@attack
def shadow_replace_look_of_a_field() -> bytes:
    return update(
        certified(2), {LOOK: stream(b"BT (900) Tj ET", b"/Type/XObject/Subtype/Form/BBox[0 0 100 20]")}
    )


@attack
def shadow_replace_value_of_a_field() -> bytes:
    return update(sealed(), {TEXT: (TEXT_FIELD % b"").replace(b"(100)", b"(900)")})


@attack
def shadow_replace_value_under_the_old_look() -> bytes:
    return update(certified(2), {TEXT: (TEXT_FIELD % b"").replace(b"(100)", b"(900)")})


@attack
def form_fields_by_another_generation() -> bytes:
    return update(sealed(), {FORM: FORM_OF.replace(b"14 0 R", b"14 5 R") % b""})


@attack
def shadow_replace_field_made_visible() -> bytes:
    hidden = TEXT_FIELD.replace(b"/F 4", b"/F 2") % b""
    return update(seal(contract(o6=hidden)), {TEXT: TEXT_FIELD % b""})


@attack
def shadow_hide_and_replace_by_the_table_alone() -> bytes:
    document = seal(contract(o3=stream(PAY_900) + b"\nendobj\n3 0 obj\n" + stream(PAY_900)))
    return update(document, {}, entries={CONTENT: document.index(b"\n16 0 obj") + 1})


@attack
def shadow_hide_and_replace_by_a_prepared_definition() -> bytes:
    # The sealed file holds two definitions of the page's content; the update's table picks the other.
    twice = contract()
    at = twice.index(b"4 0 obj")
    twice_made = twice[:at] + b"3 0 obj\n%s\nendobj\n" % stream(PAY_900) + twice[at:]
    shift = len(twice_made) - len(twice)
    table = twice_made.rindex(b"xref\n0 ")
    rows = twice_made[table:].split(b"\n")
    for index, row in enumerate(rows):
        if row.endswith(b"n ") and int(row[:10]) >= at:
            rows[index] = b"%010d 00000 n " % (int(row[:10]) + shift)
        if row == b"startxref":
            rows[index + 1] = b"%d" % (int(rows[index + 1]) + shift)
    document = seal(twice_made[:table] + b"\n".join(rows))
    return update(document, {}, entries={CONTENT: at})


@attack
def shadow_hide_and_replace_catalog() -> bytes:
    return update(sealed(), {}, trailer=b"/Root 17 0 R")


@attack
def shadow_reference_to_nothing() -> bytes:
    page = PAGE_OF.replace(b"/Contents 3 0 R", b"/Contents[3 0 R 25 0 R]") % (b"6 0 R 7 0 R", b"")
    return update(seal(contract(o4=page)), {25: stream(b"1 g 0 0 595 842 re f")})


@attack
def shadow_reference_to_nothing_behind_a_comment() -> bytes:
    page = PAGE_OF.replace(b"/Contents 3 0 R", b"/Contents[3 0 R 25%%x\n0%%y\rR]") % (b"6 0 R 7 0 R", b"")
    return update(seal(contract(o4=page)), {25: stream(b"1 g 0 0 595 842 re f")})


@attack
def shadow_prepared_field_comes_to_life() -> bytes:
    document = seal(contract(o16=TEXT_FIELD.replace(b"(amount)", b"(shadow)") % b""))
    return update(document, {FIELDS: b"[6 0 R 7 0 R 16 0 R]"})


@attack
def shadow_info_that_is_also_resources() -> bytes:
    page = PAGE_OF.replace(b"/Resources<<", b"/Resources 11 0 R/X<<") % (b"6 0 R 7 0 R", b"")
    document = seal(contract(o4=page, o11=b"<</Font<</F1 8 0 R>>>>"))
    return update(document, {INFO: b"<</Font<</F1 21 0 R>>>>", 21: FONT_OF % b"Symbol"})


@attack
def shadow_metadata_that_is_also_content() -> bytes:
    document = seal(contract(o12=stream(b"BT (Pay 100) Tj ET", XMP_OF), o4=_drawing(b"12 0 R")))
    return update(document, {XMP: stream(b"BT (Pay 900) Tj ET", XMP_OF)})


@attack
def shadow_security_store_that_is_also_content() -> bytes:
    catalog = CATALOG % b"/DSS<</Certs[16 0 R]>>"
    document = seal(contract(o1=catalog, o4=_drawing(b"16 0 R")))
    return update(document, {SHADOW: stream(b"BT (Pay 1) Tj ET")})


def _drawing(reference: bytes) -> bytes:
    return PAGE_OF.replace(b"/Contents 3 0 R", b"/Contents " + reference) % (b"6 0 R 7 0 R", b"")


@attack
def shadow_length_that_is_another_object() -> bytes:
    content = b"<</Length 16 0 R>>\nstream\n%s\nendstream" % PAY_900
    return update(seal(contract(o3=content, o16=b"%d" % len(PAY_900))), {SHADOW: b"3"})


@attack
def shadow_xref_skips_the_sealed_revision() -> bytes:
    first = contract()
    return update(seal(first), FORGED, previous=last_xref(first))


@attack
def page_removed() -> bytes:
    return update(sealed(), {PAGES: b"<</Type/Pages/Kids[4 0 R]/Count 1>>"})


@attack
def page_removed_by_another_generation() -> bytes:
    return update(sealed(), {PAGES: b"<</Type/Pages/Kids[4 0 R 13 7 R]/Count 2>>"})


@attack
def page_removed_by_the_generation_of_its_row() -> bytes:
    document = update(sealed(), {SECOND: contract().split(b"13 0 obj\n")[1].split(b"\nendobj")[0]})
    at = document.rindex(b"00000 n")
    return document[:at] + b"00007 n" + document[at + 7 :]


@attack
def page_added() -> bytes:
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 16 0 R>>"
    return update(sealed(), {PAGES: b"<</Type/Pages/Kids[20 0 R 4 0 R 13 0 R]/Count 3>>", NEW: page})


@attack
def page_turned() -> bytes:
    return update(sealed(), {SECOND: b"<</Type/Page/Parent 2 0 R/Rotate 180/Contents 3 0 R/Resources<<>>>>"})


@attack
def page_box_cropped_in_its_parent() -> bytes:
    return update(sealed(), {PAGES: b"<</Type/Pages/Kids[4 0 R 13 0 R]/Count 2/CropBox[0 0 9 9]>>"})


@attack
def page_with_another_action() -> bytes:
    return update(sealed(), {PAGE: PAGE_OF % (b"6 0 R 7 0 R", b"/AA<</O<</S/JavaScript/JS(x)>>>>")})


@attack
def catalog_with_an_open_action() -> bytes:
    return update(sealed(), {ROOT: CATALOG % b"/OpenAction<</S/JavaScript/JS(app.alert\\(1\\))>>"})


@attack
def catalog_with_optional_content() -> bytes:
    return update(sealed(), {ROOT: CATALOG % b"/OCProperties<</OCGs[]/D<<>>>>"})


@attack
def catalog_with_attachments() -> bytes:
    return update(sealed(), {ROOT: CATALOG % b"/Names<</EmbeddedFiles<</Names[]>>>>"})


@attack
def form_drawn_anew() -> bytes:
    return update(sealed(), {FORM: FORM_OF % b"/NeedAppearances true"})


@attack
def form_with_xfa() -> bytes:
    return update(sealed(), {FORM: FORM_OF % b"/XFA 20 0 R", NEW: stream(b"<xdp/>")})


@attack
def form_with_another_field_over_the_text() -> bytes:
    field = TEXT_FIELD.replace(b"(amount)", b"(over)").replace(b"100 600 200 620", b"90 690 300 720") % b""
    page = PAGE_OF % (b"6 0 R 7 0 R 20 0 R", b"")
    return update(sealed(), {FIELDS: b"[6 0 R 7 0 R 20 0 R]", NEW: field, PAGE: page})


@attack
def form_without_the_sealed_field() -> bytes:
    return update(sealed(), {FIELDS: b"[6 0 R]"})


@attack
def form_without_its_text_field() -> bytes:
    return update(sealed(), {FIELDS: b"[7 0 R]", PAGE: PAGE_OF % (b"7 0 R", b"")})


@attack
def sealed_field_moved() -> bytes:
    moved = EMPTY_PLACE.replace(b"100 100 200 140", b"90 690 300 720") % b"/V 15 0 R"
    return update(sealed(), {PLACE: moved})


@attack
def sealed_field_with_another_look() -> bytes:
    look = stream(b"1 g 0 0 100 40 re f", b"/Type/XObject/Subtype/Form/BBox[0 0 100 40]")
    return update(sealed(), {PLACE: EMPTY_PLACE % b"/V 15 0 R/AP<</N 20 0 R>>", NEW: look})


@attack
def signature_of_another_document() -> bytes:
    other = seal(contract(o11=b"<</Title(Other)>>"))
    start, end, _ = gap_of(sealed())
    theirs = other[slice(*gap_of(other)[:2])]
    return sealed()[:start] + theirs + sealed()[end:]


@attack
def octet_of_the_page_altered() -> bytes:
    return sealed().replace(b"Pay 100", b"Pay 900", 1)


@attack
def octet_after_the_signature_altered() -> bytes:
    at = sealed().rindex(b"/Size 30")
    return sealed()[:at] + b"/Size 31" + sealed()[at + 8 :]


@attack
def signature_field_of_a_later_revision() -> bytes:
    """What was signed is a file without any field; the field that names the signature came later."""
    bare = seal(contract(), {}, number=SIGNATURE)
    return update(bare, {PLACE: EMPTY_PLACE % b"/V 15 0 R"})


def _annotated(document: bytes, annotation: bytes = ANNOTATION % b"") -> bytes:
    return update(document, {PAGE: PAGE_OF % (b"6 0 R 7 0 R 20 0 R", b""), NEW: annotation})


@attack
def eaa_annotation_on_an_approved_document() -> bytes:
    return _annotated(sealed())


@attack
def eaa_annotation_where_filling_is_permitted() -> bytes:
    return _annotated(certified(2))


@attack
def eaa_annotation_where_annotations_are_permitted() -> bytes:
    return _annotated(certified(3))


@attack
def eaa_stamp_where_annotations_are_permitted() -> bytes:
    return _annotated(certified(3), (ANNOTATION % b"").replace(b"/FreeText", b"/Stamp"))


@attack
def eaa_annotation_as_a_direct_object() -> bytes:
    return update(certified(3), {PAGE: PAGE_OF % (b"6 0 R 7 0 R " + ANNOTATION % b"", b"")})


@attack
def eaa_redaction_where_nothing_is_permitted() -> bytes:
    return _annotated(certified(1), (ANNOTATION % b"").replace(b"/FreeText", b"/Redact"))


def _signed_over(document: bytes, field: bytes) -> bytes:
    look = stream(b"BT (Pay 900) Tj ET", b"/Type/XObject/Subtype/Form/BBox[0 0 210 30]")
    return seal(
        document,
        {
            PAGE: PAGE_OF % (b"6 0 R 7 0 R 20 0 R", b""),
            FIELDS: b"[6 0 R 7 0 R 20 0 R]",
            NEW: field,
            NEW + 1: look,
        },
        number=NEW + 2,
    )


SNEAKY = (
    b"<</Type/Annot/Subtype/Widget/FT/Sig/T(sneaky)/Rect[90 690 300 720]/F 4/P 4 0 R"
    b"/V 22 0 R/AP<</N 21 0 R>>%s>>"
)


@attack
def ssa_visible_signature_over_a_certified_text() -> bytes:
    return _signed_over(certified(2), SNEAKY % b"")


@attack
def ssa_visible_signature_over_an_approved_text() -> bytes:
    return _signed_over(sealed(), SNEAKY % b"")


@attack
def ssa_unsigned_field_that_shows_something() -> bytes:
    field = SNEAKY.replace(b"/V 22 0 R", b"") % b""
    look = stream(b"BT (Pay 900) Tj ET", b"/Type/XObject/Subtype/Form/BBox[0 0 210 30]")
    page = PAGE_OF % (b"6 0 R 7 0 R 20 0 R", b"")
    return update(sealed(), {PAGE: page, FIELDS: b"[6 0 R 7 0 R 20 0 R]", NEW: field, NEW + 1: look})


@attack
def ssa_prepared_field_shown_without_a_signature() -> bytes:
    prepared = EMPTY_PLACE.replace(b"/F 4", b"/F 2").replace(b"(seal)", b"(shadow)") % b"/AP<</N 10 0 R>>"
    page = PAGE_OF % (b"6 0 R 7 0 R 16 0 R", b"")
    document = seal(contract(o16=prepared, o14=b"[6 0 R 7 0 R 16 0 R]", o4=page))
    return update(document, {SHADOW: prepared.replace(b"/F 2", b"/F 4")})


@attack
def ssa_prepared_field_shown_by_a_signature() -> bytes:
    prepared = EMPTY_PLACE.replace(b"/F 4", b"/F 2").replace(b"(seal)", b"(shadow)") % b"%s"
    page = PAGE_OF % (b"6 0 R 7 0 R 16 0 R", b"")
    document = seal(contract(o16=prepared % b"", o14=b"[6 0 R 7 0 R 16 0 R]", o4=page))
    shown = prepared.replace(b"/F 2", b"/F 4") % b"/AP<</N 10 0 R>>/V 22 0 R"
    return seal(document, {SHADOW: shown}, number=NEW + 2)


@attack
def ssa_signature_field_with_an_action() -> bytes:
    return _signed_over(sealed(), SNEAKY % b"/AA<</PO<</S/JavaScript/JS(x)>>>>")


@attack
def certified_against_every_change_and_filled() -> bytes:
    return update(certified(1), {TEXT: (TEXT_FIELD % b"").replace(b"(100)", b"(900)")})


@attack
def certified_against_every_change_and_signed_again() -> bytes:
    field = b"<</FT/Sig/T(second)/Type/Annot/Subtype/Widget/Rect[0 0 0 0]/V 22 0 R>>"
    return seal(certified(1), {FIELDS: b"[6 0 R 7 0 R 20 0 R]", NEW: field}, number=NEW + 2)


@attack
def locked_field_filled() -> bytes:
    lock = b"/Lock<</Type/SigFieldLock/Action/Include/Fields[(amount)]>>"
    return update(certify(2, lock=lock), {TEXT: (TEXT_FIELD % b"").replace(b"(100)", b"(900)")})


@attack
def all_fields_locked_and_one_filled() -> bytes:
    lock = b"/Lock<</Type/SigFieldLock/Action/All>>"
    return update(certify(2, lock=lock), {TEXT: (TEXT_FIELD % b"").replace(b"(100)", b"(900)")})


@attack
def certification_claimed_by_the_signature_alone() -> bytes:
    # DocMDP in the signature, and no catalog that names it: nobody certified anything.
    reference = b"[<</Type/SigRef/TransformMethod/DocMDP/TransformParams<</P 2>>>>]"
    document = seal(contract(), more=b"/Reference" + reference)
    return update(document, {TEXT: (TEXT_FIELD % b"").replace(b"(100)", b"(900)")})


@attack
def hybrid_section_hides_another_content() -> bytes:
    base = sealed()
    place = len(base)
    octets = base + b"3 0 obj\n%s\nendobj\n" % FORGED[CONTENT]
    start = len(octets)
    row = (1).to_bytes(1, "big") + place.to_bytes(4, "big") + (0).to_bytes(2, "big")
    octets += b"29 0 obj\n%s\nendobj\n" % stream(row, b"/Type/XRef/Size 30/W[1 4 2]/Index[3 1]")
    table = len(octets)
    octets += b"xref\n0 0\ntrailer\n<</Size 30/Root 1 0 R/Prev %d/XRefStm %d>>\n" % (last_xref(base), start)
    return octets + b"startxref\n%d\n%%%%EOF\n" % table
