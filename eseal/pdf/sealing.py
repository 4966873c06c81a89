"""PAdES seals made: B-B to B-LTA, by one key or by two independent ones (ETSI EN 319 142-1 §5, §6).

Who parses the document needs no private key: `SealKey.signer` may be anything that has a suite and signs, so
a process that reads a hostile file can ask another one for its signatures, and for its time-stamps likewise.
"""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import replace
from typing import TYPE_CHECKING

from pyhanko.sign.fields import SigFieldSpec, SigSeedSubFilter
from pyhanko.sign.signers.cms_embedder import SigObjSetup
from pyhanko.sign.signers.pdf_byterange import SignatureObject

from eseal.cms_template import CmsTemplate
from eseal.pdf.appearance import drawn, page_index
from eseal.pdf.extending import add_store
from eseal.pdf.revision import append_signed, begin_update, digest_around, fill, sign_field, whole_or_nothing
from eseal.pdf.seal_field import choose_field, lock_of, signature_fields
from eseal.pdf.security_store import needed
from eseal.pdf.stamping import ATTEMPTS, Stamping, stamp_document
from eseal.values import Level, StampUnavailableError
from kokuin.wire.algorithms import DIGEST_BY_NAME

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import BinaryIO

    from eseal.pdf.orders import PdfSealOrder
    from eseal.pdf.revision import UpdateWriter
    from eseal.values import SealKey

_SECOND_US = 1_000_000


class PdfSealer:
    """Seals documents with the keys of one seal profile; what depends on no document is made once."""

    def __init__(self, keys: Sequence[SealKey], stamping: Stamping | None = None) -> None:
        """Args: one key, or two for two independent seals; the time-stamp authority, None: only B-B is made.

        Raises:
            WireError: a certificate cannot be read.
        """
        self._templates = tuple(CmsTemplate(key) for key in keys)
        self._stamping = stamping

    def seal(self, document: BinaryIO, order: PdfSealOrder) -> tuple[str, ...]:
        """Seal a document where it lies: everything is appended, or nothing; return the fields of the seals.

        With two keys, the second seal covers the first one, in a field of its own; named is the first.

        Args:
            document: a seekable stream, readable and writable.
            order: what is wanted.

        Raises:
            PdfRefusedError: the document cannot be sealed so.
            StampUnavailableError: the level needs a time-stamp, and there is none.
            SignerError: from a signer.
            OSError: from the stream.
        """
        stamping = self._stamping_for(order.level)
        material = needed(order.level, order.material)
        with whole_or_nothing(document):
            orders = [order, *(replace(order, field=None, visible=None) for _ in self._templates[1:])]
            pairs = zip(self._templates, orders, strict=True)
            names = [_sign(document, each, template, stamping) for template, each in pairs]
            if order.level is Level.B_LT and material is not None:
                add_store(document, material)
            if order.level is Level.B_LTA and stamping is not None:
                stamp_document(document, stamping, material)
        return tuple(names)

    def _stamping_for(self, level: Level) -> Stamping | None:
        if level is Level.B_B:
            return None
        if self._stamping is None:
            raise StampUnavailableError("no time-stamp authority")
        return self._stamping


def _sign(document: BinaryIO, order: PdfSealOrder, template: CmsTemplate, stamping: Stamping | None) -> str:
    """Add one seal, at B-B or B-T, and return its field."""
    size = document.seek(0, os.SEEK_END)
    for _ in range(ATTEMPTS):
        writer = begin_update(document)
        room = template.largest(None if stamping is None else stamping.room)
        signed = _signature_dictionary(order, room)
        name = _place(writer, order, signed, template.digest)
        gap = append_signed(document, writer, signed)
        sealed = template.sign(digest_around(document, gap, template.digest))
        token = None
        if stamping is not None:
            token = stamping.stamp(DIGEST_BY_NAME[stamping.digest].of(sealed.signature))
        value = sealed.encode(token)
        if len(value) <= gap.room:
            fill(document, gap, value)
            return name
        document.truncate(size)
    raise StampUnavailableError("tokens outgrow every room that is left for them")


def _place(writer: UpdateWriter, order: PdfSealOrder, signed: SignatureObject, digest: str) -> str:
    """Put the signature dictionary into its field, with what is seen of it, and return the field's name."""
    visible = order.visible
    name, found = choose_field(order.field, writer, signature_fields(writer), visible=visible is not None)
    spec = SigFieldSpec(name)
    if visible is not None:
        spec = SigFieldSpec(name, on_page=page_index(visible.page, writer), box=visible.box)
    picture = None if visible is None else drawn(visible)
    setup = SigObjSetup(signed, mdp_setup=lock_of(found, digest), appearance_setup=picture)
    sign_field(writer, spec, setup)
    return name


def _signature_dictionary(order: PdfSealOrder, room: int) -> SignatureObject:
    """Signature dictionary of a PAdES baseline signature (EN 319 142-1 §6.3): its time is in /M alone."""
    return SignatureObject(
        timestamp=dt.datetime.fromtimestamp(order.claimed_us // _SECOND_US, dt.UTC),
        subfilter=SigSeedSubFilter.PADES,
        reason=order.reason or None,
        location=order.location or None,
        bytes_reserved=2 * room,
    )
