"""Frames between whoever holds the keys and the child that reads the document.

Lengths, a JSON header, and octets that need no escaping. The child has read hostile octets: what it writes is
bounded here, and it gets nothing for it but signatures and time-stamps of its own document.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Mapping

HEAD = struct.Struct(">IQ")
MAX_HEADER = 1 << 20
"""Octets; chains and revocation lists travel in the octets behind it."""
MAX_SIGNED = 24 << 20
"""Octets that a child may want signed: a JWS signs the whole payload, in base64."""
MAX_SEALED = 160 << 20
"""Octets of a sealed document: the largest document, and what a seal adds."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One message: `op` says what it is."""

    header: Mapping[str, Any]
    octets: bytes = b""

    @property
    def op(self) -> str:
        """What it is about."""
        return str(self.header.get("op"))


def head(header: Mapping[str, Any], size: int) -> bytes:
    """Return a frame up to its octets, of which there are `size`."""
    text = json.dumps(header).encode()
    return HEAD.pack(len(text), size) + text


def encode(header: Mapping[str, Any], octets: bytes = b"") -> bytes:
    """Return a frame."""
    return head(header, len(octets)) + octets


def read(stream: BinaryIO) -> Frame | None:
    """Return the next frame; None when whoever asks has gone."""
    lengths = stream.read(HEAD.size)
    if len(lengths) < HEAD.size:
        return None
    header_size, size = HEAD.unpack(lengths)
    text, octets = stream.read(header_size), stream.read(size)
    if len(octets) < size or len(text) < header_size:
        return None
    return Frame(json.loads(text), octets)


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
