"""The syntax of AuthEnvelopedData with one KEM recipient (RFC 5083 §2, RFC 9629 §3), as it was read.

Nothing is judged here but the form; BER as other programs write it is taken
(indefinite lengths, content in segments).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.wire import asn1, encode, oids
from kokuin.wire.ber import definite
from kokuin.wire.der import Fields, Node, children, expect, only_child, read_whole
from kokuin.wire.errors import WireCode, WireError
from kokuin.wire.prescan import Limits
from kokuin.wire.tsp import read_algorithm
from pqc.envelope_errors import EnvelopeError, EnvelopeProblem

if TYPE_CHECKING:
    from kokuin.wire.algorithms import AlgorithmIdentifier

MAX_PLAINTEXT = 64 * 1024 * 1024
"""Octets that one envelope may hold: it is sealed and opened in memory as a whole."""
MAX_ENVELOPE = MAX_PLAINTEXT + MAX_PLAINTEXT // 64
"""Octets of an envelope: the content, and a sixty-fourth for recipient, headers and the segments of BER."""
ENVELOPE_LIMITS = Limits(size=MAX_ENVELOPE, depth=32, elements=200_000)
"""Writers that stream cut the content into segments of some 1,000 octets: 64 MiB are 67,000 elements."""

_PROBLEMS = {
    WireCode.TOO_LARGE: EnvelopeProblem.TOO_LARGE,
    WireCode.TRUNCATED: EnvelopeProblem.TRUNCATED,
}


@dataclass(frozen=True, slots=True)
class KemRecipient:
    """KEMRecipientInfo, RFC 9629 §3.

    Attributes:
        identifier: rid, the whole element.
        kem: kem.
        ciphertext: kemct.
        kdf: kdf.
        kek_size: kekLength, octets.
        ukm: ukm; None when absent.
        wrap: wrap.
        encrypted_key: encryptedKey.
    """

    identifier: bytes
    kem: AlgorithmIdentifier
    ciphertext: bytes
    kdf: AlgorithmIdentifier
    kek_size: int
    ukm: bytes | None
    wrap: AlgorithmIdentifier
    encrypted_key: bytes


@dataclass(frozen=True, slots=True)
class AuthEnvelopedData:
    """RFC 5083 §2.1.

    Attributes:
        recipient: the one recipient.
        content_type: contentType, dotted.
        encryption: contentEncryptionAlgorithm.
        ciphertext: encryptedContent, its segments joined.
        attributes: authAttrs under the tag of SET OF and in DER's order, as the cipher covers them (§2.2);
            empty when absent.
        attribute_type: the content-type among them, dotted; None when absent.
        mac: mac.
    """

    recipient: KemRecipient
    content_type: str
    encryption: AlgorithmIdentifier
    ciphertext: bytes
    attributes: bytes
    attribute_type: str | None
    mac: bytes


def read_auth_enveloped_data(octets: bytes) -> AuthEnvelopedData:
    """Read a ContentInfo that holds AuthEnvelopedData.

    Raises:
        EnvelopeError: TOO_LARGE, TRUNCATED, NOT_AN_ENVELOPE, MALFORMED, RECIPIENTS.
    """
    if octets[:1] not in {b"", b"\x30"}:
        raise EnvelopeError(EnvelopeProblem.NOT_AN_ENVELOPE)
    try:
        return _read(definite(octets, ENVELOPE_LIMITS))
    except WireError as error:
        raise EnvelopeError(_PROBLEMS.get(error.code, EnvelopeProblem.MALFORMED)) from None


def _read(octets: bytes) -> AuthEnvelopedData:
    outer = Fields(read_whole(octets, asn1.SEQUENCE))
    if asn1.oid(outer.take_any()) != oids.ID_CT_AUTH_ENVELOPED_DATA:
        raise EnvelopeError(EnvelopeProblem.NOT_AN_ENVELOPE)
    fields = Fields(expect(only_child(outer.take(asn1.context(0))), asn1.SEQUENCE))
    outer.finish()
    _version(fields)
    fields.optional(asn1.context(0))  # originatorInfo: certificates, of no use for a KEM
    recipient = _read_recipients(fields.take(asn1.SET))
    content_type, encryption, ciphertext = _read_content(Fields(fields.take(asn1.SEQUENCE)))
    attributes = fields.optional(asn1.context(1))
    mac = asn1.octet_string(fields.take_any())
    fields.optional(asn1.context(2))  # unauthAttrs: nothing vouches for them
    fields.finish()
    listed = [] if attributes is None else children(attributes)
    return AuthEnvelopedData(
        recipient,
        content_type,
        encryption,
        ciphertext,
        b"" if attributes is None else encode.set_of(*(item.octets for item in listed)),
        _attribute_type(listed),
        mac,
    )


def _version(fields: Fields) -> None:
    version = fields.take_any()
    if asn1.integer(version) != 0:
        raise WireError(WireCode.BAD_VALUE, version.start)


def _read_recipients(node: Node) -> KemRecipient:
    recipients = children(node)
    # Every recipient opens the content alone: one with RSA beside the KEM would undo it.
    if len(recipients) != 1 or recipients[0].tag != asn1.context(4):
        raise EnvelopeError(EnvelopeProblem.RECIPIENTS)
    other = Fields(recipients[0])
    if asn1.oid(other.take_any()) != oids.ID_ORI_KEM:
        raise EnvelopeError(EnvelopeProblem.RECIPIENTS)
    fields = Fields(other.take(asn1.SEQUENCE))
    other.finish()
    _version(fields)
    identifier = fields.take_any().octets
    kem = read_algorithm(fields.take_any())
    ciphertext = asn1.octet_string(fields.take_any())
    kdf = read_algorithm(fields.take_any())
    kek_size = asn1.integer(fields.take_any())
    ukm = fields.optional(asn1.context(0))
    wrap = read_algorithm(fields.take_any())
    encrypted_key = asn1.octet_string(fields.take_any())
    fields.finish()
    material = None if ukm is None else asn1.octet_string(only_child(ukm))
    return KemRecipient(identifier, kem, ciphertext, kdf, kek_size, material, wrap, encrypted_key)


def _read_content(fields: Fields) -> tuple[str, AlgorithmIdentifier, bytes]:
    """Read EncryptedContentInfo, RFC 5652 §6.1; its content must be within."""
    content_type = asn1.oid(fields.take_any())
    encryption = read_algorithm(fields.take_any())
    content = fields.take_any()
    fields.finish()
    if content.tag == asn1.primitive(0):
        return content_type, encryption, content.value
    # [0] IMPLICIT OCTET STRING in segments: only the syntax knows that it is a string, `definite` does not.
    segments = children(expect(content, asn1.context(0)))
    return content_type, encryption, b"".join(asn1.octet_string(segment) for segment in segments)


def _attribute_type(attributes: list[Node]) -> str | None:
    """Return the content-type attribute (RFC 5652 §11.1), which may occur once, with one value."""
    found = None
    for attribute in attributes:
        fields = Fields(expect(attribute, asn1.SEQUENCE))
        kind, values = asn1.oid(fields.take_any()), fields.take(asn1.SET)
        fields.finish()
        if kind == oids.ID_CONTENT_TYPE:
            if found is not None:
                raise WireError(WireCode.BAD_VALUE, attribute.start)
            found = asn1.oid(only_child(values))
    return found
