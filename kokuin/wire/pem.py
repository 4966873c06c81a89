"""PEM armour (RFC 7468): read with the text around the blocks skipped, written without any."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING

from kokuin.wire.errors import WireCode, WireError

if TYPE_CHECKING:
    from collections.abc import Iterator

_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 #]{1,64})-----([^-]*)-----END \1-----")


def is_armoured(data: bytes) -> bool:
    """Whether `data` looks like PEM, whatever text precedes it, and not like a SEQUENCE in BER."""
    return data[:1] != b"\x30" and b"-----BEGIN " in data


def read_blocks(data: bytes, most: int) -> list[tuple[str, bytes]]:
    """Return label and octets of each block, in the order found.

    Args:
        data: the text; the caller bounds its size.
        most: how many blocks there may be.

    Raises:
        WireError: BAD_ARMOUR for base64 that cannot be decoded, TOO_MANY.
    """
    blocks: list[tuple[str, bytes]] = []
    for match in _BLOCK.finditer(data):
        if len(blocks) == most:
            raise WireError(WireCode.TOO_MANY, match.start())
        try:
            octets = base64.b64decode(b"".join(match[2].split()), validate=True)
        except binascii.Error:
            raise WireError(WireCode.BAD_ARMOUR, match.start()) from None
        blocks.append((match[1].decode("ascii"), octets))
    return blocks


def take_block(data: bytes) -> bytes:
    """Return the one object in PEM armour, whatever its label; data without armour is returned as it is.

    Args:
        data: the caller bounds its size.

    Raises:
        WireError: BAD_ARMOUR also where there is no block, TOO_MANY where there are several.
    """
    if not is_armoured(data):
        return data
    blocks = read_blocks(data, most=1)
    if not blocks:
        raise WireError(WireCode.BAD_ARMOUR, 0)
    return blocks[0][1]


def read_labels(data: bytes) -> Iterator[str]:
    """Yield the label of each block, in the order found, and decode none; the caller bounds the size."""
    return (match[1].decode("ascii") for match in _BLOCK.finditer(data))


def write_block(label: str, octets: bytes) -> bytes:
    """Return one block in the strict form (RFC 7468 §3): lines of 64 characters, a newline at the end."""
    text = base64.b64encode(octets)
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    name = label.encode("ascii")
    return b"\n".join((b"-----BEGIN %b-----" % name, *lines, b"-----END %b-----" % name, b""))
