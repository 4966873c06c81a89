"""Identifier and length octets of one BER element (X.690 §8.1.2, §8.1.3)."""

from __future__ import annotations

from kokuin.wire.errors import WireCode, WireError

INDEFINITE = -1
"""Stands for the length of an element that ends with end-of-contents octets."""
UNCOMMON_TAGS = frozenset(octet for octet in range(256) if octet & 0x1F == 0x1F or octet == 0)
"""First identifier octets that need more than a look: a long tag follows, or end-of-contents."""

_MAX_TAG_OCTETS = 4
_MAX_LENGTH_OCTETS = 8


def read_header(data: bytes, at: int, end: int) -> tuple[int, int, int]:
    """Read the header at `at`, of an element that must lie before `end`.

    Returns:
        The identifier octets as one big-endian number, the offset of the content, and the length of the
        content in octets (`INDEFINITE` for the indefinite form).

    Raises:
        WireError: TRUNCATED, BAD_TAG or BAD_LENGTH.
    """
    if at + 2 > end:
        raise WireError(WireCode.TRUNCATED, at)
    tag, here = data[at], at + 1
    if tag & 0x1F == 0x1F:
        tag, here = _read_long_tag(data, at, end)
    elif tag == 0:
        raise WireError(WireCode.BAD_TAG, at)
    if here >= end:
        raise WireError(WireCode.TRUNCATED, here)
    length, content = data[here], here + 1
    if length >= 0x80:
        length, content = _read_long_length(data, here, end)
    if length == INDEFINITE and not data[at] & 0x20:
        raise WireError(WireCode.BAD_LENGTH, here)
    if content + length > end:
        raise WireError(WireCode.TRUNCATED, at)
    return tag, content, length


def _read_long_tag(data: bytes, at: int, end: int) -> tuple[int, int]:
    tag = data[at]
    for here in range(at + 1, min(at + 1 + _MAX_TAG_OCTETS, end)):
        tag = tag << 8 | data[here]
        if data[here] < 0x80:
            return tag, here + 1
    # A tag number of 131 kB costs a generic reader seconds of big-integer arithmetic.
    raise WireError(WireCode.BAD_TAG if end - at > _MAX_TAG_OCTETS else WireCode.TRUNCATED, at)


def _read_long_length(data: bytes, at: int, end: int) -> tuple[int, int]:
    octets = data[at] & 0x7F
    if octets == 0:
        return INDEFINITE, at + 1
    if octets > _MAX_LENGTH_OCTETS:
        raise WireError(WireCode.BAD_LENGTH, at)
    content = at + 1 + octets
    if content > end:
        raise WireError(WireCode.TRUNCATED, at)
    return int.from_bytes(data[at + 1 : content], "big"), content
