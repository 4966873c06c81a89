"""Signers of every backend, made once a session: the same contract is asked of all of them."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pqc.liboqs import LiboqsSigner
from pqc.pkcs11 import KeyReference, Pkcs11Signer, generate, has_key
from pqc.signing import Provider, SoftwareSigner
from pqc.suites import suite
from tests.peers import liboqs
from tests.pqc.keys import key_of
from tests.softhsm import PIN, TOKEN, library

if TYPE_CHECKING:
    import pytest

    from pqc.signing import Signer
    from pqc.suites import Suite


@dataclass(frozen=True, slots=True)
class Backend:
    """A place for keys, and one suite of it."""

    provider: Provider
    suite: Suite

    @property
    def id(self) -> str:
        """For the test's name."""
        return f"{self.provider}-{self.suite.id}"

    def open(self, request: pytest.FixtureRequest, other: Suite | None = None) -> Signer:
        """Open the key of this suite, to sign with it or with another suite."""
        used = other or self.suite
        match self.provider:
            case Provider.PKCS11:
                request.getfixturevalue("softhsm")
                return Pkcs11Signer(used, in_token(self.suite), PIN)
            case Provider.LIBOQS:
                return LiboqsSigner(used, key_of(self.suite), liboqs())
            case _:
                return SoftwareSigner(used, key_of(self.suite))


def _backends(provider: Provider, *suites: str) -> tuple[Backend, ...]:
    return tuple(Backend(provider, suite(name)) for name in suites)


RSA = ("rsa3072-pkcs1-sha256", "rsa3072-pss-sha256")
ML_DSA = ("ml-dsa-44", "ml-dsa-65", "ml-dsa-87")
BACKENDS = (
    *_backends(Provider.SOFTWARE, "ecdsa-p256-sha256", *RSA, "ed25519", "ml-dsa-65"),
    *_backends(Provider.PKCS11, "ecdsa-p256-sha256", "ecdsa-p384-sha384", "ecdsa-p521-sha512", *RSA),
    *_backends(Provider.LIBOQS, *ML_DSA),
)


@functools.cache
def in_token(each: Suite) -> KeyReference:
    """Return the reference of the token's key of this suite's kind, which is made at the first call."""
    reference = KeyReference(library(), TOKEN, each.key)
    if not has_key(reference, PIN):
        generate(each, reference, PIN)
    return reference
