"""JSON documents as a tree: those of this product by their kind, any other by its members."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING

from kokuin.verify.inspecting.ber_forms import MAX_OCTETS, inspect_ber
from kokuin.verify.inspecting.kinds import Kind
from kokuin.verify.inspecting.private_keys import is_private_text
from kokuin.verify.inspecting.tree import SECRET, Entry, Fault, hidden_entries, text_entry
from kokuin.wire import strictjson

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kokuin.verify.inspecting.walk import Walk
    from kokuin.wire.strictjson import JsonValue

_MOST_DEPTH = 32
_MOST_MEMBERS = 200
_BEGINNING = re.compile(rb"\s*+(?:\{\s*+[\"}]|\[\s*+[\"\]\[{0-9-])")
"""Of an object or an array; other texts begin with a bracket, too."""
_BASE64_OF_A_SEQUENCE = "M"
_PRIVATE_MEMBERS = frozenset({"d", "k", "p", "q", "dp", "dq", "qi", "oth", "priv", "seed"})
"""Members of a JSON Web Key (RFC 7518 §6) that are, or give away, its private part."""


def inspect_json(walk: Walk, data: bytes) -> tuple[Kind, tuple[Entry, ...]] | None:
    """Return what a JSON document holds; None when the octets do not begin as one."""
    if not _BEGINNING.match(data):
        return None
    try:
        value = strictjson.loads(data, max_octets=MAX_OCTETS, max_depth=_MOST_DEPTH, floats=True)
    except strictjson.JsonError as error:
        return Kind.JSON, (Entry("", fault=Fault(error.fault.value)),)
    entry = show_value(walk, "", value)
    is_facts = isinstance(value, dict) and value.get("kind") == Kind.FACTS.value and "subject" in value
    return Kind.FACTS if is_facts else Kind.JSON, entry.children or (entry,)


def show_value(walk: Walk, name: str, value: JsonValue) -> Entry:
    """Return the entry of a JSON value; private members of keys are not shown."""
    if not walk.enter():
        return Entry(name, hidden=1)
    try:
        if isinstance(value, dict):
            return _object(walk, name, value)
        if isinstance(value, list):
            return _array(walk, name, value)
        return _scalar(walk, name, value)
    finally:
        walk.leave()


def _object(walk: Walk, name: str, members: Mapping[str, JsonValue]) -> Entry:
    private = _PRIVATE_MEMBERS if "kty" in members else frozenset[str]()
    shown = tuple(
        Entry(key, fault=Fault(SECRET)) if key in private else show_value(walk, key, value)
        for key, value in list(members.items())[:_MOST_MEMBERS]
    )
    return Entry(name, children=(*shown, *hidden_entries(len(members) - len(shown))))


def _array(walk: Walk, name: str, items: Sequence[JsonValue]) -> Entry:
    shown = tuple(show_value(walk, str(number), item) for number, item in enumerate(items[:_MOST_MEMBERS]))
    return Entry(name, children=(*shown, *hidden_entries(len(items) - len(shown))))


def _scalar(walk: Walk, name: str, value: JsonValue) -> Entry:
    if isinstance(value, str):
        return _object_in(walk, name, value) or text_entry(name, value)
    words = {True: "true", False: "false", None: "null"}
    return Entry(name, words[value] if isinstance(value, bool | None) else str(value))


def _object_in(walk: Walk, name: str, text: str) -> Entry | None:
    """Return the certificate, token or other object that a string holds in base64, or None."""
    if not text.startswith(_BASE64_OF_A_SEQUENCE) or is_private_text(text):
        return None
    try:
        octets = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):  # also text that is not even ASCII
        return None
    kind, _encoding, entries = inspect_ber(walk, octets)
    known = kind not in {Kind.ASN1, Kind.UNKNOWN}
    return Entry(name, kind.value, size=len(octets), children=entries) if known else None
