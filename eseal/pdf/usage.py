"""Who refers to an object in a sealed revision, found in its octets and not in what a reader made of them.

An update may give an object number a new meaning only where that number has one meaning. A graph of objects
has exponentially many paths, which is how a hostile file would stop a search by paths; its octets are read
once. What looks like a reference and is none only makes the answer more careful.
"""

from __future__ import annotations

import bisect
from typing import TYPE_CHECKING

from eseal.pdf.objects import Array, Dictionary, Reference, Stream
from eseal.pdf.source import TRAILER

if TYPE_CHECKING:
    from eseal.pdf.document import Document
    from eseal.pdf.objects import Value

_SLACK = 8
"""Octets by which an entry may miss its object and still be read: white space before it."""


class Usage:
    """The objects of one state of a file, and which of them refer to some numbers."""

    def __init__(self, document: Document, numbers: frozenset[int]) -> None:
        """Look them up in what the file was found to hold.

        Raises:
            PdfError: an object stream cannot be read, or the file holds too many keywords.
        """
        self._document = document
        self._users: dict[int, set[int]] = {number: set() for number in numbers}
        self._own = {section.own for section in document.chain if section.own is not None}
        self._borders = document.source.borders()
        found = document.source.references()
        for number in numbers:
            for place in found.get(number, ()):
                user = self._user_at(place) if place < document.end else None
                if user is not None:
                    self._users[number].add(user)
        self._look_into_streams()

    def last_definitions(self) -> dict[int, int]:
        """Return where the last definition of each object begins in the octets of this state, live or not."""
        end = bisect.bisect_left(self._borders, (self._document.end, 0))
        return {number: place for place, number in self._borders[:end] if number != TRAILER}

    def users(self, number: int) -> frozenset[int]:
        """Return the numbers of the objects that refer to one of the numbers asked for."""
        return frozenset(self._users[number])

    def _user_at(self, position: int) -> int | None:
        """Return the object that an octet is in; None of one that is live no more."""
        index = bisect.bisect_right(self._borders, (position, 1 << 62)) - 1
        if index < 0:
            return TRAILER
        start, number = self._borders[index]
        if number == TRAILER or number in self._own:
            return TRAILER
        offset = self._document.entry(number).offset
        return number if offset is not None and 0 <= start - offset <= _SLACK else None

    def _look_into_streams(self) -> None:
        packed: dict[int, list[int]] = {}
        for number, entry in self._document.entries.items():
            if entry.container is not None:
                packed.setdefault(entry.container, []).append(number)
        for container, numbers in packed.items():
            if container in self._users:
                self._users[container].add(container)  # what is in it rests on it
            if not self._users:
                continue
            values = self._document.packed_numbers(container)
            for number in numbers:
                for found in references_in(values.get(number)):
                    if found in self._users:
                        self._users[found].add(number)
            self._look_for_spellings(container, values)

    def _look_for_spellings(self, container: int, values: dict[int, Value]) -> None:
        """Attack: what only other readers take for a reference is of an object that nobody seems to use."""
        seen = set().union(*map(references_in, values.values()))
        for found in self._document.packed_references(container) - seen:
            if found in self._users:
                self._users[found].add(container)


def references_in(value: Value) -> set[int]:
    """Return the numbers that a value refers to, itself and not by others."""
    found: set[int] = set()
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, Reference):
            found.add(each.number)
        elif isinstance(each, Array):
            waiting.extend(each)
        elif isinstance(each, Dictionary):
            waiting.extend(each.values())
        elif isinstance(each, Stream):
            waiting.append(each.dictionary)
    return found
