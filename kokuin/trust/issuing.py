"""Making certificates: a development CA for trying out, and the request that a real CA signs.

The development CA is for machines that nobody relies on; its names say so.
"""

from __future__ import annotations

import datetime as dt
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pqc.suites import Family
from pqc.verifying import HASHES

if TYPE_CHECKING:
    from pqc.signing import PrivateKey
    from pqc.suites import Suite

_BACKDATE = dt.timedelta(minutes=5)
"""A certificate begins a little early, so that a verifier whose clock lags accepts the first token."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate in PEM and DER."""

    pem: bytes
    der: bytes


def distinguished_name(organisation: str, common_name: str, country: str = "JP") -> x509.Name:
    """Name with C, O and CN, which EN 319 422 §6.2 wants of a time-stamp unit."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, country),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def unique_common_name(prefix: str) -> str:
    """Common name that no other unit has: EN 319 422 §6.2 wants it unique to the unit."""
    return f"{prefix} {secrets.token_hex(4)}"


class DevelopmentCA:
    """A self-signed root that issues unit certificates on this machine only."""

    def __init__(self, suite: Suite, key: PrivateKey, now: dt.datetime, days: int) -> None:
        """Args: suite and key of the root; the present moment (UTC); its validity in days."""
        self._suite, self._key = suite, key
        self._now = now
        self._until = now + dt.timedelta(days=days)
        self.name = distinguished_name("kokuin development", unique_common_name("kokuin development root"))
        self._identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        builder = (
            self._builder(self.name, key)
            .not_valid_after(self._until)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(ca=True), critical=True)
            .add_extension(self._identifier, critical=False)
        )
        self.root = self._sign(builder)

    def issue_unit(self, key: PrivateKey, days: int, key_days: int) -> Issued:
        """Issue a time-stamp unit's certificate: EKU timeStamping, critical and alone (RFC 3161 §2.3).

        Args:
            key: the unit's key; only its public half is used.
            days: validity of the certificate.
            key_days: privateKeyUsagePeriod (EN 319 421 TIS-7.6.7): shorter than the certificate's life.
        """
        name = distinguished_name("kokuin development", unique_common_name("kokuin development unit"))
        start = self._now - _BACKDATE
        authority = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(self._identifier)
        builder = (
            self._builder(name, key)
            .not_valid_after(min(self._now + dt.timedelta(days=days), self._until))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(ca=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
            .add_extension(
                x509.PrivateKeyUsagePeriod(start, self._now + dt.timedelta(days=key_days)), critical=False
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(authority, critical=False)
        )
        return self._sign(builder)

    def _builder(self, subject: x509.Name, key: PrivateKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .issuer_name(self.name)
            .subject_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now - _BACKDATE)
        )

    def _sign(self, builder: x509.CertificateBuilder) -> Issued:
        certificate = builder.sign(
            self._key, _hash(self._suite), rsa_padding=_padding(self._suite, self._key)
        )
        return Issued(certificate.public_bytes(Encoding.PEM), certificate.public_bytes(Encoding.DER))


def unit_request(suite: Suite, key: PrivateKey, organisation: str) -> bytes:
    """PKCS#10 request (PEM) for a time-stamp unit, to be signed by the operator's CA (RFC 2986).

    It asks for critical extendedKeyUsage timeStamping alone; the CA decides.
    """
    builder = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(distinguished_name(organisation, unique_common_name("time-stamp unit")))
        .add_extension(_usage(ca=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
    )
    request = builder.sign(key, _hash(suite), rsa_padding=_padding(suite, key))
    return request.public_bytes(Encoding.PEM)


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def _hash(suite: Suite) -> Any:
    return None if suite.family in {Family.EDDSA, Family.ML_DSA} else HASHES[suite.digest]


def _padding(suite: Suite, key: PrivateKey) -> padding.PSS | padding.PKCS1v15 | None:
    if not isinstance(key, rsa.RSAPrivateKey):
        return None
    if suite.family is Family.RSA_PSS:
        digest = HASHES[suite.digest]
        return padding.PSS(padding.MGF1(digest), digest.digest_size)
    return padding.PKCS1v15()
