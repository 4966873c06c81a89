"""Time-stamps that go into a PDF: the room they need, and document time-stamps (EN 319 142-1 §5.4.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyhanko.sign.fields import SigFieldSpec
from pyhanko.sign.signers.cms_embedder import SigObjSetup
from pyhanko.sign.signers.pdf_byterange import DocumentTimestamp

from eseal.pdf.revision import append_signed, begin_update, digest_around, fill, sign_field, whole_or_nothing
from eseal.pdf.seal_field import free_name
from eseal.pdf.security_store import add_material
from eseal.values import StampUnavailableError
from kokuin.wire.errors import WireError
from kokuin.wire.token_form import evidence_in

if TYPE_CHECKING:
    from typing import BinaryIO

    from eseal.values import Material, TimeStamper

_FIRST_ROOM = 8 * 1024
_SLACK = 16
"""Octets by which tokens of one unit differ: fractions of genTime, and signatures in DER."""
_TREE_SLACK = 768
"""Octets by which evidence within them differs: a token alone in its batch has no hash of SHA-512 beside it,
one of 512 has nine."""
_rooms: dict[str, int] = {}
"""By digest: the room that was enough for the last token in this process, whose authority seldom changes."""
ATTEMPTS = 3
"""What was too small once is enough the second time, but for a unit that has changed meanwhile."""


def room_for(token: int) -> int:
    """Return the octets to leave for a token of the same unit as one of so many octets."""
    return token + _TREE_SLACK + _SLACK


class Stamping:
    """A time-stamp authority, and how much room its tokens need; good for many documents, in one thread each.

    Room for a token is left before there is one. The first token says how much it is from then on, in the
    whole process: where the first guess was too small, one token is asked for that nobody gets to see.

    Attributes:
        room: octets to leave for a token.
    """

    def __init__(self, stamper: TimeStamper, room: int | None = None) -> None:
        """Args: the authority; room for its first token, octets, None: as for the last one of its digest."""
        self.digest = stamper.digest
        self.room = _rooms.get(self.digest, _FIRST_ROOM) if room is None else room
        self._stamp = stamper.stamp
        self._largest = 0

    def stamp(self, imprint: bytes) -> bytes:
        """Return a token over an imprint by `digest`, and remember its size.

        Raises:
            StampUnavailableError: there is none.
        """
        token = self._stamp(imprint)
        self._largest = max(self._largest, len(token) + (_TREE_SLACK if _has_evidence(token) else 0))
        self.room = _rooms[self.digest] = self._largest + _SLACK
        return token


def _has_evidence(token: bytes) -> bool:
    try:
        return bool(evidence_in(token))
    except WireError:
        return False


def stamp_document(document: BinaryIO, stamping: Stamping, material: Material | None = None) -> str:
    """Add a document time-stamp, and material that it then covers, in one update; return its field.

    Raises:
        PdfRefusedError: the document cannot be updated.
        StampUnavailableError: there is no time-stamp, or tokens of ever more octets.
        OSError: from the stream.
    """
    for _ in range(ATTEMPTS):
        with whole_or_nothing(document):
            size = document.seek(0, 2)
            writer = begin_update(document)
            if material is not None:
                add_material(writer, material)
            name = free_name("Timestamp", writer)
            signed = DocumentTimestamp(bytes_reserved=2 * stamping.room)
            sign_field(writer, SigFieldSpec(name), SigObjSetup(signed))
            gap = append_signed(document, writer, signed)
            token = stamping.stamp(digest_around(document, gap, stamping.digest))
            if len(token) <= gap.room:
                fill(document, gap, token)
                return name
            document.truncate(size)
    raise StampUnavailableError("tokens outgrow every room that is left for them")
