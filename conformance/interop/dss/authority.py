"""A foreign PKI made by `cryptography`, for seals that EU DSS makes.

It takes revocation data for a seal only of authorities whose certificates say where there is some.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_public_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kokuin.trust.anchors import TrustStore
from kokuin.trust.certificate import read_certificate
from pqc.suites import suite
from tests.eseal.pki import CLASSICAL, NOW
from tests.pqc.keys import key_of, signer_of
from tests.trust.forge import key_usage

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPublicKeyTypes

    from pqc.signing import PrivateKey

DAYS = dt.timedelta(days=400)
BASIC = x509.BasicConstraints(ca=True, path_length=None)


def write_pki(folder: Path) -> TrustStore:
    """Write what `Makes` needs: root, authority, their lists, a unit, and a seal of every classical suite.

    Returns:
        The root alone, to be trusted.
    """
    root, issuing, unit = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    top = _name("Root")
    below = _name("Issuing")
    anchor = _issue(top, top, root.public_key(), root, BASIC, key_usage("key_cert_sign", "crl_sign"))
    (folder / "root.der").write_bytes(anchor)
    middle = _issue(top, below, issuing.public_key(), root, BASIC, key_usage("key_cert_sign", "crl_sign"))
    (folder / "authority.der").write_bytes(middle)
    stamps = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
    of_unit = (key_usage("digital_signature"), stamps)
    (folder / "unit.der").write_bytes(_issue(below, _name("Unit"), unit.public_key(), issuing, *of_unit))
    (folder / "unit.p8").write_bytes(_pkcs8(unit))
    for number, (issuer, key) in enumerate(((top, root), (below, issuing))):
        (folder / f"{number}.crl").write_bytes(_list(issuer, key))
    for suite_id in CLASSICAL:
        signer = signer_of(suite(suite_id))
        public = cast("CertificateIssuerPublicKeyTypes", load_der_public_key(signer.public_key))
        seal = _issue(below, _name(suite_id), public, issuing, key_usage("content_commitment"))
        (folder / f"{suite_id}.der").write_bytes(seal)
        (folder / f"{suite_id}.p8").write_bytes(_pkcs8(key_of(suite(suite_id))))
    return TrustStore((read_certificate(anchor),))


def _name(common: str) -> x509.Name:
    parts = (
        (NameOID.COUNTRY_NAME, "JP"),
        (NameOID.ORGANIZATION_NAME, "Foreign"),
        (NameOID.COMMON_NAME, common),
    )
    return x509.Name([x509.NameAttribute(oid, text) for oid, text in parts])


def _issue(
    issuer: x509.Name,
    subject: x509.Name,
    public: CertificateIssuerPublicKeyTypes,
    key: ec.EllipticCurvePrivateKey,
    *extensions: x509.ExtensionType,
) -> bytes:
    """Sign a certificate (DER); all of `extensions` are critical."""
    builder = x509.CertificateBuilder(issuer, subject, public, x509.random_serial_number())
    builder = builder.not_valid_before(NOW - DAYS).not_valid_after(NOW + DAYS)
    for each in extensions:
        builder = builder.add_extension(each, critical=True)
    place = x509.DistributionPoint([x509.UniformResourceIdentifier("http://crl.invalid/")], None, None, None)
    own = x509.SubjectKeyIdentifier.from_public_key(public)
    by = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    for each in (x509.CRLDistributionPoints([place]), own, by):
        builder = builder.add_extension(each, critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def _list(issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> bytes:
    builder = x509.CertificateRevocationListBuilder(issuer, NOW - dt.timedelta(hours=1), NOW + DAYS)
    builder = builder.add_extension(x509.CRLNumber(1), critical=False)
    by = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    return builder.add_extension(by, critical=False).sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def _pkcs8(key: PrivateKey) -> bytes:
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
