"""Looking for entries in a tree that an inspection made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kokuin.verify.inspecting.inspection import inspect_octets

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kokuin.verify.inspecting.inspection import Inspection
    from kokuin.verify.inspecting.tree import Entry


def inspected(data: bytes, kind: str) -> Inspection:
    """Inspect octets that are of this kind and can be read to the end."""
    found = inspect_octets(data)
    assert (found.kind, found.whole) == (kind, True)
    return found


def walk(entries: Sequence[Entry]) -> Iterator[Entry]:
    """Every entry of a tree, those within after those around."""
    for entry in entries:
        yield entry
        yield from walk(entry.children)


def under(found: Inspection, *path: str) -> list[Entry]:
    """Every entry to which this path of names leads, from wherever it begins."""
    entries = [entry for entry in walk(found.entries) if entry.name == path[0]]
    for name in path[1:]:
        entries = [child for entry in entries for child in entry.children if child.name == name]
    return entries


def value(found: Inspection, *path: str) -> str | None:
    """Return the value of the one entry to which the path leads."""
    (entry,) = under(found, *path)
    return entry.value
