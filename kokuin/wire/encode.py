"""DER writing: each function returns the complete TLV of one value (X.690 §8-11).

Values come from our own code, so the writer has no bounds of its own; what it
writes is DER by construction.
"""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kokuin.wire.algorithms import AlgorithmIdentifier

NULL = b"\x05\x00"
TRUE = b"\x01\x01\xff"

_MICROSECONDS = 1_000_000


def tlv(tag: int, content: bytes) -> bytes:
    """Return `tag` (one identifier octet), the minimal definite length, and `content`."""
    return header(tag, len(content)) + content


@functools.lru_cache(maxsize=1024)
def header(tag: int, size: int) -> bytes:
    """Return `tag` (one identifier octet) and the minimal definite length of a content of `size` octets."""
    # Cached: the parts of tokens have few sizes, and a token has fourteen of them.
    if size < 0x80:
        return bytes((tag, size))
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length


def sequence(*parts: bytes) -> bytes:
    """SEQUENCE of ready-made TLVs, in the order given."""
    # Joined once: a token with evidence is copied at every level.
    return b"".join((header(0x30, sum(map(len, parts))), *parts))


def set_of(*parts: bytes) -> bytes:
    """SET OF ready-made TLVs, sorted as X.690 §11.6 wants."""
    return tlv(0x31, b"".join(sorted(parts)))


def explicit(number: int, inner: bytes) -> bytes:
    """[number] EXPLICIT around the TLV `inner`; also [number] IMPLICIT of a constructed type's content."""
    return tlv(0xA0 | number, inner)


def implicit(number: int, content: bytes) -> bytes:
    """[number] IMPLICIT of a primitive type whose content octets are `content`."""
    return tlv(0x80 | number, content)


def integer(value: int) -> bytes:
    """INTEGER in two's complement with the fewest octets."""
    # One more for negative values: -128 fits in one octet, 128 does not.
    return tlv(0x02, value.to_bytes((value + (value < 0)).bit_length() // 8 + 1, "big", signed=True))


def octet_string(content: bytes) -> bytes:
    """OCTET STRING, primitive."""
    return tlv(0x04, content)


def bit_string(content: bytes) -> bytes:
    """BIT STRING of whole octets (no unused bits)."""
    return tlv(0x03, b"\x00" + content)


def named_bits(*bits: int) -> bytes:
    """BIT STRING of a named-bit list with trailing zero bits removed (X.690 §11.2.2)."""
    if not bits:
        return tlv(0x03, b"\x00")
    octets = bytearray(max(bits) // 8 + 1)
    for bit in bits:
        octets[bit // 8] |= 0x80 >> bit % 8
    return tlv(0x03, bytes((7 - max(bits) % 8,)) + bytes(octets))


def utf8_string(text: str) -> bytes:
    """UTF8String."""
    return tlv(0x0C, text.encode())


def printable_string(text: str) -> bytes:
    """PrintableString; the caller keeps to its letters (X.680 §41.4).

    Raises:
        UnicodeEncodeError: the text is not even ASCII.
    """
    return tlv(0x13, text.encode("ascii"))


def enumerated(value: int) -> bytes:
    """ENUMERATED."""
    return b"\x0a" + integer(value)[1:]


@functools.cache
def oid(dotted: str) -> bytes:
    """OBJECT IDENTIFIER from its dotted form.

    Raises:
        ValueError: the text is no OID.
    """
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    if first > 2 or min(first, second, *rest) < 0 or (first < 2 and second > 39):
        raise ValueError(dotted)
    return tlv(0x06, b"".join(_base128(arc) for arc in (first * 40 + second, *rest)))


def _base128(arc: int) -> bytes:
    octets = [arc & 0x7F]
    while arc := arc >> 7:
        octets.append(0x80 | arc & 0x7F)
    return bytes(reversed(octets))


def algorithm(identifier: AlgorithmIdentifier) -> bytes:
    """AlgorithmIdentifier, RFC 5280 §4.1.1.2."""
    return sequence(oid(identifier.oid), identifier.parameters or b"")


def generalized_time(microseconds: int) -> bytes:
    """GeneralizedTime in UTC as DER and RFC 3161 §2.4.2 want it: a fraction only without trailing zeros.

    Args:
        microseconds: since 1970-01-01 UTC, not negative.
    """
    seconds, fraction = divmod(microseconds, _MICROSECONDS)
    text = _second(seconds)
    if fraction:
        text += b"." + b"%06d" % fraction
        text = text.rstrip(b"0")
    return b"\x18" + bytes((len(text) + 1,)) + text + b"Z"


def x509_time(microseconds: int) -> bytes:
    """Time of certificates and revocation lists: whole seconds, UTCTime through 2049 (RFC 5280 §4.1.2.5).

    Args:
        microseconds: since 1970-01-01 UTC, not negative; a fraction is cut off.
    """
    text = _second(microseconds // _MICROSECONDS)
    return tlv(0x17, text[2:] + b"Z") if text < b"2050" else tlv(0x18, text + b"Z")


@functools.lru_cache(maxsize=4)
def _second(seconds: int) -> bytes:
    return time.strftime("%Y%m%d%H%M%S", time.gmtime(seconds)).encode()
