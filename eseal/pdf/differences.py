"""What differs between a sealed revision and the file as it is, and which of it has been accounted for.

`eseal.pdf.comparison` and `eseal.pdf.form_changes` look at what the numbers stand for; here is what both ask
of an object number, and where both write what they find.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eseal.pdf.change import Change, Kind
from eseal.pdf.objects import Reference, Stream
from eseal.pdf.usage import Usage

if TYPE_CHECKING:
    from eseal.pdf.document import Document
    from eseal.pdf.objects import Value


class Differences:
    """The object numbers that an update gave another meaning.

    Attributes:
        before: the sealed revision.
        after: the file.
        later: cross-reference sections behind the sealed revision, newest first.
        changed: object numbers that stand elsewhere now.
        explained: those of them that were compared and need no other reason.
        usage: who refers to them in the sealed revision.
        found: the changes.
    """

    def __init__(self, before: Document, after: Document) -> None:
        """Find the numbers.

        Raises:
            PdfError: an object stream of the sealed revision cannot be read.
        """
        self.before = before
        self.after = after
        self.found: list[Change] = []
        self.later = after.chain[: len(after.chain) - len(before.chain)]
        self.changed = frozenset(
            number
            for section in self.later
            for number in section.entries
            if number != 0 and after.entry(number) != before.entry(number)
        )
        self.explained: set[int] = set()
        self.usage = Usage(before, self.changed)

    def users(self, number: int) -> frozenset[int]:
        """Return who refers to a changed object in the sealed revision."""
        return self.usage.users(number)

    def note(self, kind: Kind, what: str, field: str | None = None) -> None:
        """Add a change."""
        change = Change(kind, what, field)
        if change not in self.found:
            self.found.append(change)

    def explain(self, number: int) -> None:
        """Say that a changed object was compared and needs no other reason."""
        self.explained.add(number)

    def is_new(self, value: Value) -> bool:
        """Whether a reference names an object that the sealed revision neither had nor spoke of."""
        if not isinstance(value, Reference) or value.number not in self.changed:
            return False
        return not self.users(value.number)

    def only_used_by(self, number: int, users: set[int]) -> bool:
        """Whether in the sealed revision nothing else than these refers to an object that changed."""
        return self.users(number) <= users

    def open(self, value: Value, users: set[int]) -> bool:
        """Say that an object may be another, if it is referred to by these alone; whether it may."""
        if not isinstance(value, Reference) or value.number not in self.changed:
            return True
        if isinstance(self.before.get(value.number), Stream) or not self.only_used_by(value.number, users):
            return False
        self.explain(value.number)
        return True
