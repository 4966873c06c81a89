"""The fields of a file of facts, each of its kind and within bounds."""

from __future__ import annotations

import base64
import binascii
import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NoReturn

from kokuin.trust.certificate import Certificate, read_certificate
from kokuin.wire.errors import WireError

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


class Fields:
    """The fields of an object, each taken once; what is left over is refused.

    Every method that takes a field raises FactsError when it is absent or no such thing.
    """

    def __init__(self, value: JsonValue, place: str) -> None:
        self._place = place
        if not isinstance(value, dict):
            raise FactsError(place.rstrip("."))
        self._left = dict(value)

    def refuse(self, name: str) -> NoReturn:
        """Refuse a field; raise FactsError."""
        raise FactsError(f"{self._place}{name}")

    def has(self, name: str) -> bool:
        """Say whether a field is left."""
        return name in self._left

    def absent(self, name: str) -> bool:
        """Say whether a field is null, and take it when it is."""
        if name in self._left and self._left[name] is None:
            del self._left[name]
            return True
        return False

    def take(self, name: str) -> JsonValue:
        """Take a field, whatever it is."""
        if name not in self._left:
            self.refuse(name)
        return self._left.pop(name)

    def finish(self) -> None:
        """Refuse what nobody took."""
        for name in self._left:
            self.refuse(ascii(name[:MAX_NAME]))

    def inner(self, name: str) -> Fields:
        """Take an object."""
        return Fields(self.take(name), f"{self._place}{name}.")

    def each(self, name: str, most: int) -> list[Fields]:
        """Take a list of objects."""
        found = self._list(name, most)
        return [Fields(value, f"{self._place}{name}[{at}].") for at, value in enumerate(found)]

    def _list(self, name: str, most: int) -> list[JsonValue]:
        value = self.take(name)
        if not isinstance(value, list) or len(value) > most:
            self.refuse(name)
        return value

    def text(self, name: str, most: int) -> str:
        """Take a text of at most so many characters."""
        value = self.take(name)
        if not isinstance(value, str) or len(value) > most:
            self.refuse(name)
        return value

    def words(self, name: str) -> str:
        """Take a text that is shown to people: what a stranger wrote must not steer their terminal."""
        value = self.text(name, MAX_NAME)
        if not value.isprintable():
            self.refuse(name)
        return value

    def hex(self, name: str) -> bytes:
        """Take the octets of a digest, written in hex."""
        value = self.text(name, 2 * MAX_DIGEST)
        try:
            return bytes.fromhex(value)
        except ValueError:
            self.refuse(name)

    def octets(self, name: str) -> bytes:
        """Take octets, written in base64."""
        return self._decode(name, self.take(name))

    def all_octets(self, name: str, most: int) -> tuple[bytes, ...]:
        """Take a list of them."""
        return tuple(self._decode(name, value) for value in self._list(name, most))

    def certificate(self, name: str) -> Certificate:
        """Take a certificate."""
        return self._certificate(name, self.take(name))

    def certificates(self, name: str, most: int) -> tuple[Certificate, ...]:
        """Take a list of them."""
        return tuple(self._certificate(name, value) for value in self._list(name, most))

    def moment(self, name: str) -> int:
        """Take a moment; return microseconds since 1970 UTC."""
        value = self.words(name)
        if not _TIME.fullmatch(value):
            self.refuse(name)
        try:
            return (datetime.fromisoformat(value[:-1]) - _EPOCH) // timedelta(microseconds=1)
        except ValueError:
            self.refuse(name)

    def _decode(self, name: str, value: JsonValue) -> bytes:
        if not isinstance(value, str):
            self.refuse(name)
        try:
            return base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            self.refuse(name)

    def _certificate(self, name: str, value: JsonValue) -> Certificate:
        try:
            return read_certificate(self._decode(name, value))
        except WireError:
            self.refuse(name)
