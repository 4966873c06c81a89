"""Distinguished names: written, compared as RFC 5280 §7.1 wants, and shown to people."""

from __future__ import annotations

import functools
import secrets
from typing import TypeAlias

from kokuin.wire import asn1, encode, oids
from kokuin.wire.der import Fields, Node, children, expect, read_whole
from kokuin.wire.errors import WireCode, WireError

CanonicalName: TypeAlias = "tuple[frozenset[tuple[str, str | bytes]], ...]"

MAX_NAME_OCTETS = 16_384
"""The names in a hostile SignerInfo are bounded by nothing else."""

MAX_ATTRIBUTE_CHARACTERS = 64
"""ub-organization-name and ub-common-name of RFC 5280, appendix A.1."""

_SHOWN = 300
_STRINGS = frozenset({0x0C, 0x12, 0x13, 0x14, 0x16, 0x1A, 0x1C, 0x1E})
_LABELS = {
    oids.ID_AT_COMMON_NAME: "CN",
    "2.5.4.5": "serialNumber",
    oids.ID_AT_COUNTRY_NAME: "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    oids.ID_AT_ORGANIZATION_NAME: "O",
    "2.5.4.11": "OU",
    oids.ID_AT_ORGANIZATION_IDENTIFIER: "organizationIdentifier",
}


def distinguished_name(
    organisation: str, common_name: str, country: str = "JP", identifier: str | None = None
) -> bytes:
    """Name (DER) with C, O and CN, which EN 319 422 §6.2 wants of a time-stamp unit.

    Args:
        organisation: its name.
        common_name: by which people know the subject.
        country: code of two letters.
        identifier: organizationIdentifier, which EN 319 412-3 §4.2.1 wants of a legal person; None: none.

    Raises:
        ValueError: organisation, common name or identifier has not 1 to 64 characters, or the country is no
            code of two letters (RFC 5280, appendix A.1).
    """
    if not (len(country) == 2 and country.isascii() and country.isalpha()):
        raise ValueError(f"{country!r} is no code of two letters")
    for value in (organisation, common_name, *(() if identifier is None else (identifier,))):
        if not 1 <= len(value) <= MAX_ATTRIBUTE_CHARACTERS:
            raise ValueError(f"{value!r} has not 1 to {MAX_ATTRIBUTE_CHARACTERS} characters")
    register = () if identifier is None else ((oids.ID_AT_ORGANIZATION_IDENTIFIER, identifier),)
    attributes = (
        (oids.ID_AT_COUNTRY_NAME, encode.printable_string(country)),
        (oids.ID_AT_ORGANIZATION_NAME, encode.utf8_string(organisation)),
        *((kind, encode.utf8_string(value)) for kind, value in register),
        (oids.ID_AT_COMMON_NAME, encode.utf8_string(common_name)),
    )
    return encode.sequence(
        *(encode.set_of(encode.sequence(encode.oid(kind), value)) for kind, value in attributes)
    )


def unique_common_name(prefix: str) -> str:
    """Common name that no other unit has: EN 319 422 §6.2 wants it unique to the unit."""
    return f"{prefix} {secrets.token_hex(4)}"


def attribute_types(name: bytes) -> frozenset[str]:
    """Types (dotted OIDs) of the attributes in a Name.

    Raises:
        WireError: another syntax, or more than `MAX_NAME_OCTETS`.
    """
    return frozenset(oid for rdn in _read(name) for oid, _ in rdn)


def attribute_values(name: bytes, kind: str) -> tuple[str, ...]:
    """Values of one type of attribute (dotted OID) in a Name, as text, in the order found.

    Raises:
        WireError: another syntax, or more than `MAX_NAME_OCTETS`.
    """
    return tuple(asn1.text(value) for rdn in _read(name) for oid, value in rdn if oid == kind)


def _read(name: bytes) -> list[list[tuple[str, Node]]]:
    if len(name) > MAX_NAME_OCTETS:
        raise WireError(WireCode.TOO_LARGE, MAX_NAME_OCTETS)
    return [
        [
            _read_attribute(Fields(expect(attribute, asn1.SEQUENCE)))
            for attribute in children(expect(rdn, asn1.SET))
        ]
        for rdn in children(read_whole(name, asn1.SEQUENCE))
    ]


def _read_attribute(fields: Fields) -> tuple[str, Node]:
    oid, value = asn1.oid(fields.take_any()), fields.take_any()
    fields.finish()
    return oid, value


@functools.lru_cache(maxsize=512)
def canonical(name: bytes) -> CanonicalName:
    """Return a form that is equal for equal names: strings without case and repeated white space.

    Args:
        name: DER of a Name.

    Raises:
        WireError: another syntax, or more than `MAX_NAME_OCTETS`.
    """
    return tuple(frozenset((oid, _fold(value)) for oid, value in rdn) for rdn in _read(name))


def _fold(value: Node) -> str | bytes:
    return " ".join(asn1.text(value).casefold().split()) if value.tag in _STRINGS else value.octets


def name_key(name: bytes) -> CanonicalName | bytes:
    """Return what is equal for equal Names (DER), to look them up by; one that cannot be read is itself."""
    try:
        return canonical(name)
    except WireError:
        return name


def same_name(one: bytes, other: bytes) -> bool:
    """Whether two Names (DER) are equal; one that cannot be read equals only its own octets."""
    return one == other or name_key(one) == name_key(other)


def display(name: bytes) -> str:
    """Return the name for people, the most specific part first; an unreadable one as hex."""
    # What is remembered is bounded: names of a megabyte, each another, would stay.
    return _display(name[: MAX_NAME_OCTETS + 1])


@functools.lru_cache(maxsize=512)
def _display(name: bytes) -> str:
    try:
        parts = [pair for rdn in reversed(_read(name)) for pair in rdn]
    except WireError:
        return name[:_SHOWN].hex()[:_SHOWN]
    shown = ", ".join(f"{_LABELS.get(oid, oid)}={asn1.text(value)}" for oid, value in parts)
    # Control characters out of a certificate must not reach a terminal.
    return "".join(character if character.isprintable() else "\ufffd" for character in shown[:_SHOWN])
