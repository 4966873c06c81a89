"""Attributes: a type and its values, each value shown as its type says (RFC 5652 §5.3, RFC 2986 §4.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kokuin.verify.inspecting import values
from kokuin.verify.inspecting.basic_types import ANY
from kokuin.verify.inspecting.syntax import Syntax, elements, show_items
from kokuin.verify.inspecting.tree import Entry
from kokuin.wire import asn1
from kokuin.wire.errors import WireCode, WireError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kokuin.verify.inspecting.walk import Walk
    from kokuin.wire.der import Node


def attribute_of(types: Mapping[str, Syntax]) -> Syntax:
    """Return the syntax of an Attribute whose values have these types, by OID; any where none is named."""

    def show_attribute(walk: Walk, name: str, node: Node) -> Entry:
        found, more, error = elements(node, 2)
        if error is not None:
            raise error
        if more or [each.tag for each in found] != [asn1.OBJECT_IDENTIFIER, asn1.SET]:
            raise WireError(WireCode.UNEXPECTED, node.start)
        shown = values.oid(name, found[0])
        items = show_items(walk, "value", types.get(shown.value or "", ANY), found[1])
        return Entry(name, shown.value, shown.note, children=items)

    return Syntax(frozenset({asn1.SEQUENCE}), show_attribute)
