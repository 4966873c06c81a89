"""Composite ML-DSA (draft-ietf-lamps-pq-composite-sigs-19): two keys that sign as one.

A signature is valid when both halves are. Keys and signatures are raw
concatenations with exact lengths, so that a half can be neither left out nor
put in a second time. The ECDSA half is malleable: a signature's octets are no
identifier of anything (§10.2 of the draft).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature

from kokuin.wire import encode
from kokuin.wire.algorithms import AlgorithmIdentifier
from pqc.composite_table import ALGORITHMS
from pqc.keyinfo import (
    EncodedPrivateKey,
    encode_private_info,
    public_info,
    read_private_info,
    read_public_info,
)
from pqc.lattice import SEED, MlDsaScheme, software_key
from pqc.scheme import KeyFacts, KeyMismatchError
from pqc.selfhashing import SelfHashingScheme
from pqc.suites import SUITES

if TYPE_CHECKING:
    from collections.abc import Callable

    from pqc.composite_table import CompositeAlgorithm
    from pqc.keyinfo import PrivateKey, PrivateKeyInfo, PublicKeyInfo
    from pqc.lattice import MlDsaPublicKey
    from pqc.scheme import Verifier
    from pqc.selfhashing import SelfHashingVerifier
    from pqc.suites import Suite


@dataclass(frozen=True, slots=True)
class CompositeVerifier:
    """A composite public key, read down to its halves."""

    facts: KeyFacts
    composite: CompositeAlgorithm
    ml_dsa: SelfHashingVerifier[MlDsaPublicKey]
    traditional: Verifier

    def verify(
        self,
        algorithm: AlgorithmIdentifier,
        digest: str | None,  # noqa: ARG002  # the algorithm names its own
        message: bytes,
        signature: bytes,
        *,
        context: bytes = b"",
    ) -> None:
        """Verify both halves (§3.3); `context` is the application's."""
        if algorithm.oid != self.composite.oid:
            raise ValueError(algorithm.oid)
        size, half = self.composite.ml_dsa_signature, self.composite.traditional
        if len(signature) - size not in half.sizes:
            raise InvalidSignature
        represented = self.composite.representative(message, context)
        self.ml_dsa.key.verify(signature[:size], represented, self.composite.label)
        self.traditional.verify(half.suite.algorithm, half.suite.digest, represented, signature[size:])


class CompositeKey(EncodedPrivateKey):
    """Both private keys, made for each other: neither may serve alone or in another composite (§3.1)."""

    __slots__ = ("ml_dsa", "traditional")

    def __init__(self, composite: CompositeAlgorithm, ml_dsa: PrivateKey, traditional: PrivateKey) -> None:
        """Args: the algorithm and a key of each half."""
        seed = software_key(composite.name, ml_dsa).private_bytes_raw()
        super().__init__(
            AlgorithmIdentifier(composite.oid),
            seed + composite.traditional.to_octets(traditional),
            join_public(public_info(ml_dsa), public_info(traditional)),
        )
        self.ml_dsa = ml_dsa
        self.traditional = traditional


def join_public(ml_dsa: bytes, traditional: bytes) -> bytes:
    """Return the raw composite public key of the halves' SubjectPublicKeyInfo (§4.1)."""
    return read_public_info(ml_dsa).octets + read_public_info(traditional).octets


def combine(
    composite: CompositeAlgorithm,
    ml_dsa: Callable[[bytes, bytes], bytes],
    traditional: Callable[[bytes], bytes],
) -> Callable[[bytes], bytes]:
    """Return the function that signs with both halves, with the empty application context (§3.2).

    Args:
        composite: the algorithm.
        ml_dsa: signs a message in a context.
        traditional: signs a message.
    """

    def sign(message: bytes) -> bytes:
        represented = composite.representative(message)
        return ml_dsa(represented, composite.label) + traditional(represented)

    return sign


class CompositeScheme(SelfHashingScheme):
    """The composite algorithms of `ALGORITHMS`."""

    key_oids = signature_oids = frozenset(ALGORITHMS)

    def __init__(self) -> None:
        self._ml_dsa = MlDsaScheme()

    def load_public(self, public: PublicKeyInfo) -> CompositeVerifier:
        """Read both halves."""
        composite = ALGORITHMS[public.algorithm.oid]
        first, second = composite.halves(public)
        return CompositeVerifier(
            KeyFacts("composite-ml-dsa", composite.name, composite.number),
            composite,
            self._ml_dsa.load_public(first),
            composite.traditional.scheme.load_public(second),
        )

    def generate(self, suite: Suite) -> PrivateKey:
        """Make two fresh keys (§3.1)."""
        composite = ALGORITHMS[suite.algorithm.oid]
        first, second = (SUITES[component] for component in suite.components)
        return CompositeKey(
            composite, self._ml_dsa.generate(first), composite.traditional.scheme.generate(second)
        )

    def load_private(self, private: PrivateKeyInfo) -> PrivateKey:
        """Read mldsaSeed || tradSK (§4.2)."""
        if private.algorithm.parameters is not None or len(private.octets) <= SEED:
            raise ValueError(private.algorithm.oid)
        composite = ALGORITHMS[private.algorithm.oid]
        half = composite.traditional
        # [0] IMPLICIT: the seed form of RFC 9881 §6.
        seed = encode_private_info(
            AlgorithmIdentifier(composite.ml_dsa), encode.implicit(0, private.octets[:SEED])
        )
        traditional = encode_private_info(half.key, half.wrap(private.octets[SEED:]))
        key = CompositeKey(
            composite,
            self._ml_dsa.load_private(read_private_info(seed)),
            half.scheme.load_private(read_private_info(traditional)),
        )
        if key.octets != private.octets:
            # One key has one form: octets that a lax reader skipped would come back in no backup.
            raise ValueError(composite.name)
        return key

    def bind(self, suite: Suite, key: PrivateKey) -> Callable[[bytes], bytes]:
        """Sign with both halves."""
        if not isinstance(key, CompositeKey):
            raise KeyMismatchError(suite.id)
        composite = ALGORITHMS[suite.algorithm.oid]
        half = composite.traditional
        return combine(
            composite, software_key(suite.id, key.ml_dsa).sign, half.scheme.bind(half.suite, key.traditional)
        )
