"""Private keys by their shape: they are named, and no octet of them is shown."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING

from kokuin.verify.inspecting.opening import first_elements
from kokuin.wire import asn1, oids
from kokuin.wire.der import read_node
from kokuin.wire.errors import WireError

if TYPE_CHECKING:
    from kokuin.wire.der import Node

_LOOKED_AT = 6
_WORDS = re.compile(rb"-----BEGIN [A-Z0-9 ]{0,64}PRIVATE KEY|PRIVATE\+KEY\+|AGE-SECRET-KEY-")
_STRINGS = frozenset({asn1.OCTET_STRING, asn1.BIT_STRING})
_PASSPHRASE = ("1.2.840.113549.1.5.", "1.2.840.113549.1.12.1.")
"""Encryption under a passphrase (RFC 8018), and that of PKCS#12 (RFC 7292)."""
_WHOLE_NUMBERS = [asn1.INTEGER] * _LOOKED_AT


def is_private_key(node: Node) -> bool:
    """Whether a SEQUENCE has the shape of a private key, in any of its usual forms, or of a store of them.

    Under whatever tag: who hides a key in another structure may tag it as a field of that.
    """
    if not node.data[node.start] & 0x20:
        return False
    found = first_elements(node, _LOOKED_AT).found
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
    """Whether octets are, or name, a private key: DER, in strings within strings too, PEM, a line of text."""
    if _WORDS.search(octets):
        return True
    try:
        node = read_node(octets, 0, len(octets))
        while node.tag in _STRINGS:
            node = read_node(octets, node.content + (node.tag == asn1.BIT_STRING), node.end)
    except WireError:
        return False
    return is_private_key(node)


def is_private_text(text: str) -> bool:
    """Whether text is a private key as it is, or in base64."""
    if holds_private_key(text.encode("utf-8", "replace")):
        return True
    try:
        return holds_private_key(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):  # also text that is not even ASCII
        return False


def _oid(node: Node) -> str | None:
    try:
        return asn1.oid(read_node(node.data, node.content, node.end))
    except WireError:
        return None
