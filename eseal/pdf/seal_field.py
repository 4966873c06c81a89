"""The field that a seal goes into, if earlier signatures allow it (ISO 32000-2 §12.7.5.5, §12.8.2)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count, islice
from typing import TYPE_CHECKING

from pyhanko.pdf_utils.generic import ArrayObject, DictionaryObject, IndirectObject, NumberObject
from pyhanko.sign.fields import FieldMDPSpec, MDPPerm, enumerate_sig_fields
from pyhanko.sign.signers.cms_embedder import SigMDPSetup

from eseal.pdf.guard import refusing
from eseal.pdf.opening import entry
from eseal.pdf.refusals import PdfRefusal, PdfRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyhanko.pdf_utils.rw_common import PdfHandler

MAX_SIGNATURE_FIELDS = 1_000
"""Signature fields that are looked at."""
_MAX_NAME = 128
_NO_CHANGES = 1
_FORM_FILLING = 2
"""What a DocMDP without /P allows (table 257)."""


@dataclass(frozen=True, slots=True)
class SealField:
    """A signature field, as pyHanko reads it.

    Attributes:
        name: fully qualified.
        reference: of its dictionary.
        field: its dictionary.
        value: its signature dictionary; None: it is not signed.
    """

    name: str
    reference: IndirectObject
    field: DictionaryObject
    value: DictionaryObject | None


@dataclass(frozen=True, slots=True)
class Permissions:
    """What the signatures of a document allow from now on, all taken together.

    Attributes:
        level: P of DocMDP, the lowest of all; None: no signature says.
        certified: the document has an author's signature.
        locks: of FieldMDP.
    """

    level: int | None
    certified: bool
    locks: tuple[FieldMDPSpec, ...]


def signature_fields(handler: PdfHandler) -> tuple[SealField, ...]:
    """Return the signature fields of a document, in the order of its form.

    Raises:
        PdfRefusedError: BROKEN, or LIMITS where there are too many.
    """
    with refusing():
        if "/AcroForm" not in handler.root:
            return ()
        found = tuple(islice(map(_field, enumerate_sig_fields(handler)), MAX_SIGNATURE_FIELDS + 1))
    if len(found) > MAX_SIGNATURE_FIELDS:
        raise PdfRefusedError(PdfRefusal.LIMITS, "signature fields")
    return found


def _field(found: tuple[str, object, IndirectObject]) -> SealField:
    name, _, reference = found
    field = reference.get_object()
    if not isinstance(field, DictionaryObject):
        raise PdfRefusedError(PdfRefusal.BROKEN, "signature field")
    value = entry(field, "/V")
    if value is not None and not isinstance(value, DictionaryObject):
        raise PdfRefusedError(PdfRefusal.BROKEN, "value of a signature field")
    return SealField(str(name), reference, field, value)


def permissions(handler: PdfHandler, fields: tuple[SealField, ...]) -> Permissions:
    """Return what the signatures in these fields allow, and the author's, which the catalog names.

    Raises:
        PdfRefusedError: BROKEN.
    """
    with refusing():
        author = entry(entry(handler.root, "/Perms", DictionaryObject()), "/DocMDP")
        signed = [each.value for each in fields if each.value is not None]
        if author is not None and all(each is not author for each in signed):
            signed.append(author)
        levels: list[int] = []
        locks: list[FieldMDPSpec] = []
        for transform, parameters in (pair for value in signed for pair in _references(value)):
            if transform == "/FieldMDP":
                locks.append(FieldMDPSpec.from_pdf_object(parameters))
            # Acrobat writes the level of an approval signature into the parameters of its FieldMDP.
            if transform == "/DocMDP" or "/P" in parameters:
                levels.append(int(entry(parameters, "/P", NumberObject(_FORM_FILLING))))
        return Permissions(min(levels, default=None), author is not None, tuple(locks))


def _references(value: DictionaryObject) -> Iterator[tuple[str, DictionaryObject]]:
    """Yield transform method and parameters of the signature references (§12.8.1, table 256)."""
    for each in entry(value, "/Reference", ArrayObject()):
        reference = each.get_object()
        yield reference["/TransformMethod"], entry(reference, "/TransformParams", DictionaryObject())


def choose_field(
    wanted: str | None, handler: PdfHandler, fields: tuple[SealField, ...], *, visible: bool
) -> tuple[str, SealField | None]:
    """Return the name of the field that a seal goes into, and the field where it is there already.

    Args:
        wanted: a name; None: a new field with a name that is free.
        handler: the document.
        fields: its signature fields.
        visible: the seal is drawn.

    Raises:
        PdfRefusedError: what is there does not allow it.
    """
    allowed = permissions(handler, fields)
    if allowed.level is not None and allowed.level <= _NO_CHANGES:
        raise PdfRefusedError(PdfRefusal.NO_CHANGES_ALLOWED)
    name = free_name("Seal", handler) if wanted is None else wanted
    if not (name.isprintable() and 0 < len(name) <= _MAX_NAME):
        raise PdfRefusedError(PdfRefusal.FIELD_UNUSABLE, "name")
    found = next((each for each in fields if each.name == name), None)
    if found is None and visible and (allowed.certified or allowed.level is not None):
        raise PdfRefusedError(PdfRefusal.VISIBLE_FORBIDDEN)
    if found is not None:
        _usable(found)
    with refusing():
        if any(lock.is_locked(name) for lock in allowed.locks):
            raise PdfRefusedError(PdfRefusal.FIELD_LOCKED)
    return name, found


def _usable(field: SealField) -> None:
    """Refuse a field that is signed, or whose seed value makes demands (§12.7.5.5, table 237: /Ff)."""
    if field.value is not None:
        raise PdfRefusedError(PdfRefusal.FIELD_TAKEN)
    with refusing():
        if entry(entry(field.field, "/SV", DictionaryObject()), "/Ff"):
            raise PdfRefusedError(PdfRefusal.FIELD_UNUSABLE, "seed value")


def lock_of(field: SealField | None, digest: str) -> SigMDPSetup | None:
    """Return what the one who made a field wants its signature to lock (§12.7.5.5, table 236).

    Args:
        field: the field; None: it is new.
        digest: of the seal, by its name.

    Raises:
        PdfRefusedError: BROKEN.
    """
    with refusing():
        lock = None if field is None else entry(field.field, "/Lock")
        if lock is None:
            return None
        level = MDPPerm(int(lock["/P"])) if "/P" in lock else None
        return SigMDPSetup(digest, field_lock=FieldMDPSpec.from_pdf_object(lock), docmdp_perms=level)


def free_name(prefix: str, handler: PdfHandler) -> str:
    """Return a name that no field at the root of the form has: the prefix with a number.

    Raises:
        PdfRefusedError: BROKEN.
    """
    with refusing():
        form = entry(handler.root, "/AcroForm", DictionaryObject())
        taken = {str(entry(each.get_object(), "/T")) for each in entry(form, "/Fields", ArrayObject())}
    return next(name for number in count(1) if (name := f"{prefix}{number}") not in taken)
