"""CMS SignedData (RFC 5652 §3, §5) as it was read, with the octets that signatures cover."""

from __future__ import annotations

import contextlib
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.wire import asn1, encode, oids
from kokuin.wire.der import Fields, Node, children, expect, only_child, read_node, read_whole
from kokuin.wire.errors import WireCode, WireError
from kokuin.wire.tsp import read_algorithm

if TYPE_CHECKING:
    from kokuin.wire.algorithms import AlgorithmIdentifier


_SHORT = 512
"""Octets of an attribute or a name that is remembered."""
_OCSP = frozenset({oids.ID_RI_OCSP_RESPONSE, oids.ID_PKIX_OCSP_BASIC})
"""RFC 5940 §2.1 has the first; writers of CAdES use the second for the answer without its outer status."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """RFC 5652 §5.3: attrType, and each of attrValues as an element, in the order found."""

    oid: str
    values: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class IssuerAndSerial:
    """RFC 5652 §10.2.4: the issuer's Name (DER) and the serial number."""

    issuer: bytes
    serial: int


@dataclass(frozen=True, slots=True)
class SignerInfo:
    """RFC 5652 §5.3.

    Attributes:
        version: as found.
        sid: issuer and serial number, or the octets of a SubjectKeyIdentifier.
        digest_algorithm: digestAlgorithm.
        signed_attributes: in the order found; None when signedAttrs is absent.
        signed_attributes_der: what the signature covers: signedAttrs under the tag of SET OF (§5.4), in the
            order found; None when absent.
        signature_algorithm: signatureAlgorithm.
        signature: the signature value.
        unsigned_attributes: empty when absent.
    """

    version: int
    sid: IssuerAndSerial | bytes
    digest_algorithm: AlgorithmIdentifier
    signed_attributes: tuple[Attribute, ...] | None
    signed_attributes_der: bytes | None
    signature_algorithm: AlgorithmIdentifier
    signature: bytes
    unsigned_attributes: tuple[Attribute, ...]

    def signed_values(self, oid: str) -> tuple[bytes, ...] | None:
        """Values of the signed attribute `oid`; None when it is absent or occurs twice (§5.3 forbids it)."""
        found = [attribute for attribute in self.signed_attributes or () if attribute.oid == oid]
        return found[0].values if len(found) == 1 else None

    def message_digest(self) -> bytes | None:
        """The signed digest over the content (§11.2); None when it is absent, not one, or no OCTET STRING."""
        values = self.signed_values(oids.ID_MESSAGE_DIGEST)
        if values is None or len(values) != 1:
            return None
        try:
            return read_whole(values[0], asn1.OCTET_STRING).value
        except WireError:
            return None

    def signed_octets(self) -> tuple[bytes, ...]:
        """What the signature may cover: the attributes as found, and in the order of DER when that differs.

        §5.4 wants the order of DER even where they are sent in another; authorities exist that sign the
        order in which they send.
        """
        found = self.signed_attributes_der
        if found is None:
            return ()
        sent = [child.octets for child in children(read_whole(found, asn1.SET))]
        return (found,) if sent == sorted(sent) else (found, encode.set_of(*sent))


@dataclass(frozen=True, slots=True)
class SignedData:
    """RFC 5652 §5.1.

    Attributes:
        version: as found.
        digest_algorithms: dotted OIDs, in the order found.
        content_type: eContentType, dotted.
        content: content octets of eContent, which is an OCTET STRING in a token; None when detached.
        certificates: X.509 certificates (DER), in the order found; other kinds are left out.
        crls: certificate lists (DER), in the order found.
        ocsp_answers: OCSPResponse, or the BasicOCSPResponse in it (DER), in the order found; other revocation
            formats are left out.
        signer_infos: in the order found; how many there may be is a matter of the judge.
    """

    version: int
    digest_algorithms: tuple[str, ...]
    content_type: str
    content: bytes | None
    certificates: tuple[bytes, ...]
    crls: tuple[bytes, ...]
    ocsp_answers: tuple[bytes, ...]
    signer_infos: tuple[SignerInfo, ...]


def encode_attribute(oid: str, *values: bytes) -> bytes:
    """Attribute (RFC 5652 §5.3) of ready-made values."""
    return encode.sequence(encode.oid(oid), encode.set_of(*values))


def encode_algorithm_protection(digest: AlgorithmIdentifier, signature: AlgorithmIdentifier) -> bytes:
    """CMSAlgorithmProtection (RFC 6211 §2): repeats both algorithms where the signature covers them."""
    return encode.sequence(encode.algorithm(digest), b"\xa1" + encode.algorithm(signature)[1:])


def read_signed_data(octets: bytes) -> SignedData:
    """Read a ContentInfo that holds SignedData.

    Args:
        octets: as `kokuin.wire.ber.definite` returned them.

    Raises:
        WireError: the syntax is another (UNEXPECTED also for another contentType), or octets follow.
    """
    fields = Fields(read_whole(octets, asn1.SEQUENCE))
    kind = fields.take_any()
    if asn1.oid(kind) != oids.ID_SIGNED_DATA:
        raise WireError(WireCode.UNEXPECTED, kind.start)
    content = only_child(fields.take(asn1.context(0)))
    fields.finish()
    return _read_signed_data(Fields(expect(content, asn1.SEQUENCE)))


def _read_signed_data(fields: Fields) -> SignedData:
    version = asn1.integer(fields.take_any())
    digests = fields.take(asn1.SET)
    content_type, content = _read_encapsulated(Fields(fields.take(asn1.SEQUENCE)))
    certificates = fields.optional(asn1.context(0))
    crls = fields.optional(asn1.context(1))
    signers = fields.take(asn1.SET)
    fields.finish()
    return SignedData(
        version,
        tuple(read_algorithm(child).oid for child in children(digests)),
        content_type,
        content,
        _sequences(certificates),
        _sequences(crls),
        _ocsp_answers(crls),
        tuple(_read_signer_info(Fields(expect(child, asn1.SEQUENCE))) for child in children(signers)),
    )


def _read_encapsulated(fields: Fields) -> tuple[str, bytes | None]:
    content_type = asn1.oid(fields.take_any())
    content = fields.optional(asn1.context(0))
    fields.finish()
    if content is None:
        return content_type, None
    node = only_child(content)
    if content_type == oids.ID_CT_TST_INFO:
        return content_type, asn1.octet_string(node)
    # PKCS #7 has content of any type, and its digest covers the content octets alone (RFC 2315 §9.3).
    return content_type, node.value


def _sequences(node: Node | None) -> tuple[bytes, ...]:
    """Certificates and certificate lists are SEQUENCEs; the other choices have context tags (§10.2)."""
    if node is None:
        return ()
    return tuple(child.octets for child in children(node) if child.tag == asn1.SEQUENCE)


def _ocsp_answers(node: Node | None) -> tuple[bytes, ...]:
    """OtherRevocationInfoFormat (§10.2.1, RFC 5940 §2.1); one that cannot be read is left out."""
    found = []
    for child in () if node is None else children(node):
        if child.tag == asn1.context(1):
            with contextlib.suppress(WireError):
                fields = Fields(child)
                kind, value = fields.take_any(), fields.take_any()
                if asn1.oid(kind) in _OCSP:
                    found.append(value.octets)
    return tuple(found)


def _read_signer_info(fields: Fields) -> SignerInfo:
    version = asn1.integer(fields.take_any())
    sid = _read_sid(fields.take_any())
    digest = read_algorithm(fields.take_any())
    signed = fields.optional(asn1.context(0))
    algorithm = read_algorithm(fields.take_any())
    signature = asn1.octet_string(fields.take_any())
    unsigned = fields.optional(asn1.context(1))
    fields.finish()
    return SignerInfo(
        version,
        sid,
        digest,
        None if signed is None else read_attributes(signed),
        None if signed is None else b"\x31" + signed.octets[1:],
        algorithm,
        signature,
        () if unsigned is None else read_attributes(unsigned),
    )


def _read_sid(node: Node) -> IssuerAndSerial | bytes:
    if node.tag == asn1.primitive(0):
        return node.value
    known = _sid(node.octets) if node.end - node.start <= _SHORT else None
    return known or _read_issuer_and_serial(node)


@functools.lru_cache(maxsize=64)
def _sid(octets: bytes) -> IssuerAndSerial | None:
    """Return the same for the same octets; None: it says nothing of where the fault is."""
    try:
        return _read_issuer_and_serial(read_node(octets, 0, len(octets)))
    except WireError:
        return None


def _read_issuer_and_serial(node: Node) -> IssuerAndSerial:
    fields = Fields(expect(node, asn1.SEQUENCE))
    issuer = fields.take(asn1.SEQUENCE).octets
    serial = asn1.integer(fields.take_any())
    fields.finish()
    return IssuerAndSerial(issuer, serial)


def read_attributes(node: Node) -> tuple[Attribute, ...]:
    """Read the Attributes in a SET or SEQUENCE, whatever its tag, in the order found.

    Raises:
        WireError: another syntax.
    """
    found = []
    for child in children(node):
        known = _attribute(child.octets) if child.end - child.start <= _SHORT else None
        found.append(known or _read_attribute(child))
    return tuple(found)


@functools.lru_cache(maxsize=256)
def _attribute(octets: bytes) -> Attribute | None:
    """Return the same for the same octets, as nearly all attributes of one unit have; None as in `_sid`."""
    try:
        return _read_attribute(read_node(octets, 0, len(octets)))
    except WireError:
        return None


def _read_attribute(node: Node) -> Attribute:
    fields = Fields(expect(node, asn1.SEQUENCE))
    oid = asn1.oid(fields.take_any())
    values = children(fields.take(asn1.SET))
    fields.finish()
    return Attribute(oid, tuple(value.octets for value in values))
