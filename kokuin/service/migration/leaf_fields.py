"""Fields of leaves for whoever counts them: taken as they are, and harmless wherever they are shown.

Whether a leaf is genuine is for the ledger's own check to say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping

UNKNOWN = "unknown"
"""Stands for a field that a leaf lacks."""


def leaf_fields(octets: bytes) -> dict[str, Any] | None:
    """Return the fields of a leaf; None: it is no JSON object."""
    try:
        leaf = orjson.loads(octets)
    except orjson.JSONDecodeError:
        return None
    return leaf if isinstance(leaf, dict) else None


def text_of(leaf: Mapping[str, Any], name: str) -> str:
    """Return a text field, `UNKNOWN` where it is missing, empty or no text."""
    return _printable(leaf.get(name))


def names_of(leaf: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Return a field that is a list of names; empty where it is missing or no list."""
    value = leaf.get(name)
    return tuple(map(_printable, value)) if isinstance(value, list) else ()


def gen_of(leaf: Mapping[str, Any]) -> int:
    """Return the genTime of a token's leaf, microseconds since 1970 UTC; 0 where it is no number."""
    value = leaf.get("gen")
    return value if isinstance(value, int) else 0


def _printable(value: object) -> str:
    if not isinstance(value, str) or not value:
        return UNKNOWN
    if value.isprintable():
        return value
    # Control characters out of a leaf must not reach a terminal or a table.
    return "".join(character if character.isprintable() else "\ufffd" for character in value)
