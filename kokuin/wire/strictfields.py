"""The fields of a strict JSON object, each taken once and of its kind; what nobody took is refused."""

from __future__ import annotations

import base64
import binascii
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, NoReturn, Self

if TYPE_CHECKING:
    import re

    from kokuin.wire.strictjson import JsonValue


class StrictFields(ABC):
    """The fields of an object in a file that a stranger may have written.

    Every method that takes a field raises what `refusal` returns when it is absent or no such thing.

    Attributes:
        longest: characters that a text may have which is shown to people.
    """

    longest: ClassVar[int]

    def __init__(self, value: JsonValue, place: str) -> None:
        """Args: what should be an object; its path with a point behind it, or nothing."""
        self._place = place
        if not isinstance(value, dict):
            raise self.refusal(place)
        self._left = dict(value)

    @staticmethod
    @abstractmethod
    def refusal(place: str) -> Exception:
        """Return what is raised of the field at a path; one that ends in a point is an object's own."""

    def place(self, name: str) -> str:
        """Return the path of a field."""
        return f"{self._place}{name}"

    def refuse(self, name: str) -> NoReturn:
        """Refuse a field."""
        raise self.refusal(self.place(name))

    def has(self, name: str) -> bool:
        """Say whether a field is left."""
        return name in self._left

    def take(self, name: str) -> JsonValue:
        """Take a field, whatever it is."""
        if name not in self._left:
            self.refuse(name)
        return self._left.pop(name)

    def finish(self) -> None:
        """Refuse what nobody took."""
        for name in self._left:
            self.refuse(ascii(name[: self.longest]))

    def inner(self, name: str) -> Self:
        """Take an object."""
        return type(self)(self.take(name), f"{self.place(name)}.")

    def each(self, name: str, most: int) -> list[Self]:
        """Take a list of at most so many objects."""
        found = self.values(name, most)
        return [type(self)(value, f"{self.place(name)}[{at}].") for at, value in enumerate(found)]

    def values(self, name: str, most: int) -> list[JsonValue]:
        """Take a list of at most so many values."""
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
        value = self.text(name, self.longest)
        if not value.isprintable():
            self.refuse(name)
        return value

    def matching(self, name: str, pattern: re.Pattern[str]) -> str:
        """Take a text of one form."""
        value = self.words(name)
        if not pattern.fullmatch(value):
            self.refuse(name)
        return value

    def octets(self, name: str) -> bytes:
        """Take octets, written in base64."""
        return self.decode(name, self.take(name))

    def decode(self, name: str, value: JsonValue) -> bytes:
        """Return the octets that a value of a field writes in base64."""
        if not isinstance(value, str):
            self.refuse(name)
        try:
            return base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            self.refuse(name)
