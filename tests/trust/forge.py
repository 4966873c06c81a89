"""Certificates and tokens made to order, right ones and forged ones."""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, mldsa, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kokuin.trust.anchors import TrustStore
from kokuin.trust.certificate import Certificate, read_certificate
from kokuin.trust.context import Context
from kokuin.trust.judge import judge_token
from kokuin.wire import encode, oids
from kokuin.wire.algorithms import DIGEST_BY_NAME, AlgorithmIdentifier
from kokuin.wire.ber import definite
from kokuin.wire.prescan import TOKEN_LIMITS
from kokuin.wire.tsp import read_timestamp_request
from tests.reportschema import valid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kokuin.trust.report import Report

DATA = b"what was stamped"
DAY = dt.timedelta(days=1)
NOW = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
NOW_US = int(NOW.timestamp()) * 1_000_000
YEAR_US = 365 * 86_400 * 1_000_000
ECDSA = AlgorithmIdentifier(oids.ECDSA_WITH_SHA256)
POLICY = "1.3.6.1.4.1.32473.1"


def name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "JP"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def key_usage(*asserted: str) -> x509.KeyUsage:
    bits = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{bit: bit in asserted for bit in bits})


@dataclass
class Party:
    """A key with its certificate."""

    key: Any
    x509: x509.Certificate

    @property
    def der(self) -> bytes:
        return self.x509.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.x509.public_bytes(Encoding.PEM)

    @property
    def certificate(self) -> Certificate:
        return read_certificate(self.der)


AUTHORITY: tuple[tuple[x509.ExtensionType, bool], ...] = (
    (x509.BasicConstraints(ca=True, path_length=None), True),
    (key_usage("key_cert_sign", "crl_sign"), True),
)
UNIT: tuple[tuple[x509.ExtensionType, bool], ...] = (
    (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), True),
    (key_usage("digital_signature"), True),
)


def issue(  # noqa: PLR0913  # a certificate has many fields, and each is forged somewhere
    common_name: str,
    issuer: Party | None,
    extensions: Sequence[tuple[x509.ExtensionType, bool]],
    *,
    key: Any = None,
    begins: dt.datetime = NOW - 100 * DAY,
    ends: dt.datetime = NOW + 100 * DAY,
    serial: int | None = None,
    issuer_name: x509.Name | None = None,
    signing_digest: hashes.HashAlgorithm | None = None,
) -> Party:
    """Issue a certificate; without an issuer it signs itself."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    signing_key = issuer.key if issuer else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(common_name))
        .issuer_name(issuer_name or (issuer.x509.subject if issuer else name(common_name)))
        .public_key(key.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    algorithm: Any = signing_digest or hashes.SHA256()
    if isinstance(signing_key, mldsa.MLDSA65PrivateKey):
        algorithm = None
    return Party(key, builder.sign(signing_key, algorithm))


@dataclass
class Pki:
    """A root, an authority below it, and a time-stamp unit."""

    root: Party
    authority: Party
    unit: Party

    @property
    def trust(self) -> TrustStore:
        return TrustStore((self.root.certificate,))

    @property
    def chain(self) -> list[bytes]:
        return [self.unit.der, self.authority.der]


@functools.cache
def pki() -> Pki:
    root = issue("Root", None, AUTHORITY, ends=NOW + 3000 * DAY)
    authority = issue("Authority", root, AUTHORITY, ends=NOW + 2000 * DAY)
    return Pki(root, authority, issue("Unit", authority, UNIT))


@dataclass
class Order:
    """What a token shall be; every field at its default makes a right one."""

    signer: Party
    certificates: Sequence[bytes] = ()
    version: int = 1
    imprint_oid: str = DIGEST_BY_NAME["sha256"].oid
    imprint: bytes = hashlib.sha256(DATA).digest()
    serial: int = 4711
    gen_us: int = NOW_US
    gen_time: bytes | None = None
    accuracy: bytes = encode.sequence(encode.integer(1))
    policy: str = POLICY
    nonce: int | None = None
    tst_extensions: bytes = b""
    tst_info: bytes | None = None
    digest: str = "sha256"
    algorithm: AlgorithmIdentifier = ECDSA
    content_type: str = oids.ID_CT_TST_INFO
    attributes: dict[str, bytes | None] = field(default_factory=dict)
    more_attributes: Sequence[bytes] = ()
    sid: bytes | None = None
    cms_version: int = 3
    signers: int = 1
    unsigned: Sequence[bytes] = ()
    crls: Sequence[bytes] = ()
    flip_signature: bool = False
    reverse_sent: bool = False
    reverse_signed: bool = False
    signed_digest: hashes.HashAlgorithm | None = None

    def make(self) -> bytes:
        """Return the token."""
        info = self.tst_info or self._tst_info()
        digest = encode.sequence(encode.oid(DIGEST_BY_NAME[self.digest].oid))
        ordered = sorted((*self._attributes(info), *self.more_attributes))
        forward, backward = (encode.tlv(0x31, b"".join(each)) for each in (ordered, reversed(ordered)))
        attributes = backward if self.reverse_sent else forward
        signature = bytearray(self._sign(backward if self.reverse_signed else forward))
        signature[-1] ^= self.flip_signature
        signer = encode.sequence(
            encode.integer(1),
            self.sid or issuer_and_serial(self.signer),
            digest,
            b"\xa0" + attributes[1:],
            encode.algorithm(self.algorithm),
            encode.octet_string(bytes(signature)),
            encode.explicit(1, b"".join(self.unsigned)) if self.unsigned else b"",
        )
        content = encode.sequence(
            encode.oid(self.content_type), encode.explicit(0, encode.octet_string(info))
        )
        certificates = encode.explicit(0, b"".join(self.certificates)) if self.certificates else b""
        signed_data = encode.sequence(
            encode.integer(self.cms_version),
            encode.set_of(digest),
            content,
            certificates,
            encode.explicit(1, b"".join(self.crls)) if self.crls else b"",
            encode.tlv(0x31, signer * self.signers),
        )
        return encode.sequence(encode.oid(oids.ID_SIGNED_DATA), encode.explicit(0, signed_data))

    def _sign(self, message: bytes) -> bytes:
        key = self.signer.key
        if isinstance(key, mldsa.MLDSA65PrivateKey):
            return key.sign(message)
        digest = self.signed_digest or hashes.SHA256()
        if isinstance(key, rsa.RSAPrivateKey):
            return key.sign(message, padding.PKCS1v15(), digest)
        signature: bytes = key.sign(message, ec.ECDSA(digest))
        return signature

    def _tst_info(self) -> bytes:
        return encode.sequence(
            encode.integer(self.version),
            encode.oid(self.policy),
            encode.sequence(encode.sequence(encode.oid(self.imprint_oid)), encode.octet_string(self.imprint)),
            encode.integer(self.serial),
            encode.generalized_time(self.gen_us)
            if self.gen_time is None
            else encode.tlv(0x18, self.gen_time),
            self.accuracy,
            b"" if self.nonce is None else encode.integer(self.nonce),
            self.tst_extensions,
        )

    def _attributes(self, info: bytes) -> list[bytes]:
        digest = hashlib.new(self.digest, info).digest()
        values: dict[str, bytes | None] = {
            oids.ID_CONTENT_TYPE: encode.oid(oids.ID_CT_TST_INFO),
            oids.ID_MESSAGE_DIGEST: encode.octet_string(digest),
            oids.ID_AA_SIGNING_CERTIFICATE_V2: ess_v2(self.signer.der),
            **self.attributes,
        }
        return [attribute(oid, value) for oid, value in values.items() if value is not None]


def attribute(oid: str, *values: bytes) -> bytes:
    return encode.sequence(encode.oid(oid), encode.set_of(*values))


def issuer_and_serial(party: Party) -> bytes:
    return encode.sequence(party.certificate.issuer, encode.integer(party.certificate.serial))


def ess_v2(*certificates: bytes, digest: str = "sha256", issuer_serial: bytes = b"") -> bytes:
    algorithm = b"" if digest == "sha256" else encode.sequence(encode.oid(DIGEST_BY_NAME[digest].oid))
    return encode.sequence(
        encode.sequence(
            *(
                encode.sequence(
                    algorithm, encode.octet_string(hashlib.new(digest, der).digest()), issuer_serial
                )
                for der in certificates
            )
        )
    )


def ess_id(party: Party, *, version: int = 2, digest_of: bytes | None = None) -> bytes:
    """ESSCertID with issuer and serial number of the certificate, maybe with the digest of other octets."""
    octets = party.der if digest_of is None else digest_of
    digest = hashlib.new("sha256" if version == 2 else "sha1", octets, usedforsecurity=False).digest()
    issuer = encode.sequence(encode.explicit(4, party.certificate.issuer))
    return encode.sequence(
        encode.octet_string(digest), encode.sequence(issuer, encode.integer(party.certificate.serial))
    )


def ess_v1(certificate: bytes) -> bytes:
    digest = hashlib.sha1(certificate, usedforsecurity=False).digest()
    return encode.sequence(encode.sequence(encode.sequence(encode.octet_string(digest))))


def judge(
    token: bytes,
    trust: TrustStore | None = None,
    *,
    at: int = NOW_US,
    data: bytes | None = DATA,
    request: bytes | None = None,
) -> Report:
    """Judge a token by the test root, with the data."""
    content = None if data is None else lambda algorithm: hashlib.new(algorithm, data).digest()
    asked = None if request is None else read_timestamp_request(request)
    context = Context(at, pki().trust if trust is None else trust, content, request=asked)
    return valid(judge_token(definite(token, TOKEN_LIMITS), context))


def order(**changes: Any) -> Order:
    """Order a token of the test unit with its chain."""
    settings: dict[str, Any] = {"signer": pki().unit, "certificates": pki().chain}
    return Order(**{**settings, **changes})


def verdict(report: Report) -> tuple[str, str | None]:
    return report.indication.value, report.sub_indication and report.sub_indication.value


def reasons(report: Report) -> dict[str, str]:
    return {check.id: check.reason for check in report.checks if check.reason is not None}
