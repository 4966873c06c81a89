"""PAdES seals made: B-B to B-LTA, by one key or by two independent ones (ETSI EN 319 142-1 §5, §6).

Who parses the document needs no private key: `SealKey.signer` may be anything that has a suite and signs, so
a process that reads a hostile file can ask another one for its signatures, and for its time-stamps likewise.
"""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyhanko.sign.fields import SigFieldSpec, SigSeedSubFilter
from pyhanko.sign.signers.cms_embedder import SigObjSetup
from pyhanko.sign.signers.pdf_byterange import SignatureObject

from eseal.cms_template import CmsTemplate
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

    from eseal.values import Material, SealKey

_SECOND_US = 1_000_000


@dataclass(frozen=True, slots=True)
class PdfSealOrder:
    """How one document is to be sealed.

    Attributes:
        level: that it shall reach.
        claimed_us: the time in the signature dictionary, microseconds since 1970 UTC, cut to seconds.
        field: name of the field, a signature field that waits or a new one; None: a new one with a free name.
        reason: shown by readers; empty: none.
        location: likewise.
        material: what B-LT adds.
    """

    level: Level
    claimed_us: int
    field: str | None = None
    reason: str = ""
    location: str = ""
    material: Material | None = None


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
            names = [self._sign(document, order, self._templates[0], stamping, order.field)]
            names += [self._sign(document, order, each, stamping, None) for each in self._templates[1:]]
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

    def _sign(
        self,
        document: BinaryIO,
        order: PdfSealOrder,
        template: CmsTemplate,
        stamping: Stamping | None,
        field: str | None,
    ) -> str:
        """Add one seal, at B-B or B-T."""
        size = document.seek(0, os.SEEK_END)
        for _ in range(ATTEMPTS):
            writer = begin_update(document)
            fields = signature_fields(writer)
            name, found = choose_field(field, writer, fields, visible=False)
            room = template.largest(None if stamping is None else stamping.room)
            signed = _signature_dictionary(order, room)
            setup = SigObjSetup(signed, mdp_setup=lock_of(found, template.digest))
            sign_field(writer, SigFieldSpec(name), setup)
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


def _signature_dictionary(order: PdfSealOrder, room: int) -> SignatureObject:
    """Signature dictionary of a PAdES baseline signature (EN 319 142-1 §6.3): its time is in /M alone."""
    return SignatureObject(
        timestamp=dt.datetime.fromtimestamp(order.claimed_us // _SECOND_US, dt.UTC),
        subfilter=SigSeedSubFilter.PADES,
        reason=order.reason or None,
        location=order.location or None,
        bytes_reserved=2 * room,
    )
