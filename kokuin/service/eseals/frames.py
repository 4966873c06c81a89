"""What whoever holds the keys and the child that reads the document may say to each other.

The child has read hostile octets: what it writes is bounded here, and it gets nothing for it but signatures
and time-stamps of its own document.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_HEADER = 1 << 20
"""Octets; chains and revocation lists travel in the octets behind it."""
MAX_SIGNED = 24 << 20
"""Octets that a child may want signed: a JWS signs the whole payload, in base64."""
MAX_SEALED = 160 << 20
"""Octets of a sealed document: the largest document, and what a seal adds."""


def join(parts: Mapping[str, bytes]) -> tuple[list[list[Any]], bytes]:
    """Return names and lengths, for a header, and the octets that they are of."""
    return [[name, len(octets)] for name, octets in parts.items()], b"".join(parts.values())


def split(lengths: list[list[Any]], octets: bytes) -> dict[str, bytes]:
    """Return what `join` joined."""
    found, at = {}, 0
    for name, size in lengths:
        found[str(name)] = octets[at : at + size]
        at += size
    return found
