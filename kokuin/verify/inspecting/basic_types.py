"""The types that every object is made of: simple ones, algorithms, names, extensions, attributes."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from typing import TYPE_CHECKING

from kokuin.verify.inspecting import values
from kokuin.verify.inspecting.generic import show_element
from kokuin.verify.inspecting.syntax import (
    Field,
    Syntax,
    choice,
    elements,
    explicit,
    list_of,
    sequence,
    show,
    show_fields,
)
from kokuin.verify.inspecting.tree import Entry
from kokuin.wire import asn1
from kokuin.wire.errors import WireCode, WireError
from pqc.verifying import key_facts

if TYPE_CHECKING:
    from collections.abc import Callable

    from kokuin.verify.inspecting.walk import Walk
    from kokuin.wire.der import Node


def simple(reader: Callable[[str, Node], Entry], *tags: int) -> Syntax:
    """Return the syntax of a primitive type."""
    return Syntax(frozenset(tags), lambda _walk, name, node: reader(name, node))


def _any(walk: Walk, name: str, node: Node) -> Entry:
    # Where it begins is said of structures: the value of a field stands for itself.
    raw = show_element(walk, node)
    return replace(raw, name=name, at=raw.at if raw.children else None)


ANY = Syntax(frozenset(), _any)
INTEGER = simple(values.integer, asn1.INTEGER)
SERIAL = simple(values.serial_number, asn1.INTEGER)
BOOLEAN = simple(values.boolean, asn1.BOOLEAN)
NULL = simple(values.null, asn1.NULL)
OID = simple(values.oid, asn1.OBJECT_IDENTIFIER)
OCTETS = simple(values.octets, asn1.OCTET_STRING)
BITS = simple(values.bits, asn1.BIT_STRING)
TEXT = simple(values.text, 0x0C, 0x12, 0x13, 0x14, 0x16, 0x1A, 0x1C, 0x1E)
TIME = simple(values.moment, asn1.UTC_TIME, asn1.GENERALIZED_TIME)
GENERALIZED_TIME = simple(values.moment, asn1.GENERALIZED_TIME)
NAME = simple(values.distinguished_name, asn1.SEQUENCE)


def _algorithm(walk: Walk, name: str, node: Node) -> Entry:
    found, more, error = elements(node, 2)
    if error is not None:
        raise error
    if more or not found or found[0].tag != asn1.OBJECT_IDENTIFIER:
        raise WireError(WireCode.UNEXPECTED, node.start)
    shown = values.oid(name, found[0])
    parameters = tuple(show(walk, "parameters", ANY, each) for each in found[1:])
    return Entry(name, shown.value, shown.note, children=parameters)


ALGORITHM = Syntax(frozenset({asn1.SEQUENCE}), _algorithm)


def _address(name: str, node: Node) -> Entry:
    """RFC 5280 §4.2.1.6: 4 or 16 octets; with a mask, twice as many (§4.2.1.10)."""
    value = node.value
    if len(value) in {4, 16}:
        return Entry(name, str(ipaddress.ip_address(value)))
    if len(value) in {8, 32}:
        half = len(value) // 2
        return Entry(name, "/".join(str(ipaddress.ip_address(part)) for part in (value[:half], value[half:])))
    raise WireError(WireCode.BAD_VALUE, node.start)


_OTHER_NAME = sequence(Field("type-id", OID), Field("value", explicit(0, ANY)))
GENERAL_NAME = choice(
    ("otherName", _OTHER_NAME, asn1.context(0)),
    ("rfc822Name", TEXT, asn1.primitive(1)),
    ("dNSName", TEXT, asn1.primitive(2)),
    ("directoryName", explicit(4, NAME), asn1.context(4)),
    ("uniformResourceIdentifier", TEXT, asn1.primitive(6)),
    ("iPAddress", simple(_address), asn1.primitive(7)),
    ("registeredID", OID, asn1.primitive(8)),
)
GENERAL_NAMES = list_of("GeneralName", GENERAL_NAME)


def _public_key(walk: Walk, name: str, node: Node) -> Entry:
    facts = key_facts(node.octets)
    return Entry(name, None if facts is None else facts.name, children=show_fields(walk, _KEY_FIELDS, node))


_KEY_FIELDS = (Field("algorithm", ALGORITHM), Field("subjectPublicKey", BITS))
PUBLIC_KEY = Syntax(frozenset({asn1.SEQUENCE}), _public_key)
