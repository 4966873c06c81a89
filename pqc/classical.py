"""RSA, ECDSA and EdDSA, by pyca/cryptography."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_der_public_key

from kokuin.wire import oids
from pqc.pss import pss_digest_and_salt
from pqc.scheme import KeyFacts, KeyMismatchError
from pqc.selfhashing import SelfHashingScheme, SelfHashingVerifier
from pqc.suites import Family

if TYPE_CHECKING:
    from collections.abc import Callable

    from kokuin.wire.algorithms import AlgorithmIdentifier
    from pqc.keyinfo import PrivateKey, PrivateKeyInfo, PublicKeyInfo
    from pqc.scheme import Verifier
    from pqc.suites import Suite

MAX_RSA_BITS = 16384
"""A longer modulus costs seconds a verification: an attacker's certificate may hold any."""

MAX_EXPONENT_BITS = 256
"""A longer public exponent (FIPS 186-5 §A.1.1) makes a verification as slow as a signature is."""

HASHES: dict[str, hashes.HashAlgorithm] = {
    "md5": hashes.MD5(),  # noqa: S303  # old evidence is computed; policy refuses it
    "sha1": hashes.SHA1(),  # noqa: S303  # likewise
    "sha224": hashes.SHA224(),
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
    "sha3_256": hashes.SHA3_256(),
    "sha3_384": hashes.SHA3_384(),
    "sha3_512": hashes.SHA3_512(),
}


def _named_digest(digests: dict[str, str | None], oid: str, digest: str | None) -> str:
    """Return the digest that the algorithm names, else the one that SignerInfo does."""
    used = digests[oid] or digest
    if used not in HASHES:
        raise UnsupportedAlgorithm(oid)
    return used


@dataclass(frozen=True, slots=True)
class RsaVerifier:
    """An RSA public key; `algorithm` is the one that it was made for."""

    facts: KeyFacts
    key: rsa.RSAPublicKey
    algorithm: AlgorithmIdentifier

    def verify(
        self, algorithm: AlgorithmIdentifier, digest: str | None, message: bytes, signature: bytes
    ) -> None:
        """Verify with PKCS #1 v1.5 or PSS, as the algorithm says (RFC 8017 §8)."""
        self._check_use(algorithm)
        hashed = HASHES[str(digest)]
        if algorithm.oid == oids.ID_RSASSA_PSS:
            _, salt = pss_digest_and_salt(algorithm.parameters) or ("", 0)
            self.key.verify(signature, message, padding.PSS(padding.MGF1(hashed), salt), hashed)
        else:
            self.key.verify(signature, message, padding.PKCS1v15(), hashed)

    def _check_use(self, algorithm: AlgorithmIdentifier) -> None:
        """Hold a key made for PSS to PSS, to its hash, and to its salt at least (RFC 4055 §1.2, §3.3)."""
        if self.algorithm.oid != oids.ID_RSASSA_PSS:
            return
        if algorithm.oid != oids.ID_RSASSA_PSS:
            # Attack: the weaker padding under a key whose owner never signs with it.
            raise ValueError(algorithm.oid)
        if self.algorithm.parameters is not None:
            wanted = pss_digest_and_salt(self.algorithm.parameters)
            found = pss_digest_and_salt(algorithm.parameters)
            if wanted is None or found is None or found[0] != wanted[0] or found[1] < wanted[1]:
                raise ValueError(algorithm.oid)


class RsaScheme:
    """RSASSA-PKCS1-v1_5 and RSASSA-PSS: one kind of key for both."""

    _digests: dict[str, str | None] = {  # noqa: RUF012  # a table that nothing changes
        oids.RSA_ENCRYPTION: None,
        oids.MD5_WITH_RSA: "md5",
        oids.SHA1_WITH_RSA: "sha1",
        oids.OIW_SHA1_WITH_RSA: "sha1",
        oids.SHA224_WITH_RSA: "sha224",
        oids.SHA256_WITH_RSA: "sha256",
        oids.SHA384_WITH_RSA: "sha384",
        oids.SHA512_WITH_RSA: "sha512",
    }
    key_oids = frozenset({oids.RSA_ENCRYPTION, oids.ID_RSASSA_PSS})
    signature_oids = frozenset({*_digests, oids.ID_RSASSA_PSS})

    def load_public(self, public: PublicKeyInfo) -> RsaVerifier:
        """Read a key of at most `MAX_RSA_BITS`, whose exponent has at most `MAX_EXPONENT_BITS`."""
        key = load_der_public_key(public.der)
        if not isinstance(key, rsa.RSAPublicKey):
            raise ValueError(public.algorithm.oid)  # noqa: TRY004  # the seam's error for an unfit key
        if key.key_size > MAX_RSA_BITS or key.public_numbers().e.bit_length() > MAX_EXPONENT_BITS:
            raise UnsupportedAlgorithm(public.algorithm.oid)
        facts = KeyFacts("rsa", f"RSA-{key.key_size}", key.key_size)
        return RsaVerifier(facts, key, public.algorithm)

    def digest_under(self, algorithm: AlgorithmIdentifier, digest: str | None) -> str:
        """The digest of the algorithm, of its PSS parameters, or of SignerInfo."""
        if algorithm.oid != oids.ID_RSASSA_PSS:
            return _named_digest(self._digests, algorithm.oid, digest)
        parameters = pss_digest_and_salt(algorithm.parameters)
        if parameters is None:
            raise UnsupportedAlgorithm(algorithm.oid)
        return parameters[0]

    def generate(self, suite: Suite) -> PrivateKey:
        """Make a key of the suite's size with the exponent 65537."""
        return rsa.generate_private_key(65537, int(suite.key.removeprefix("RSA-")))

    def load_private(self, private: PrivateKeyInfo) -> PrivateKey:
        """Read RSAPrivateKey (RFC 8017 App. A.1.2)."""
        return _load_private(private)

    def bind(self, suite: Suite, key: PrivateKey) -> Callable[[bytes], bytes]:
        """PSS takes as much salt as the digest has octets."""
        if not isinstance(key, rsa.RSAPrivateKey):
            raise KeyMismatchError(suite.id)
        digest = HASHES[suite.digest]
        pad: padding.AsymmetricPadding = (
            padding.PSS(padding.MGF1(digest), digest.digest_size)
            if suite.family is Family.RSA_PSS
            else padding.PKCS1v15()
        )
        return lambda message: key.sign(message, pad, digest)


def _load_private(private: PrivateKeyInfo) -> PrivateKey:
    try:
        key: PrivateKey = load_der_private_key(private.der, None)
    except InternalError:
        # The library's answer to an Edwards key of another length.
        raise ValueError(private.algorithm.oid) from None
    return key


_CURVES: dict[str, Callable[[], ec.EllipticCurve]] = {
    "P-256": ec.SECP256R1,
    "P-384": ec.SECP384R1,
    "P-521": ec.SECP521R1,
}
_CURVE_NAMES = {curve().name: name for name, curve in _CURVES.items()}


@functools.cache
def _ecdsa(digest: str) -> ec.ECDSA:
    return ec.ECDSA(HASHES[digest])


@dataclass(frozen=True, slots=True)
class EcdsaVerifier:
    """A public key on an elliptic curve."""

    facts: KeyFacts
    key: ec.EllipticCurvePublicKey

    def verify(
        self,
        algorithm: AlgorithmIdentifier,  # noqa: ARG002  # the digest says all
        digest: str | None,
        message: bytes,
        signature: bytes,
    ) -> None:
        """Verify an Ecdsa-Sig-Value (RFC 3279 §2.2.3)."""
        self.key.verify(signature, message, _ecdsa(str(digest)))


class EcdsaScheme:
    """ECDSA on the curves that the library knows; suites exist for three."""

    _digests: dict[str, str | None] = {  # noqa: RUF012  # a table that nothing changes
        oids.ID_EC_PUBLIC_KEY: None,
        oids.ECDSA_WITH_SHA1: "sha1",
        oids.ECDSA_WITH_SHA224: "sha224",
        oids.ECDSA_WITH_SHA256: "sha256",
        oids.ECDSA_WITH_SHA384: "sha384",
        oids.ECDSA_WITH_SHA512: "sha512",
    }
    key_oids = frozenset({oids.ID_EC_PUBLIC_KEY})
    signature_oids = frozenset(_digests)

    def load_public(self, public: PublicKeyInfo) -> EcdsaVerifier:
        """Read a point on a named curve (RFC 5480 §2.1)."""
        key = load_der_public_key(public.der)
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise ValueError(public.algorithm.oid)  # noqa: TRY004  # the seam's error for an unfit key
        name = _CURVE_NAMES.get(key.curve.name, key.curve.name)
        return EcdsaVerifier(KeyFacts("ec", name, key.curve.key_size), key)

    def digest_under(self, algorithm: AlgorithmIdentifier, digest: str | None) -> str:
        """The digest of the algorithm or of SignerInfo."""
        return _named_digest(self._digests, algorithm.oid, digest)

    def generate(self, suite: Suite) -> PrivateKey:
        """Make a key on the suite's curve."""
        return ec.generate_private_key(_CURVES[suite.key]())

    def load_private(self, private: PrivateKeyInfo) -> PrivateKey:
        """Read ECPrivateKey (RFC 5915 §3)."""
        return _load_private(private)

    def bind(self, suite: Suite, key: PrivateKey) -> Callable[[bytes], bytes]:
        """Each signature has a random number of its own."""
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise KeyMismatchError(suite.id)
        scheme = ec.ECDSA(HASHES[suite.digest])
        return lambda message: key.sign(message, scheme)


def _refuse_small_order(point: bytes) -> None:
    """Attack: one signature of such a key fits any message at all (RFC 8032 §8.4 leaves them to the caller).

    The points whose eightfold on edwards25519, or fourfold on edwards448, is the neutral one: y is 0,
    1 or -1, or what a doubling takes to 0.
    """
    if len(point) == 32:
        p, d = 2**255 - 19, -121_665 * pow(121_666, -1, 2**255 - 19)
    else:
        p, d = 2**448 - 2**224 - 1, None
    square = (int.from_bytes(point, "little") % 2 ** p.bit_length()) ** 2 % p
    if square in {0, 1} or (d is not None and (d * square**2 + 2 * square - 1) % p == 0):
        raise ValueError("a key of small order")


class EddsaScheme(SelfHashingScheme):
    """Ed25519 and Ed448, pure (RFC 8032 §5.1, §5.2)."""

    key_oids = signature_oids = frozenset({oids.ID_ED25519, oids.ID_ED448})

    def load_public(self, public: PublicKeyInfo) -> Verifier:
        """Read a key of RFC 8410 §4 that is of use."""
        key = load_der_public_key(public.der)
        if isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
            _refuse_small_order(key.public_bytes_raw())
        if isinstance(key, ed25519.Ed25519PublicKey):
            return SelfHashingVerifier(KeyFacts("ed25519", "Ed25519", 256), key, oids.ID_ED25519)
        if isinstance(key, ed448.Ed448PublicKey):
            return SelfHashingVerifier(KeyFacts("ed448", "Ed448", 448), key, oids.ID_ED448)
        raise ValueError(public.algorithm.oid)

    def generate(self, suite: Suite) -> PrivateKey:
        """Make a key on the suite's curve."""
        if suite.key == "Ed448":
            return ed448.Ed448PrivateKey.generate()
        return ed25519.Ed25519PrivateKey.generate()

    def load_private(self, private: PrivateKeyInfo) -> PrivateKey:
        """Read CurvePrivateKey (RFC 8410 §7)."""
        return _load_private(private)

    def bind(self, suite: Suite, key: PrivateKey) -> Callable[[bytes], bytes]:
        """A signature is a function of key and message: there is no random number."""
        if not isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey):
            raise KeyMismatchError(suite.id)
        return key.sign
