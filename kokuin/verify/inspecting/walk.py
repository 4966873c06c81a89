"""What one inspection may spend, whatever the file: entries, their depth, elements within strings."""

from __future__ import annotations

MAX_ENTRIES = 5_000
"""Entries of one tree: more is counted, not shown."""
MAX_DEPTH = 48
"""Entries within entries."""


class Walk:
    """What one inspection may still spend.

    Attributes:
        entries: how many more entries the tree may have.
        elements: how many more elements may be scanned within strings.
        depth: of the entry that is being made.
    """

    __slots__ = ("depth", "elements", "entries")

    def __init__(self) -> None:
        self.entries = MAX_ENTRIES
        self.elements = 500_000
        self.depth = 0

    def enter(self) -> bool:
        """Begin one more entry, to be ended by `leave`; False when the tree has its size or depth."""
        if self.entries <= 0 or self.depth >= MAX_DEPTH:
            return False
        self.entries -= 1
        self.depth += 1
        return True

    def leave(self) -> None:
        """End the entry."""
        self.depth -= 1
