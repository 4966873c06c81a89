"""Private keys by their shape: they are named, and no octet of them is shown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kokuin.wire import asn1, oids
from kokuin.wire.der import read_node
from kokuin.wire.errors import WireError

if TYPE_CHECKING:
    from kokuin.wire.der import Node

_LOOKED_AT = 6
_WORDS = re.compile(rb"PRIVATE[ +]KEY|AGE-SECRET-KEY-", re.IGNORECASE)
_PASSPHRASE = ("1.2.840.113549.1.5.", "1.2.840.113549.1.12.1.")
"""Encryption under a passphrase (RFC 8018), and that of PKCS#12 (RFC 7292)."""
_WHOLE_NUMBERS = [asn1.INTEGER] * _LOOKED_AT


def is_private_key(node: Node) -> bool:
    """Whether a SEQUENCE has the shape of a private key, in any of its usual forms, or of a store of them."""
    if node.tag != asn1.SEQUENCE:
        return False
    found = _first(node, _LOOKED_AT)
    match [each.tag for each in found]:
        case [asn1.INTEGER, asn1.SEQUENCE, asn1.OCTET_STRING, *_]:
            return _oid(found[1]) is not None  # RFC 5958
        case [asn1.INTEGER, asn1.OCTET_STRING, *_]:
            return found[0].value == b"\x01"  # RFC 5915
        case [asn1.SEQUENCE, asn1.OCTET_STRING]:
            return (_oid(found[0]) or "").startswith(_PASSPHRASE)
        case [asn1.INTEGER, asn1.SEQUENCE, *_]:
            # PKCS#12 (RFC 7292 §4): version 3, and its contents as data or under a signature.
            return found[0].value == b"\x03" and _oid(found[1]) in {oids.ID_DATA, oids.ID_SIGNED_DATA}
        case tags:
            return tags == _WHOLE_NUMBERS  # RSA and DSA as their first programs wrote them


def holds_private_key(octets: bytes) -> bool:
    """Whether octets are, or name, a private key: DER, PEM, or a line of text."""
    if _WORDS.search(octets):
        return True
    try:
        return is_private_key(read_node(octets, 0, len(octets)))
    except WireError:
        return False


def _oid(node: Node) -> str | None:
    try:
        return asn1.oid(read_node(node.data, node.content, node.end))
    except WireError:
        return None


def _first(node: Node, most: int) -> list[Node]:
    """Return the first elements in a SEQUENCE, as far as they can be read."""
    found: list[Node] = []
    at = node.content
    try:
        while at < node.end and len(found) < most:
            found.append(read_node(node.data, at, node.end))
            at = found[-1].end
    except WireError:
        pass
    return found
