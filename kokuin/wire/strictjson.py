"""Strict JSON (RFC 8259 within RFC 7493, I-JSON): one reading of the octets, or a refusal.

The standard library's reader keeps the last of two equal names, takes `NaN`,
`1e999` and lone surrogates, and recurses as deep as the sender likes. Two
programs that read one text differently can be made to disagree about what was
signed, so all of that is refused here.
"""

from __future__ import annotations

import json
import math
import re
from enum import StrEnum
from typing import NoReturn, TypeAlias

JsonValue: TypeAlias = "dict[str, JsonValue] | list[JsonValue] | str | int | float | bool | None"

INTEGER_LIMIT = 2**53 - 1
"""RFC 7493 §2.2: the largest magnitude that every reader keeps exactly."""

_BOM = b"\xef\xbb\xbf"
_INTEGER_DIGITS = len(str(-INTEGER_LIMIT))
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")
# Possessive, and the closing quote optional: every octet is looked at once, also in an unclosed string.
_STRING_OR_BRACKET = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)


class JsonFault(StrEnum):
    """Why a text is not strict JSON."""

    TOO_LARGE = "JSON_TOO_LARGE"
    BOM = "JSON_BOM"
    ENCODING = "JSON_ENCODING"
    TOO_DEEP = "JSON_TOO_DEEP"
    SYNTAX = "JSON_SYNTAX"
    DUPLICATE_NAME = "JSON_DUPLICATE_NAME"
    FLOAT = "JSON_FLOAT"
    NOT_FINITE = "JSON_NOT_FINITE"
    INTEGER_RANGE = "JSON_INTEGER_RANGE"
    SURROGATE = "JSON_SURROGATE"


class JsonError(ValueError):
    """A text was refused.

    Attributes:
        fault: the stable code of the reason.
    """

    def __init__(self, fault: JsonFault, detail: str = "") -> None:
        super().__init__(f"{fault}: {detail}" if detail else str(fault))
        self.fault = fault


def loads(data: bytes, *, max_octets: int, max_depth: int = 16, floats: bool = False) -> JsonValue:
    """Read one JSON text.

    Args:
        data: the text in UTF-8.
        max_octets: length above which nothing is looked at.
        max_depth: how many arrays and objects may stand in each other.
        floats: whether numbers with fraction or exponent may stand in the text.

    Returns:
        The value; objects keep the order of the text.

    Raises:
        JsonError: the text is not strict JSON; names are unique, integers within `INTEGER_LIMIT`,
            strings free of lone surrogates (RFC 7493 §2.1-2.3).
    """
    if len(data) > max_octets:
        raise JsonError(JsonFault.TOO_LARGE)
    if data.startswith(_BOM):
        raise JsonError(JsonFault.BOM)
    _bound_depth(data, max_depth)
    try:
        text = data.decode("utf-8")
        value: JsonValue = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_float=_finite if floats else _no_float,
            parse_int=_integer,
            parse_constant=_no_constant,
        )
    except UnicodeDecodeError as error:
        raise JsonError(JsonFault.ENCODING, f"octet {error.start}") from error
    except json.JSONDecodeError as error:
        raise JsonError(JsonFault.SYNTAX, f"character {error.pos}") from error
    if _SURROGATE_ESCAPE.search(data):
        _refuse_lone_surrogates(value)
    return value


def _bound_depth(data: bytes, max_depth: int) -> None:
    depth = 0
    for token in _STRING_OR_BRACKET.finditer(data):
        octet = data[token.start()]
        if octet in b"[{":
            depth += 1
            if depth > max_depth:
                raise JsonError(JsonFault.TOO_DEEP)
        elif octet in b"]}":
            depth -= 1


def _unique(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise JsonError(JsonFault.DUPLICATE_NAME)
    return value


def _integer(text: str) -> int:
    # Counted before it is converted: conversion is quadratic in the digits.
    if len(text) > _INTEGER_DIGITS or abs(value := int(text)) > INTEGER_LIMIT:
        raise JsonError(JsonFault.INTEGER_RANGE)
    return value


def _no_float(text: str) -> NoReturn:
    raise JsonError(JsonFault.FLOAT, text[:32])


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise JsonError(JsonFault.NOT_FINITE, text[:32])
    return value


def _no_constant(text: str) -> NoReturn:
    raise JsonError(JsonFault.NOT_FINITE, text)


def _refuse_lone_surrogates(value: JsonValue) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise JsonError(JsonFault.SURROGATE) from error
