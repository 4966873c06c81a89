"""AlgorithmIdentifier as a value, and the digest algorithms that the protocols name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AlgorithmIdentifier:
    """RFC 5280 §4.1.1.2: an OID in dotted form and the DER of its parameters (None when absent)."""

    oid: str
    parameters: bytes | None = None


@dataclass(frozen=True, slots=True)
class DigestAlgorithm:
    """A digest that a messageImprint, a SignerInfo or a certificate identifier may name.

    Attributes:
        name: our name, which is also hashlib's.
        oid: dotted OID.
        size: length of the digest in octets.
    """

    name: str
    oid: str
    size: int


DIGESTS: tuple[DigestAlgorithm, ...] = (
    DigestAlgorithm("md5", "1.2.840.113549.2.5", 16),
    DigestAlgorithm("sha1", "1.3.14.3.2.26", 20),
    DigestAlgorithm("sha224", "2.16.840.1.101.3.4.2.4", 28),
    DigestAlgorithm("sha256", "2.16.840.1.101.3.4.2.1", 32),
    DigestAlgorithm("sha384", "2.16.840.1.101.3.4.2.2", 48),
    DigestAlgorithm("sha512", "2.16.840.1.101.3.4.2.3", 64),
    DigestAlgorithm("sha3_256", "2.16.840.1.101.3.4.2.8", 32),
    DigestAlgorithm("sha3_384", "2.16.840.1.101.3.4.2.9", 48),
    DigestAlgorithm("sha3_512", "2.16.840.1.101.3.4.2.10", 64),
)
"""Every digest that this release can compute, weak ones included: what is allowed is a policy's business."""

DIGEST_BY_OID = {digest.oid: digest for digest in DIGESTS}
DIGEST_BY_NAME = {digest.name: digest for digest in DIGESTS}
