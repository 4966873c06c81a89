"""What one family of suites can do, behind one seam: make keys, read keys, sign, verify.

`pqc.registry` holds one scheme a family. Nothing outside a scheme asks which
family it has before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from kokuin.wire import asn1, encode
from kokuin.wire.der import Fields, read_whole
from kokuin.wire.errors import WireCode, WireError
from kokuin.wire.tsp import read_algorithm

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from cryptography.hazmat.primitives.serialization import KeySerializationEncryption

    from kokuin.wire.algorithms import AlgorithmIdentifier
    from pqc.suites import Suite


class PublicKey(Protocol):
    """The public half of a `PrivateKey`."""

    def public_bytes(self, encoding: Encoding, format: PublicFormat) -> bytes:  # noqa: A002  # pyca's name
        """Return SubjectPublicKeyInfo, DER: the one form that we ask for."""
        ...


class PrivateKey(Protocol):
    """A private key in this process's memory: one of pyca/cryptography, or of our own with the same face."""

    def public_key(self) -> PublicKey:
        """Return the public half."""
        ...

    def private_bytes(
        self,
        encoding: Encoding,
        format: PrivateFormat,  # noqa: A002  # pyca's name
        encryption_algorithm: KeySerializationEncryption,
    ) -> bytes:
        """Return PrivateKeyInfo, DER, in the clear: the one form that we ask for."""
        ...


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """What a public key is.

    Attributes:
        family: `rsa`, `ec`, `ed25519`, `ed448`, `ml-dsa`, `slh-dsa` or `composite-ml-dsa`.
        name: the `key` of its suites (`P-256`), or what others call a kind that no suite has.
        bits: length of the modulus or the field; for the post-quantum ones the number in the name.
    """

    family: str
    name: str
    bits: int


@dataclass(frozen=True, slots=True)
class PublicKeyInfo:
    """SubjectPublicKeyInfo (RFC 5280 §4.1.2.7): the algorithm, the BIT STRING's octets, and the whole DER."""

    algorithm: AlgorithmIdentifier
    octets: bytes
    der: bytes

    @property
    def bare(self) -> bytes:
        """The octets of a key whose algorithm has no parameters.

        Raises:
            ValueError: it has some, as neither RFC 9881, RFC 9909 nor the composite draft allows.
        """
        if self.algorithm.parameters is not None:
            raise ValueError(self.algorithm.oid)
        return self.octets


@dataclass(frozen=True, slots=True)
class PrivateKeyInfo:
    """OneAsymmetricKey (RFC 5958 §2) without its attributes: algorithm, privateKey, and the whole DER."""

    algorithm: AlgorithmIdentifier
    octets: bytes
    der: bytes


class Verifier(Protocol):
    """A public key that was read."""

    @property
    def facts(self) -> KeyFacts:
        """What the key is."""
        ...

    def verify(
        self, algorithm: AlgorithmIdentifier, digest: str | None, message: bytes, signature: bytes
    ) -> None:
        """Verify one signature.

        Args:
            algorithm: a signatureAlgorithm of the scheme.
            digest: what `Scheme.digest_under` gave for it.
            message: the octets that were signed.
            signature: the signature value.

        Raises:
            InvalidSignature: it is not the key's signature over the message.
            ValueError: key and algorithm do not belong together.
        """
        ...


class Scheme(Protocol):
    """One family of suites.

    Attributes:
        key_oids: algorithms of the public and private keys that it reads.
        signature_oids: signature algorithms that its keys verify.
    """

    @property
    def key_oids(self) -> Collection[str]: ...  # noqa: D102  # see the class

    @property
    def signature_oids(self) -> Collection[str]: ...  # noqa: D102  # see the class

    def load_public(self, public: PublicKeyInfo) -> Verifier:
        """Read a public key.

        Raises:
            UnsupportedAlgorithm: of a kind that this release does not know.
            ValueError: it is no key of this scheme.
        """
        ...

    def digest_under(self, algorithm: AlgorithmIdentifier, digest: str | None) -> str | None:
        """Return the name of the digest under a signature; None where the scheme has its own.

        Args:
            algorithm: the signatureAlgorithm.
            digest: the one that SignerInfo names, for an algorithm that names none.

        Raises:
            UnsupportedAlgorithm: unknown digest or parameters.
        """
        ...

    def generate(self, suite: Suite) -> PrivateKey:
        """Make a fresh private key.

        Raises:
            SignerError: an optional library is missing.
        """
        ...

    def load_private(self, private: PrivateKeyInfo) -> PrivateKey:
        """Read a private key.

        Raises:
            UnsupportedAlgorithm: a form that is not taken.
            ValueError: it is no key of this scheme.
        """
        ...

    def bind(self, suite: Suite, key: PrivateKey) -> Callable[[bytes], bytes]:
        """Return the function that signs: all that can be decided before is decided here.

        Args:
            suite: one of this family.
            key: a key whose facts fit the suite.

        Raises:
            SignerError: an optional library is missing.
        """
        ...


class KeyMismatchError(ValueError):
    """The key is not of the suite's type, or the suite is for verifying only, or its self-test failed."""


class Provider(StrEnum):
    """Where a signer's key is used, as the inventory names it."""

    SOFTWARE = "software"
    PKCS11 = "pkcs11"
    LIBOQS = "liboqs"
    SEVERAL = "several"
    """The halves of a composite key are in different places."""


class SignerProblem(StrEnum):
    """Why a key outside this process's own library cannot be used."""

    BACKEND_MISSING = "SIGNER_BACKEND_MISSING"
    """The library that reaches the key is not installed, or is not the one that was named."""
    TOKEN_MISSING = "SIGNER_TOKEN_MISSING"  # noqa: S105  # a code, no secret
    TOKEN_AMBIGUOUS = "SIGNER_TOKEN_AMBIGUOUS"  # noqa: S105  # a code, no secret
    PIN_MISSING = "SIGNER_PIN_MISSING"
    PIN_TOO_OPEN = "SIGNER_PIN_TOO_OPEN"
    """Others than its owner may read the file with the PIN."""
    PIN_REFUSED = "SIGNER_PIN_REFUSED"
    """It is not tried again in this process: devices lock after a few wrong ones."""
    KEY_MISSING = "SIGNER_KEY_MISSING"
    KEY_AMBIGUOUS = "SIGNER_KEY_AMBIGUOUS"
    KEY_EXISTS = "SIGNER_KEY_EXISTS"
    KEY_EXTRACTABLE = "SIGNER_KEY_EXTRACTABLE"
    """The device would give the private key away."""
    KEY_CHANGED = "SIGNER_KEY_CHANGED"
    """A device that came back has another key in the place of the one that was loaded."""
    DEVICE_FAILED = "SIGNER_DEVICE_FAILED"


class SignerError(Exception):
    """A key that cannot be used; no secret is in the message.

    Attributes:
        problem: the stable code.
    """

    def __init__(self, problem: SignerProblem, detail: str) -> None:
        super().__init__(f"{problem.value}: {detail}")
        self.problem = problem


def public_info(key: PrivateKey) -> bytes:
    """Return SubjectPublicKeyInfo (DER) of a private key."""
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def private_info(key: PrivateKey) -> bytes:
    """Return PrivateKeyInfo (DER), in the clear."""
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


class EncodedPublicKey:
    """The public half of a key of our own: its SubjectPublicKeyInfo is all there is."""

    __slots__ = ("_der",)

    def __init__(self, algorithm: AlgorithmIdentifier, octets: bytes) -> None:
        """Args: the key's algorithm and the octets of its BIT STRING."""
        self._der = encode_public_info(algorithm, octets)

    def public_bytes(self, encoding: Encoding, format: PublicFormat) -> bytes:  # noqa: A002  # pyca's name
        """Return SubjectPublicKeyInfo, DER.

        Raises:
            ValueError: another form is asked for.
        """
        if (encoding, format) != (Encoding.DER, PublicFormat.SubjectPublicKeyInfo):
            raise ValueError(format)
        return self._der


class EncodedPrivateKey:
    """A private key of our own: what its PrivateKeyInfo holds, and its public half."""

    __slots__ = ("algorithm", "octets", "public_octets")

    def __init__(self, algorithm: AlgorithmIdentifier, octets: bytes, public_octets: bytes) -> None:
        """Args: the key's algorithm, the octets of privateKey, those of the public key's BIT STRING."""
        self.algorithm = algorithm
        self.octets = octets
        self.public_octets = public_octets

    def public_key(self) -> EncodedPublicKey:
        """Return the public half."""
        return EncodedPublicKey(self.algorithm, self.public_octets)

    def private_bytes(
        self,
        encoding: Encoding,
        format: PrivateFormat,  # noqa: A002  # pyca's name
        encryption_algorithm: KeySerializationEncryption,
    ) -> bytes:
        """Return PrivateKeyInfo, DER, in the clear.

        Raises:
            ValueError: another form is asked for.
        """
        if (encoding, format) != (Encoding.DER, PrivateFormat.PKCS8) or not isinstance(
            encryption_algorithm, NoEncryption
        ):
            raise ValueError(format)
        return encode_private_info(self.algorithm, self.octets)


def encode_public_info(algorithm: AlgorithmIdentifier, octets: bytes) -> bytes:
    """Return SubjectPublicKeyInfo, DER."""
    return encode.sequence(encode.algorithm(algorithm), encode.bit_string(octets))


def read_public_info(der: bytes) -> PublicKeyInfo:
    """Read SubjectPublicKeyInfo.

    Raises:
        WireError: it is something else.
    """
    fields = Fields(read_whole(der, asn1.SEQUENCE))
    algorithm = read_algorithm(fields.take_any())
    octets, unused = asn1.bit_string(fields.take_any())
    fields.finish()
    if unused:
        raise WireError(WireCode.BAD_VALUE, 0)
    return PublicKeyInfo(algorithm, octets, der)


def encode_private_info(algorithm: AlgorithmIdentifier, octets: bytes) -> bytes:
    """Return PrivateKeyInfo, DER: OneAsymmetricKey of version 0 (RFC 5958 §2)."""
    return encode.sequence(encode.integer(0), encode.algorithm(algorithm), encode.octet_string(octets))


def read_private_info(der: bytes) -> PrivateKeyInfo:
    """Read OneAsymmetricKey; attributes and the copy of the public key are skipped.

    Raises:
        WireError: it is something else.
    """
    fields = Fields(read_whole(der, asn1.SEQUENCE))
    if asn1.integer(fields.take_any()) not in {0, 1}:
        raise WireError(WireCode.BAD_VALUE, 0)
    algorithm = read_algorithm(fields.take_any())
    octets = asn1.octet_string(fields.take_any())
    fields.optional(asn1.context(0))
    fields.optional(asn1.primitive(1))
    fields.finish()
    return PrivateKeyInfo(algorithm, octets, der)
