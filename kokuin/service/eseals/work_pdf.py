"""PAdES in a child: PDFs sealed, and their seals raised (ETSI EN 319 142-1)."""

from __future__ import annotations

import datetime as dt
import io
import time
from typing import TYPE_CHECKING

from eseal.pdf.extending import extend_pdf
from eseal.pdf.find import find
from eseal.pdf.loading import load_late
from eseal.pdf.orders import PdfSealOrder, VisibleSeal
from eseal.pdf.refusals import PdfRefusal, PdfRefusedError
from eseal.pdf.sealing import PdfSealer
from eseal.pdf.stamping import Stamping, room_for
from kokuin.service.eseals.codes import SealCode, SealRefusedError
from kokuin.trust.report import Check

if TYPE_CHECKING:
    from eseal.values import Level, Material
    from kokuin.service.eseals.work import Counting, Order

__all__ = ["extend", "find", "seal"]

# Imported by a child that is about to give up opening files.
load_late()

_MAX_TEXT = 256
_TEXTS = ("reason", "location", "field")


def seal(order: Order, level: Level, stamper: Counting, material: Material) -> bytes:
    """See `SealWork.seal`."""
    for name in _TEXTS:
        text = order.options.get(name, "")
        if len(text) > _MAX_TEXT or not text.replace("\u3000", " ").isprintable():
            raise SealRefusedError(SealCode.REQUEST_INVALID, name)
    now_us = time.time_ns() // 1_000
    wanted = PdfSealOrder(
        level=level,
        claimed_us=now_us,
        field=order.options.get("field") or None,
        reason=order.options.get("reason", ""),
        location=order.options.get("location", ""),
        material=material,
        visible=_visible(order, now_us),
    )
    document = io.BytesIO(order.document)
    try:
        fields = PdfSealer(order.keys, _stamping(stamper)).seal(document, wanted)
    except PdfRefusedError as error:
        raise _refusal(error) from None
    sealed = document.getvalue()
    _see(sealed, fields)
    return sealed


def _see(sealed: bytes, fields: tuple[str, ...]) -> None:
    """Refuse a document in which a verifier does not see what was sealed.

    Attack: a file that one reader understands, and another one not or otherwise, gets a seal that is good for
    whoever prepared it, and for nobody to whom it is shown.

    Raises:
        SealRefusedError: our own finder does not read it, or something about one of these seals is wrong.
    """
    found = find(sealed, None)
    seals = () if isinstance(found, Check) else found.seals
    right = {
        each.subject["field"] for each in seals if all(check.sub_indication is None for check in each.before)
    }
    if not right.issuperset(fields):
        raise SealRefusedError(SealCode.DOCUMENT_UNFIT, reason=PdfRefusal.BROKEN)


def extend(order: Order, level: Level, stamper: Counting, material: Material) -> bytes:
    """See `SealWork.extend`."""
    document = io.BytesIO(order.document)
    try:
        extend_pdf(document, level, _stamping(stamper), material)
    except PdfRefusedError as error:
        raise _refusal(error) from None
    return document.getvalue()


def _stamping(stamper: Counting) -> Stamping:
    """Begin with the room that the last document's tokens needed; this process may have seen none."""
    return Stamping(stamper, room_for(stamper.expected) if stamper.expected else None)


def _visible(order: Order, now_us: int) -> VisibleSeal | None:
    """Return what the seal profile has seen of a seal."""
    profile = order.profile
    if profile is None or profile.appearance is None:
        return None
    shown, person = profile.appearance, profile.person
    moment = dt.datetime.fromtimestamp(now_us // 1_000_000, dt.UTC)
    text = shown.shown(person, moment.strftime("%Y-%m-%d %H:%M:%SZ"))
    return VisibleSeal(shown.page, shown.box, text, shown.link, order.image, order.font)


def _refusal(error: PdfRefusedError) -> SealRefusedError:
    if error.code is PdfRefusal.LEVEL_REACHED:
        return SealRefusedError(SealCode.LEVEL_NOT_ALLOWED, "level", error.code)
    if error.code is PdfRefusal.NO_MATERIAL:
        return SealRefusedError(SealCode.MATERIAL_MISSING, reason=error.code)
    return SealRefusedError(SealCode.DOCUMENT_UNFIT, reason=error.code)
