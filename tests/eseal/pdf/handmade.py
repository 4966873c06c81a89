"""PDFs sealed and updated by hand: every octet is chosen here, as an attacker would."""

from __future__ import annotations

import functools
import hashlib
import zlib
from typing import TYPE_CHECKING

from eseal.cms_template import CmsTemplate
from tests.eseal.pdf.plain import make_pdf, stream
from tests.eseal.pki import seal_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from eseal.values import SealKey

ROOT, PAGES, CONTENT, PAGE, FORM, TEXT, PLACE, FONT, IMAGE, LOOK, INFO, XMP, SECOND, FIELDS = range(1, 15)
SIGNATURE, SHADOW, SHADOW_ROOT, REFERENCE, SIZE = 15, 16, 17, 18, 30
"""Object numbers of the contract; those from REFERENCE on are not in it before it is sealed."""

TEXT_FIELD = (
    b"<</Type/Annot/Subtype/Widget/FT/Tx/T(amount)/V(100)/Rect[100 600 200 620]/F 4/P 4 0 R"
    b"/DA(/Helv 12 Tf)/AP<</N 10 0 R>>%s>>"
)
EMPTY_PLACE = b"<</Type/Annot/Subtype/Widget/FT/Sig/T(seal)/Rect[100 100 200 140]/F 4/P 4 0 R%s>>"
CATALOG = b"<</Type/Catalog/Pages 2 0 R/AcroForm 5 0 R/Metadata 12 0 R%s>>"
FORM_OF = b"<</Fields 14 0 R/SigFlags 3/DR<</Font<</Helv 8 0 R>>>>/DA(/Helv 0 Tf)%s>>"
PAGE_OF = (
    b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 3 0 R/Annots[%s]"
    b"/Resources<</Font<</F1 8 0 R>>/XObject<</Im1 9 0 R>>>>%s>>"
)
FONT_OF = b"<</Type/Font/Subtype/Type1/BaseFont/%s>>"
IMAGE_OF = b"/Type/XObject/Subtype/Image/Width 1/Height 1/BitsPerComponent 8/ColorSpace/DeviceGray"
PACKET = b'<x:xmpmeta xmlns:x="adobe:ns:meta/">%s</x:xmpmeta>'
XMP_OF = b"/Type/Metadata/Subtype/XML"
PAY_100 = b"BT /F1 12 Tf 100 700 Td (Pay 100 yen) Tj ET /Im1 Do"
PAY_900 = b"BT /F1 12 Tf 100 700 Td (Pay 900 yen) Tj ET /Im1 Do"


def contract(**replaced: bytes) -> bytes:
    """A contract of two pages with a form, an image and a place for a seal; `replaced` by `oN`."""
    objects = {
        ROOT: CATALOG % b"",
        PAGES: b"<</Type/Pages/Kids[4 0 R 13 0 R]/Count 2>>",
        CONTENT: stream(PAY_100),
        PAGE: PAGE_OF % (b"6 0 R 7 0 R", b""),
        FORM: FORM_OF % b"",
        TEXT: TEXT_FIELD % b"",
        PLACE: EMPTY_PLACE % b"",
        FONT: FONT_OF % b"Helvetica",
        IMAGE: stream(b"\xff", IMAGE_OF),
        LOOK: stream(b"BT (100) Tj ET", b"/Type/XObject/Subtype/Form/BBox[0 0 100 20]"),
        INFO: b"<</Title(Contract)>>",
        XMP: stream(PACKET % b"", XMP_OF),
        SECOND: b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 3 0 R/Resources<<>>>>",
        FIELDS: b"[6 0 R 7 0 R]",
        SIGNATURE: b"null",
        SHADOW: stream(PAY_900),
        SHADOW_ROOT: b"<</Type/Catalog/Pages 2 0 R>>",
    }
    objects |= {int(name[1:]): value for name, value in replaced.items()}
    return make_pdf([objects[number] for number in sorted(objects)], b"/Info 11 0 R")


def last_xref(document: bytes) -> int:
    """Where the last section begins by the file's own word."""
    return int(document[document.rindex(b"startxref") + 9 :].split()[0])


def update(  # noqa: PLR0913  # each is one thing that an attacker chooses
    document: bytes,
    objects: Mapping[int, bytes],
    *,
    entries: Mapping[int, int] | None = None,
    free: tuple[int, ...] = (),
    previous: int | None = None,
    trailer: bytes = b"/Root 1 0 R/Info 11 0 R",
    before: bytes = b"",
) -> bytes:
    """Append an update with a table.

    Args:
        document: the file.
        objects: by number.
        entries: further rows of the table: where these numbers are said to be.
        free: numbers that it frees.
        previous: /Prev; None: the last section.
        trailer: entries of the trailer.
        before: octets before its objects.
    """
    octets = document + before
    places = {}
    for number, value in objects.items():
        places[number] = len(octets)
        octets += b"%d 0 obj\n%s\nendobj\n" % (number, value)
    rows = {number: b"%010d 00000 n \n" % place for number, place in {**places, **(entries or {})}.items()}
    rows |= dict.fromkeys(free, b"0000000000 00001 f \n")
    table = b"".join(b"%d 1\n%s" % (number, row) for number, row in sorted(rows.items()))
    start = len(octets)
    prev = last_xref(document) if previous is None else previous
    return octets + b"xref\n%strailer\n<</Size %d/Prev %d%s>>\nstartxref\n%d\n%%%%EOF\n" % (
        table or b"0 0\n",
        SIZE,
        prev,
        trailer,
        start,
    )


def update_packed(document: bytes, objects: Mapping[int, bytes], holder: int = 28) -> bytes:
    """Append an update whose objects are in an object stream."""
    offsets, body = [], b""
    for value in objects.values():
        offsets.append(len(body))
        body += value + b"\n"
    head = b" ".join(b"%d %d" % pair for pair in zip(objects, offsets, strict=True)) + b"\n"
    described = b"/Type/ObjStm/Filter/FlateDecode/N %d/First %d" % (len(objects), len(head))
    place = len(document)
    octets = document + b"%d 0 obj\n%s\nendobj\n" % (holder, stream(zlib.compress(head + body), described))
    start = len(octets)
    rows = {number: (2, holder, index) for index, number in enumerate(objects)}
    rows |= {holder: (1, place, 0), holder + 1: (1, start, 0)}
    index = b" ".join(b"%d 1" % number for number in sorted(rows))
    data = b"".join(
        kind.to_bytes(1, "big") + one.to_bytes(4, "big") + two.to_bytes(2, "big")
        for _, (kind, one, two) in sorted(rows.items())
    )
    described = b"/Type/XRef/Size %d/W[1 4 2]/Index[%s]/Prev %d/Root 1 0 R/Info 11 0 R" % (
        SIZE,
        index,
        last_xref(document),
    )
    octets += b"%d 0 obj\n%s\nendobj\n" % (holder + 1, stream(data, described))
    return octets + b"startxref\n%d\n%%%%EOF\n" % start


def signature_dictionary(ranges: bytes, contents: bytes, more: bytes = b"") -> bytes:
    """A signature dictionary with these ranges and this string."""
    return b"<</Type/Sig/Filter/Adobe.PPKLite/SubFilter/ETSI.CAdES.detached%s/ByteRange[%s]/Contents%s>>" % (
        more,
        ranges,
        contents,
    )


@functools.cache
def _template(suite: str) -> CmsTemplate:
    return CmsTemplate(seal_key(suite))


def seal(  # noqa: PLR0913  # each is one thing that an attacker chooses
    document: bytes,
    objects: Mapping[int, bytes] | None = None,
    *,
    number: int = SIGNATURE,
    more: bytes = b"",
    spare: int = 64,
    key: SealKey | None = None,
    suite: str = "ecdsa-p256-sha256",
    cms: Callable[[CmsTemplate, bytes], bytes] = lambda template, digest: template.sign(digest).encode(),
) -> bytes:
    """Append an update with a signature dictionary, and sign it.

    Args:
        document: the file.
        objects: the other objects of the update; None: the place for the seal is filled.
        number: of the signature dictionary.
        more: further entries of it.
        spare: octets of padding in /Contents.
        key: seal key; None: one of the tests' PKI.
        suite: of that key.
        cms: makes the CMS over a digest.
    """
    template = _template(suite) if key is None else CmsTemplate(key)
    room = template.largest() + spare
    others = {PLACE: EMPTY_PLACE % (b"/V %d 0 R" % number)} if objects is None else objects
    blank = b"0 AAAAAAAAAA BBBBBBBBBB CCCCCCCCCC"
    string = b"<" + b"00" * room + b">"
    octets = update(document, {**others, number: signature_dictionary(blank, string, more)})
    gap = octets.index(string, len(document))
    end = gap + len(string)
    ranges = b"0 %010d %010d %010d" % (gap, end, len(octets) - end)
    octets = octets.replace(blank, ranges.ljust(len(blank)))
    digest = hashlib.new(template.digest, octets[:gap] + octets[end:]).digest()
    made = cms(template, digest)
    return octets[: gap + 1] + (made + bytes(room - len(made))).hex().encode() + octets[end - 1 :]


def certify(level: int, document: bytes | None = None, lock: bytes = b"") -> bytes:
    """Certify a contract: DocMDP with this level, named in the catalog."""
    reference = b"<</Type/SigRef/TransformMethod/DocMDP/TransformParams<</Type/TransformParams/P %d/V/1.2>>>>"
    return seal(
        contract() if document is None else document,
        {
            ROOT: CATALOG % b"/Perms<</DocMDP 15 0 R>>",
            PLACE: EMPTY_PLACE % (b"/V 15 0 R" + lock),
            REFERENCE: reference % level,
        },
        more=b"/Reference[18 0 R]",
    )


@functools.cache
def sealed() -> bytes:
    """A sealed contract; made once."""
    return seal(contract())


@functools.cache
def certified(level: int) -> bytes:
    """A certified contract; made once."""
    return certify(level)


def gap_of(document: bytes) -> tuple[int, int, int]:
    """Where the string of the first signature begins and ends, and where what it covers ends."""
    start = document.index(b"/ByteRange[") + 11
    numbers = [int(each) for each in document[start : document.index(b"]", start)].split()]
    return numbers[1], numbers[2], numbers[2] + numbers[3]
