"""The CMS in /Contents: as much of the octets as it is, whatever fills the rest."""

from __future__ import annotations

from eseal.cades_find import CMS_LIMITS
from kokuin.wire.ber import definite
from kokuin.wire.errors import WireCode, WireError

_MAX_CLOSINGS = 40
"""Zeros that may belong to the CMS: two for each element of indefinite length, and its last octets."""


def read_contents(octets: bytes) -> tuple[bytes, bool]:
    """Return the ContentInfo in definite lengths, and whether only zeros follow it.

    Raises:
        WireError: there is none.
    """
    if octets[:2] != b"\x30\x80":
        length = _length(octets)
        return definite(octets[:length], CMS_LIMITS), not octets[length:].strip(b"\x00")
    kept = octets.rstrip(b"\x00")
    for zeros in range(min(_MAX_CLOSINGS, len(octets) - len(kept)) + 1):
        try:
            return definite(kept + bytes(zeros), CMS_LIMITS), True
        except WireError as error:
            if error.code is not WireCode.TRUNCATED:
                raise
    raise WireError(WireCode.TRUNCATED, len(octets))


def _length(octets: bytes) -> int:
    """Return how long the first element is by its own word."""
    if len(octets) < 2:
        raise WireError(WireCode.TRUNCATED, len(octets))
    first = octets[1]
    if first < 0x80:
        return 2 + first
    count = first - 0x80
    if count > 8:
        raise WireError(WireCode.BAD_LENGTH, 1)
    return 2 + count + int.from_bytes(octets[2 : 2 + count], "big")
