"""Values of ASN.1 types as people read them; each reader shows one element, whatever its tag, or raises."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kokuin.trust.name import attribute_types, display
from kokuin.trust.report import iso_time
from kokuin.verify.inspecting.oid_names import OID_NAMES
from kokuin.verify.inspecting.tree import MAX_OCTETS, Entry, octets_entry, text_entry
from kokuin.wire import asn1
from kokuin.wire.errors import WireCode, WireError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kokuin.wire.der import Node

ENUMERATED = 0x0A
_SMALL = 1 << 32
"""Numbers below it are shown in decimal alone; serial numbers and nonces are known by their hex."""
_STRINGS = (0x0C, 0x12, 0x13, 0x14, 0x16, 0x1A, 0x1B, 0x1C, 0x1E)


def integer(name: str, node: Node) -> Entry:
    """INTEGER or ENUMERATED in decimal, a large one in hex too, a huge one as its octets."""
    if len(node.value) > asn1.MAX_INTEGER_OCTETS:
        return octets(name, node)
    number = asn1.integer(node, node.tag)
    note = None if -_SMALL < number < _SMALL else f"{number:#x}"
    return Entry(name, str(number), note)


def serial_number(name: str, node: Node) -> Entry:
    """Serial number: decimal, and hex as certificates are known by it."""
    number = asn1.integer(node, node.tag)
    return Entry(name, str(number), f"{number:#x}")


def numbered(meanings: Mapping[int, str]) -> Callable[[str, Node], Entry]:
    """Return what shows an INTEGER or ENUMERATED with the name of its number."""

    def show(name: str, node: Node) -> Entry:
        number = asn1.integer(node, node.tag)
        return Entry(name, str(number), meanings.get(number))

    return show


def boolean(name: str, node: Node) -> Entry:
    """BOOLEAN."""
    if len(node.value) != 1:
        raise WireError(WireCode.BAD_VALUE, node.start)
    return Entry(name, "FALSE" if node.value == b"\x00" else "TRUE")


def null(name: str, node: Node) -> Entry:
    """NULL."""
    if node.value:
        raise WireError(WireCode.BAD_VALUE, node.start)
    return Entry(name, "NULL")


def oid(name: str, node: Node) -> Entry:
    """OBJECT IDENTIFIER with its name."""
    dotted = asn1.oid(node, node.tag)
    return Entry(name, dotted, OID_NAMES.get(dotted))


def octets(name: str, node: Node) -> Entry:
    """Octets in hex."""
    return octets_entry(name, node.value, at=node.start)


def bits(name: str, node: Node) -> Entry:
    """BIT STRING as octets."""
    value, unused = asn1.bit_string(node, node.tag)
    return octets_entry(name, value, f"{unused} unused bits" if unused else None, node.start)


def named_bits(meanings: Mapping[int, str]) -> Callable[[str, Node], Entry]:
    """Return what shows a BIT STRING of named bits by their names."""

    def show(name: str, node: Node) -> Entry:
        found = sorted(asn1.named_bits(node, node.tag))
        return Entry(name, ", ".join(meanings.get(bit, str(bit)) for bit in found))

    return show


def text(name: str, node: Node) -> Entry:
    """Any string type."""
    return text_entry(name, asn1.text(node), node.start)


def moment(name: str, node: Node) -> Entry:
    """UTCTime or GeneralizedTime in ISO 8601; what is written, too, when it is not in the form of DER."""
    short = node.tag == asn1.UTC_TIME
    found = asn1.utc_time(node) if short else asn1.generalized_time(node, node.tag)
    written = None if found.der else node.value[:MAX_OCTETS].decode("latin-1")
    return Entry(name, iso_time(found.microseconds), written)


def distinguished_name(name: str, node: Node) -> Entry:
    """Name, the most specific part first."""
    octets_of_name = node.octets
    try:
        attribute_types(octets_of_name)
    except WireError as error:
        raise WireError(error.code, node.start + error.offset) from None
    return text_entry(name, display(octets_of_name))


BY_TAG: dict[int, Callable[[str, Node], Entry]] = {
    asn1.BOOLEAN: boolean,
    asn1.INTEGER: integer,
    ENUMERATED: integer,
    asn1.BIT_STRING: bits,
    asn1.OCTET_STRING: octets,
    asn1.NULL: null,
    asn1.OBJECT_IDENTIFIER: oid,
    asn1.UTC_TIME: moment,
    asn1.GENERALIZED_TIME: moment,
    **dict.fromkeys(_STRINGS, text),
}
"""What shows a primitive element of a universal type."""
