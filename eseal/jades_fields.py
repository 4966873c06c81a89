"""Parameters of a protected header, each taken as the type that it has to be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eseal.jades_form import JadesError
from eseal.rules import SealReason

if TYPE_CHECKING:
    from eseal.jades_form import JsonObject
    from kokuin.wire.strictjson import JsonValue

_LAST_SECOND = 253_402_300_799
"""The end of the year 9999."""


def wrong(name: str) -> JadesError:
    """Return the error of a parameter that is not what the standard says."""
    return JadesError(SealReason.HEADER_WRONG, name)


def take_text(header: JsonObject, name: str) -> str:
    """Take a text.

    Raises:
        JadesError: HEADER_WRONG.
    """
    value = header.get(name)
    if not isinstance(value, str):
        raise wrong(name)
    return value


def take_texts(header: JsonObject, name: str, most: int) -> tuple[str, ...]:
    """Take a list of different texts, at least one and at most `most`.

    Raises:
        JadesError: HEADER_WRONG.
    """
    value = header.get(name)
    if not isinstance(value, list) or not 0 < len(value) <= most:
        raise wrong(name)
    found = tuple(each for each in value if isinstance(each, str))
    if len(set(found)) != len(value):
        raise wrong(name)
    return found


def take_seconds(header: JsonObject, name: str) -> int:
    """Take whole seconds since 1970 UTC, as microseconds.

    Raises:
        JadesError: HEADER_WRONG.
    """
    seconds = header[name]
    if type(seconds) is not int or not 0 <= seconds <= _LAST_SECOND:
        raise wrong(name)
    return seconds * 1_000_000


def text_of(value: JsonValue, name: str) -> str:
    """Return a value that has to be a text; `name` is of its parameter.

    Raises:
        JadesError: HEADER_WRONG.
    """
    if not isinstance(value, str):
        raise wrong(name)
    return value
