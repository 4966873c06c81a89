"""Any BER element as the tree that it is: types, offsets, values; also what is damaged, up to the damage."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from kokuin.verify.inspecting import values
from kokuin.verify.inspecting.opening import open_string, skip_elements
from kokuin.verify.inspecting.private_keys import is_private_key
from kokuin.verify.inspecting.tree import SECRET, Entry, Fault, beyond, hidden_entries
from kokuin.wire import asn1
from kokuin.wire.der import Node
from kokuin.wire.errors import WireCode, WireError
from kokuin.wire.header import INDEFINITE, read_header

if TYPE_CHECKING:
    from collections.abc import Callable

    from kokuin.verify.inspecting.walk import Walk

MOST_CHILDREN = 200
_HEADER = 16
_FAR = 1 << 63
_END_OF_CONTENTS = b"\x00\x00"

_UNIVERSAL = {
    1: "BOOLEAN",
    2: "INTEGER",
    3: "BIT STRING",
    4: "OCTET STRING",
    5: "NULL",
    6: "OBJECT IDENTIFIER",
    7: "ObjectDescriptor",
    8: "EXTERNAL",
    9: "REAL",
    10: "ENUMERATED",
    11: "EMBEDDED PDV",
    12: "UTF8String",
    13: "RELATIVE-OID",
    16: "SEQUENCE",
    17: "SET",
    18: "NumericString",
    19: "PrintableString",
    20: "T61String",
    21: "VideotexString",
    22: "IA5String",
    23: "UTCTime",
    24: "GeneralizedTime",
    25: "GraphicString",
    26: "VisibleString",
    27: "GeneralString",
    28: "UniversalString",
    30: "BMPString",
}
_CLASSES = ("UNIVERSAL ", "APPLICATION ", "", "PRIVATE ")


class _Found(NamedTuple):
    """The header of an element: identifier octets, where its content begins and ends, what is wrong."""

    tag: int
    content: int
    end: int
    indefinite: bool
    fault: Fault | None


def show_element(walk: Walk, node: Node) -> Entry:
    """Return the tree of one element."""
    return _show(walk, node.data, node.start, node.end)[0]


def show_octets(walk: Walk, data: bytes) -> tuple[Entry, ...]:
    """Return the trees of the elements in `data`, as far as there are any."""
    return _children(walk, data, 0, len(data), indefinite=False)[0]


def _show(walk: Walk, data: bytes, at: int, end: int) -> tuple[Entry, int]:
    """Return the tree of the element at `at`, and where the next one begins."""
    found = _header(data, at, end)
    name = _name(found.tag)
    if not walk.enter():
        return beyond(name, at), end if found.indefinite else found.end
    try:
        return _entry(walk, data, at, found, name)
    finally:
        walk.leave()


def _entry(walk: Walk, data: bytes, at: int, found: _Found, name: str) -> tuple[Entry, int]:
    node = Node(data, found.tag, at, found.content, found.end)
    if is_private_key(node):
        return Entry(name, at=at, fault=Fault(SECRET, at)), found.end
    if data[at] & 0x20:
        children, stop = _children(walk, data, found.content, found.end, indefinite=found.indefinite)
        return Entry(name, at=at, fault=found.fault, children=children), stop
    entry = _primitive(node, name)
    children = () if entry.fault else _within(walk, node)
    return (
        Entry(name, entry.value, entry.note, entry.size, at, found.fault or entry.fault, children=children),
        found.end,
    )


def _header(data: bytes, at: int, end: int) -> _Found:
    """Read a header, also of an element that is cut off.

    Raises:
        WireError: there is none.
    """
    # Filled up, so that what is cut short is told from what is wrong.
    head = data[at : min(end, at + _HEADER)].ljust(_HEADER, b"\0")
    try:
        tag, content, length = read_header(head, 0, _FAR)
    except WireError as error:
        raise WireError(error.code, at + error.offset) from None
    if at + content > end:
        raise WireError(WireCode.TRUNCATED, at)
    content += at
    if length == INDEFINITE:
        return _Found(tag, content, end, indefinite=True, fault=None)
    fault = Fault(WireCode.TRUNCATED.value, at) if content + length > end else None
    return _Found(tag, content, min(end, content + length), indefinite=False, fault=fault)


def _children(
    walk: Walk, data: bytes, at: int, end: int, *, indefinite: bool
) -> tuple[tuple[Entry, ...], int]:
    entries: list[Entry] = []
    while at < end:
        if indefinite and data[at : at + 2] == _END_OF_CONTENTS:
            return tuple(entries), at + 2
        if len(entries) == MOST_CHILDREN or walk.entries <= 0:
            skipped = skip_elements(data, at, end, indefinite=indefinite)
            return (*entries, *hidden_entries(skipped.passed, skipped.error)), skipped.at
        try:
            entry, at = _show(walk, data, at, end)
        except WireError as error:
            return (*entries, *hidden_entries(0, error)), end
        entries.append(entry)
    if indefinite:
        entries.append(Entry("", fault=Fault(WireCode.TRUNCATED.value, end)))
    return tuple(entries), at


def _name(tag: int) -> str:
    octets = tag.to_bytes((tag.bit_length() + 7) // 8, "big")
    number = octets[0] & 0x1F
    if number == 0x1F:
        number = 0
        for octet in octets[1:]:
            number = number << 7 | octet & 0x7F
    cls = octets[0] >> 6
    if cls == 0 and number in _UNIVERSAL:
        return _UNIVERSAL[number]
    return f"[{_CLASSES[cls]}{number}]"


def _primitive(node: Node, name: str) -> Entry:
    """Return the value of a primitive element; one that its type does not allow is shown as octets."""
    reader: Callable[[str, Node], Entry] = values.BY_TAG.get(node.tag, values.octets)
    try:
        return reader(name, node)
    except WireError as error:
        raw = values.octets(name, node)
        return Entry(
            name, raw.value, raw.note, raw.size, fault=raw.fault or Fault(error.code.value, error.offset)
        )


def _within(walk: Walk, node: Node) -> tuple[Entry, ...]:
    """Return the tree of the constructed element that fills an OCTET STRING or a BIT STRING, if one does."""
    skip = {asn1.OCTET_STRING: 0, asn1.BIT_STRING: 1}.get(node.tag)
    if skip is None or node.content + skip >= node.end or not node.data[node.content + skip] & 0x20:
        return ()
    try:
        inner = open_string(walk, node, skip)
    except WireError:
        return ()
    return (show_element(walk, inner),)
