"""Of which format a sealed document is, by its first octets; whether it is one, its work finds out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eseal.profile import Format

if TYPE_CHECKING:
    from kokuin.service.eseals.tasks import Document

_LOOK = 1024
"""Octets; the header of PDF may begin anywhere in them (ISO 32000-2, annex I)."""


def recognise(document: Document) -> Format:
    """Return the format that a document to be extended looks like."""
    document.file.seek(0)
    beginning = document.file.read(_LOOK)
    if b"%PDF-" in beginning:
        return Format.PDF
    # A JWS is an object, or begins with the base64url of one; a CMS is no text.
    return Format.JSON if beginning.lstrip(b" \t\r\n")[:1] in {b"{", b"e"} else Format.CADES
