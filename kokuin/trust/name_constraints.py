"""nameConstraints (RFC 5280 §4.2.1.10): directory names, e-mail addresses, hosts, URIs and addresses of IP.

A time-stamp unit is known by its distinguished name, but its authority may be
constrained in other forms too. A certificate with a name of a form that is
constrained and unknown here does not count as permitted.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

from kokuin.trust.name import canonical
from kokuin.wire import asn1
from kokuin.wire.der import Fields, Node, children, expect, only_child, read_whole
from kokuin.wire.errors import WireCode, WireError

if TYPE_CHECKING:
    from kokuin.trust.certificate import Certificate
    from kokuin.trust.name import CanonicalName

ID_CE_NAME_CONSTRAINTS = "2.5.29.30"
_ID_CE_SUBJECT_ALT_NAME = "2.5.29.17"
_ID_EMAIL_ADDRESS = "1.2.840.113549.1.9.1"
_RFC822_NAME = asn1.primitive(1)
_DNS_NAME = asn1.primitive(2)
_DIRECTORY_NAME = asn1.context(4)
_URI = asn1.primitive(6)
_IP_ADDRESS = asn1.primitive(7)
_EMPTY_NAME = b"\x30\x00"

MAX_COMPARISONS = 100_000
"""Names times constraints; an authority that writes more costs the verifier seconds."""

_HOST = re.compile(
    rb"[a-z][a-z0-9+.-]*://(?:[^/?#@]*@)?([^/?#@:\[\]]+)(?::\d*)?(?:[/?#].*)?\Z", re.IGNORECASE
)

_Name: TypeAlias = "tuple[int, CanonicalName | bytes]"
"""The identifier octet of the form, and the name in it: octets, but for directory names."""


def permits(issuer: Certificate, certificate: Certificate) -> bool:
    """Whether the issuer's nameConstraints, if any, permit the names of a certificate below it."""
    extension = issuer.extensions.get(ID_CE_NAME_CONSTRAINTS)
    if extension is None:
        return True
    try:
        permitted, excluded = _read(extension.value)
        names = _names(certificate)
        if len(names) * (len(permitted) + len(excluded)) > MAX_COMPARISONS:
            return False
        return all(_permits(permitted, excluded, name) for name in names)
    except WireError:
        return False


def _permits(permitted: list[_Name], excluded: list[_Name], name: _Name) -> bool:
    inside = [base for base in permitted if base[0] == name[0]]
    outside = [base for base in excluded if base[0] == name[0]]
    return (not inside or any(_within(name, base) for base in inside)) and not any(
        _within(name, base) for base in outside
    )


def _within(name: _Name, base: _Name) -> bool:
    form, value = name
    if isinstance(value, tuple):
        return value[: len(base[1])] == base[1]
    if not isinstance(base[1], bytes) or form not in _FORMS:
        raise WireError(WireCode.UNEXPECTED, 0)
    return _FORMS[form](value, base[1])


def _mailbox_within(name: bytes, base: bytes) -> bool:
    """A mailbox, all of a host, or all of the hosts below a domain that begins with a dot."""
    local, at, host = name.rpartition(b"@")
    if not at:
        raise WireError(WireCode.BAD_VALUE, 0)
    wanted_local, at, wanted_host = base.rpartition(b"@")
    # Before the @ case may matter, and to hardly any server does.
    if at and local.lower() != wanted_local.lower():
        return False
    return _host_within(host, wanted_host)


def _host_within(name: bytes, base: bytes) -> bool:
    """One host, or those below a domain that begins with a dot."""
    name, base = name.lower(), base.lower()
    return name.endswith(base) if base.startswith(b".") else name == base


def _domain_within(name: bytes, base: bytes) -> bool:
    """A host, and what stands below it; nothing before the dot names every host."""
    name, base = name.lower(), base.lower()
    return not base or name == base or name.endswith(base if base.startswith(b".") else b"." + base)


def _uri_within(name: bytes, base: bytes) -> bool:
    match = _HOST.match(name)
    if match is None:
        raise WireError(WireCode.BAD_VALUE, 0)
    return _host_within(match[1], base)


def _address_within(name: bytes, base: bytes) -> bool:
    """An address, and a network with its mask."""
    size = len(base) // 2
    if size not in {4, 16} or len(base) % 2:
        raise WireError(WireCode.BAD_VALUE, 0)
    triples = zip(name, base[:size], base[size:], strict=False)
    return len(name) == size and all(one & mask == other & mask for one, other, mask in triples)


_FORMS = {
    _RFC822_NAME: _mailbox_within,
    _DNS_NAME: _domain_within,
    _URI: _uri_within,
    _IP_ADDRESS: _address_within,
}


def _read(value: bytes) -> tuple[list[_Name], list[_Name]]:
    """Return the bases of permittedSubtrees [0] and excludedSubtrees [1]; minimum and maximum have no use."""
    fields = Fields(read_whole(value, asn1.SEQUENCE))
    trees = fields.optional(asn1.context(0)), fields.optional(asn1.context(1))
    fields.finish()
    permitted, excluded = (
        []
        if tree is None
        else [_name(Fields(expect(child, asn1.SEQUENCE)).take_any()) for child in children(tree)]
        for tree in trees
    )
    return permitted, excluded


def _names(certificate: Certificate) -> list[_Name]:
    """Return the certificate's names, e-mail addresses in its subject among them."""
    found: list[_Name] = []
    if certificate.subject != _EMPTY_NAME:
        subject = canonical(certificate.subject)
        found.append((_DIRECTORY_NAME, subject))
        found += [
            (_RFC822_NAME, value.encode() if isinstance(value, str) else value)
            for rdn in subject
            for oid, value in rdn
            if oid == _ID_EMAIL_ADDRESS
        ]
    extension = certificate.extensions.get(_ID_CE_SUBJECT_ALT_NAME)
    if extension is not None:
        found += [_name(name) for name in children(read_whole(extension.value, asn1.SEQUENCE))]
    return found


def _name(node: Node) -> _Name:
    if node.tag == _DIRECTORY_NAME:
        return node.tag, canonical(only_child(node).octets)
    return node.tag, node.value
