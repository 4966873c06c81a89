"""The X.509 extensions that we write, each as RFC 5280 §4.2 and its companions give it."""

from __future__ import annotations

import hashlib

from kokuin.wire import asn1, encode, oids
from kokuin.wire.algorithms import DIGEST_BY_NAME, AlgorithmIdentifier
from kokuin.wire.der import Fields, read_whole
from kokuin.wire.tsp import Extension


def subject_public_key(public_key: bytes) -> bytes:
    """Octets of subjectPublicKey in a SubjectPublicKeyInfo (DER), RFC 5280 §4.1.2.7.

    Raises:
        WireError: it is none.
    """
    fields = Fields(read_whole(public_key, asn1.SEQUENCE))
    fields.take(asn1.SEQUENCE)
    octets, _ = asn1.bit_string(fields.take_any())
    fields.finish()
    return octets


def key_identifier(public_key: bytes) -> bytes:
    """Identifier of a key by the first method of RFC 7093 §2: 160 bits of SHA-256, and no SHA-1 anywhere.

    Raises:
        WireError: `public_key` is no SubjectPublicKeyInfo (DER).
    """
    return hashlib.sha256(subject_public_key(public_key)).digest()[:20]


def basic_constraints(*, authority: bool, path_length: int | None = None) -> Extension:
    """BasicConstraints, critical (RFC 5280 §4.2.1.9)."""
    length = b"" if path_length is None else encode.integer(path_length)
    value = encode.sequence(encode.TRUE if authority else b"", length)
    return Extension(oids.ID_CE_BASIC_CONSTRAINTS, critical=True, value=value)


def key_usage(*bits: int) -> Extension:
    """KeyUsage with these bits, critical (RFC 5280 §4.2.1.3)."""
    return Extension(oids.ID_CE_KEY_USAGE, critical=True, value=encode.named_bits(*bits))


def extended_key_usage(purpose: str, *, critical: bool) -> Extension:
    """ExtKeyUsage with one purpose and no other (RFC 5280 §4.2.1.12)."""
    value = encode.sequence(encode.oid(purpose))
    return Extension(oids.ID_CE_EXT_KEY_USAGE, critical=critical, value=value)


def private_key_usage_period(begins: int, ends: int) -> Extension:
    """PrivateKeyUsagePeriod (RFC 3280 §4.2.1.4): microseconds since 1970 UTC, cut to whole seconds."""
    moments = (encode.generalized_time(moment - moment % 1_000_000) for moment in (begins, ends))
    # IMPLICIT tags on GeneralizedTime: the same content octets under another identifier octet.
    value = encode.sequence(*(bytes((0x80 | number,)) + time[1:] for number, time in enumerate(moments)))
    return Extension(oids.ID_CE_PRIVATE_KEY_USAGE_PERIOD, critical=False, value=value)


def subject_key_identifier(public_key: bytes) -> Extension:
    """SubjectKeyIdentifier (RFC 5280 §4.2.1.2) of a SubjectPublicKeyInfo (DER).

    Raises:
        WireError: it is none.
    """
    value = encode.octet_string(key_identifier(public_key))
    return Extension(oids.ID_CE_SUBJECT_KEY_IDENTIFIER, critical=False, value=value)


def authority_key_identifier(identifier: bytes) -> Extension:
    """AuthorityKeyIdentifier (RFC 5280 §4.2.1.1) with the issuer's key identifier alone."""
    value = encode.sequence(encode.implicit(0, identifier))
    return Extension(oids.ID_CE_AUTHORITY_KEY_IDENTIFIER, critical=False, value=value)


def related_certificate(certificate: bytes) -> Extension:
    """RelatedCertificate (RFC 9763 §4.1): SHA-512 of another end entity's certificate (DER).

    Not critical, as §4.1 wants: who does not know it verifies this certificate alone.
    """
    algorithm = encode.algorithm(AlgorithmIdentifier(DIGEST_BY_NAME["sha512"].oid))
    digest = encode.octet_string(hashlib.sha512(certificate).digest())
    return Extension(oids.ID_PE_RELATED_CERT, critical=False, value=encode.sequence(algorithm, digest))


def ocsp_no_check() -> Extension:
    """id-pkix-ocsp-nocheck (RFC 6960 §4.2.2.2.1): nobody asks about a responder's certificate."""
    return Extension(oids.ID_PKIX_OCSP_NOCHECK, critical=False, value=encode.NULL)


def crl_number(number: int) -> Extension:
    """CRLNumber (RFC 5280 §5.2.3)."""
    return Extension(oids.ID_CE_CRL_NUMBER, critical=False, value=encode.integer(number))
