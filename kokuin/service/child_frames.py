"""Frames between this service and its children: lengths, a JSON header, and octets that need no escaping.

What a child may write is bounded by whoever reads it: it has met hostile octets.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Mapping

HEAD = struct.Struct(">IQ")
"""Octets of the header, and those behind it."""


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
