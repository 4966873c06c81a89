"""The fields of a table of TOML, each taken once and of its kind; what nobody took is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

if TYPE_CHECKING:
    import re
    from enum import StrEnum

    Choice = TypeVar("Choice", bound=StrEnum)

_IDEOGRAPHIC_SPACE = "\u3000"
"""Stands within Japanese names; Python does not count it as printable."""


class SealProfileError(ValueError):
    """A seal profile that cannot be used.

    Attributes:
        field: its path, as `certificate.identifier`; empty: the whole.
        detail: one line of English.
    """

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(f"{field}: {detail}" if field else detail)
        self.field, self.detail = field, detail


class ProfileFields:
    """One table; every method that takes a field raises `SealProfileError` when it is absent or unfit."""

    def __init__(self, table: object, place: str) -> None:
        """Args: what should be a table; its path with a point behind it, or nothing."""
        if not isinstance(table, dict):
            raise SealProfileError(place.removesuffix("."), "a table")
        self._left: dict[str, Any] = dict(table)
        self._place = place

    def has(self, name: str) -> bool:
        """Say whether a field is left."""
        return name in self._left

    def table(self, name: str) -> ProfileFields:
        """Take a table."""
        return ProfileFields(self._take(name), f"{self._place}{name}.")

    def tables(self, name: str, most: int) -> list[ProfileFields]:
        """Take a list of tables; absent: none."""
        found = self._left.pop(name, [])
        if not isinstance(found, list) or len(found) > most:
            self._refuse(name, f"at most {most} tables")
        return [ProfileFields(each, f"{self._place}{name}.") for each in found]

    def text(self, name: str, most: int, *, lines: bool = False) -> str:
        """Take printable text of 1 to `most` characters, of one line unless `lines`."""
        value = self._take(name)
        if not isinstance(value, str) or not 0 < len(value) <= most:
            self._refuse(name, f"text of 1 to {most} characters")
        plain = value.replace("\n", " ") if lines else value
        if value != value.strip() or not plain.replace(_IDEOGRAPHIC_SPACE, " ").isprintable():
            self._refuse(name, "printable characters, no space at either end")
        return value

    def matching(self, name: str, pattern: re.Pattern[str], wanted: str) -> str:
        """Take text that a pattern describes."""
        value = self._take(name)
        if not isinstance(value, str) or not pattern.fullmatch(value):
            self._refuse(name, wanted)
        return value

    def flag(self, name: str) -> bool:
        """Take a truth value; absent: false."""
        value = self._left.pop(name, False)
        if not isinstance(value, bool):
            self._refuse(name, "true or false")
        return value

    def number(self, name: str, least: int, most: int) -> int:
        """Take a whole number."""
        value = self._take(name)
        if not _is_number(value, least, most):
            self._refuse(name, f"a whole number from {least} to {most}")
        return int(value)

    def numbers(self, name: str, count: int, most: int) -> list[int]:
        """Take so many whole numbers from 0."""
        value = self._take(name)
        if (
            not isinstance(value, list)
            or len(value) != count
            or not all(_is_number(each, 0, most) for each in value)
        ):
            self._refuse(name, f"{count} whole numbers from 0 to {most}")
        return list(value)

    def names(self, name: str, most: int) -> list[str]:
        """Take 1 to `most` words, each once."""
        value = self._take(name)
        if (
            not isinstance(value, list)
            or not 0 < len(value) <= most
            or not all(isinstance(each, str) for each in value)
            or len(set(value)) != len(value)
        ):
            self._refuse(name, f"1 to {most} names, each once")
        return list(value)

    def choice(self, name: str, kind: type[Choice]) -> Choice:
        """Take one of the values of an enumeration."""
        value = self._take(name)
        return self._chosen(name, value, kind)

    def choices(self, name: str, kind: type[Choice]) -> list[Choice]:
        """Take one or more of the values of an enumeration, each once."""
        return [self._chosen(name, each, kind) for each in self.names(name, len(kind))]

    def finish(self) -> None:
        """Refuse what nobody took."""
        for name in self._left:
            self._refuse(ascii(name[:64]).strip("'"), "unknown")

    def _chosen(self, name: str, value: object, kind: type[Choice]) -> Choice:
        found = next((each for each in kind if each.value == value), None)
        if found is None:
            self._refuse(name, f"one of {', '.join(kind)}")
        return found

    def _take(self, name: str) -> Any:
        if name not in self._left:
            self._refuse(name, "missing")
        return self._left.pop(name)

    def _refuse(self, name: str, detail: str) -> NoReturn:
        raise SealProfileError(f"{self._place}{name}", detail)


def _is_number(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
