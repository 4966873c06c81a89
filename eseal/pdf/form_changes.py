"""What a later revision made of a sealed form: further signatures, values, widgets on pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eseal.pdf.change import COVERING, FONTS, UNSHOWN, VISIBLE, Kind
from eseal.pdf.fields import is_blank
from eseal.pdf.form_resources import compare_resources
from eseal.pdf.objects import Array, Dictionary, Reference
from eseal.pdf.same import differing, same
from eseal.pdf.usage import references_in
from eseal.pdf.widget_cover import is_visible, judge_cover

if TYPE_CHECKING:
    from eseal.pdf.differences import Differences
    from eseal.pdf.fields import Field
    from eseal.pdf.objects import Value

_FORM_MAY_CHANGE = frozenset({"Fields", "SigFlags", "DR", "DA", "NeedAppearances"})
_PAGE_MAY_CHANGE = frozenset({"Annots", "Tabs", "LastModified"})
_PAGE_DESCRIBES = frozenset({"PieceInfo", "StructParents", "Metadata", "ID"})
_SIGNING_FILLS = frozenset({"V", "AP", "AS", "F", "MK", "DA", "Type", "Subtype", "M", "P", "Ff", "Q", "DV"})
_FILLING_FILLS = frozenset({"V", "AP", "AS", "I", "TI", "RV", "M"})
_SAYS_VALUE = {"Btn": {"V", "AS"}, "Ch": {"V", "I"}}
"""Keys that tell of another value, by the kind of a field; of any other kind only V does."""
_NEW_FIELD_HAS = frozenset(
    {
        *("Type", "Subtype", "FT", "T", "TU", "TM", "V", "Ff", "F", "P", "Rect", "AP", "AS", "MK", "Kids"),
        *("Parent", "Lock", "SV", "DA", "Q", "M", "NM", "BS", "Border", "C", "H", "StructParent", "DR", "CA"),
    }
)
"""Keys of a signature field that do nothing but show its signature: no action, no optional content."""


class FormChanges:
    """The fields of the sealed revision against those of the file as it is."""

    def __init__(self, differences: Differences, before: tuple[Field, ...], after: tuple[Field, ...]) -> None:
        self._base = differences
        self._old = {field.number: field for field in before if field.number is not None}
        self._new = {field.number: field for field in after if field.number is not None}
        self._unnumbered = len(before) - len(self._old), len(after) - len(self._new)
        self._added: set[int] = set()
        """Widgets of signature fields that the update made."""

    def compare(self) -> None:
        """Compare the forms.

        Raises:
            PdfError: an object cannot be read.
        """
        base = self._base
        one, other = base.before.catalog.get("AcroForm"), base.after.catalog.get("AcroForm")
        old = base.before.dictionary(one)
        new = base.after.dictionary(other)
        if old is None and new is None:
            return
        if new is None:
            self._content("AcroForm")
            return
        if old is None:
            old = Dictionary()
        root = base.before.root_number or 0
        if not base.open(one, {root}):
            self._content("AcroForm")
        for key in differing(old, new) - _FORM_MAY_CHANGE:
            self._content(f"AcroForm/{key}")
        if base.after.resolve(new.get("NeedAppearances")) is True and (
            base.before.resolve(old.get("NeedAppearances")) is not True
        ):
            self._content("AcroForm/NeedAppearances")  # each viewer would draw the fields anew
        users = {one.number if isinstance(one, Reference) else root}
        compare_resources(base, old.get("DR"), new.get("DR"), users, self._old.values())
        if "DA" in old and not same(old.get("DA"), new.get("DA")):
            self._content("AcroForm/DA")
        elif "DA" in new and "DA" not in old and any(map(_waits_for_look, self._old.values())):
            base.note(Kind.SIGNING, FONTS)  # the viewer would draw them in another colour, or in none
        self._compare_fields(old.get("Fields"), new.get("Fields"), users)

    def _compare_fields(self, old: Value, new: Value, users: set[int]) -> None:
        base = self._base
        one, other = base.before.array(old), base.after.array(new)
        if not base.open(old, users):
            self._content("AcroForm/Fields")
        self._compare_order(one, other, "AcroForm/Fields")
        for number, field in self._old.items():
            now = self._new.get(number)
            if now is None:
                self._content(f"field {field.name}")
            elif number in base.changed:
                self._compare_field(field, now)
        for number, field in self._new.items():
            if number not in self._old:
                self._judge_new(field)
        if self._unnumbered[1] > self._unnumbered[0]:
            self._content("AcroForm/Fields")  # a field without a number cannot be told from another
        self._compare_appearances()

    def _compare_order(self, one: Array, other: Array, what: str) -> list[Value]:
        """Return what was added to a list; what was in it must still be there in its order."""
        waiting = [_key(value) for value in reversed(one)]
        added: list[Value] = []
        for value in other:
            if waiting and waiting[-1] == _key(value):
                waiting.pop()
            else:
                added.append(value)
        if waiting:
            self._content(what)
        return added

    def _compare_field(self, field: Field, now: Field) -> None:
        base = self._base
        number = field.number or 0
        base.explain(number)
        keys = differing(field.dictionary, now.dictionary)
        if "Kids" in keys:
            kids = (
                base.before.array(field.dictionary.get("Kids")),
                base.after.array(now.dictionary.get("Kids")),
            )
            self._compare_order(*kids, f"field {field.name}")
            keys.discard("Kids")
        if now.kind != field.kind or now.name != field.name or not isinstance(now.dictionary, Dictionary):
            self._content(f"field {field.name}")
        elif not keys:
            return
        elif field.kind == "Sig":
            if field.value is not None or now.value is None or not keys <= _SIGNING_FILLS:
                self._content(f"field {field.name}")  # also one that shows more, and nobody signed it
            else:
                self._sign(now, added=False)
                if is_visible(base.after, now.dictionary) and not is_visible(base.before, field.dictionary):
                    base.note(Kind.SIGNING, COVERING)
        elif self._is_shut(field, now, keys):
            base.note(Kind.SIGNING, f"field {field.name}")
        elif not keys <= _FILLING_FILLS:
            self._content(f"field {field.name}")
        else:
            self._fill(field, keys)

    @staticmethod
    def _is_shut(field: Field, now: Field, keys: set[str]) -> bool:
        """Whether a field was made read-only and is else what it was, as a signature that locks it does."""
        return keys == {"Ff"} and now.flags == field.flags | 1

    def _fill(self, field: Field, keys: set[str]) -> None:
        """A value that stays what it was under an appearance that does not is a shadow attack (replace)."""
        values = keys & _SAYS_VALUE.get(field.kind, {"V"})
        for parent in field.parents:
            above, now = self._old.get(parent), self._new.get(parent)
            if above and now and not same(above.dictionary.get("V"), now.dictionary.get("V")):
                values.add("V")
        look = field.dictionary.get("AP")
        if field.kind == "Tx" and look is not None and "AP" not in keys and not self._drawn_anew(look):
            self._base.note(Kind.FILLING, UNSHOWN)
        if "AP" in keys and not values:
            self._base.note(Kind.HIDDEN, f"appearance {field.name}")
        self._base.note(Kind.FILLING, f"field {field.name}", field.name)

    def _drawn_anew(self, look: Value) -> bool:
        """Whether an appearance, or a stream that it names, was overwritten where it stands."""
        base = self._base
        numbers = references_in(look) | references_in(base.before.dictionary(look))
        return bool(numbers & base.changed)

    def _sign(self, field: Field, *, added: bool) -> None:
        """Judge a signature field that was made (`added`) or filled."""
        after = self._base.after
        value = after.dictionary(field.value)
        visible = is_visible(after, field.dictionary)
        shows = visible and "AP" in field.dictionary
        if value is not None and isinstance(field.value, Reference):
            if not self._base.is_new(field.value):
                self._base.note(Kind.HIDDEN, f"field {field.name}")
                return
            if shows and is_blank(value):
                self._content(f"field {field.name}")  # it shows something, and nobody signed it
            elif value.get("SubFilter") == "ETSI.RFC3161":
                # Attack: authorities stamp what anybody gives them, so nobody answers for what it shows.
                kind = Kind.ANNOTATING if shows else Kind.VALIDATION
                self._base.note(kind, f"time-stamp {field.name}")
                return
        elif field.value is not None or shows:
            self._content(f"field {field.name}")
        self._base.note(Kind.SIGNING, f"field {field.name}", None if added else field.name)
        if added and visible:
            self._base.note(Kind.SIGNING, VISIBLE)

    def _judge_new(self, field: Field) -> None:
        """A field that the update made: a signature's, and of new objects alone."""
        base = self._base
        number = field.number or 0
        if not base.is_new(Reference(number, 0)):
            base.note(Kind.HIDDEN, f"field {field.name}")
            return
        if field.kind != "Sig" or not field.dictionary.keys() <= _NEW_FIELD_HAS:
            self._content(f"field {field.name}")
            return
        self._added.add(number)
        self._sign(field, added=True)

    def _compare_appearances(self) -> None:
        """Appearances that are overwritten where they stand, as some writers fill forms."""
        base = self._base
        for number, field in self._old.items():
            appearance = field.dictionary.get("AP")
            owners = {number}
            if isinstance(appearance, Reference):
                owners.add(appearance.number)
            inner = base.before.dictionary(appearance) or Dictionary()
            for value in (appearance, *inner.values()):
                if not isinstance(value, Reference) or value.number not in base.changed:
                    continue
                if not base.only_used_by(value.number, owners):
                    continue
                base.explain(value.number)
                now = self._new.get(number)
                if field.kind == "Sig" and field.value is None and now is not None and now.value is not None:
                    self._sign(now, added=False)
                elif field.kind == "Sig":
                    self._content(f"field {field.name}")
                else:
                    changed = now is not None and not same(field.value, now.value)
                    self._fill(field, {"AP", "V"} if changed else {"AP"})

    def compare_page(self, number: int, one: Dictionary, other: Dictionary) -> None:
        """Compare a page that was written anew: it may have further widgets of signatures.

        Raises:
            PdfError: an object cannot be read.
        """
        keys = differing(one, other) - _PAGE_MAY_CHANGE
        if keys - _PAGE_DESCRIBES:
            self._content(f"Page {number}")
            return
        if keys:
            self._base.note(Kind.DESCRIBING, f"Page {number}")
        base = self._base
        annotations = base.before.array(one.get("Annots")), base.after.array(other.get("Annots"))
        self._compare_annotations(one, *annotations)

    def compare_list(self, number: int, user: int, one: Array, other: Array) -> None:
        """Compare an array that was written anew: the annotations of one page, or content.

        Raises:
            PdfError: an object cannot be read.
        """
        page = self._base.before.get(user)
        page = page if isinstance(page, Dictionary) and page.get("Type") == "Page" else Dictionary()
        listed = page.get("Annots")
        if isinstance(listed, Reference) and listed.number == number:
            self._compare_annotations(page, one, other)
        elif not self._is_kids(number, user):
            self._content(f"array {number}")

    def _is_kids(self, number: int, user: int) -> bool:
        """Whether it is the kids of a field, which were compared one by one."""
        field = self._old.get(user)
        kids = field.dictionary.get("Kids") if field is not None else None
        return isinstance(kids, Reference) and kids.number == number

    def _compare_annotations(self, page: Dictionary, one: Array, other: Array) -> None:
        base = self._base
        for value in self._compare_order(one, other, "Annots"):
            number = value.number if isinstance(value, Reference) else None
            field = self._old.get(number) if number is not None else None
            found = base.after.dictionary(value) or Dictionary()
            if number in self._added or (field is not None and field.kind == "Sig" and field.value is None):
                judge_cover(base, page, found)
                if number not in self._added and "AP" in found and not self._is_signed(number):
                    self._content("Annots")  # what was prepared, and shown nowhere, comes into view
                continue
            subtype = base.after.resolve(found.get("Subtype"))
            base.note(Kind.ANNOTATING, str(subtype)[:32])

    def _is_signed(self, number: int | None) -> bool:
        now = self._new.get(number) if number is not None else None
        return now is not None and now.value is not None

    def _content(self, what: str) -> None:
        self._base.note(Kind.CONTENT, what)


def _waits_for_look(field: Field) -> bool:
    """Whether a field is drawn as the form says: it has no look, and does not say how it is to be drawn."""
    return field.kind in {"Tx", "Ch"} and not {"AP", "DA"} & field.dictionary.keys()


def _key(value: Value) -> str:
    """Return what two values have in common that are the same as they stand."""
    return repr(value)
