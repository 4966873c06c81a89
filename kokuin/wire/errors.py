"""Why octets could not be read: one exception for the room, with a stable code and a place."""

from __future__ import annotations

from enum import StrEnum


class WireCode(StrEnum):
    """The reasons of a `WireError`."""

    TOO_LARGE = "WIRE_TOO_LARGE"
    """More octets than the limit for this kind of object."""
    TRUNCATED = "WIRE_TRUNCATED"
    """An element reaches beyond what encloses it, or the octets end within one."""
    TRAILING = "WIRE_TRAILING"
    """Octets follow the object, or an element follows the last field of a SEQUENCE."""
    TOO_DEEP = "WIRE_TOO_DEEP"
    """Nested deeper than the limit."""
    TOO_MANY = "WIRE_TOO_MANY"
    """More elements than the limit."""
    BAD_TAG = "WIRE_BAD_TAG"
    """A tag of more than four octets, or the end-of-contents tag where nothing ends."""
    BAD_LENGTH = "WIRE_BAD_LENGTH"
    """A length of more than eight octets, reserved, or indefinite where it cannot be."""
    OID_TOO_LONG = "WIRE_OID_TOO_LONG"
    """An OBJECT IDENTIFIER of more than 128 octets."""
    UNEXPECTED = "WIRE_UNEXPECTED"
    """Another type than the syntax wants here, or a mandatory field is missing."""
    BAD_VALUE = "WIRE_BAD_VALUE"
    """The type is right, its content is not."""
    BAD_ARMOUR = "WIRE_BAD_ARMOUR"
    """PEM boundaries or base64 that cannot be read."""


class WireError(ValueError):
    """Octets that cannot be read.

    Attributes:
        code: the reason.
        offset: where it was noticed, octets from the start of the innermost buffer that was read.
    """

    def __init__(self, code: WireCode, offset: int) -> None:
        super().__init__(f"{code} at {offset}")
        self.code = code
        self.offset = offset
