"""Form fields, and the signatures in them (ISO 32000-2 §12.7, §12.8): an empty field is no signature."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from eseal.pdf.objects import Array, Chars, Dictionary, PdfError, Reference, as_text

if TYPE_CHECKING:
    from eseal.pdf.document import Document
    from eseal.pdf.objects import Value

MAX_FIELDS = 50_000
"""Fields and widgets of one form."""
MAX_FIELD_DEPTH = 32

_TEXTS = frozenset({"Reason", "Location", "Name", "ContactInfo", "M"})
"""Entries of a signature dictionary that are strings, but for /Contents and /Cert."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the form, or a widget that is a kid of one.

    Attributes:
        name: fully qualified.
        number: of its object; None of one that stands in an array itself.
        parents: object numbers above it, nearest first.
        dictionary: its own.
        kind: `Sig`, `Tx`, `Btn`, `Ch`, or empty.
        value: /V, its own or inherited.
        flags: /Ff, likewise.
    """

    name: str
    number: int | None
    parents: tuple[int, ...]
    dictionary: Dictionary
    kind: str
    value: Value
    flags: int


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature dictionary in a field (§12.8.1).

    Attributes:
        field: the field that holds it.
        number: of the object that it stands in: its own, or the field's.
        dictionary: the signature dictionary.
    """

    field: Field
    number: int
    dictionary: Dictionary

    @property
    def is_document_stamp(self) -> bool:
        """Whether it is a document time-stamp (ETSI EN 319 142-1 §5.4.3)."""
        return self.dictionary.get("SubFilter") == "ETSI.RFC3161"


def form_of(document: Document) -> Dictionary | None:
    """Return the interactive form; None when there is none.

    Raises:
        PdfError: it cannot be read.
    """
    return document.dictionary(document.catalog.get("AcroForm"))


def all_fields(document: Document) -> tuple[Field, ...]:
    """Return the fields of the form, in the order of the file, each object once.

    Raises:
        PdfError: one cannot be read, or they are too many.
    """
    form = form_of(document)
    if form is None:
        return ()
    found: list[Field] = []
    seen: set[int] = set()
    root = Field("", None, (), Dictionary(), "", None, 0)
    waiting = [(value, root) for value in reversed(document.array(form.get("Fields")))]
    while waiting:
        value, parent = waiting.pop()
        field = _field(document, value, parent, seen)
        if field is None:
            continue
        found.append(field)
        if len(found) > MAX_FIELDS or len(field.parents) > MAX_FIELD_DEPTH:
            raise PdfError("fields", bounded=True)
        waiting.extend((kid, field) for kid in reversed(document.array(field.dictionary.get("Kids"))))
    return tuple(found)


def _field(document: Document, value: Value, parent: Field, seen: set[int]) -> Field | None:
    number = value.number if isinstance(value, Reference) else None
    if number is not None:
        if number in seen:
            return None  # a field that is its own kid ends here
        seen.add(number)
    dictionary = document.dictionary(value)
    if dictionary is None:
        return None
    own = as_text(document.resolve(dictionary.get("T")))
    kind = document.resolve(dictionary.get("FT"))
    flags = document.resolve(dictionary.get("Ff"))
    return Field(
        parent.name if own is None else f"{parent.name}.{own}" if parent.name else own,
        number,
        parent.parents if parent.number is None else (parent.number, *parent.parents),
        dictionary,
        kind if isinstance(kind, str) else parent.kind,
        dictionary.get("V", parent.value),
        flags if isinstance(flags, int) else parent.flags,
    )


def all_signatures(document: Document, fields: tuple[Field, ...]) -> tuple[Signature, ...]:
    """Return the signatures in signature fields, each signature dictionary once.

    Raises:
        PdfError: a dictionary cannot be read.
    """
    found: dict[int, Signature] = {}
    for field in fields:
        if field.kind != "Sig" or field.value is None:
            continue
        dictionary = document.dictionary(field.value)
        if dictionary is None:
            continue
        if is_blank(dictionary):
            continue
        number = field.value.number if isinstance(field.value, Reference) else field.number
        if number is not None:
            found.setdefault(number, Signature(field, number, dictionary))
    return tuple(found.values())


def is_blank(dictionary: Dictionary) -> bool:
    """Whether nobody has signed: a place was prepared, and its string is still of zeros."""
    contents = dictionary.get("Contents")
    return contents is None or (isinstance(contents, Chars) and not contents.octets.strip(b"\x00"))


def without_texts(signature: Signature) -> Signature:
    """Return a signature without its text strings, which say nothing where they are encrypted."""
    kept = Dictionary()
    kept.update({key: value for key, value in signature.dictionary.items() if key not in _TEXTS})
    kept.twice = signature.dictionary.twice
    return replace(signature, field=replace(signature.field, name=""), dictionary=kept)


def reference_of(document: Document, signature: Signature, method: str) -> Dictionary | None:
    """Return the signature reference with a transform method (§12.8.2); None when there is none.

    Raises:
        PdfError: it cannot be read.
    """
    for value in document.array(signature.dictionary.get("Reference")):
        found = document.dictionary(value)
        if found is not None and document.resolve(found.get("TransformMethod")) == method:
            return found
    return None


def names_in(document: Document, value: Value) -> tuple[str, ...]:
    """Return an array of text strings.

    Raises:
        PdfError: it cannot be read.
    """
    found = document.resolve(value)
    texts = [as_text(document.resolve(each)) for each in found] if isinstance(found, Array) else []
    return tuple(text for text in texts if text is not None)
