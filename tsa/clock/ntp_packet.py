"""NTP packets of a client: request and response as values, no I/O (RFC 5905 §7.3).

The request carries nothing about us: its only filled field is a random transmit
timestamp, which the server sends back as origin. Who cannot see the request
cannot forge the response.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from tsa.clock.sample import Leap

PACKET_SIZE = 48

_LAYOUT = struct.Struct(">BBbbII4sQQQQ")
_VERSION = 4
_CLIENT, _SERVER = 3, 4
_ALARM = 3
_LEAPS = {0: Leap.NONE, 1: Leap.INSERT, 2: Leap.DELETE}
_MAX_STRATUM = 15
_UNIX_TO_NTP_S = 2_208_988_800
_MASK = (1 << 64) - 1
# RFC 5905 §7.2: MAXDISP, and PHI, the frequency tolerance.
_MAX_DISTANCE_US = 16_000_000
_PHI_PPM = 15


class NtpRefusal(StrEnum):
    """Why a datagram gives no time."""

    SIZE = "NTP_SIZE"
    """Not the 48 octets that a request without extensions is answered with."""
    MODE = "NTP_MODE"
    """No server's answer, or of another version."""
    ORIGIN = "NTP_ORIGIN"
    """Not the answer to our request: late, repeated or forged."""
    KISS_RATE = "NTP_KISS_RATE"
    """Kiss-o'-death `RATE`: ask less often (RFC 5905 §7.4)."""
    KISS_DENY = "NTP_KISS_DENY"
    """Kiss-o'-death `DENY` or `RSTR`: never ask again (RFC 5905 §7.4)."""
    UNSYNCHRONISED = "NTP_UNSYNCHRONISED"
    """Leap indicator 3, stratum 0 or above 15 (other kiss codes among them), or no reference time."""
    NONSENSE = "NTP_NONSENSE"
    """Timestamps or root distance that no working server sends (RFC 5905 §A.5.1.1)."""


_KISSES = {b"RATE": NtpRefusal.KISS_RATE, b"DENY": NtpRefusal.KISS_DENY, b"RSTR": NtpRefusal.KISS_DENY}


class _Header(NamedTuple):
    head: int
    stratum: int
    poll: int
    precision: int
    root_delay: int
    root_dispersion: int
    refid: bytes
    updated: int
    origin: int
    received: int
    sent: int


@dataclass(frozen=True, slots=True)
class NtpAnswer:
    """What a good response says.

    Attributes:
        offset_us: our wall clock minus the server's, microseconds.
        uncertainty_us: root distance of that offset, microseconds, rounded up.
        stratum: 1 to 15.
        leap: the announced leap second.
        refid: letters at stratum 1, else four numbers.
        age_s: seconds between the server's last update of its clock and its answer.
    """

    offset_us: int
    uncertainty_us: int
    stratum: int
    leap: Leap
    refid: str
    age_s: float


def make_request(token: int) -> bytes:
    """Return a client request whose transmit timestamp is `token`, 64 random bits."""
    head = _VERSION << 3 | _CLIENT
    return _LAYOUT.pack(head, 0, 0, 0, 0, 0, bytes(4), 0, 0, 0, token)


def read_response(packet: bytes, token: int, sent_wall_ns: int, taken_ns: int) -> NtpAnswer | NtpRefusal:
    """Read a response.

    Args:
        packet: the datagram, hostile.
        token: the transmit timestamp of our request.
        sent_wall_ns: the wall clock when the request left, nanoseconds since 1970 UTC.
        taken_ns: nanoseconds from request to response by a clock that is never stepped.

    Returns:
        The answer, or why the datagram gives no time.
    """
    if len(packet) != PACKET_SIZE:
        return NtpRefusal.SIZE
    header = _Header._make(_LAYOUT.unpack(packet))
    refusal = _refusal(header, token)
    if refusal is not None:
        return refusal
    slack_us = 2_000_000 * 2.0 ** min(header.precision, 0)
    held_us = _difference_us(header.sent, header.received)
    age_us = _difference_us(header.sent, header.updated)
    # A server that claims to have held the request for longer than we waited could shift the offset at will.
    spare_us = taken_ns / 1000 - held_us + slack_us
    root_us = _short_us(header.root_delay) / 2 + _short_us(header.root_dispersion)
    if held_us < -slack_us or spare_us < 0 or age_us < 0 or root_us >= _MAX_DISTANCE_US:
        return NtpRefusal.NONSENSE
    started = to_ntp(sent_wall_ns)
    there_us = _difference_us(header.received, started)
    back_us = _difference_us(header.sent, started) - taken_ns / 1000
    bound_us = root_us + spare_us / 2 + taken_ns / 1000 * _PHI_PPM / 1_000_000
    return NtpAnswer(
        offset_us=-round((there_us + back_us) / 2),
        uncertainty_us=math.ceil(bound_us) + 1,
        stratum=header.stratum,
        leap=_LEAPS[header.head >> 6],
        refid=_refid(header.refid, header.stratum),
        age_s=age_us / 1_000_000,
    )


def _refusal(header: _Header, token: int) -> NtpRefusal | None:
    if header.head & 0x3F != _VERSION << 3 | _SERVER:
        return NtpRefusal.MODE
    if header.origin != token:
        return NtpRefusal.ORIGIN
    if header.stratum == 0 and header.refid in _KISSES:
        return _KISSES[header.refid]
    silent = 0 in {header.updated, header.received, header.sent}
    if header.head >> 6 == _ALARM or not 0 < header.stratum <= _MAX_STRATUM or silent:
        return NtpRefusal.UNSYNCHRONISED
    return None


def to_ntp(wall_ns: int) -> int:
    """Return 64 bits of NTP timestamp for nanoseconds since 1970 UTC, in whichever era."""
    seconds, rest = divmod(wall_ns, 1_000_000_000)
    return ((seconds + _UNIX_TO_NTP_S) << 32 | (rest << 32) // 1_000_000_000) & _MASK


def _difference_us(later: int, earlier: int) -> float:
    """Return the signed difference; modulo 2^64, so that an era's end in between does not matter (§6)."""
    difference = (later - earlier) & _MASK
    if difference >> 63:
        difference -= 1 << 64
    return difference * 1_000_000 / (1 << 32)


def _short_us(value: int) -> float:
    return value * 1_000_000 / (1 << 16)


def _refid(refid: bytes, stratum: int) -> str:
    letters = refid.rstrip(b"\0")
    if stratum == 1 and all(0x21 <= octet < 0x7F for octet in letters):
        return letters.decode("ascii")
    return ".".join(str(octet) for octet in refid)
