"""What one family of suites can do, behind one seam: make keys, read keys, sign, verify.

`pqc.registry` holds one scheme a family. Nothing outside a scheme asks which
family it has before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from kokuin.wire.algorithms import AlgorithmIdentifier
    from pqc.keyinfo import PrivateKey, PrivateKeyInfo, PublicKeyInfo
    from pqc.suites import Suite


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

    def __hash__(self) -> int:
        """Verifiers are remembered by their scheme."""
        ...

    @property
    def key_oids(self) -> Collection[str]:
        """Dotted OIDs."""
        ...

    @property
    def signature_oids(self) -> Collection[str]:
        """Dotted OIDs."""
        ...

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
