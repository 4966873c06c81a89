"""Chains with RSA keys and orders for tokens as public authorities send them."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from kokuin.trust.anchors import TrustStore
from kokuin.trust.context import Context
from kokuin.verify.content import of_octets
from kokuin.verify.verifying import verify_bytes
from kokuin.wire import encode, oids
from kokuin.wire.algorithms import AlgorithmIdentifier
from tests.trust.forge import AUTHORITY, DATA, DAY, NOW, NOW_US, Order, Party, issue, key_usage

if TYPE_CHECKING:
    from kokuin.trust.report import Report

V1, V2 = oids.ID_AA_SIGNING_CERTIFICATE, oids.ID_AA_SIGNING_CERTIFICATE_V2
RSA = AlgorithmIdentifier(oids.RSA_ENCRYPTION, encode.NULL)
SHA1 = hashes.SHA1()  # noqa: S303  # as the old roots were signed
TIME_STAMPING = x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.TIME_STAMPING])
SIGNING_TIME = encode.tlv(0x17, b"260601000000Z")


@functools.cache
def rsa_key(number: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65_537, 2048 + 8 * number)


@dataclass
class Chain:
    """A root, an authority below it, and a unit, all with RSA keys."""

    root: Party
    authority: Party
    unit: Party

    @property
    def der(self) -> list[bytes]:
        return [self.unit.der, self.authority.der]


def with_sha1(party: Party, issuer: Party) -> Party:
    """Return the certificate as it was signed before 2016; no current library signs one."""
    old, new = encode.oid(oids.SHA256_WITH_RSA), encode.oid(oids.SHA1_WITH_RSA)
    body = party.x509.tbs_certificate_bytes.replace(old, new)
    signature = issuer.key.sign(body, padding.PKCS1v15(), SHA1)
    algorithm = encode.sequence(new, encode.NULL)
    der = encode.sequence(body, algorithm, encode.tlv(0x03, bytes(1) + signature))
    return Party(party.key, x509.load_der_x509_certificate(der))


def chain_to(*unit: tuple[x509.ExtensionType, bool]) -> Chain:
    ends = NOW + 3000 * DAY
    root = issue("Public root", None, AUTHORITY, key=rsa_key(0), ends=ends)
    limited = (*AUTHORITY, (TIME_STAMPING, False))
    authority = issue("Public TSA CA", root, limited, key=rsa_key(1), ends=ends)
    return Chain(root, authority, issue("Public TSU", authority, unit, key=rsa_key(2)))


USUAL = ((TIME_STAMPING, True), (key_usage("digital_signature"), True))


@functools.cache
def usual() -> Chain:
    return chain_to(*USUAL)


def shaped(chain: Chain, **changes: Any) -> Order:
    settings: dict[str, Any] = {
        "signer": chain.unit,
        "certificates": chain.der,
        "algorithm": RSA,
        "accuracy": b"",
        "attributes": {oids.ID_SIGNING_TIME: SIGNING_TIME},
    }
    return Order(**{**settings, **changes})


def response(token: bytes, status: bytes = b"") -> bytes:
    return encode.sequence(encode.sequence(encode.integer(0), status), token)


def judge(octets: bytes, *trusted: Party, helpers: tuple[Party, ...] = (), at: int = NOW_US) -> Report:
    trust = TrustStore(
        tuple(party.certificate for party in trusted), tuple(party.certificate for party in helpers)
    )
    return verify_bytes(octets, Context(at, trust, of_octets(DATA)))


def weaknesses(report: Report) -> dict[str, str]:
    return {check.id: str(check.reason) for check in report.checks if check.status == "weak"}
