"""A suite of no strength whatever, put into the tables for a test: one entry, one scheme.

What passes with it shows that no other room has to know a family of signatures by name.
"""

# ruff: noqa: ARG002  # a toy asks for less than the seam gives

from __future__ import annotations

import contextlib
import hashlib
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast
from unittest import mock

from cryptography.exceptions import InvalidSignature

from kokuin.wire.algorithms import AlgorithmIdentifier
from pqc import selftest
from pqc.keyinfo import EncodedPrivateKey, private_info, public_info, read_private_info
from pqc.registry import SCHEMES
from pqc.scheme import KeyFacts
from pqc.selftest import KnownAnswer
from pqc.suites import SUITES, Suite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pqc.keyinfo import PrivateKey, PrivateKeyInfo, PublicKeyInfo
    from pqc.scheme import Scheme
    from pqc.suites import Family

_OID = "1.3.6.1.4.1.32473.99.1"
TOY = Suite(
    id="toy",
    family=cast("Family", "toy"),
    key="Toy",
    algorithm=AlgorithmIdentifier(_OID),
    digest="sha512",
    signature_size=64,
    classical_bits=0,
)


@dataclass(frozen=True, slots=True)
class ToyVerifier:
    """A toy's key: its public half is the hash of the private one, and also makes its signatures."""

    facts: KeyFacts
    octets: bytes

    def verify(
        self, algorithm: AlgorithmIdentifier, digest: str | None, message: bytes, signature: bytes
    ) -> None:
        if signature != hashlib.sha512(self.octets + message).digest():
            raise InvalidSignature


class ToyScheme:
    """Signs with what everybody knows."""

    key_oids = signature_oids = frozenset({_OID})

    def load_public(self, public: PublicKeyInfo) -> ToyVerifier:
        if len(public.bare) != 32:
            raise ValueError(_OID)
        return ToyVerifier(KeyFacts("toy", "Toy", 0), public.octets)

    def digest_under(self, algorithm: AlgorithmIdentifier, digest: str | None) -> None:
        return

    def generate(self, suite: Suite) -> PrivateKey:
        return self._key(secrets.token_bytes(32))

    def load_private(self, private: PrivateKeyInfo) -> PrivateKey:
        return self._key(private.octets)

    def bind(self, suite: Suite, key: PrivateKey) -> Callable[[bytes], bytes]:
        octets = read_private_info(private_info(key)).octets
        public = hashlib.sha256(octets).digest()
        return lambda message: hashlib.sha512(public + message).digest()

    @staticmethod
    def _key(octets: bytes) -> EncodedPrivateKey:
        return EncodedPrivateKey(TOY.algorithm, octets, hashlib.sha256(octets).digest())


@contextlib.contextmanager
def registered(suite: Suite = TOY, scheme: Scheme | None = None) -> Iterator[Suite]:
    """Add a suite and its scheme to the tables, with a known answer of its own; take them out at the end."""
    scheme = scheme or ToyScheme()
    key = scheme.generate(suite)
    answer = KnownAnswer(public_info(key), b"message", scheme.bind(suite, key)(b"message"))
    stored = selftest.known_answer

    def known(asked: Suite) -> KnownAnswer | None:
        return answer if asked == suite else stored(asked)

    with (
        mock.patch.dict(SUITES, {suite.id: suite}),
        mock.patch.dict(SCHEMES, {suite.family: scheme}),
        mock.patch.object(selftest, "known_answer", known),
    ):
        yield suite
