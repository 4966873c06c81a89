"""Values of ASN.1 types out of nodes: what is asked for is decoded and bounded, nothing else."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from kokuin.wire.der import expect
from kokuin.wire.errors import WireCode, WireError
from kokuin.wire.prescan import MAX_OID_OCTETS

if TYPE_CHECKING:
    from kokuin.wire.der import Node

BOOLEAN = 0x01
INTEGER = 0x02
BIT_STRING = 0x03
OCTET_STRING = 0x04
NULL = 0x05
OBJECT_IDENTIFIER = 0x06
UTF8_STRING = 0x0C
UTC_TIME = 0x17
GENERALIZED_TIME = 0x18
SEQUENCE = 0x30
SET = 0x31

MAX_INTEGER_OCTETS = 128
"""No integer that we decode (versions, serial numbers, nonces, accuracies) comes near it; a nonce of 1 MB
would cost quadratic time where it becomes decimal."""


def context(number: int) -> int:
    """Identifier octet of [number], constructed: EXPLICIT, or IMPLICIT of a constructed type."""
    return 0xA0 | number


def primitive(number: int) -> int:
    """Identifier octet of [number] IMPLICIT of a primitive type."""
    return 0x80 | number


def integer(node: Node, tag: int = INTEGER) -> int:
    """INTEGER; leading octets that DER would drop are accepted.

    Raises:
        WireError: another type, no octets, or more than `MAX_INTEGER_OCTETS`.
    """
    value = expect(node, tag).value
    if not 0 < len(value) <= MAX_INTEGER_OCTETS:
        raise WireError(WireCode.BAD_VALUE, node.start)
    return int.from_bytes(value, "big", signed=True)


def boolean(node: Node) -> bool:
    """BOOLEAN; BER's other octets for TRUE are accepted.

    Raises:
        WireError: another type, or not one octet.
    """
    value = expect(node, BOOLEAN).value
    if len(value) != 1:
        raise WireError(WireCode.BAD_VALUE, node.start)
    return value != b"\x00"


def octet_string(node: Node, tag: int = OCTET_STRING) -> bytes:
    """OCTET STRING in the primitive form.

    Raises:
        WireError: another type.
    """
    return expect(node, tag).value


def bit_string(node: Node, tag: int = BIT_STRING) -> tuple[bytes, int]:
    """BIT STRING: its octets, and how many bits of the last one are unused.

    Raises:
        WireError: another type, or an impossible number of unused bits.
    """
    value = expect(node, tag).value
    if not value or value[0] > 7 or (value[0] and len(value) == 1):
        raise WireError(WireCode.BAD_VALUE, node.start)
    return value[1:], value[0]


def named_bits(node: Node, tag: int = BIT_STRING) -> frozenset[int]:
    """BIT STRING of named bits: the numbers of those that are set, of the first 64.

    Raises:
        WireError: as `bit_string`.
    """
    octets, _ = bit_string(node, tag)
    return frozenset(
        8 * place + bit for place, octet in enumerate(octets[:8]) for bit in range(8) if octet & 0x80 >> bit
    )


def oid(node: Node, tag: int = OBJECT_IDENTIFIER) -> str:
    """OBJECT IDENTIFIER in dotted form.

    Raises:
        WireError: another type, a truncated arc, or more than 128 octets.
    """
    dotted = _dotted(expect(node, tag).value[: MAX_OID_OCTETS + 1])
    if dotted is None:
        raise WireError(WireCode.BAD_VALUE, node.start)
    return dotted


@functools.lru_cache(maxsize=1024)
def _dotted(content: bytes) -> str | None:
    if not content or content[-1] & 0x80 or len(content) > MAX_OID_OCTETS:
        return None
    arcs, arc = [], 0
    for octet in content:
        arc = arc << 7 | octet & 0x7F
        if octet < 0x80:
            arcs.append(arc)
            arc = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))


def text(node: Node) -> str:
    """Any ASN.1 string type as text; what cannot be decoded shows as U+FFFD."""
    encoding = {0x1E: "utf-16-be", 0x1C: "utf-32-be", UTF8_STRING: "utf-8"}.get(node.tag, "latin-1")
    return node.value.decode(encoding, "replace")


@dataclass(frozen=True, slots=True)
class Moment:
    """A point of time: `microseconds` since 1970 UTC, and whether its text is DER's (X.690 §11.7, §11.8)."""

    microseconds: int
    der: bool


_GENERALIZED = re.compile(
    rb"(\d{4})(\d\d)(\d\d)(\d\d)(?:(\d\d)(?:(\d\d)(?:[.,](\d{1,32}))?)?)?(?:Z|([+-])(\d\d)(\d\d)?)\Z"
)
_UTC = re.compile(rb"(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:(\d\d))?(?:Z|([+-])(\d\d)(\d\d))\Z")
_DER_GENERALIZED = re.compile(rb"\d{14}(?:\.\d*[1-9])?Z\Z")
_DER_UTC = re.compile(rb"\d{12}Z\Z")


def generalized_time(node: Node, tag: int = GENERALIZED_TIME) -> Moment:
    """GeneralizedTime in UTC or with an offset; a fraction finer than a microsecond is cut.

    Raises:
        WireError: another type, local time without an offset, or no such moment.
    """
    value = expect(node, tag).value
    match = _GENERALIZED.match(value)
    if match is None:
        raise WireError(WireCode.BAD_VALUE, node.start)
    year, month, day, hour, minute, second, fraction, sign, east_hours, east_minutes = match.groups()
    micro = int((fraction or b"0").ljust(6, b"0")[:6])
    seconds = _seconds(node, int(year), month, day, (hour, minute, second))
    seconds -= _offset(sign, east_hours, east_minutes)
    if not _FIRST_SECOND <= seconds <= _LAST_SECOND:
        raise WireError(WireCode.BAD_VALUE, node.start)
    return Moment(seconds * 1_000_000 + micro, _DER_GENERALIZED.match(value) is not None)


def utc_time(node: Node) -> Moment:
    """UTCTime; two-digit years below 50 are of this century (RFC 5280 §4.1.2.5.1).

    Raises:
        WireError: another type, or no such moment.
    """
    value = expect(node, UTC_TIME).value
    match = _UTC.match(value)
    if match is None:
        raise WireError(WireCode.BAD_VALUE, node.start)
    short, month, day, hour, minute, second, sign, east_hours, east_minutes = match.groups()
    year = int(short) + (2000 if int(short) < 50 else 1900)
    seconds = _seconds(node, year, month, day, (hour, minute, second))
    seconds -= _offset(sign, east_hours, east_minutes)
    return Moment(seconds * 1_000_000, _DER_UTC.match(value) is not None)


def time(node: Node) -> Moment:
    """Time ::= CHOICE { utcTime, generalTime } (RFC 5280 §4.1).

    Raises:
        WireError: as the two.
    """
    return utc_time(node) if node.tag == UTC_TIME else generalized_time(node)


_EPOCH = date(1970, 1, 1).toordinal()
_FIRST_SECOND = (date.min.toordinal() - _EPOCH) * 86_400
_LAST_SECOND = (date.max.toordinal() + 1 - _EPOCH) * 86_400 - 1


def _seconds(node: Node, year: int, month: bytes, day: bytes, clock: tuple[bytes | None, ...]) -> int:
    hour, minute, second = (int(part or 0) for part in clock)
    # A leap second (60) is the first second of the next minute on a scale that has none.
    if hour > 23 or minute > 59 or second > 60:
        raise WireError(WireCode.BAD_VALUE, node.start)
    try:
        days = date(year, int(month), int(day)).toordinal() - _EPOCH
    except ValueError:
        raise WireError(WireCode.BAD_VALUE, node.start) from None
    return ((days * 24 + hour) * 60 + minute) * 60 + second


def _offset(sign: bytes | None, hours: bytes | None, minutes: bytes | None) -> int:
    seconds = int(hours or 0) * 3600 + int(minutes or 0) * 60
    return -seconds if sign == b"-" else seconds
