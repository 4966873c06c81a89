"""X.509 certificates (RFC 5280 §4) as facts: what the judging of a path and of a time-stamp unit asks for.

Read with our own reader: its bounds hold for hostile certificates, it accepts
the odd ones that real authorities issued (serial numbers of zero, say), and it
costs the command line no large import.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kokuin.trust.name import same_name
from kokuin.trust.signed import read_signed
from kokuin.wire import asn1, oids
from kokuin.wire.der import Fields, Node, children, only_child, read_whole
from kokuin.wire.errors import WireCode, WireError
from kokuin.wire.prescan import Limits, prescan_often
from kokuin.wire.tsp import Extension, read_algorithm, read_extensions
from pqc.verifying import SignatureOutcome, SignatureVerdict, verify_signature

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kokuin.trust.signed import Signed
    from kokuin.wire.algorithms import AlgorithmIdentifier

CERTIFICATE_LIMITS = Limits(size=131_072, depth=32, elements=10_000)
"""The largest signature schemes make certificates of some 60 kB."""

KEY_USAGE_DIGITAL_SIGNATURE = 0
KEY_USAGE_NON_REPUDIATION = 1
KEY_USAGE_KEY_CERT_SIGN = 5
KEY_USAGE_CRL_SIGN = 6


@dataclass(frozen=True, slots=True)
class BasicConstraints:
    """RFC 5280 §4.2.1.9: whether the subject is an authority, and pathLenConstraint (None when absent)."""

    authority: bool
    path_length: int | None


@dataclass(frozen=True, slots=True)
class ExtendedKeyUsage:
    """RFC 5280 §4.2.1.12: the purposes, dotted, and whether the extension is critical."""

    purposes: tuple[str, ...]
    critical: bool


@dataclass(frozen=True, slots=True)
class KeyPeriod:
    """privateKeyUsagePeriod (RFC 3280 §4.2.1.4), microseconds since 1970 UTC; None where open."""

    not_before: int | None
    not_after: int | None


@dataclass(frozen=True, slots=True)
class RelatedCertificate:
    """RFC 9763 §4.1: the digest (dotted OID) of another certificate of the same subject, and its value."""

    digest_oid: str
    value: bytes


@dataclass(frozen=True, slots=True, eq=False)
class Certificate:
    """One certificate.

    Attributes:
        der: the whole of it.
        tbs: tbsCertificate, what the signature covers.
        version: 1, 2 or 3.
        serial: serialNumber.
        issuer: its Name (DER).
        subject: its Name (DER).
        not_before: microseconds since 1970 UTC.
        not_after: microseconds since 1970 UTC, inclusive.
        public_key: SubjectPublicKeyInfo (DER).
        signature_algorithm: the same inside and outside.
        signature: the signature value.
        extensions: by OID.
        basic_constraints: None when absent.
        key_usage: numbers of the bits that are set; None when absent.
        ext_key_usage: None when absent.
        key_period: None when absent.
        subject_key_id: None when absent.
        authority_key_id: keyIdentifier; None when absent.
        related: relatedCert; None when absent.
    """

    der: bytes = field(repr=False)
    tbs: bytes = field(repr=False)
    version: int
    serial: int
    issuer: bytes
    subject: bytes
    not_before: int
    not_after: int
    public_key: bytes = field(repr=False)
    signature_algorithm: AlgorithmIdentifier
    signature: bytes = field(repr=False)
    extensions: Mapping[str, Extension]
    basic_constraints: BasicConstraints | None
    key_usage: frozenset[int] | None
    ext_key_usage: ExtendedKeyUsage | None
    key_period: KeyPeriod | None
    subject_key_id: bytes | None
    authority_key_id: bytes | None
    related: RelatedCertificate | None

    @property
    def self_issued(self) -> bool:
        """Issuer and subject are the same name (RFC 5280 §6.1)."""
        return same_name(self.issuer, self.subject)

    @property
    def is_authority(self) -> bool:
        """Whether it may issue: cA is asserted (RFC 5280 §6.1.4 k).

        Old roots say it otherwise: by a version that knows no extensions, or by keyUsage alone.
        """
        if self.basic_constraints is None:
            if self.key_usage is not None:
                return KEY_USAGE_KEY_CERT_SIGN in self.key_usage
            return self.version == 1 and self.self_issued
        return self.basic_constraints.authority

    def valid_at(self, moment: int) -> bool:
        """Whether `moment` (microseconds since 1970 UTC) lies in the validity, its last second included."""
        return self.not_before <= moment < self.not_after + 1_000_000

    def signed_by(self, public_key: bytes) -> SignatureVerdict:
        """Verify the signature with a SubjectPublicKeyInfo (DER)."""
        return _verify(public_key, self.signature_algorithm, self.tbs, self.signature)


@functools.lru_cache(maxsize=256)
def _verify(key: bytes, algorithm: AlgorithmIdentifier, tbs: bytes, signature: bytes) -> SignatureVerdict:
    """Chains repeat from token to token; the outcome depends on nothing but the arguments."""
    return verify_signature(
        public_key_der=key, algorithm=algorithm, digest=None, message=tbs, signature=signature
    )


def is_self_signed(certificate: Certificate) -> bool:
    """Whether issuer and subject agree and the certificate's own key made its signature."""
    return (
        certificate.self_issued
        and certificate.signed_by(certificate.public_key).outcome is SignatureOutcome.VALID
    )


@functools.lru_cache(maxsize=128)
def read_certificate(der: bytes) -> Certificate:
    """Read one certificate.

    Raises:
        WireError: a limit is exceeded, the syntax is another, an extension occurs twice, or the signature
            algorithms inside and outside differ (RFC 5280 §4.1.1.2).
    """
    prescan_often(der, CERTIFICATE_LIMITS)
    return _read_body(der, read_signed(der))


def _read_body(der: bytes, signed: Signed) -> Certificate:
    body = signed.body
    fields = Fields(body)
    version = fields.optional(asn1.context(0))
    serial = asn1.integer(fields.take_any())
    if read_algorithm(fields.take_any()) != signed.algorithm:
        raise WireError(WireCode.BAD_VALUE, body.start)
    issuer = fields.take(asn1.SEQUENCE).octets
    validity = [asn1.time(moment).microseconds for moment in children(fields.take(asn1.SEQUENCE))]
    if len(validity) != 2:
        raise WireError(WireCode.UNEXPECTED, body.start)
    subject = fields.take(asn1.SEQUENCE).octets
    public_key = fields.take(asn1.SEQUENCE).octets
    fields.optional(asn1.primitive(1))  # issuerUniqueID
    fields.optional(asn1.primitive(2))  # subjectUniqueID
    extensions = _read_extensions(fields.optional(asn1.context(3)))
    fields.finish()
    return Certificate(
        der=der,
        tbs=body.octets,
        version=1 if version is None else 1 + asn1.integer(only_child(version)),
        serial=serial,
        issuer=issuer,
        subject=subject,
        not_before=validity[0],
        not_after=validity[1],
        public_key=public_key,
        signature_algorithm=signed.algorithm,
        signature=signed.signature,
        extensions=extensions,
        basic_constraints=_basic_constraints(extensions.get(oids.ID_CE_BASIC_CONSTRAINTS)),
        key_usage=_key_usage(extensions.get(oids.ID_CE_KEY_USAGE)),
        ext_key_usage=_ext_key_usage(extensions.get(oids.ID_CE_EXT_KEY_USAGE)),
        key_period=_key_period(extensions.get(oids.ID_CE_PRIVATE_KEY_USAGE_PERIOD)),
        subject_key_id=_subject_key_id(extensions.get(oids.ID_CE_SUBJECT_KEY_IDENTIFIER)),
        authority_key_id=_authority_key_id(extensions.get(oids.ID_CE_AUTHORITY_KEY_IDENTIFIER)),
        related=_related(extensions.get(oids.ID_PE_RELATED_CERT)),
    )


def _read_extensions(node: Node | None) -> dict[str, Extension]:
    if node is None:
        return {}
    found = read_extensions(children(node)[0]) if node.end > node.content else ()
    by_oid = {extension.oid: extension for extension in found}
    if len(by_oid) != len(found):
        raise WireError(WireCode.BAD_VALUE, node.start)
    return by_oid


def _basic_constraints(extension: Extension | None) -> BasicConstraints | None:
    if extension is None:
        return None
    fields = Fields(read_whole(extension.value, asn1.SEQUENCE))
    authority = fields.optional(asn1.BOOLEAN)
    length = fields.optional(asn1.INTEGER)
    fields.finish()
    return BasicConstraints(
        authority is not None and asn1.boolean(authority), None if length is None else asn1.integer(length)
    )


def _key_usage(extension: Extension | None) -> frozenset[int] | None:
    if extension is None:
        return None
    return asn1.named_bits(read_whole(extension.value, asn1.BIT_STRING))


def _ext_key_usage(extension: Extension | None) -> ExtendedKeyUsage | None:
    if extension is None:
        return None
    purposes = children(read_whole(extension.value, asn1.SEQUENCE))
    return ExtendedKeyUsage(tuple(asn1.oid(purpose) for purpose in purposes), extension.critical)


def _key_period(extension: Extension | None) -> KeyPeriod | None:
    if extension is None:
        return None
    fields = Fields(read_whole(extension.value, asn1.SEQUENCE))
    begins = fields.optional(asn1.primitive(0))
    ends = fields.optional(asn1.primitive(1))
    fields.finish()
    return KeyPeriod(
        None if begins is None else asn1.generalized_time(begins, begins.tag).microseconds,
        None if ends is None else asn1.generalized_time(ends, ends.tag).microseconds,
    )


def _subject_key_id(extension: Extension | None) -> bytes | None:
    return None if extension is None else asn1.octet_string(read_whole(extension.value, asn1.OCTET_STRING))


def _authority_key_id(extension: Extension | None) -> bytes | None:
    if extension is None:
        return None
    key_id = Fields(read_whole(extension.value, asn1.SEQUENCE)).optional(asn1.primitive(0))
    return None if key_id is None else key_id.value


def _related(extension: Extension | None) -> RelatedCertificate | None:
    if extension is None:
        return None
    fields = Fields(read_whole(extension.value, asn1.SEQUENCE))
    algorithm = read_algorithm(fields.take_any())
    value = asn1.octet_string(fields.take_any())
    fields.finish()
    return RelatedCertificate(algorithm.oid, value)
