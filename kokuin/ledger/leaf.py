"""The leaf: the octets of one record as the ledger keeps and hashes them for ever.

One line of strict JSON: names in order, no space, no float, integers that every
reader keeps exactly (RFC 7493 §2.2), strings in NFC. The octets are made once,
at commit, and are stored and hashed verbatim, so nobody who checks a leaf has
to make them again.
"""

from __future__ import annotations

import json
import re
import unicodedata
from enum import StrEnum
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, cast

import orjson

from kokuin.trust.records import LEAF_VERSION
from kokuin.wire import strictjson

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kokuin.trust.records import LeafValue, Record

MAX_LEAF = 4096
"""Octets of the longest leaf."""

_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER
_OWN_NAMES = frozenset({"v", "kind", "at"})
_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_SERIAL = re.compile(r"[0-9a-f]{1,64}")
_PLAIN = frozenset({str, int, bool, type(None)})


class LeafFault(StrEnum):
    """Why octets are no leaf, or a record cannot become one."""

    TOO_LARGE = "LEAF_TOO_LARGE"
    NAME = "LEAF_NAME"
    """A field's name is malformed, or is one that the ledger writes itself."""
    VALUE = "LEAF_VALUE"
    """A value that strict JSON forbids: a float, a lone surrogate, text that is not NFC, a large integer."""
    SERIAL = "LEAF_SERIAL"
    """The serial is not lower-case hex, or the fields and the record name different ones."""
    BESIDE = "LEAF_BESIDE"
    """The token beside the leaf is too large."""
    JSON = "LEAF_JSON"
    """The octets are not strict JSON."""
    FORM = "LEAF_FORM"
    """Strict JSON, but not the one form of it that leaves have."""
    VERSION = "LEAF_VERSION"
    """A version that this release does not know."""


class LeafError(ValueError):
    """A leaf was refused.

    Attributes:
        fault: the stable code of the reason.
    """

    def __init__(self, fault: LeafFault, detail: str = "") -> None:
        super().__init__(f"{fault}: {detail}" if detail else str(fault))
        self.fault = fault


def make_leaf(record: Record, at: int, personal: str | None = None) -> bytes:
    """Make the octets of a record's leaf.

    The ledger adds `v`, `kind`, `at`, `self` and, where the record has them,
    `serial`, `unit` and `gen`: what the search index is built from must stand
    in the leaf, else the index could not be built again.

    Args:
        record: what happened.
        at: time of the commit, microseconds since 1970 UTC.
        personal: the commitment to the record's text in the side table, when it has one.

    Returns:
        At most `MAX_LEAF` octets.

    Raises:
        LeafError: the record holds what a leaf cannot.
    """
    fields = record.fields
    _check_names(tuple(fields))
    for value in fields.values():
        if not (type(value) is str and value.isascii()):
            _check_value(value)
    leaf: dict[str, LeafValue] = {**fields, "v": LEAF_VERSION, "kind": record.kind, "at": at}
    if record.serial is None and "serial" in leaf:
        raise LeafError(LeafFault.SERIAL, "in the fields alone")
    if record.serial is not None and not _SERIAL.fullmatch(record.serial):
        raise LeafError(LeafFault.SERIAL, "not lower-case hex")
    _bind(leaf, "self", record.self_caused)
    _bind(leaf, "serial", record.serial)
    _bind(leaf, "unit", record.unit)
    _bind(leaf, "gen", record.gen)
    _bind(leaf, "personal", personal)
    try:
        octets = orjson.dumps(leaf, option=_OPTIONS)
    except orjson.JSONEncodeError as error:
        raise LeafError(LeafFault.VALUE, str(error)) from error
    if len(octets) > MAX_LEAF:
        raise LeafError(LeafFault.TOO_LARGE, str(len(octets)))
    return octets


def leaf_hash(leaf: bytes) -> bytes:
    """Return the leaf's hash in the tree, SHA-256(0x00 ‖ leaf) (RFC 6962 §2.1)."""
    return sha256(b"\x00" + leaf).digest()


def commitment(salt: bytes, text: str) -> str:
    """Return what a leaf holds of a text that may be erased: SHA-256(salt ‖ UTF-8), hex."""
    try:
        return sha256(salt + text.encode()).hexdigest()
    except UnicodeEncodeError as error:
        raise LeafError(LeafFault.VALUE, "a lone surrogate") from error


def read_leaf(octets: bytes) -> Mapping[str, LeafValue]:
    """Read a leaf strictly.

    Args:
        octets: a leaf as stored or exported, from whomever.

    Returns:
        All its fields, `v`, `kind` and `at` included.

    Raises:
        LeafError: the octets are not exactly what `make_leaf` would have made of these fields.
    """
    leaf = _read_good(octets)
    return _read_any(octets) if leaf is None else leaf


def _read_good(octets: bytes) -> Mapping[str, LeafValue] | None:
    """Read a leaf as nearly all are, at a fraction of the cost; None for one that `_read_any` must judge."""
    if len(octets) > MAX_LEAF or not octets.isascii():
        return None
    try:
        leaf = orjson.loads(octets)
        # What is written back as it was read has one reading: unique names in order, one form of each value.
        good = type(leaf) is dict and orjson.dumps(leaf, option=_OPTIONS) == octets and _is_leaf(leaf)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return None
    return leaf if good else None


def _is_leaf(leaf: dict[str, object]) -> bool:
    if not _are_names(tuple(leaf)):
        return False
    if type(leaf["v"]) is not int or leaf["v"] != LEAF_VERSION:
        return False
    if type(leaf["kind"]) is not str or type(leaf["at"]) is not int:
        return False
    if _PLAIN.issuperset(map(type, leaf.values())):
        return True
    return all(type(value) in _PLAIN or _are_strings(value) for value in leaf.values())


def _are_strings(value: object) -> bool:
    return isinstance(value, list) and all(type(item) is str for item in value)


def _read_any(octets: bytes) -> Mapping[str, LeafValue]:
    """Read a leaf through the strict reader, which says what is wrong."""
    if len(octets) > MAX_LEAF:
        raise LeafError(LeafFault.TOO_LARGE, str(len(octets)))
    try:
        leaf = strictjson.loads(octets, max_octets=MAX_LEAF, max_depth=2)
    except strictjson.JsonError as error:
        raise LeafError(LeafFault.JSON, error.fault) from error
    if not isinstance(leaf, dict):
        raise LeafError(LeafFault.FORM, "not an object")
    if type(leaf.get("v")) is not int or leaf["v"] != LEAF_VERSION:
        raise LeafError(LeafFault.VERSION)
    if not isinstance(leaf.get("kind"), str) or type(leaf.get("at")) is not int:
        raise LeafError(LeafFault.FORM, "without kind or at")
    for name, value in leaf.items():
        if not _NAME.fullmatch(name):
            raise LeafError(LeafFault.NAME, name[:32])
        _check_value(value)
    if json.dumps(leaf, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode() != octets:
        raise LeafError(LeafFault.FORM, "not the one form")
    return cast("Mapping[str, LeafValue]", leaf)


@lru_cache(maxsize=256)
def _check_names(names: tuple[str, ...]) -> None:
    # Cached: the few kinds of record that a service writes have the same names every time.
    for name in names:
        if name in _OWN_NAMES or not _NAME.fullmatch(name):
            raise LeafError(LeafFault.NAME, str(name)[:32])


@lru_cache(maxsize=256)
def _are_names(names: tuple[str, ...]) -> bool:
    return _OWN_NAMES.issubset(names) and all(_NAME.fullmatch(name) for name in names)


def _check_value(value: object) -> None:
    if isinstance(value, str):
        if not value.isascii() and not unicodedata.is_normalized("NFC", value):
            raise LeafError(LeafFault.VALUE, "not NFC")
    elif isinstance(value, list):
        for item in value:
            if not isinstance(item, str):
                raise LeafError(LeafFault.VALUE, "a list of other things than strings")
            _check_value(item)
    elif value is not None and not isinstance(value, int):
        raise LeafError(LeafFault.VALUE, type(value).__name__)


def _bind(leaf: dict[str, LeafValue], name: str, value: LeafValue) -> None:
    """Put what the record names apart from its fields, if it does, into the leaf; both must say the same."""
    if value is not None and leaf.setdefault(name, value) != value:
        raise LeafError(LeafFault.SERIAL if name == "serial" else LeafFault.NAME, f"two values of {name}")
