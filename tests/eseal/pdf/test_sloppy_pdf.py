"""Sealed files as careless writers make them: judged, and what is careless is not called broken.

Each file is sealed within itself: octets that are odd are odd before they are signed, unless a test says
that they came later.
"""

from __future__ import annotations

import hashlib
import io
import re
from typing import TYPE_CHECKING

import pytest

from eseal.cms_template import CmsTemplate
from eseal.pdf.extending import extend_pdf
from eseal.pdf.refusals import PdfRefusedError
from eseal.values import Level
from kokuin.trust.report import Indication, SubIndication
from pqc.signing import SoftwareSigner
from pqc.suites import suite
from tests.eseal.pdf.handmade import (
    CATALOG,
    EMPTY_PLACE,
    FIELDS,
    PAGE,
    PAGE_OF,
    ROOT,
    TEXT,
    TEXT_FIELD,
    certified,
    contract,
    last_xref,
    seal,
    sealed,
    signature_dictionary,
    update,
    update_packed,
)
from tests.eseal.pdf.test_attacks import judged as judge
from tests.eseal.pdf.test_sealing import material, stamping
from tests.eseal.pki import P256, seal_key
from tests.pqc.keys import key_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from kokuin.trust.report import Report

    Edit = Callable[[bytes], bytes]

BLANK = b"0 AAAAAAAAAA BBBBBBBBBB CCCCCCCCCC"
TEMPLATE = CmsTemplate(seal_key())
STRING = b"<" + b"00" * (TEMPLATE.largest() + 64) + b">"
BEFORE = b"HTTP/1.0 200 OK\r\n\r\n"
"""Octets that some transport left before the header."""


def as_it_is(octets: bytes) -> bytes:
    return octets


def sign(octets: bytes, cms: Callable[[bytes], bytes] | None = None) -> bytes:
    """Put ranges and CMS into a file that has the blank ones."""
    start = octets.index(STRING)
    end = start + len(STRING)
    octets = octets.replace(BLANK, (b"0 %d %d %d" % (start, end, len(octets) - end)).ljust(len(BLANK)))
    covered = octets[:start] + octets[end:]
    made = TEMPLATE.sign(hashlib.sha256(covered).digest()).encode() if cms is None else cms(covered)
    return octets[: start + 1] + made.hex().encode().ljust(len(STRING) - 2, b"0") + octets[end - 1 :]


def written(dictionary: Edit = as_it_is, **objects: bytes) -> bytes:
    """A contract with the place for its seal filled, not yet signed."""
    held = dictionary(signature_dictionary(BLANK, STRING))
    return contract(o7=EMPTY_PLACE % b"/V 15 0 R", o15=held, **objects)


def moved(octets: bytes, distance: int) -> bytes:
    """The same file, its table and `startxref` off by some octets."""
    octets = re.sub(rb"(\d{10}) 00000 n", lambda row: b"%010d 00000 n" % (int(row[1]) + distance), octets)
    return started(octets, last_xref(octets) + distance)


def started(octets: bytes, start: int) -> bytes:
    return re.sub(rb"startxref\n\d+", b"startxref\n%d" % start, octets)


SLOPPY: dict[str, Edit] = {
    "octets before the header, offsets from the first octet": lambda each: moved(BEFORE + each, len(BEFORE)),
    "octets before the header, offsets from the header": lambda each: BEFORE + each,
    "a byte order mark before the header": lambda each: b"\xef\xbb\xbf" + each,
    "no end-of-file marker": lambda each: each[: each.rindex(b"%%EOF")],
    "a comment before the end-of-file marker": lambda each: each.replace(b"%%EOF", b"% made by hand\n%%EOF"),
    "text after the end-of-file marker": lambda each: each + b"sent by somebody\n",
    "a page of zeros after the end-of-file marker": lambda each: each + bytes(5_000),
    "no startxref": lambda each: re.sub(rb"startxref\n\d+\n", b"", each),
    "startxref of zero": lambda each: started(each, 0),
    "startxref far from the table": lambda each: started(each, last_xref(each) - 100),
    "a table that points one octet too far": lambda each: moved(each, 1),
    "a table that points anywhere": lambda each: moved(each, 20),
    "rows of 19 octets": lambda each: each.replace(b" n \n", b" n\n").replace(b" f \n", b" f\n"),
    "rows of 21 octets": lambda each: each.replace(b" n \n", b" n \r\n").replace(b" f \n", b" f \r\n"),
    "a table with one row more than it says": lambda each: each.replace(b"xref\n0 18", b"xref\n0 17"),
    "a table with one row less than it says": lambda each: each.replace(b"xref\n0 18", b"xref\n0 19"),
    "no size": lambda each: each.replace(b"/Size 18", b"        "),
    "a section that is before itself": lambda each: each.replace(
        b"/Size 18", b"/Size 18/Prev %d" % last_xref(each)
    ),
    "a section before it that is not there": lambda each: each.replace(b"/Size 18", b"/Size 18/Prev 99999"),
    "an old header": lambda each: each.replace(b"%PDF-1.7", b"%PDF-1.3"),
    "a reference of another generation": lambda each: each.replace(b"/Fields 14 0 R", b"/Fields 14 1 R"),
    "streams that are longer than they say": lambda each: re.sub(rb"/Length \d\d", b"/Length 03", each),
}


def raised(before: bytes) -> bytes:
    stream = io.BytesIO(before)
    try:
        extend_pdf(stream, Level.B_LTA, stamping(), material())
    except PdfRefusedError:
        assert stream.getvalue() == before
    return stream.getvalue()


@pytest.mark.parametrize("name", SLOPPY)
def test_a_sloppy_file_is_raised_so_that_it_still_passes_or_not_at_all(name: str) -> None:
    assert judge(raised(sign(SLOPPY[name](written())))).indication is Indication.PASSED


def test_a_seal_that_would_be_worse_for_it_is_not_raised() -> None:
    """What nothing refers to is no matter, until an update behind it has all that is there looked at."""
    unused = update_packed(sealed(), {20: b"<</A 21 0 R>>", 21: b"[1]"})
    damaged = unused.replace(b"/First 11", b"/Worst 11")
    assert damaged != unused
    assert judge(damaged).indication is Indication.PASSED
    assert judge(raised(damaged)).indication is Indication.PASSED


@pytest.mark.parametrize("name", SLOPPY)
def test_a_sloppy_file_that_is_sealed_whole_passes(name: str) -> None:
    assert judge(sign(SLOPPY[name](written()))).indication is Indication.PASSED


@pytest.mark.parametrize("name", SLOPPY)
def test_a_sloppy_file_that_was_altered_fails(name: str) -> None:
    document = sign(SLOPPY[name](written()))
    assert document.count(b"Pay 100") == 1
    altered = judge(document.replace(b"Pay 100", b"Pay 900"))
    assert (altered.indication, altered.sub_indication) == (Indication.FAILED, SubIndication.HASH_FAILURE)


@pytest.mark.parametrize("name", SLOPPY)
def test_a_page_replaced_after_a_sloppy_seal_does_not_pass(name: str) -> None:
    document = sign(SLOPPY[name](written()))
    page = PAGE_OF.replace(b"/Contents 3 0 R", b"/Contents 16 0 R") % (b"6 0 R 7 0 R", b"")
    later = update(document, {PAGE: page}, previous=last_xref(written()))
    assert judge(later).indication is not Indication.PASSED


def test_a_broken_table_is_no_way_to_hide_what_was_appended() -> None:
    appended = b"3 0 obj\n<</Length 0>>stream\n\nendstream\nendobj\n%s" % (b" " * 3_000)
    assert judge(sign(written()) + appended + b"startxref\n7\n%%EOF\n").indication is not Indication.PASSED


def test_text_without_any_object_after_the_seal_is_open() -> None:
    assert judge(sealed() + b"sent by somebody\n").indication is Indication.INDETERMINATE


def test_a_damaged_field_beside_the_sealed_one_hides_no_seal() -> None:
    document = sign(written(o6=b"<</FT/Tx/T((((amount)"))
    assert judge(document).indication is Indication.PASSED
    altered = judge(document.replace(b"Pay 100", b"Pay 900"))
    assert altered.sub_indication is SubIndication.HASH_FAILURE


def test_ranges_and_string_in_objects_of_their_own_are_read() -> None:
    apart = written(lambda each: each.replace(STRING, b" 16 0 R"), o16=STRING)
    assert judge(sign(apart)).indication is Indication.PASSED
    ranges = written(lambda each: each.replace(b"[%s]" % BLANK, b" 16 0 R"), o16=b"[%s]" % BLANK)
    assert judge(sign(ranges)).indication is Indication.PASSED


def test_a_string_in_an_object_of_its_own_that_is_replaced_fails() -> None:
    document = sign(written(lambda each: each.replace(STRING, b" 16 0 R"), o16=STRING))
    assert judge(update(document, {16: STRING})).indication is Indication.FAILED
    ranges = sign(written(lambda each: each.replace(b"[%s]" % BLANK, b" 16 0 R"), o16=b"[%s]" % BLANK))
    assert judge(update(ranges, {16: b"[0 10 20 30]"})).indication is Indication.FAILED


def test_an_odd_number_of_digits_has_a_zero_behind_it() -> None:
    document = sign(written())
    end = document.index(b"0>")
    shorter = document[:end] + document[end + 1 :]
    assert judge(shorter).indication is Indication.FAILED  # the ranges leave out another string
    odd = STRING[:-1] + b"0>"
    octets = written(lambda each: each.replace(STRING, odd))
    start, end = octets.index(odd), octets.index(odd) + len(odd)
    octets = octets.replace(BLANK, (b"0 %d %d %d" % (start, end, len(octets) - end)).ljust(len(BLANK)))
    made = TEMPLATE.sign(hashlib.sha256(octets[:start] + octets[end:]).digest()).encode().hex().encode()
    assert judge(octets[: start + 1] + made.ljust(len(odd) - 2, b"0") + octets[end - 1 :]).indication is (
        Indication.PASSED
    )


def signed_around(before: int, behind: int) -> bytes:
    """A file whose ranges leave out so many octets more before and behind the string."""
    octets = written(lambda each: each.replace(STRING, b"  " + STRING + b"  "))
    start, end = octets.index(STRING) - before, octets.index(STRING) + len(STRING) + behind
    octets = octets.replace(BLANK, (b"0 %d %d %d" % (start, end, len(octets) - end)).ljust(len(BLANK)))
    made = TEMPLATE.sign(hashlib.sha256(octets[:start] + octets[end:]).digest()).encode().hex().encode()
    return octets.replace(STRING, b"<" + made.ljust(len(STRING) - 2, b"0") + b">")


def test_angles_that_are_signed_too_cover_no_less() -> None:
    assert judge(signed_around(-1, -1)).indication is Indication.PASSED


def test_white_space_left_out_with_the_string_is_open_and_anything_else_fails() -> None:
    assert judge(signed_around(1, 1)).indication is Indication.INDETERMINATE
    assert judge(signed_around(3, 0)).indication is Indication.FAILED
    assert judge(signed_around(-1, 0)).indication is Indication.FAILED


def encrypted(octets: bytes) -> bytes:
    """The same file, said to be encrypted: what a reader without the key makes of it."""
    return octets.replace(b"/Size 18", b"/Encrypt 16 0 R/Size 18")


def test_an_encrypted_file_that_is_sealed_whole_is_judged() -> None:
    document = sign(encrypted(written()))
    assert judge(document).indication is Indication.PASSED
    altered = judge(document.replace(b"Pay 100", b"Pay 900"))
    assert altered.sub_indication is SubIndication.HASH_FAILURE


def test_what_follows_an_encrypted_seal_is_open() -> None:
    later = update(sign(encrypted(written())), {20: b"<<>>"}, trailer=b"/Root 1 0 R/Encrypt 16 0 R")
    assert judge(later).indication is Indication.INDETERMINATE


def test_an_encrypted_file_without_a_seal_is_not_called_broken() -> None:
    report = judge(encrypted(contract()))
    assert [check.reason for check in report.checks] == ["ENCRYPTED"]
    assert report.indication is Indication.INDETERMINATE


def of_kind(kind: bytes, cms: Callable[[bytes], bytes] | None = None) -> bytes:
    return sign(written(lambda each: each.replace(b"ETSI.CAdES.detached", kind)), cms)


def bare(content: bytes, inside: bytes | None = None) -> bytes:
    """A SignedData that signs a content without any signed attribute (RFC 5652 §5.4)."""
    from asn1crypto import algos, cms, core, x509  # type: ignore[import-untyped]  # noqa: PLC0415  # a peer

    signer = SoftwareSigner(suite(P256), key_of(suite(P256)))
    certificate = x509.Certificate.load(seal_key().certificate)
    info = cms.SignerInfo(
        {
            "version": "v1",
            "sid": cms.SignerIdentifier(
                {
                    "issuer_and_serial_number": {
                        "issuer": certificate.issuer,
                        "serial_number": certificate.serial_number,
                    }
                }
            ),
            "digest_algorithm": algos.DigestAlgorithm({"algorithm": "sha256"}),
            "signature_algorithm": algos.SignedDigestAlgorithm({"algorithm": "sha256_ecdsa"}),
            "signature": signer.sign(content),
        }
    )
    held = {"content_type": "data"} | ({} if inside is None else {"content": core.OctetString(inside)})
    chain = [certificate, *(x509.Certificate.load(each) for each in seal_key().chain)]
    data = cms.SignedData(
        {
            "version": "v1",
            "digest_algorithms": [algos.DigestAlgorithm({"algorithm": "sha256"})],
            "encap_content_info": held,
            "certificates": chain,
            "signer_infos": [info],
        }
    )
    return bytes(cms.ContentInfo({"content_type": "signed_data", "content": data}).dump())


def reasons(report: Report) -> list[str]:
    return [str(check.reason) for part in report.parts for check in part.checks if check.reason]


def test_an_old_signature_without_attributes_is_verified_over_the_document() -> None:
    document = of_kind(b"adbe.pkcs7.detached", bare)
    assert judge(document).indication is Indication.INDETERMINATE
    assert "BINDING_ABSENT" in reasons(judge(document))
    altered = judge(document.replace(b"Pay 100", b"Pay 900"))
    assert (altered.indication, altered.sub_indication) == (
        Indication.FAILED,
        SubIndication.SIG_CRYPTO_FAILURE,
    )


def test_an_old_signature_over_a_digest_of_the_document_is_verified() -> None:
    def over_digest(covered: bytes) -> bytes:
        held = hashlib.sha1(covered, usedforsecurity=False).digest()
        return bare(held, held)

    document = of_kind(b"adbe.pkcs7.sha1", over_digest)
    assert judge(document).indication is Indication.INDETERMINATE
    altered = judge(document.replace(b"Pay 100", b"Pay 900"))
    assert altered.sub_indication is SubIndication.HASH_FAILURE
    forged = of_kind(b"adbe.pkcs7.sha1", lambda each: bare(b"x", hashlib.sha1(each).digest()))  # noqa: S324
    assert judge(forged).indication is Indication.FAILED


def unnamed(covered: bytes) -> bytes:
    """Signed attributes that name no certificate, as most writers make them for adbe.pkcs7.detached."""
    from asn1crypto import cms, core  # noqa: PLC0415  # a peer

    digest = hashlib.sha256(covered).digest()
    attributes = cms.CMSAttributes(
        [
            {"type": "content_type", "values": ["data"]},
            {"type": "message_digest", "values": [core.OctetString(digest)]},
        ]
    )
    signed = bytes(attributes.dump())
    found = cms.ContentInfo.load(bare(signed))
    found["content"]["signer_infos"][0]["signed_attrs"] = attributes
    return bytes(found.dump(force=True))


def test_an_old_signature_that_names_no_certificate_passes_with_its_weakness() -> None:
    report = judge(of_kind(b"adbe.pkcs7.detached", unnamed))
    assert report.indication is Indication.PASSED
    assert "BINDING_ABSENT" in reasons(report)


def test_of_pades_a_signature_that_names_no_certificate_is_open() -> None:
    assert judge(of_kind(b"ETSI.CAdES.detached", unnamed)).indication is Indication.INDETERMINATE


LATER: dict[str, Callable[[], bytes]] = {
    "a cross-reference stream that does not list itself": lambda: re.sub(
        rb"(/Index\[28 1) 29 1\]", rb"\1     ]", update_packed(sealed(), {20: b"<<>>"})
    ),
    "marking said of the catalog": lambda: update(sealed(), {ROOT: CATALOG % b"/MarkInfo<</Marked true>>"}),
    "extensions in an object of their own": lambda: update(
        sealed(), {ROOT: CATALOG % b"/Extensions 20 0 R", 20: b"<</ADBE<</BaseVersion/1.7>>>>"}
    ),
    "a field that the next signature locks": lambda: seal(
        certified(2),
        {
            TEXT: TEXT_FIELD % b"/Ff 1",
            FIELDS: b"[6 0 R 7 0 R 20 0 R]",
            20: b"<</FT/Sig/T(second)/Type/Annot/Subtype/Widget/Rect[0 0 0 0]/V 22 0 R>>",
        },
        number=22,
    ),
}


@pytest.mark.parametrize("name", LATER)
def test_what_other_writers_add_to_a_sealed_file_passes(name: str) -> None:
    assert judge(LATER[name]()).indication is Indication.PASSED


DESCRIBING: dict[str, dict[int, bytes]] = {
    "structure": {ROOT: CATALOG % b"/StructTreeRoot 20 0 R", 20: b"<</Type/StructTreeRoot>>"},
    "language": {ROOT: CATALOG % b"/Lang(ja)"},
    "private data of a page": {PAGE: PAGE_OF % (b"6 0 R 7 0 R", b"/PieceInfo<</A<<>>>>")},
    "a note beside the text": {
        PAGE: PAGE_OF % (b"6 0 R 7 0 R 20 0 R", b""),
        20: b"<</Type/Annot/Subtype/Text/Rect[1 1 9 9]/Contents(seen)>>",
    },
}


@pytest.mark.parametrize("name", DESCRIBING)
def test_what_nobody_forbade_and_nobody_allowed_is_open(name: str) -> None:
    report = judge(update(sealed(), DESCRIBING[name]))
    assert report.indication is Indication.INDETERMINATE
    assert report.sub_indication is SubIndication.SIG_CONSTRAINTS_FAILURE


@pytest.mark.parametrize("name", DESCRIBING)
def test_a_certification_without_any_change_forbids_it(name: str) -> None:
    held = {
        number: each.replace(b"/Metadata 12 0 R", b"/Metadata 12 0 R/Perms<</DocMDP 15 0 R>>")
        for number, each in DESCRIBING[name].items()
    }
    assert judge(update(certified(1), held)).indication is Indication.FAILED


def test_a_part_of_the_structure_that_is_written_anew_is_open() -> None:
    catalog = CATALOG % b"/StructTreeRoot 16 0 R"
    tree = b"<</Type/StructTreeRoot/ParentTree 17 0 R>>"
    document = seal(contract(o1=catalog, o16=tree, o17=b"<</Nums[0 null]>>"))
    assert judge(update(document, {17: b"<</Nums[]>>"})).indication is Indication.INDETERMINATE
