"""What families share whose signatures hash by themselves: one algorithm a key, and no digest beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from kokuin.wire.algorithms import AlgorithmIdentifier
    from pqc.scheme import KeyFacts


class PublicKey(Protocol):
    """A public key with pyca/cryptography's face for verifying in pure mode, without a context."""

    def verify(self, signature: bytes, data: bytes, /) -> None:
        """Verify one signature.

        Raises:
            InvalidSignature: it is not the key's signature over `data`.
        """
        ...


_Key = TypeVar("_Key", bound=PublicKey)


@dataclass(frozen=True, slots=True)
class SelfHashingVerifier(Generic[_Key]):
    """A public key that verifies under the one algorithm that it was made for.

    Attributes:
        facts: what the key is.
        key: the key.
        oid: of its algorithm, which is that of its signatures too.
    """

    facts: KeyFacts
    key: _Key
    oid: str

    def verify(
        self,
        algorithm: AlgorithmIdentifier,
        digest: str | None,  # noqa: ARG002  # the scheme has its own
        message: bytes,
        signature: bytes,
    ) -> None:
        """Verify in pure mode without a context (RFC 8419 §1, RFC 9882 §3.1, RFC 9814 §4)."""
        if algorithm.oid != self.oid:
            raise ValueError(algorithm.oid)
        self.key.verify(signature, message)


class SelfHashingScheme:
    """The part of a `Scheme` that says so."""

    def digest_under(self, algorithm: AlgorithmIdentifier, digest: str | None) -> None:  # noqa: ARG002  # seam
        """Hashes by itself."""
        return
