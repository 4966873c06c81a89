"""GeneralName (RFC 5280 §4.2.1.6): compared with the names of a certificate, and shown to people."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from kokuin.trust.name import display, same_name
from kokuin.wire import asn1, oids
from kokuin.wire.der import Node, children, only_child, read_node, read_whole
from kokuin.wire.errors import WireError

if TYPE_CHECKING:
    from kokuin.trust.certificate import Certificate

_DIRECTORY_NAME = asn1.context(4)
_TEXTS = frozenset({asn1.primitive(1), asn1.primitive(2), asn1.primitive(6)})
"""rfc822Name, dNSName and uniformResourceIdentifier."""

_SHOWN = 300


def names_subject(name: bytes, certificate: Certificate) -> bool:
    """Whether a GeneralName (DER) is the subject of a certificate, or stands in its subjectAltName."""
    try:
        node = read_node(name, 0, len(name))
        if node.tag == _DIRECTORY_NAME and same_name(_directory(node), certificate.subject):
            return True
        extension = certificate.extensions.get(oids.ID_CE_SUBJECT_ALT_NAME)
        if extension is None:
            return False
        return any(_same(node, other) for other in children(read_whole(extension.value, asn1.SEQUENCE)))
    except WireError:
        return False


def _same(one: Node, other: Node) -> bool:
    if one.tag == other.tag == _DIRECTORY_NAME:
        return same_name(_directory(one), _directory(other))
    return one.octets == other.octets


def _directory(node: Node) -> bytes:
    """A directoryName is a CHOICE, so its tag is explicit around the Name."""
    return only_child(node).octets


@functools.lru_cache(maxsize=64)
def display_general(name: bytes) -> str:
    """Return a GeneralName (DER) for people; one of a kind that is no text, or unreadable, as hex."""
    try:
        node = read_node(name, 0, len(name))
        if node.tag == _DIRECTORY_NAME:
            return display(_directory(node))
    except WireError:
        return name[:_SHOWN].hex()[:_SHOWN]
    if node.tag not in _TEXTS:
        return name[:_SHOWN].hex()[:_SHOWN]
    # Control characters out of a token must not reach a terminal.
    shown = node.value[:_SHOWN].decode("latin-1")
    return "".join(character if character.isprintable() else "\ufffd" for character in shown)
