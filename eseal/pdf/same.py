"""Whether two values say the same, each in its own state of the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eseal.pdf.objects import Array, Chars, Dictionary, Name, Odd, Reference, Stream

if TYPE_CHECKING:
    from eseal.pdf.document import Document
    from eseal.pdf.objects import Value


_IN_ODD_NAMES = frozenset("\0#")


def same(one: Value, other: Value) -> bool:
    """Compare two values as they stand: references are the same when they name the same object.

    The generation counts: to a careful reader a reference of another one is null.

    What a reference leads to is compared where that object is; streams are never the same here.
    """
    waiting = [(one, other)]
    while waiting:
        pairs = _parts(*waiting.pop())
        if pairs is None:
            return False
        waiting.extend(pairs)
    return True


def _parts(one: Value, other: Value) -> list[tuple[Value, Value]] | None:
    """Return what is still to be compared; None: they differ."""
    if isinstance(one, Dictionary) and isinstance(other, Dictionary):
        if one.keys() != other.keys() or one.twice or other.twice:
            return None
        return [(one[key], other[key]) for key in one]
    if isinstance(one, Array) and isinstance(other, Array):
        return list(zip(one, other, strict=True)) if len(one) == len(other) else None
    return [] if _said(one) == _said(other) else None


def _said(value: Value) -> object:
    """Return what an atom says; of a container something that equals nothing."""
    if isinstance(value, Chars):
        return ("string", value.octets)
    if isinstance(value, Odd):
        return ("odd", value.word)
    if isinstance(value, Reference):
        return ("reference", value.number, value.generation)
    if isinstance(value, bool) or value is None:
        return ("constant", value)
    if isinstance(value, Name):
        return ("name", str(value))
    return ("number", value) if isinstance(value, int | float) else object()


def differing(one: Dictionary, other: Dictionary) -> set[str]:
    """Return the keys whose values are not the same; one that is absent is null (ISO 32000-2 §7.3.7)."""
    return {key for key in one.keys() | other.keys() if not same(one.get(key), other.get(key))}


def same_object(number: int, before: Document, after: Document) -> bool:
    """Compare an object in two states; a stream is the same when its data is, octet for octet.

    Raises:
        PdfError: it cannot be read in one of them.
    """
    one, other = before.get(number), after.get(number)
    if isinstance(one, Stream) and isinstance(other, Stream):
        return same(one.dictionary, other.dictionary) and before.raw(one) == after.raw(other)
    return same(one, other)


def is_ambiguous(value: Value) -> bool:
    """Whether readers differ in a value, as far as it goes without following references.

    Attack: a key stands twice, something stands where a key should, a word is neither number nor reference
    to all, or a name ends at a NUL or has half an escape to some (`/Root#00` is `/Root` to poppler).
    """
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, Stream):
            each = each.dictionary
        if isinstance(each, Dictionary):
            if each.twice or each.stray:
                return True
            waiting.extend(map(Name, each))
            waiting.extend(each.values())
        elif isinstance(each, Array):
            waiting.extend(each)
        elif isinstance(each, Odd) or (isinstance(each, Name) and not _IN_ODD_NAMES.isdisjoint(each)):
            return True
    return False
