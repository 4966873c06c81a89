"""The composite algorithms (draft-ietf-lamps-pq-composite-sigs-19 §6): their halves, sizes and labels."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from kokuin.wire import encode, oids
from kokuin.wire.algorithms import AlgorithmIdentifier
from pqc.classical import EcdsaScheme, EddsaScheme
from pqc.keyinfo import encode_public_info, read_public_info
from pqc.scheme import KeyMismatchError
from pqc.suites import SUITES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pqc.keyinfo import PrivateKey, PublicKeyInfo
    from pqc.scheme import Scheme
    from pqc.suites import Suite

PREFIX = b"CompositeAlgorithmSignatures2025"
"""In front of every message that a half signs (§2.2)."""
MAX_CONTEXT = 255
"""Octets of an application's context string; X.509 and CMS leave it empty."""


@dataclass(frozen=True, slots=True)
class _Traditional:
    """The classical half of a composite algorithm.

    Attributes:
        suite: its suite.
        scheme: its scheme.
        key: algorithm of its SubjectPublicKeyInfo.
        head: first octets of its raw public key, which admit one form alone.
        public_size: octets of its raw public key.
        sizes: octets that its signature may have.
        to_octets: writes its private key as §4 wants.
        wrap: makes what PrivateKeyInfo holds of those octets.
    """

    suite: Suite
    scheme: Scheme
    key: AlgorithmIdentifier
    head: bytes
    public_size: int
    sizes: range
    to_octets: Callable[[PrivateKey], bytes]
    wrap: Callable[[bytes], bytes]


def _ec_octets(key: PrivateKey) -> bytes:
    """ECPrivateKey with the curve's name and without the public key (§4, RFC 5915 §3)."""
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise KeyMismatchError("P-256")
    number = key.private_numbers().private_value.to_bytes(32, "big")
    return encode.sequence(
        encode.integer(1),
        encode.octet_string(number),
        encode.explicit(0, encode.oid(oids.SECP256R1)),
    )


def _ed25519_octets(key: PrivateKey) -> bytes:
    """The 32 octets of RFC 8032 §5.1.5."""
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise KeyMismatchError("Ed25519")
    return key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())


_P256 = _Traditional(
    SUITES["ecdsa-p256-sha256"],
    EcdsaScheme(),
    AlgorithmIdentifier(oids.ID_EC_PUBLIC_KEY, encode.oid(oids.SECP256R1)),
    head=b"\x04",
    public_size=65,
    # The shortest Ecdsa-Sig-Value holds two numbers of one octet.
    sizes=range(8, 73),
    to_octets=_ec_octets,
    wrap=bytes,
)
_ED25519 = _Traditional(
    SUITES["ed25519"],
    EddsaScheme(),
    AlgorithmIdentifier(oids.ID_ED25519),
    head=b"",
    public_size=32,
    sizes=range(64, 65),
    to_octets=_ed25519_octets,
    wrap=encode.octet_string,
)


@dataclass(frozen=True, slots=True)
class CompositeAlgorithm:
    """One row of the draft's §6.

    Attributes:
        oid: of keys and signatures.
        label: Label of the row: part of what is signed, and ML-DSA's context.
        name: the suite's `key`.
        digest: PH: hashlib's name of the pre-hash.
        ml_dsa: OID of the ML-DSA half.
        ml_dsa_public: octets of its public key.
        ml_dsa_signature: octets of its signature.
        number: ML-DSA's number.
        traditional: the classical half.
    """

    oid: str
    label: bytes
    name: str
    digest: str
    ml_dsa: str
    ml_dsa_public: int
    ml_dsa_signature: int
    number: int
    traditional: _Traditional

    def representative(self, message: bytes, context: bytes = b"") -> bytes:
        """M' = Prefix || Label || len(ctx) || ctx || PH(M): what both halves sign (§2.2).

        Raises:
            ValueError: a context of more than 255 octets.
        """
        if len(context) > MAX_CONTEXT:
            raise ValueError(len(context))
        hashed = hashlib.new(self.digest, message).digest()
        return b"%b%b%c%b%b" % (PREFIX, self.label, len(context), context, hashed)

    def halves(self, public: PublicKeyInfo) -> tuple[PublicKeyInfo, PublicKeyInfo]:
        """Split a public key into those of its halves (§4.1).

        Raises:
            ValueError: it has another length, or the point is not written uncompressed.
        """
        first, second = public.bare[: self.ml_dsa_public], public.bare[self.ml_dsa_public :]
        if len(second) != self.traditional.public_size or not second.startswith(self.traditional.head):
            raise ValueError(self.name)
        return (
            read_public_info(encode_public_info(AlgorithmIdentifier(self.ml_dsa), first)),
            read_public_info(encode_public_info(self.traditional.key, second)),
        )


def _with_ml_dsa_65(oid: str, name: str, traditional: _Traditional) -> CompositeAlgorithm:
    return CompositeAlgorithm(
        oid, f"COMPSIG-{name}".encode(), name, "sha512", oids.ID_ML_DSA_65, 1952, 3309, 65, traditional
    )


ALGORITHMS: Mapping[str, CompositeAlgorithm] = {
    each.oid: each
    for each in (
        _with_ml_dsa_65(oids.ID_MLDSA65_ECDSA_P256_SHA512, "MLDSA65-ECDSA-P256-SHA512", _P256),
        _with_ml_dsa_65(oids.ID_MLDSA65_ED25519_SHA512, "MLDSA65-Ed25519-SHA512", _ED25519),
    )
}
"""Every composite algorithm by its OID."""
