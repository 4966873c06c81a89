"""ML-DSA (FIPS 204) by pyca/cryptography: pure mode, keys as seeds."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import mldsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kokuin.wire import asn1, oids
from kokuin.wire.der import Fields, read_node, read_whole
from pqc.scheme import KeyFacts, KeyMismatchError
from pqc.selfhashing import SelfHashingScheme, SelfHashingVerifier

if TYPE_CHECKING:
    from collections.abc import Callable

    from pqc.keyinfo import PrivateKey, PrivateKeyInfo, PublicKeyInfo
    from pqc.suites import Suite

MlDsaPrivateKey: TypeAlias = mldsa.MLDSA44PrivateKey | mldsa.MLDSA65PrivateKey | mldsa.MLDSA87PrivateKey
MlDsaPublicKey: TypeAlias = mldsa.MLDSA44PublicKey | mldsa.MLDSA65PublicKey | mldsa.MLDSA87PublicKey
SEED = 32
"""Octets of a private key (FIPS 204 §5.1)."""

_RHO = 32
_TR = slice(64, 128)


@dataclass(frozen=True, slots=True)
class _ParameterSet:
    """FIPS 204 §4: a parameter set by its name's number, with the library's classes for it."""

    number: int
    private: type[MlDsaPrivateKey]
    public: type[MlDsaPublicKey]
    expanded: int

    @property
    def name(self) -> str:
        """`ML-DSA-65`."""
        return f"ML-DSA-{self.number}"


_SETS = {
    oids.ID_ML_DSA_44: _ParameterSet(44, mldsa.MLDSA44PrivateKey, mldsa.MLDSA44PublicKey, 2560),
    oids.ID_ML_DSA_65: _ParameterSet(65, mldsa.MLDSA65PrivateKey, mldsa.MLDSA65PublicKey, 4032),
    oids.ID_ML_DSA_87: _ParameterSet(87, mldsa.MLDSA87PrivateKey, mldsa.MLDSA87PublicKey, 4896),
}


class MlDsaScheme(SelfHashingScheme):
    """ML-DSA-44, -65 and -87."""

    key_oids = signature_oids = frozenset(_SETS)

    def load_public(self, public: PublicKeyInfo) -> SelfHashingVerifier[MlDsaPublicKey]:
        """Read the raw public key (RFC 9881 §4)."""
        parameters = _SETS[public.algorithm.oid]
        key = parameters.public.from_public_bytes(public.bare)
        return SelfHashingVerifier(
            KeyFacts("ml-dsa", parameters.name, parameters.number), key, public.algorithm.oid
        )

    def generate(self, suite: Suite) -> PrivateKey:
        """Make a key of the suite's parameter set."""
        return _SETS[suite.algorithm.oid].private.generate()

    def load_private(self, private: PrivateKeyInfo) -> PrivateKey:
        """Read the seed out of ML-DSA-PrivateKey, in its forms `seed` and `both` (RFC 9881 §6).

        Raises:
            UnsupportedAlgorithm: `expandedKey` alone: no seed can be made of it, and backups hold seeds.
            ValueError: another form, or a `both` whose halves are of two keys.
        """
        parameters = _SETS[private.algorithm.oid]
        if private.algorithm.parameters is not None:
            raise ValueError(private.algorithm.oid)
        node = read_node(private.octets, 0, len(private.octets))
        if node.end != len(private.octets):
            raise ValueError(parameters.name)
        if node.tag == asn1.OCTET_STRING:
            raise UnsupportedAlgorithm(f"{parameters.name}: an expanded key without its seed")
        if node.tag == asn1.primitive(0):
            return _from_seed(parameters, node.value)
        fields = Fields(read_whole(private.octets, asn1.SEQUENCE))
        seed, expanded = (asn1.octet_string(fields.take_any()) for _ in range(2))
        fields.finish()
        key = _from_seed(parameters, seed)
        _check_expanded(parameters, key, expanded)
        return key

    def bind(self, suite: Suite, key: PrivateKey) -> Callable[[bytes], bytes]:
        """Sign the message itself, hedged, with the empty context (RFC 9882 §3.1)."""
        return software_key(suite.id, key).sign


def software_key(name: str, key: PrivateKey) -> MlDsaPrivateKey:
    """Return `key` as what it is.

    Args:
        name: of the suite or algorithm that wants it, for the refusal.
        key: any private key.

    Raises:
        KeyMismatchError: it is no ML-DSA key of the library.
    """
    if not isinstance(key, mldsa.MLDSA44PrivateKey | mldsa.MLDSA65PrivateKey | mldsa.MLDSA87PrivateKey):
        raise KeyMismatchError(name)
    return key


def _from_seed(parameters: _ParameterSet, seed: bytes) -> MlDsaPrivateKey:
    if len(seed) != SEED:
        raise ValueError(parameters.name)
    return parameters.private.from_seed_bytes(seed)


def _check_expanded(parameters: _ParameterSet, key: MlDsaPrivateKey, expanded: bytes) -> None:
    """Compare what the expanded key says of its public key: rho, and tr = H(pk) (FIPS 204 §6.1).

    Which half would sign is the reader's choice (RFC 9881 §8): halves of two keys are an attack or a fault.
    """
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    digest = hashlib.shake_256(public).digest(64)
    if len(expanded) != parameters.expanded or (expanded[:_RHO], expanded[_TR]) != (public[:_RHO], digest):
        raise ValueError(parameters.name)
