"""SLH-DSA suites: verified by `pqc.slhdsa`, signed by pqcrypto when the extra `slh` is installed."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidSignature

from kokuin.wire import oids
from pqc import slhdsa
from pqc.keyinfo import EncodedPrivateKey
from pqc.scheme import KeyFacts, KeyMismatchError, SignerError, SignerProblem
from pqc.selfhashing import SelfHashingScheme, SelfHashingVerifier

if TYPE_CHECKING:
    from collections.abc import Callable

    from pqc.keyinfo import PrivateKey, PrivateKeyInfo, PublicKeyInfo
    from pqc.scheme import Verifier
    from pqc.suites import Suite

EXTRA = "slh"
"""The optional dependency that signs."""

_SETS = {
    oids.ID_SLH_DSA_SHA2_128S: slhdsa.SHA2_128S,
    oids.ID_SLH_DSA_SHA2_128F: slhdsa.SHA2_128F,
    oids.ID_SLH_DSA_SHA2_192S: slhdsa.SHA2_192S,
    oids.ID_SLH_DSA_SHA2_192F: slhdsa.SHA2_192F,
    oids.ID_SLH_DSA_SHA2_256S: slhdsa.SHA2_256S,
    oids.ID_SLH_DSA_SHA2_256F: slhdsa.SHA2_256F,
}


class SlhDsaKey(EncodedPrivateKey):
    """SK.seed || SK.prf || PK.seed || PK.root (FIPS 205 §9.1), as RFC 9909 §6 stores it."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class SlhDsaPublicKey:
    """PK.seed || PK.root (FIPS 205 §9.1) of a parameter set."""

    parameters: slhdsa.ParameterSet
    octets: bytes

    def verify(self, signature: bytes, data: bytes, /) -> None:
        """Verify in pure mode with the empty context (RFC 9909 §4).

        Raises:
            InvalidSignature: it is not the key's signature over `data`.
        """
        if not slhdsa.verify(self.parameters, self.octets, data, signature):
            raise InvalidSignature


class SlhDsaScheme(SelfHashingScheme):
    """SLH-DSA with SHA-2; suites exist for 192s and 256s (ETSI TS 119 312 lists no 128)."""

    key_oids = signature_oids = frozenset(_SETS)

    def load_public(self, public: PublicKeyInfo) -> Verifier:
        """Read PK.seed || PK.root (RFC 9909 §5)."""
        parameters = _SETS[public.algorithm.oid]
        if len(public.bare) != parameters.public_size:
            raise ValueError(parameters.name)
        facts = KeyFacts("slh-dsa", parameters.name, 8 * parameters.n)
        return SelfHashingVerifier(facts, SlhDsaPublicKey(parameters, public.bare), public.algorithm.oid)

    def generate(self, suite: Suite) -> PrivateKey:
        """Make a key with pqcrypto."""
        public, private = _library(suite).keygen()
        return SlhDsaKey(suite.algorithm, bytes(private), bytes(public))

    def load_private(self, private: PrivateKeyInfo) -> PrivateKey:
        """Read the raw private key (RFC 9909 §6); reading needs no extra."""
        half = _SETS[private.algorithm.oid].public_size
        if len(private.octets) != 2 * half or private.algorithm.parameters is not None:
            raise ValueError(private.algorithm.oid)
        return SlhDsaKey(private.algorithm, private.octets, private.octets[half:])

    def bind(self, suite: Suite, key: PrivateKey) -> Callable[[bytes], bytes]:
        """Sign the message itself with the empty context; half a second a signature for the `s` sets."""
        if not isinstance(key, SlhDsaKey):
            raise KeyMismatchError(suite.id)
        _library(suite)
        from pqc.apart import sign_apart  # noqa: PLC0415  # only who signs pays for it

        return lambda message: sign_apart(_name(suite), key.octets, message)


def _name(suite: Suite) -> str:
    return suite.id.replace("-", "_")


def _library(suite: Suite) -> Any:
    """Import pqcrypto's module of the suite's parameter set: only who signs pays for it."""
    try:
        signatures = importlib.import_module("pqcrypto.sign")
    except ImportError:
        detail = f"signing {suite.id} needs the extra {EXTRA!r}: pip install 'kokuin[{EXTRA}]'"
        raise SignerError(SignerProblem.BACKEND_MISSING, detail) from None
    return getattr(signatures, _name(suite))
