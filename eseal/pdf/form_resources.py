"""What a later revision made of the resources by which a sealed form's fields are drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eseal.pdf.change import FONTS, Kind
from eseal.pdf.objects import Chars, Dictionary, Reference
from eseal.pdf.same import same

if TYPE_CHECKING:
    from collections.abc import Iterable

    from eseal.pdf.differences import Differences
    from eseal.pdf.fields import Field
    from eseal.pdf.objects import Value


def compare_resources(
    base: Differences, old: Value, new: Value, users: set[int], fields: Iterable[Field]
) -> None:
    """Default resources may get more fonts; those that were there stay what they were.

    Nothing but fonts is taken from them when a viewer draws a field.
    """
    one, other = base.before.dictionary(old), base.after.dictionary(new)
    _judge_fonts(base, one, other, fields)
    if one is None:
        return
    opened = other is not None and base.open(old, users)
    owners = users | ({old.number} if isinstance(old, Reference) else set())
    for key, value in one.items():
        if not base.open(value, owners) or key != "Font":
            continue
        now = base.after.dictionary((other or Dictionary()).get(key))
        for name, each in (base.before.dictionary(value) or Dictionary()).items():
            opened = opened and now is not None and same(each, now.get(name))
    if not opened:
        base.note(Kind.CONTENT, "AcroForm/DR")


def _judge_fonts(
    base: Differences, one: Dictionary | None, other: Dictionary | None, fields: Iterable[Field]
) -> None:
    """Attack: a field asks for a font that nobody has, until it comes with the digits exchanged."""
    known = base.before.dictionary((one or Dictionary()).get("Font")) or Dictionary()
    now = base.after.dictionary((other or Dictionary()).get("Font")) or Dictionary()
    added = now.keys() - known.keys()
    form = base.before.dictionary(base.before.catalog.get("AcroForm")) or Dictionary()
    for owner in (form, *(field.dictionary for field in fields)) if added else ():
        asked = base.before.resolve(owner.get("DA"))
        words = asked.octets.decode("latin-1").split() if isinstance(asked, Chars) else []
        if any(word[1:] in added for word in words if word.startswith("/")):
            base.note(Kind.SIGNING, FONTS)
