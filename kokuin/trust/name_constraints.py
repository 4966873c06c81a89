"""nameConstraints (RFC 5280 §4.2.1.10) on directory names; other constrained forms are refused.

A time-stamp unit is known by its distinguished name. Where an authority is
constrained in another form (DNS, e-mail, addresses) and the certificate below
carries a name of that form, the outcome would depend on rules that are not
implemented, so it counts as not permitted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kokuin.trust.name import canonical
from kokuin.wire import asn1
from kokuin.wire.der import Fields, Node, children, expect, only_child, read_whole
from kokuin.wire.errors import WireError

if TYPE_CHECKING:
    from kokuin.trust.certificate import Certificate
    from kokuin.trust.name import CanonicalName

ID_CE_NAME_CONSTRAINTS = "2.5.29.30"
_ID_CE_SUBJECT_ALT_NAME = "2.5.29.17"
_ID_EMAIL_ADDRESS = "1.2.840.113549.1.9.1"
_DIRECTORY_NAME = asn1.context(4)
_RFC822_NAME = asn1.primitive(1)
_EMPTY_NAME = b"\x30\x00"


def permits(issuer: Certificate, certificate: Certificate) -> bool:
    """Whether the issuer's nameConstraints, if any, permit the names of a certificate below it."""
    extension = issuer.extensions.get(ID_CE_NAME_CONSTRAINTS)
    if extension is None:
        return True
    try:
        permitted, excluded = _read(extension.value)
        return _permits(permitted, excluded, certificate)
    except WireError:
        return False


def _permits(permitted: list[Node], excluded: list[Node], certificate: Certificate) -> bool:
    others, directory = _names(certificate)
    if others & {base.tag for base in (*permitted, *excluded)}:
        return False
    inside = [_base(base) for base in permitted if base.tag == _DIRECTORY_NAME]
    outside = [_base(base) for base in excluded if base.tag == _DIRECTORY_NAME]
    return all(
        (not inside or any(_within(name, base) for base in inside))
        and not any(_within(name, base) for base in outside)
        for name in directory
    )


def _within(name: CanonicalName, base: CanonicalName) -> bool:
    return name[: len(base)] == base


def _base(node: Node) -> CanonicalName:
    return canonical(only_child(node).octets)


def _read(value: bytes) -> tuple[list[Node], list[Node]]:
    """Return the bases of permittedSubtrees [0] and excludedSubtrees [1]; minimum and maximum have no use."""
    fields = Fields(read_whole(value, asn1.SEQUENCE))
    trees = fields.optional(asn1.context(0)), fields.optional(asn1.context(1))
    fields.finish()
    permitted, excluded = (
        [] if tree is None else [Fields(expect(child, asn1.SEQUENCE)).take_any() for child in children(tree)]
        for tree in trees
    )
    return permitted, excluded


def _names(certificate: Certificate) -> tuple[set[int], list[CanonicalName]]:
    """Return the tags of the certificate's names of other forms, and its directory names."""
    others: set[int] = set()
    directory = [] if certificate.subject == _EMPTY_NAME else [canonical(certificate.subject)]
    if any(oid == _ID_EMAIL_ADDRESS for name in directory for rdn in name for oid, _ in rdn):
        others.add(_RFC822_NAME)
    extension = certificate.extensions.get(_ID_CE_SUBJECT_ALT_NAME)
    if extension is not None:
        for name in children(read_whole(extension.value, asn1.SEQUENCE)):
            if name.tag == _DIRECTORY_NAME:
                directory.append(_base(name))
            else:
                others.add(name.tag)
    return others, directory
