"""What is found in a sealed PDF, and what is refused of the CMS in it."""

from __future__ import annotations

import hashlib
import io
import os
from typing import TYPE_CHECKING

import pytest
from pyhanko.pdf_utils.reader import PdfFileReader

from eseal.cms_template import encode_signed_data
from eseal.pdf.find import find
from eseal.pdf.stamping import Stamping, stamp_document
from eseal.values import Found, StampRole
from kokuin.trust.report import Indication
from tests.eseal.fuzz_judging import judge_pdf as judge
from tests.eseal.pdf.handmade import (
    certified,
    contract,
    gap_of,
    last_xref,
    seal,
    sealed,
    update,
)
from tests.eseal.pdf.plain import pages
from tests.eseal.pdf.test_attacks import HONEST, extended, sealed_again
from tests.eseal.pki import seal_pki

if TYPE_CHECKING:
    from collections.abc import Callable

    from eseal.cms_template import CmsTemplate

BY_SIZE = {"new objects that nobody uses", "in an object stream", "sealed again by hand"}
"""pyHanko tells new objects by /Size alone, which here is always the same."""


def found_in(document: bytes) -> Found:
    found = find(document, None)
    assert isinstance(found, Found), found
    return found


def two_signers(template: CmsTemplate, digest: bytes) -> bytes:
    one = template.sign(digest)
    return encode_signed_data([(one, ()), (one, ())])


def with_content(template: CmsTemplate, _: bytes) -> bytes:
    """The signature is over what is inside, and says nothing of the document."""
    inside = b"another document"
    return encode_signed_data([(template.sign(hashlib.new(template.digest, inside).digest()), ())], inside)


def of_another_type(template: CmsTemplate, digest: bytes) -> bytes:
    made = template.sign(digest).encode()
    data = bytes.fromhex("300b06092a864886f70d010701")
    assert made.count(data) == 1
    return made.replace(data, bytes.fromhex("300b06092a864886f70d010703"))


WRONG: dict[str, Callable[[CmsTemplate, bytes], bytes]] = {
    "two signers": two_signers,
    "content inside": with_content,
    "another type": of_another_type,
    "no CMS": lambda *_: b"\x30\x03\x02\x01\x01",
    "no DER": lambda *_: b"x",
}


@pytest.mark.parametrize("name", WRONG)
def test_another_cms_than_one_detached_signature_fails(name: str) -> None:
    document = seal(contract(), spare=2_000, cms=WRONG[name])
    assert judge(document).indication is Indication.FAILED


def _followed(template: CmsTemplate, digest: bytes) -> bytes:
    return template.sign(digest).encode() + b"more"


def test_octets_behind_the_cms_are_named() -> None:
    document = seal(
        contract(), spare=64, cms=lambda template, digest: template.sign(digest).encode() + b"more"
    )
    (found,) = found_in(document).seals
    assert [check.params for check in found.before if check.id == "pdf-dictionary"] == [{"what": "padding"}]


def test_each_seal_has_the_document_time_stamps_that_cover_it() -> None:
    document = extended(sealed_again(extended(sealed())))
    first, second = found_in(document).seals
    roles = [[stamp.role for stamp in seal.stamps] for seal in (first, second)]
    assert roles[0].count(StampRole.DOCUMENT) > roles[1].count(StampRole.DOCUMENT) > 0
    assert [stamp.index for stamp in first.stamps] == list(range(len(first.stamps)))
    assert first.revocation.lists


def test_a_document_with_a_time_stamp_alone_has_no_seal_and_its_stamp() -> None:
    octets = io.BytesIO(pages())
    stamp_document(octets, Stamping(seal_pki().stamper()))
    found = found_in(octets.getvalue())
    assert not found.seals
    assert [stamp.role for stamp in found.stamps] == [StampRole.DOCUMENT]


def test_a_change_after_a_document_time_stamp_is_a_change() -> None:
    octets = io.BytesIO(pages())
    stamp_document(octets, Stamping(seal_pki().stamper()))
    changed = update(octets.getvalue(), {3: b"<</Length 1>>\nstream\nx\nendstream"}, trailer=b"/Root 1 0 R")
    assert judge(changed).indication is Indication.FAILED


def test_the_claimed_time_is_that_of_the_dictionary() -> None:
    document = seal(contract(), more=b"/M(D:20260102030405+09'00')/Reason(\xfe\xff\x62\x7f\x8a\x8d)")
    (found,) = found_in(document).seals
    assert found.claimed_us == 1_767_290_645_000_000
    assert found.subject["reason"] == "承認"


def test_a_start_that_misses_its_table_by_some_octets_is_found() -> None:
    base = contract()
    start = last_xref(base)
    shifted = base.replace(b"startxref\n%d\n" % start, b"startxref\n%d\n" % (start - 3))
    assert judge(seal(shifted)).indication is Indication.PASSED


def test_an_appearance_that_stands_in_the_field_itself_is_read() -> None:
    field = b"<</FT/Tx/T(amount)/Type/Annot/Subtype/Widget/Rect[0 0 9 9]/AP<</N<</Off null>>>>>>"
    assert judge(seal(contract(o6=field))).indication is Indication.PASSED


def test_a_large_file_is_judged() -> None:
    filler = os.urandom(1 << 20) * 24
    document = seal(contract(o16=b"<</Length %d>>\nstream\n%s\nendstream" % (len(filler), filler)))
    assert judge(update(document, {20: b"<<>>"})).indication is Indication.PASSED


def test_what_is_covered_is_all_but_the_string() -> None:
    start, end, covered = gap_of(sealed())
    assert (sealed()[start : start + 1], sealed()[end - 1 : end]) == (b"<", b">")
    assert covered == len(sealed())


@pytest.mark.parametrize("name", sorted(HONEST.keys() - BY_SIZE))
def test_pyhanko_finds_nothing_wrong_with_what_passes(name: str) -> None:
    reader = PdfFileReader(io.BytesIO(HONEST[name]()))
    for each in reader.embedded_signatures:
        each.compute_integrity_info()
        assert each.summarise_integrity_info()["docmdp_ok"]


def test_a_certified_contract_is_read_as_certified() -> None:
    assert judge(certified(2)).indication is Indication.PASSED
