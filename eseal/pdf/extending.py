"""Sealed PDFs raised to a higher level, and renewed (ETSI EN 319 142-1 §5.4, §5.5, §6.3).

A seal without a time-stamp gets one over the whole document: its own /Contents is as large as it was made,
and a document time-stamp is as good a proof of when it existed (§6.3, table 1).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pyhanko.pdf_utils.generic import ByteStringObject, IndirectObject, TextStringObject

from eseal.extending import open_questions, what_is_wrong
from eseal.pdf.find import find
from eseal.pdf.guard import refusing
from eseal.pdf.opening import entry, open_pdf
from eseal.pdf.refusals import PdfRefusal, PdfRefusedError
from eseal.pdf.revision import append_update, begin_update, whole_or_nothing
from eseal.pdf.seal_field import signature_fields
from eseal.pdf.security_store import add_material, needed
from eseal.pdf.stamping import stamp_document
from eseal.values import MAX_PDF, Level, StampUnavailableError
from kokuin.trust.report import Check
from kokuin.wire import oids
from kokuin.wire.ber import definite
from kokuin.wire.cms import read_signed_data
from kokuin.wire.errors import WireError
from kokuin.wire.header import INDEFINITE, read_header
from kokuin.wire.prescan import TOKEN_LIMITS

if TYPE_CHECKING:
    from typing import BinaryIO

    from pyhanko.pdf_utils.generic import DictionaryObject

    from eseal.pdf.opening import BoundedReader
    from eseal.pdf.seal_field import SealField
    from eseal.pdf.stamping import Stamping
    from eseal.values import Found, Material

_DOCUMENT_STAMP = "/ETSI.RFC3161"


def extend_pdf(
    document: BinaryIO, level: Level, stamping: Stamping | None = None, material: Material | None = None
) -> Level:
    """Raise a sealed document to a level where it lies, or renew it at B-LTA; return the level that it had.

    Everything is appended, or nothing. All seals of the document are raised; none is changed.

    Args:
        document: a seekable stream, readable and writable.
        level: to reach; B-LTA of a document that is there already adds material and a new time-stamp.
        stamping: of the time-stamps.
        material: that B-LT adds, and B-LTA before its time-stamp.

    Raises:
        PdfRefusedError: NOT_SEALED; LEVEL_REACHED; SEAL_NOT_RIGHT; NO_MATERIAL; or the document cannot be
            updated.
        StampUnavailableError: a time-stamp is needed, and there is none.
        OSError: from the stream.
    """
    with whole_or_nothing(document):
        present = level_of(document)
        if level is not Level.B_LTA and level.rank <= present.rank:
            raise PdfRefusedError(PdfRefusal.LEVEL_REACHED, present)
        before = _sound(document)
        added = needed(level, material)
        if present is Level.B_B:
            stamp_document(document, _asked(stamping))
        if level is Level.B_LT and added is not None:
            add_store(document, added)
        if level is Level.B_LTA:
            stamp_document(document, _asked(stamping), added)
        if not open_questions(_found(document)) <= open_questions(before):
            # Where readers mend a file each in its own way, what is added may show each another document.
            raise PdfRefusedError(PdfRefusal.BROKEN, "a seal would be worse for it")
    return present


def _found(document: BinaryIO) -> Found:
    document.seek(0)
    found = find(document.read(MAX_PDF), None)
    if isinstance(found, Check):
        raise PdfRefusedError(PdfRefusal.BROKEN, str(found.reason))
    return found


def _sound(document: BinaryIO) -> Found:
    found = _found(document)
    if not found.seals:
        raise PdfRefusedError(PdfRefusal.NOT_SEALED)
    wrong = what_is_wrong(found)
    if wrong is not None:
        raise PdfRefusedError(PdfRefusal.SEAL_NOT_RIGHT, wrong)
    return found


def _asked(stamping: Stamping | None) -> Stamping:
    if stamping is None:
        raise StampUnavailableError("no time-stamp authority")
    return stamping


def add_store(document: BinaryIO, material: Material) -> None:
    """Add validation material in an update of its own (B-LT).

    Raises:
        PdfRefusedError: the document cannot be updated.
        OSError: from the stream.
    """
    with whole_or_nothing(document):
        writer = begin_update(document)
        if add_material(writer, material):
            append_update(writer)


def level_of(document: BinaryIO) -> Level:
    """Return the level that the form of a sealed document shows: the lowest of its seals; nothing is judged.

    Raises:
        PdfRefusedError: NOT_SEALED, or as of `open_pdf`.
        OSError: from the stream.
    """
    size = document.seek(0, os.SEEK_END)
    reader = open_pdf(document)
    document.truncate(size)
    signed = [each for each in signature_fields(reader) if each.value is not None]
    with refusing():
        stamps = [_revision(reader, each) for each in signed if _is_stamp(each)]
        seals = [each for each in signed if not _is_stamp(each)]
        if not seals:
            raise PdfRefusedError(PdfRefusal.NOT_SEALED)
        newest = max(stamps, default=-1)
        if not all(newest > _revision(reader, each) or _has_stamp(each) for each in seals):
            return Level.B_B
        store = _revision_of_store(reader)
    if store is None:
        return Level.B_T
    return Level.B_LTA if newest >= store else Level.B_LT


def _is_stamp(field: SealField) -> bool:
    return field.value is not None and entry(field.value, "/SubFilter") == _DOCUMENT_STAMP


def _revision(reader: BoundedReader, field: SealField) -> int:
    """Return the update in which a field was signed: that which brought its value, or the field with it."""
    value = field.field.raw_get("/V")
    where = value if isinstance(value, IndirectObject) else field.reference
    return int(reader.xrefs.get_introducing_revision(where.reference))


def _revision_of_store(reader: BoundedReader) -> int | None:
    """Return the last update of the document security store; None: there is none."""
    store: DictionaryObject | None = entry(reader.root, "/DSS")
    if store is None or not entry(store, "/Certs"):
        return None
    raw = reader.root.raw_get("/DSS")
    parts = [raw, *(value for key, value in store.items() if key in ("/Certs", "/CRLs", "/OCSPs"))]
    references = [part.reference for part in parts if isinstance(part, IndirectObject)]
    if not isinstance(raw, IndirectObject):
        references.append(reader.root_ref)
    return max(int(reader.xrefs.get_last_change(reference)) for reference in references)


def _has_stamp(field: SealField) -> bool:
    """Say whether the CMS of a seal carries a signature time-stamp; one that cannot be read does not."""
    contents = entry(field.value, "/Contents") if field.value is not None else None
    if isinstance(contents, TextStringObject):
        contents = contents.original_bytes
    if not isinstance(contents, bytes | ByteStringObject):
        return False
    try:
        _, start, length = read_header(contents, 0, len(contents))
        # What follows the CMS are the zeros that fill its gap.
        octets = contents if length == INDEFINITE else contents[: start + length]
        infos = read_signed_data(definite(octets, TOKEN_LIMITS)).signer_infos
    except WireError:
        return False
    return all(
        any(attribute.oid == oids.ID_AA_TIME_STAMP_TOKEN for attribute in info.unsigned_attributes)
        for info in infos
    )
