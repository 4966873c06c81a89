"""Signers: whatever holds a private key and signs with one suite."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Protocol

from pqc.keyinfo import PrivateKey, public_info
from pqc.registry import scheme_of
from pqc.scheme import KeyMismatchError, Provider, SignerError, SignerProblem
from pqc.verifying import SignatureOutcome, key_facts, verify_signature

if TYPE_CHECKING:
    from collections.abc import Callable

    from pqc.suites import Suite

__all__ = [
    "KeyMismatchError",
    "PrivateKey",
    "Provider",
    "Signer",
    "SignerError",
    "SignerProblem",
    "SoftwareSigner",
    "generate_key",
    "self_test",
]


class Signer(Protocol):
    """A private key bound to one suite; it may live in software, in a device or in a service.

    Safe for several threads. Loading proves by a signature of its own that key and suite fit.
    """

    @property
    def suite(self) -> Suite:
        """The suite of every signature that this signer makes."""
        ...

    @property
    def public_key(self) -> bytes:
        """SubjectPublicKeyInfo, DER."""
        ...

    @property
    def provider(self) -> Provider:
        """Where the key is used."""
        ...

    @property
    def experimental(self) -> bool:
        """Whether the implementation is one that nobody vouches for in production."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Return the signature value over `message` as CMS carries it."""
        ...


def generate_key(suite: Suite) -> PrivateKey:
    """Make a fresh private key for `suite`.

    Raises:
        KeyMismatchError: the suite is for verifying only.
        SignerError: an optional library is missing.
    """
    if not suite.issue:
        raise KeyMismatchError(suite.id)
    return scheme_of(suite).generate(suite)


class SoftwareSigner:
    """A `Signer` whose key is in this process's memory."""

    provider = Provider.SOFTWARE
    experimental = False

    def __init__(self, suite: Suite, key: PrivateKey) -> None:
        """Args: a suite that issues, and a key of its kind.

        Raises:
            KeyMismatchError: they do not fit, or the key does not sign what it should.
            SignerError: an optional library is missing.
        """
        self.suite = suite
        self.public_key = public_info(key)
        _check_kind(self)
        self._sign = scheme_of(suite).bind(suite, key)
        self_test(suite, self.public_key, self._sign)

    def sign(self, message: bytes) -> bytes:
        """Return the signature value over `message`."""
        return self._sign(message)


def _check_kind(signer: SoftwareSigner) -> None:
    facts = key_facts(signer.public_key)
    if not signer.suite.issue or facts is None or facts.name != signer.suite.key:
        raise KeyMismatchError(signer.suite.id)


def self_test(suite: Suite, public_key: bytes, sign: Callable[[bytes], bytes]) -> None:
    """Sign and verify once before the key is used: a key that cannot is refused at load.

    Args:
        suite: the suite of the signature.
        public_key: SubjectPublicKeyInfo, DER.
        sign: makes the signature value.

    Raises:
        KeyMismatchError: the signature does not verify with this key under this suite.
    """
    message = hashlib.sha256(public_key).digest()
    verdict = verify_signature(
        public_key_der=public_key,
        algorithm=suite.algorithm,
        digest=suite.digest,
        message=message,
        signature=sign(message),
    )
    if verdict.outcome is not SignatureOutcome.VALID:
        raise KeyMismatchError(suite.id)
