"""Keys as they travel and lie on disk: SubjectPublicKeyInfo, and PrivateKeyInfo in the clear.

The library's keys and our own have one face here, so that nobody else asks whose they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from kokuin.wire import asn1, encode
from kokuin.wire.der import Fields, read_whole
from kokuin.wire.errors import WireCode, WireError
from kokuin.wire.tsp import read_algorithm

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.serialization import KeySerializationEncryption

    from kokuin.wire.algorithms import AlgorithmIdentifier


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
