"""An operator's own CA, of pyca/cryptography alone: it signs the requests that `tsa keys csr` makes."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)
PURPOSE = (ExtendedKeyUsageOID.TIME_STAMPING,)
_KEY_PERIOD = x509.ObjectIdentifier("2.5.29.16")


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _authority(
    name: x509.Name, public: ec.EllipticCurvePublicKey, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.Certificate:
    start = NOW - dt.timedelta(days=400)
    builder = x509.CertificateBuilder(
        issuer, name, public, x509.random_serial_number(), start, start + dt.timedelta(7300)
    )
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return builder.sign(key, hashes.SHA256())


@dataclass
class OperatorCa:
    """A root, an authority below it, and what they issue."""

    name: str = "Operator"
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    root: x509.Certificate = field(init=False)
    issuing: x509.Certificate = field(init=False)

    def __post_init__(self) -> None:
        top = ec.generate_private_key(ec.SECP256R1())
        root = _name(f"{self.name} root")
        self.root = _authority(root, top.public_key(), root, top)
        self.issuing = _authority(_name(f"{self.name} issuing"), self.key.public_key(), root, top)

    @property
    def root_pem(self) -> str:
        return self.root.public_bytes(Encoding.PEM).decode()

    @property
    def issuing_pem(self) -> str:
        return self.issuing.public_bytes(Encoding.PEM).decode()

    def sign(
        self,
        request_pem: str,
        *,
        days: tuple[int, int] = (-1, 700),
        purposes: tuple[x509.ObjectIdentifier, ...] = PURPOSE,
        critical: bool = True,
        key_days: int | None = None,
    ) -> str:
        """Sign a request whose own signature holds, and return the certificate as PEM.

        With `key_days` its key signs only so many days from now (privateKeyUsagePeriod).
        """
        request = x509.load_pem_x509_csr(request_pem.encode())
        assert request.is_signature_valid
        start, end = (NOW + dt.timedelta(days=day) for day in days)
        builder = x509.CertificateBuilder(
            self.issuing.subject,
            request.subject,
            request.public_key(),
            x509.random_serial_number(),
            start,
            end,
        )
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=critical)
        if key_days is not None:
            ends = (NOW + dt.timedelta(days=key_days)).strftime("%Y%m%d%H%M%SZ").encode()
            period = bytes((0x30, len(ends) + 2, 0x81, len(ends))) + ends
            builder = builder.add_extension(x509.UnrecognizedExtension(_KEY_PERIOD, period), critical=False)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()

    def revoke(self, certificate_pem: str) -> bytes:
        """Return a list (PEM) that takes one certificate back."""
        serial = x509.load_pem_x509_certificate(certificate_pem.encode()).serial_number
        entry = x509.RevokedCertificateBuilder(serial, NOW - dt.timedelta(hours=1)).build()
        builder = x509.CertificateRevocationListBuilder(
            self.issuing.subject, NOW - dt.timedelta(hours=1), NOW + dt.timedelta(days=30)
        )
        return (
            builder.add_revoked_certificate(entry).sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM)
        )
