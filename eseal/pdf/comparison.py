"""What a later revision made of a sealed one (ISO 32000-2 §12.8.2; ETSI EN 319 142-1 §5.4).

The sealed revision and the file as it is now are two documents over the same octets. Every object number
that an update gives a meaning must be one that the sealed revision knew nothing of, or stand in a place that
a signer leaves open: a form that gets another signature, validation data, the file's own description. A
number with a place that may change and a second one that may not stays closed; that is how shadow attacks
put what was hidden into view.
"""

from __future__ import annotations

import bisect
import contextlib
import re
from typing import TYPE_CHECKING

from eseal.pdf.change import Kind
from eseal.pdf.differences import Differences
from eseal.pdf.fields import all_fields
from eseal.pdf.form_changes import FormChanges
from eseal.pdf.objects import Array, Dictionary, PdfError, Reference, Stream
from eseal.pdf.same import differing, is_ambiguous, same, same_object
from eseal.pdf.source import TRAILER
from eseal.pdf.syntax import GAP

if TYPE_CHECKING:
    from eseal.pdf.document import Document
    from eseal.pdf.objects import Value

_TRAILER = re.compile(rb"trailer" + GAP + rb"*+<<")
_DSS = frozenset({"Type", "VRI", "Certs", "CRLs", "OCSPs"})
_VRI = frozenset({"Type", "Cert", "CRL", "OCSP", "TU", "TS"})
_TOLD = frozenset({"Version", "Extensions", "MarkInfo"})
"""Entries of the catalog that signing and validating writers add, and that no page shows."""
_DESCRIBING = frozenset(
    {"StructTreeRoot", "PieceInfo", "Lang", "Legal", "PageLabels", "PageLayout", "PageMode", "Perms"}
)
_STRUCTURE = frozenset({"StructTreeRoot", "StructElem"})
_MAX_TREE = 16
"""Levels of a tree of numbers below the root of the structure."""


class Comparison(Differences):
    """The sealed revision against the file as it is."""

    def __init__(self, before: Document, after: Document) -> None:
        """Compare.

        Raises:
            PdfError: an object of either cannot be read.
        """
        super().__init__(before, after)
        self._judge_places()
        if self.found:
            return  # no update of an honest writer; what it shows is not worth a closer look
        self._compare_trailer()
        self._compare_catalog()
        self._judge_keys()
        form = FormChanges(self, all_fields(before), all_fields(after))
        form.compare()
        for number in sorted(self.changed - self.explained):
            self._judge_number(number, form)

    def _judge_places(self) -> None:
        """An update's objects stand in the update, and nothing else stands there.

        Hide-and-replace appends a section alone that points into the sealed octets. A definition that no
        section names is what a reader shows that mends a broken file.
        """
        border = self.before.end
        for number in sorted(self.changed):
            entry = self.after.entry(number)
            self._judge_readable(number)
            known = self.before.entry(number)
            if not known.free and not entry.free and known.generation != entry.generation:
                self.note(Kind.HIDDEN, f"generation of {number}")
            if entry.container is not None:
                entry = self.after.entry(entry.container)
            if entry.offset is not None and entry.offset < border:
                self.note(Kind.HIDDEN, "xref")
        listed = {
            entry.offset: number
            for section in self.later
            for number, entry in section.entries.items()
            if entry.offset is not None
        }
        # A cross-reference stream is found by `startxref`; some writers do not list it.
        listed |= {each.start: each.own for each in self.later if each.own is not None}
        newest: dict[int, int] = {}
        for place, number in self._appended():
            newest[number] = place
            if not any(listed.get(place - slack) == number for slack in range(9)):
                self.note(Kind.HIDDEN, "object-not-listed")
        for number, place in newest.items():
            offset = self.after.entry(number).offset
            if offset is not None and not 0 <= place - offset <= 8:
                self.note(Kind.HIDDEN, "object-order")
        self._judge_shadows()
        self._judge_sections()
        for document in (self.before, self.after):
            self._judge_indexes(document)

    def _judge_sections(self) -> None:
        """Attack: a trailer that no section has names another catalog to readers that mend the file.

        Or a table frees what was sealed for those that do not look into the stream beside it, or a stream of
        places has the number of what was sealed, and some take it for that.
        """
        own = {each.own for each in self.before.chain}
        taken = {number for each in self.later for number in each.hidden}
        taken |= {each.own for each in self.later if each.own is not None and each.own not in own}
        if not all(self.before.entry(number).free for number in taken):
            self.note(Kind.HIDDEN, "xref")
        data = self.after.source.data
        borders = self.after.source.borders()
        for place, number in borders[bisect.bisect_left(borders, (self.before.end, 0)) :]:
            listed = any(each.start <= place < each.end for each in self.later)
            if number == TRAILER and not listed and _TRAILER.match(data, place):
                self.note(Kind.HIDDEN, "trailer")

    def _judge_indexes(self, document: Document) -> None:
        """Attack: some readers take the object at the place that its row names, and find another or none."""
        orders: dict[int, list[int]] = {}
        for number in sorted(self.changed):
            entry = document.entry(number)
            if entry.container is None or not self.users(number):
                continue
            if entry.container not in orders:
                with contextlib.suppress(PdfError):
                    orders[entry.container] = list(document.packed_numbers(entry.container))
            order = orders.setdefault(entry.container, [])
            if order[entry.index : entry.index + 1] != [number]:
                self.note(Kind.HIDDEN, f"index of {number}")

    def _judge_readable(self, number: int) -> None:
        """An entry that leads to no such object takes away what was there.

        To some readers, so does one that leads to an object of another generation.
        """
        try:
            self.after.get(number)
            entry = self.after.entry(number)
            if (
                entry.offset is not None
                and self.after.source.indirect(entry.offset).generation != entry.index
            ):
                self.note(Kind.HIDDEN, f"generation of {number}")
        except PdfError as error:
            if error.bounded:
                raise
            if self.users(number):
                self.note(Kind.CONTENT, f"object {number}")

    def _appended(self) -> list[tuple[int, int]]:
        borders = self.after.source.borders()
        begin = bisect.bisect_left(borders, (self.before.end, 0))
        return [each for each in borders[begin:] if each[1] != TRAILER]

    def _judge_shadows(self) -> None:
        """Of two definitions of a number the later one is live, or another one waits for a mended xref."""
        for number, place in self.usage.last_definitions().items():
            offset = self.before.entry(number).offset
            if offset is not None and place - offset > 8:
                self.note(Kind.HIDDEN, "object-twice")

    def _compare_trailer(self) -> None:
        one, other = self.before.trailer, self.after.trailer
        if not same(one.get("Encrypt"), other.get("Encrypt")):
            self.note(Kind.CONTENT, "Encrypt")
        self._compare_sizes(one.get("Size"), other.get("Size"))
        info = one.get("Info")
        if isinstance(info, Reference) and info.number in self.changed:
            self.open(info, {TRAILER})
        for section in self.later:
            if section.own is not None and self._unknown_before(section.own):
                self.explain(section.own)

    def _judge_keys(self) -> None:
        """Attack: some readers see another object, for which see `is_ambiguous`."""
        given: list[Value] = [section.trailer for section in self.later]
        for number in sorted(self.changed):
            with contextlib.suppress(PdfError):  # what cannot be read has been judged
                given.append(self.after.get(number))
        if any(map(is_ambiguous, given)):
            self.note(Kind.DESCRIBING, "ambiguous-object")

    def _compare_sizes(self, one: Value, other: Value) -> None:
        """Attack: numbers from /Size on are null to some readers (§7.5.5), so content comes or goes."""
        sizes = [each if isinstance(each, int) else 0 for each in (one, other)]
        low, high = min(sizes), max(sizes)
        if any(low <= number < high and not entry.free for number, entry in self.before.entries.items()):
            self.note(Kind.DESCRIBING, "Size")

    def _unknown_before(self, number: int) -> bool:
        return number in self.changed and not self.users(number)

    def _compare_catalog(self) -> None:
        one, other = self.before.catalog, self.after.catalog
        number = self.before.root_number
        if number is None or self.after.root_number != number:
            self.note(Kind.CONTENT, "Root")
            return
        self.explain(number)
        for key in differing(one, other):
            value = other.get(key)
            told = key in _TOLD and (self.is_new(value) or not isinstance(value, Reference))
            if told or (key == "Metadata" and self.is_new(value)):
                self.note(Kind.VALIDATION, key)
            elif key in _DESCRIBING:
                self.note(Kind.DESCRIBING, f"Root/{key}")
            elif key not in {"AcroForm", "DSS"}:
                self.note(Kind.CONTENT, f"Root/{key}")
        self._compare_metadata(one.get("Metadata"), number)
        for key in sorted(_TOLD):
            self.open(one.get(key), {number})
        if not same(one.get("DSS"), other.get("DSS")) or self.before.dictionary(one.get("DSS")) is not None:
            self._compare_store(one.get("DSS"), other.get("DSS"), number)

    def _compare_metadata(self, value: Value, root: int) -> None:
        """XMP is no part of a page; an object that also is one stays closed."""
        if not isinstance(value, Reference) or value.number not in self.changed:
            return
        streams = (self.before.get(value.number), self.after.get(value.number))
        if self.only_used_by(value.number, {root}) and all(
            isinstance(each, Stream) and each.dictionary.get("Subtype") == "XML" for each in streams
        ):
            self.explain(value.number)
            self.note(Kind.VALIDATION, "Metadata")

    def _compare_store(self, old: Value, new: Value, root: int) -> None:
        """The document security store (EN 319 142-1 §5.4.2): what it holds is drawn nowhere."""
        store = self.after.dictionary(new)
        if store is None or not store.keys() <= _DSS:
            self.note(Kind.CONTENT, "DSS")
            return
        family = {root}
        self._open_store(old, family)
        before = self.before.dictionary(old)
        if before is not None:
            for key in ("Certs", "CRLs", "OCSPs", "VRI"):
                self._open_store(before.get(key), family)
            related = self.before.dictionary(before.get("VRI")) or Dictionary()
            for value in related.values():
                self._open_store(value, family)
                for each in (self.before.dictionary(value) or Dictionary()).values():
                    self._open_store(each, family)
        entries = self.after.dictionary(store.get("VRI")) or Dictionary()
        for each in entries.values():
            entry = self.after.dictionary(each)
            if entry is None or not entry.keys() <= _VRI:
                self.note(Kind.CONTENT, "DSS/VRI")
        self.note(Kind.VALIDATION, "DSS")

    def _open_store(self, value: Value, family: set[int]) -> None:
        if isinstance(value, Reference):
            self.open(value, family)
            family.add(value.number)

    def _judge_number(self, number: int, form: FormChanges) -> None:
        """Whatever no rule spoke of: new objects, copies of old ones, pages that got a signature's widget."""
        users = self.users(number)
        known = not self.before.entry(number).free
        if not users:
            return  # nothing that was sealed leads to it, whatever it is
        if not known:
            self.note(Kind.HIDDEN, "reference-to-nothing")
            return
        if same_object(number, self.before, self.after):
            return
        one, other = self.before.get(number), self.after.get(number)
        if isinstance(one, Dictionary) and isinstance(other, Dictionary) and one.get("Type") == "Page":
            form.compare_page(number, one, other)
        elif isinstance(one, Array) and isinstance(other, Array) and len(users) == 1:
            form.compare_list(number, next(iter(users)), one, other)
        elif isinstance(one, Dictionary) and "Subtype" in one and "Rect" in one:
            self.note(Kind.ANNOTATING, str(self.before.resolve(one["Subtype"])))
        elif self._is_structure(one, users):
            self.note(Kind.DESCRIBING, _named(one, number))
        else:
            self.note(Kind.CONTENT, _named(one, number))

    def _is_structure(self, value: Value, users: frozenset[int]) -> bool:
        """Whether an object is of the logical structure (§14.7) and of nothing else."""
        for _ in range(_MAX_TREE):
            if isinstance(value, Dictionary) and value.get("Type") in _STRUCTURE:
                return True
            in_tree = isinstance(value, Dictionary) and value.keys() <= {"Nums", "Kids", "Limits"}
            if not (in_tree or isinstance(value, Array)) or len(users) != 1:
                return False
            number = next(iter(users))
            value, users = self.before.get(number), self._usage_of(number)
        return False

    def _usage_of(self, number: int) -> frozenset[int]:
        """Return who refers to an object, as far as it was asked for: none of one that did not change."""
        return self.users(number) if number in self.changed else frozenset()


def _named(value: Value, number: int) -> str:
    kind = value.dictionary.get("Type") if isinstance(value, Stream) else None
    if isinstance(value, Dictionary):
        kind = value.get("Type")
    return f"{kind if isinstance(kind, str) else 'object'} {number}"
