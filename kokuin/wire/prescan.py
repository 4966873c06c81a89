"""One bounded walk over hostile BER before anything else reads it.

Depth, number of elements, tags, lengths and identifiers are limited here, so
that the readers behind it meet only what they can afford. Nothing is decoded.
"""

from __future__ import annotations

from dataclasses import dataclass

from kokuin.wire.errors import WireCode, WireError
from kokuin.wire.header import INDEFINITE, UNCOMMON_TAGS, read_header

MAX_OID_OCTETS = 128
"""An OBJECT IDENTIFIER of 100 kB costs quadratic time where its arcs become decimal."""

CONSTRUCTED_STRINGS = frozenset(0x20 | tag for tag in (3, 4, 12, *range(18, 29), 30))
"""Identifier octets of string and time types in the constructed form that only BER allows (X.690 §8.21)."""

_TRUNCATED = b"\x00\xff"
"""Stands for a header that is cut off, so that the one place that judges headers judges it."""


_PLACES = frozenset({4, 5})
"""How deep the certificates of a token lie, and of a response: elsewhere nothing is looked up, since each
look-up reads all octets of an element once more."""
_WALKED = 0x04
"""Stands for the tag of a constructed element that need not be entered."""
_MOST = 256
_MOST_OCTETS = 8_192


@dataclass(frozen=True, slots=True)
class Limits:
    """What one object may cost: `size` in octets, `depth` of nesting, number of `elements`."""

    size: int
    depth: int
    elements: int


REQUEST_LIMITS = Limits(size=65_536, depth=16, elements=2_000)
"""Time-stamp requests: a real one has some 15 elements in 100 octets."""
TOKEN_LIMITS = Limits(size=16 * 1024 * 1024, depth=64, elements=200_000)
"""Tokens and responses: they may carry chains, revocation lists and archive time-stamps."""


@dataclass(frozen=True, slots=True)
class Scan:
    """What the walk has seen.

    Attributes:
        elements: number of elements, constructed and primitive.
        depth: deepest nesting.
        der: every length is definite and minimal and no string is constructed. The rest of DER (the order
            of a SET, the octets of BOOLEAN) is a matter of the reader.
    """

    elements: int
    depth: int
    der: bool


_SCANNED: dict[bytes, Scan] = {}
"""Elements in DER that were scanned by themselves."""


def prescan(data: bytes, limits: Limits) -> Scan:  # noqa: C901, PLR0912  # hot: calls would triple it
    """Walk over exactly one BER element that fills `data`.

    Raises:
        WireError: a limit is exceeded, a header is malformed, an element crosses its parent's end, or
            octets follow the element.
    """
    if len(data) > limits.size:
        raise WireError(WireCode.TOO_LARGE, limits.size)
    at, end, indefinite, der = 0, len(data), False, True
    elements = deepest = 0
    outer: list[tuple[int, bool]] = []
    while True:
        content = at + 2
        first, length = (data[at], data[at + 1]) if content <= end else _TRUNCATED
        if length == 0x82 and at + 4 <= end and data[content]:
            length, content = data[content] << 8 | data[at + 3], at + 4
        elif length == 0x81 and at + 3 <= end and data[content] > 0x7F:
            length, content = data[content], at + 3
        if (length > 0x7F and content == at + 2) or first in UNCOMMON_TAGS or content + length > end:
            _, content, length = read_header(data, at, end)
            der = der and _minimal(data, at, content, length)
        elements += 1
        if elements > limits.elements:
            raise WireError(WireCode.TOO_MANY, at)
        if length > 0xFF and len(outer) in _PLACES:
            known = _SCANNED.get(data[at : content + length])
            if known is not None and _has_room(limits, elements + known.elements, len(outer) + known.depth):
                elements += known.elements - 1
                deepest = max(deepest, len(outer) + known.depth)
                first = _WALKED
        if first & 0x20:
            outer.append((end, indefinite))
            if len(outer) > deepest:
                deepest += 1
                if deepest > limits.depth:
                    raise WireError(WireCode.TOO_DEEP, at)
            indefinite = length == INDEFINITE
            der = der and not indefinite and first not in CONSTRUCTED_STRINGS
            at, end = content, end if indefinite else content + length
        elif first == 0x06 and length > MAX_OID_OCTETS:
            raise WireError(WireCode.OID_TOO_LONG, at)
        else:
            at = content + length
        while outer and (at == end or indefinite):
            if indefinite:
                if data[at : at + 2] != b"\x00\x00" or at + 2 > end:
                    break
                at += 2
            end, indefinite = outer.pop()
        if not outer:
            break
    if at != len(data):
        raise WireError(WireCode.TRAILING, at)
    return Scan(elements, deepest, der)


def prescan_often(data: bytes, limits: Limits) -> Scan:
    """Scan as `prescan` does, and remember what is DER: a certificate comes again in its unit's next token.

    Raises:
        WireError: as `prescan`.
    """
    scan = _SCANNED.get(data)
    if scan is None or len(data) > limits.size or not _has_room(limits, scan.elements, scan.depth):
        scan = prescan(data, limits)
        if scan.der and len(data) <= _MOST_OCTETS:
            if len(_SCANNED) >= _MOST:
                _SCANNED.clear()
            _SCANNED[data] = scan
    return scan


def _has_room(limits: Limits, elements: int, depth: int) -> bool:
    return elements <= limits.elements and depth <= limits.depth


def _minimal(data: bytes, at: int, content: int, length: int) -> bool:
    octets = 1
    if data[at] & 0x1F == 0x1F:
        while data[at + octets] & 0x80:
            octets += 1
        octets += 1
    octets += 1 if length < 0x80 else 1 + (length.bit_length() + 7) // 8
    return content - at == octets
