"""Why a PDF is not sealed: one exception with a stable code."""

from __future__ import annotations

from enum import StrEnum

from eseal.refusal import RefusedError


class PdfRefusal(StrEnum):
    """Reasons of a `PdfRefusedError`."""

    TOO_LARGE = "PDF_TOO_LARGE"
    """More octets than `eseal.values.MAX_PDF`."""
    BROKEN = "PDF_BROKEN"
    """It is no PDF, or one that readers can understand in several ways: what would be sealed is not sure."""
    LIMITS = "PDF_LIMITS"
    """It unpacks to more, has more objects, revisions or fields, or nests deeper than is looked at."""
    ENCRYPTED = "PDF_ENCRYPTED"
    """It is encrypted: an update can neither take that away nor be read by those who have no key."""
    HYBRID_XREF = "PDF_HYBRID_XREF"
    """It has two cross-reference tables, for old and new readers, which may show different documents."""
    NO_CHANGES_ALLOWED = "PDF_NO_CHANGES_ALLOWED"
    """A signature in it forbids every change but time-stamps and validation data (DocMDP, P = 1)."""
    VISIBLE_FORBIDDEN = "PDF_VISIBLE_FORBIDDEN"
    """It is certified (DocMDP): a new visible field would count as a change of the page."""
    FIELD_LOCKED = "PDF_FIELD_LOCKED"
    """A signature in it locks the field (FieldMDP)."""
    FIELD_TAKEN = "PDF_FIELD_TAKEN"
    """The field that was named is signed already."""
    FIELD_UNUSABLE = "PDF_FIELD_UNUSABLE"
    """What was named is no signature field, or its seed value asks what a seal does not promise."""
    PAGE_MISSING = "PDF_PAGE_MISSING"
    """It has no such page, or none at all."""
    APPEARANCE = "PDF_APPEARANCE"
    """The appearance cannot be drawn: an image or a font that cannot be read, or no room for it."""
    GLYPH_MISSING = "PDF_GLYPH_MISSING"
    """The text has characters that the font has no picture of."""
    SEAL_NOT_RIGHT = "PDF_SEAL_NOT_RIGHT"
    """A seal in it is wrong, or what came after it is: a time-stamp would only make it look better."""
    NOT_SEALED = "PDF_NOT_SEALED"
    """There is no seal to extend."""
    LEVEL_REACHED = "PDF_LEVEL_REACHED"
    """It has this level, or a higher one, already."""
    NO_MATERIAL = "PDF_NO_MATERIAL"
    """Nothing is at hand of what the level adds: certificates and revocation data."""


class PdfRefusedError(RefusedError[PdfRefusal]):
    """A PDF that is not sealed or extended; it is as it was."""
