"""No attack on a sealed PDF passes; what honest writers do does."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from eseal.judging import judge_document, refuse_document
from eseal.pdf.extending import extend_pdf
from eseal.pdf.find import find
from eseal.pdf.orders import PdfSealOrder, VisibleSeal
from eseal.pdf.sealing import PdfSealer
from eseal.pdf.stamping import Stamping
from eseal.values import Found, Level, Material
from kokuin.trust.context import Context
from kokuin.trust.report import Indication
from tests.eseal.pdf.attacks import ATTACKS
from tests.eseal.pdf.handmade import (
    CONTENT,
    FIELDS,
    INFO,
    PACKET,
    PAGES,
    PAY_100,
    TEXT,
    TEXT_FIELD,
    XMP,
    XMP_OF,
    certified,
    contract,
    seal,
    sealed,
    update,
    update_packed,
)
from tests.eseal.pdf.plain import stream
from tests.eseal.pki import NOW_US, seal_key, seal_pki

if TYPE_CHECKING:
    from collections.abc import Callable

    from kokuin.trust.report import Report

OPEN = {
    "eaa_annotation_where_annotations_are_permitted",
    "eaa_stamp_where_annotations_are_permitted",
    "eaa_annotation_as_a_direct_object",
    "ssa_visible_signature_over_a_certified_text",
    "ssa_visible_signature_over_an_approved_text",
    "ssa_prepared_field_shown_by_a_signature",
    "shadow_replace_value_of_a_field",
    "shadow_replace_value_under_the_old_look",
    "certification_claimed_by_the_signature_alone",
    "eaa_annotation_on_an_approved_document",
    "form_fields_by_another_generation",
    "swa_string_with_white_space",
}
"""What a signer permits, or nobody forbids: a reader cannot know whether it was meant."""


def judged(document: bytes) -> Report:
    context = Context(NOW_US, seal_pki().trust)
    found = find(document, None)
    if isinstance(found, Found):
        return judge_document(found, context)
    return refuse_document("pdf", found, context)


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_does_not_pass(name: str) -> None:
    report = judged(ATTACKS[name]())
    wanted = Indication.INDETERMINATE if name in OPEN else Indication.FAILED
    assert report.indication is wanted


def sealed_again(document: bytes, level: Level = Level.B_B, visible: VisibleSeal | None = None) -> bytes:
    pki = seal_pki()
    certificates = (*pki.chain, pki.root.certificate.der, pki.stamper().certificate.der)
    stream = io.BytesIO(document)
    order = PdfSealOrder(level, NOW_US, material=Material(certificates, pki.revocation()), visible=visible)
    PdfSealer([seal_key()], Stamping(pki.stamper())).seal(stream, order)
    return stream.getvalue()


def _filled(document: bytes) -> bytes:
    look = stream(b"BT (900) Tj ET", b"/Type/XObject/Subtype/Form/BBox[0 0 100 20]")
    field = (TEXT_FIELD % b"").replace(b"(100)", b"(900)").replace(b"10 0 R", b"20 0 R")
    return update(document, {TEXT: field, 20: look})


HONEST: dict[str, Callable[[], bytes]] = {
    "sealed": sealed,
    "white space after the end of file": lambda: sealed() + b"\r\n\n",
    "of a post-quantum suite": lambda: seal(contract(), suite="ml-dsa-65"),
    "certified": lambda: certified(1),
    "certified and a place for a seal filled": lambda: sealed_again(
        update(certified(2), {}, trailer=b"/Root 1 0 R/Info 11 0 R")
    ),
    "certified, forms may be filled, and one is": lambda: _filled(certified(2)),
    "certified against changes, and a time-stamp added": lambda: extended(certified(1)),
    "new objects that nobody uses": lambda: update(sealed(), {20: b"<</A 21 0 R>>", 21: b"[1]"}),
    "in an object stream": lambda: update_packed(sealed(), {20: b"<</A 21 0 R>>", 21: b"[1]"}),
    "the same objects written again": lambda: update(
        sealed(), {PAGES: b"<</Type/Pages/Count 2/Kids[ 4 0 R 13 0 R ]>>", CONTENT: stream(PAY_100)}
    ),
    "another title": lambda: update(sealed(), {INFO: b"<</Title(Contract, sealed)>>"}),
    "other metadata": lambda: update(sealed(), {XMP: stream(PACKET % b"<y/>", XMP_OF)}),
    "sealed again": lambda: sealed_again(sealed()),
    "sealed again by hand": lambda: seal(
        sealed(),
        {
            FIELDS: b"[6 0 R 7 0 R 20 0 R]",
            20: b"<</FT/Sig/T(second)/Type/Annot/Subtype/Widget/Rect[0 0 0 0]/V 22 0 R>>",
        },
        number=22,
    ),
    "sealed again up to B-LTA": lambda: sealed_again(sealed(), Level.B_LTA),
    "extended to B-LTA": lambda: extended(sealed()),
    "extended twice": lambda: extended(extended(sealed())),
    "visible, beside the text": lambda: sealed_again(
        sealed(), visible=VisibleSeal(1, (300, 100, 450, 160), "Seal")
    ),
}


def extended(document: bytes) -> bytes:
    pki = seal_pki()
    certificates = (*pki.chain, pki.root.certificate.der, pki.stamper().certificate.der)
    octets = io.BytesIO(document)
    extend_pdf(octets, Level.B_LTA, Stamping(pki.stamper()), Material(certificates, pki.revocation()))
    return octets.getvalue()


@pytest.mark.parametrize("name", HONEST)
def test_what_honest_writers_do_passes(name: str) -> None:
    report = judged(HONEST[name]())
    failed = [check for part in (report, *report.parts) for check in part.checks if check.status != "ok"]
    assert report.indication is Indication.PASSED, failed
