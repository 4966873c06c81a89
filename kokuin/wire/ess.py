"""SigningCertificate of RFC 2634 §5.4 and SigningCertificateV2 of RFC 5035 §3: which certificate signed."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.wire import asn1, encode, oids
from kokuin.wire.algorithms import DIGEST_BY_OID
from kokuin.wire.cms import IssuerAndSerial
from kokuin.wire.der import Fields, Node, children, expect, only_child, read_whole
from kokuin.wire.errors import WireCode, WireError
from kokuin.wire.tsp import read_algorithm

if TYPE_CHECKING:
    from kokuin.wire.algorithms import AlgorithmIdentifier

_SHORT = 1_024
"""Octets of an attribute that is remembered."""
_SHA1 = "1.3.14.3.2.26"
_SHA256 = "2.16.840.1.101.3.4.2.1"


@dataclass(frozen=True, slots=True)
class EssCertId:
    """ESSCertID or ESSCertIDv2.

    Attributes:
        digest_oid: of the digest over the whole certificate, dotted.
        digest: its value.
        issuer_serial: None when absent, or when the issuer is not the one directoryName that §5 wants.
    """

    digest_oid: str
    digest: bytes
    issuer_serial: IssuerAndSerial | None


def read_signing_certificate(value: bytes, attribute: str) -> tuple[EssCertId, ...]:
    """Read the value of the attribute with the OID `attribute`, version 1 or 2; the first id is the signer's.

    Raises:
        WireError: another syntax, or no id at all.
    """
    return _read_short(value, attribute) if len(value) <= _SHORT else _read(value, attribute)


def encode_signing_certificate(
    certificate: bytes, issuer_serial: IssuerAndSerial, digest: AlgorithmIdentifier
) -> bytes:
    """SigningCertificateV2 (RFC 5816 §2.2.1) with one id; arguments as of `encode_certificate_id`."""
    return encode.sequence(encode.sequence(encode_certificate_id(certificate, issuer_serial, digest)))


def encode_certificate_id(
    certificate: bytes, issuer_serial: IssuerAndSerial, digest: AlgorithmIdentifier
) -> bytes:
    """ESSCertIDv2 (RFC 5035 §4); SHA-256 is the default and left out.

    Args:
        certificate: the signer's certificate, DER.
        issuer_serial: its issuer and serial number.
        digest: by which it is named, of `kokuin.wire.algorithms.DIGESTS`.
    """
    general_names = encode.sequence(encode.explicit(4, issuer_serial.issuer))
    return encode.sequence(
        b"" if digest.oid == _SHA256 else encode.algorithm(digest),
        encode.octet_string(DIGEST_BY_OID[digest.oid].of(certificate)),
        encode.sequence(general_names, encode.integer(issuer_serial.serial)),
    )


def _read(value: bytes, attribute: str) -> tuple[EssCertId, ...]:
    fields = Fields(read_whole(value, asn1.SEQUENCE))
    ids = children(fields.take(asn1.SEQUENCE))
    fields.optional(asn1.SEQUENCE)  # policies, which no clause of RFC 3161 uses
    fields.finish()
    if not ids:
        raise WireError(WireCode.UNEXPECTED, 0)
    second = attribute == oids.ID_AA_SIGNING_CERTIFICATE_V2
    return tuple(_read_id(Fields(expect(child, asn1.SEQUENCE)), second=second) for child in ids)


_read_short = functools.lru_cache(maxsize=64)(_read)
"""The tokens of one unit have the same ids."""


def read_certificate_id(node: Node) -> EssCertId:
    """Read an ESSCertIDv2 (RFC 5035 §4).

    Raises:
        WireError: another syntax.
    """
    return _read_id(Fields(expect(node, asn1.SEQUENCE)), second=True)


def _read_id(fields: Fields, *, second: bool) -> EssCertId:
    algorithm = fields.optional(asn1.SEQUENCE) if second else None
    default = _SHA256 if second else _SHA1
    digest_oid = default if algorithm is None else read_algorithm(algorithm).oid
    digest = asn1.octet_string(fields.take_any())
    issuer_serial = fields.optional(asn1.SEQUENCE)
    fields.finish()
    return EssCertId(
        digest_oid, digest, None if issuer_serial is None else _read_issuer_serial(issuer_serial)
    )


def _read_issuer_serial(node: Node) -> IssuerAndSerial | None:
    """IssuerSerial ::= SEQUENCE { issuer GeneralNames, serialNumber }; directoryName is explicit [4]."""
    fields = Fields(node)
    names = children(fields.take(asn1.SEQUENCE))
    serial = asn1.integer(fields.take_any())
    fields.optional(asn1.BIT_STRING)  # issuerUID, which a writer that reuses RFC 3281's type may add
    fields.finish()
    if len(names) != 1 or names[0].tag != asn1.context(4):
        return None
    return IssuerAndSerial(only_child(names[0]).octets, serial)
