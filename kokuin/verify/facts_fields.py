"""The fields of a file of facts, each of its kind and within bounds."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar

from kokuin.trust.certificate import Certificate, read_certificate
from kokuin.wire.errors import WireError
from kokuin.wire.strictfields import StrictFields

if TYPE_CHECKING:
    from kokuin.wire.strictjson import JsonValue

MAX_NAME = 500
MAX_DIGEST = 65_536
"""Octets: somebody may give anything instead of the data, and is told that it is no digest of it."""

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z", re.ASCII)
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  # the Z was checked and cut off


class FactsError(ValueError):
    """Facts that cannot be used.

    Attributes:
        place: the field, as a path.
        newer: whether a later release wrote them.
    """

    def __init__(self, place: str, *, newer: bool = False) -> None:
        super().__init__(place)
        self.place = place
        self.newer = newer


class Fields(StrictFields):
    """The fields of an object; every method that takes one raises FactsError."""

    longest: ClassVar[int] = MAX_NAME

    @staticmethod
    def refusal(place: str) -> FactsError:
        """Return the error of the field at a path, or of the object that should be there."""
        return FactsError(place.rstrip("."))

    def absent(self, name: str) -> bool:
        """Say whether a field is null, and take it when it is."""
        if self.has(name) and self._left[name] is None:
            del self._left[name]
            return True
        return False

    def hex(self, name: str) -> bytes:
        """Take the octets of a digest, written in hex."""
        value = self.text(name, 2 * MAX_DIGEST)
        try:
            return bytes.fromhex(value)
        except ValueError:
            self.refuse(name)

    def all_octets(self, name: str, most: int) -> tuple[bytes, ...]:
        """Take a list of them."""
        return tuple(self.decode(name, value) for value in self.values(name, most))

    def certificate(self, name: str) -> Certificate:
        """Take a certificate."""
        return self._certificate(name, self.take(name))

    def certificates(self, name: str, most: int) -> tuple[Certificate, ...]:
        """Take a list of them."""
        return tuple(self._certificate(name, value) for value in self.values(name, most))

    def moment(self, name: str) -> int:
        """Take a moment; return microseconds since 1970 UTC."""
        value = self.matching(name, _TIME)
        try:
            return (datetime.fromisoformat(value[:-1]) - _EPOCH) // timedelta(microseconds=1)
        except ValueError:
            self.refuse(name)

    def _certificate(self, name: str, value: JsonValue) -> Certificate:
        try:
            return read_certificate(self.decode(name, value))
        except WireError:
            self.refuse(name)
