"""AlgorithmIdentifier as a value, and the digest algorithms that the protocols name."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class AlgorithmIdentifier:
    """RFC 5280 §4.1.1.2: an OID in dotted form and the DER of its parameters (None when absent)."""

    oid: str
    parameters: bytes | None = None


@dataclass(frozen=True, slots=True)
class DigestAlgorithm:
    """A digest that a messageImprint, a SignerInfo or a certificate identifier may name.

    Attributes:
        name: our name; hashlib's but for the SHAKEs, which `hasher` knows too.
        oid: dotted OID.
        size: length of the digest in octets.
        parameters: DER of the parameters that we write, None for absent.
    """

    name: str
    oid: str
    size: int
    parameters: bytes | None = None

    def of(self, data: bytes) -> bytes:
        """Return the digest of `data`."""
        if self.name in _SHAKES:
            return hashlib.shake_256(data).digest(self.size)
        return hashlib.new(self.name, data, usedforsecurity=False).digest()


_SHAKES = frozenset({"shake256", "shake256-512"})

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
    # RFC 8702 §3.1: id-shake256, whose output in CMS is 64 octets.
    DigestAlgorithm("shake256", "2.16.840.1.101.3.4.2.12", 64),
    # RFC 8419 §2.1, §3.1: id-shake256-len with 512 bits, the digest beside Ed448.
    DigestAlgorithm("shake256-512", "2.16.840.1.101.3.4.2.18", 64, b"\x02\x02\x02\x00"),
)
"""Every digest that this release can compute, weak ones included: what is allowed is a policy's business."""

DIGEST_BY_OID = {digest.oid: digest for digest in DIGESTS}
DIGEST_BY_NAME = {digest.name: digest for digest in DIGESTS}


class Hasher(Protocol):
    """A digest in the making."""

    def update(self, data: bytes | memoryview, /) -> None:
        """Take further octets."""
        ...

    def digest(self) -> bytes:
        """Return the digest of the octets taken."""
        ...

    def copy(self) -> Hasher:
        """Return another one that has taken the same octets."""
        ...


class _Shake256:
    """SHAKE256 with an output of 64 octets."""

    def __init__(self) -> None:
        self._state = hashlib.shake_256()

    def copy(self) -> _Shake256:
        other = _Shake256()
        other._state = self._state.copy()
        return other

    def update(self, data: bytes | memoryview, /) -> None:
        self._state.update(data)

    def digest(self) -> bytes:
        return self._state.digest(64)


def hasher(name: str) -> Hasher:
    """Begin a digest of `DIGEST_BY_NAME`.

    Raises:
        ValueError: no digest has this name.
    """
    return _Shake256() if name in _SHAKES else hashlib.new(name, usedforsecurity=False)
