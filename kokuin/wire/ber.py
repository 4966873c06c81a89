"""BER to the one form that the readers know: definite minimal lengths, primitive strings (X.690 §10)."""

from __future__ import annotations

from kokuin.wire.errors import WireCode, WireError
from kokuin.wire.header import INDEFINITE, read_header
from kokuin.wire.prescan import CONSTRUCTED_STRINGS, Limits, prescan

_END_OF_CONTENTS = b"\x00\x00"


def definite(data: bytes, limits: Limits) -> bytes:
    """Scan one BER element that fills `data`; return it as it is when the scan found DER, else transcoded.

    What is DER already within it (certificates, signed attributes) keeps its octets, so signatures hold.

    Raises:
        WireError: as `prescan`, or a constructed string whose segments are not of its type.
    """
    return data if prescan(data, limits).der else to_definite(data)


def to_definite(data: bytes) -> bytes:
    """Transcode one element that `prescan` has accepted: its recursion is bounded by the depth scanned.

    Raises:
        WireError: a constructed string holds a segment of another type.
    """
    return _transcode(data, 0, len(data))[0]


def _transcode(data: bytes, at: int, end: int) -> tuple[bytes, int]:
    """Return the element at `at` in definite form, and where the next one begins."""
    tag, content, length = read_header(data, at, end)
    identifier = data[at : at + (tag.bit_length() + 7) // 8]
    if not identifier[0] & 0x20:
        stop = content + length
        return identifier + encode_length(length) + data[content:stop], stop
    parts, stop = _children(data, content, end if length == INDEFINITE else content + length, length)
    if tag in CONSTRUCTED_STRINGS:
        primitive = tag & ~0x20
        return _join(primitive, parts, at), stop
    body = b"".join(parts)
    return identifier + encode_length(len(body)) + body, stop


def _children(data: bytes, at: int, end: int, length: int) -> tuple[list[bytes], int]:
    parts: list[bytes] = []
    while at < end:
        if length == INDEFINITE and data[at : at + 2] == _END_OF_CONTENTS:
            return parts, at + 2
        part, at = _transcode(data, at, end)
        parts.append(part)
    return parts, at


def _join(tag: int, parts: list[bytes], at: int) -> bytes:
    """Join the segments of a constructed string (X.690 §8.6.4, §8.7.3)."""
    body, unused = [], 0
    for part in parts:
        # Character strings are cut into OCTET STRING segments by some writers, into their own type by others.
        segment_tag, content, _ = read_header(part, 0, len(part))
        if segment_tag not in {tag, 0x04} or unused:
            raise WireError(WireCode.UNEXPECTED, at)
        if tag == 0x03:
            if segment_tag != tag or content == len(part):
                raise WireError(WireCode.BAD_VALUE, at)
            unused, content = part[content], content + 1
        body.append(part[content:])
    joined = bytes((unused,)) * (tag == 0x03) + b"".join(body)
    return bytes((tag,)) + encode_length(len(joined)) + joined


def encode_length(length: int) -> bytes:
    """Definite length in the fewest octets (X.690 §10.1)."""
    if length < 0x80:
        return bytes((length,))
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((0x80 | len(octets),)) + octets
