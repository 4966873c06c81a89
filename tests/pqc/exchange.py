"""Keys from one seed on both sides, and signatures and secrets that cross: asked of every peer alike."""

from __future__ import annotations

import secrets
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from cryptography.hazmat.primitives.asymmetric import mldsa, mlkem

from pqc.hashbased import SlhDsaKey
from pqc.signing import SoftwareSigner
from pqc.suites import SUITES
from pqc.verifying import SignatureOutcome, verify_signature
from tests.pqc.keys import key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeAlias

    from pqc.signing import Signer

    Exchange: TypeAlias = tuple[str, Callable[[], None]]
    """What is exchanged, in a line, and what raises AssertionError when the two sides disagree."""

CONTEXT = b"context"
_ML_DSA: dict[str, Any] = {
    "ml-dsa-44": mldsa.MLDSA44PrivateKey,
    "ml-dsa-65": mldsa.MLDSA65PrivateKey,
    "ml-dsa-87": mldsa.MLDSA87PrivateKey,
}
_ML_KEM: dict[str, Any] = {"ml-kem-768": mlkem.MLKEM768PrivateKey, "ml-kem-1024": mlkem.MLKEM1024PrivateKey}
_SLH_DSA = ("slh-dsa-sha2-192s", "slh-dsa-sha2-256s")


class SigningPeer(Protocol):
    """A foreign implementation of FIPS 204 or 205, by our names; a seed stands for the private key.

    Seeds are those of FIPS 204 §6.1, 32 octets; of SLH-DSA, SK.seed, SK.prf and PK.seed (FIPS 205 §9.1).
    """

    def public(self, algorithm: str, seed: bytes) -> bytes:
        """Return the public key."""
        ...

    def sign(self, algorithm: str, seed: bytes, message: bytes, context: bytes) -> bytes:
        """Return a pure signature."""
        ...

    def verify(self, algorithm: str, public: bytes, message: bytes, signature: bytes, context: bytes) -> bool:
        """Verify a pure signature."""
        ...


class KemPeer(Protocol):
    """A foreign implementation of FIPS 203; a seed is d and z (§7.1), 64 octets."""

    def public(self, algorithm: str, seed: bytes) -> bytes:
        """Return the public key."""
        ...

    def encapsulate(self, algorithm: str, public: bytes) -> tuple[bytes, bytes]:
        """Return ciphertext and shared secret."""
        ...

    def decapsulate(self, algorithm: str, seed: bytes, ciphertext: bytes) -> bytes:
        """Return the shared secret."""
        ...


def ml_dsa(peer: SigningPeer) -> Iterator[Exchange]:
    """ML-DSA: keys, and signatures both ways, without and with a context."""
    for algorithm in _ML_DSA:
        yield (f"{algorithm}: the same keys from the same seed", partial(_same_ml_dsa, peer, algorithm))
        yield (f"{algorithm}: it verifies ours", partial(_verifies_ml_dsa, peer, algorithm))
        yield (f"{algorithm}: we verify its", partial(_signs_ml_dsa, peer, algorithm))


def slh_dsa(peer: SigningPeer) -> Iterator[Exchange]:
    """SLH-DSA: keys, and signatures both ways."""
    for algorithm in _SLH_DSA:
        yield (f"{algorithm}: the same keys, and it verifies ours", partial(_verifies_slh, peer, algorithm))
        yield (f"{algorithm}: we verify its", partial(_signs_slh, peer, algorithm))


def ml_kem(peer: KemPeer) -> Iterator[Exchange]:
    """ML-KEM: keys, and secrets both ways."""
    for algorithm in _ML_KEM:
        yield (f"{algorithm}: the same keys, and secrets both ways", partial(_exchanges, peer, algorithm))


def _same_ml_dsa(peer: SigningPeer, algorithm: str) -> None:
    for seed in (bytes(32), secrets.token_bytes(32)):
        ours = _ML_DSA[algorithm].from_seed_bytes(seed).public_key().public_bytes_raw()
        assert peer.public(algorithm, seed) == ours


def _ml_dsa_signer(algorithm: str, seed: bytes) -> SoftwareSigner:
    return SoftwareSigner(SUITES[algorithm], _ML_DSA[algorithm].from_seed_bytes(seed))


def _verifies_ml_dsa(peer: SigningPeer, algorithm: str) -> None:
    seed, message = secrets.token_bytes(32), secrets.token_bytes(200)
    key = _ML_DSA[algorithm].from_seed_bytes(seed)
    public = key.public_key().public_bytes_raw()
    # In a context, as one half of a composite signs.
    plain, bound = _ml_dsa_signer(algorithm, seed).sign(message), key.sign(message, CONTEXT)
    assert peer.verify(algorithm, public, message, plain, b"")
    assert peer.verify(algorithm, public, message, bound, CONTEXT)
    assert not peer.verify(algorithm, public, message, bound, b"")
    assert not peer.verify(algorithm, public, message, _changed(plain), b"")
    assert not peer.verify(algorithm, public, message + b".", plain, b"")


def _signs_ml_dsa(peer: SigningPeer, algorithm: str) -> None:
    seed, message = secrets.token_bytes(32), secrets.token_bytes(200)
    signer = _ml_dsa_signer(algorithm, seed)
    plain = peer.sign(algorithm, seed, message, b"")
    _judge_both(signer, message, plain)
    bound = peer.sign(algorithm, seed, message, CONTEXT)
    key = _ML_DSA[algorithm].from_seed_bytes(seed).public_key()
    key.verify(bound, message, CONTEXT)
    # Pure mode with the empty context is all that CMS and X.509 have.
    assert _outcome(signer, message, bound) is SignatureOutcome.INVALID


def _slh_seed(algorithm: str) -> tuple[SoftwareSigner, bytes, bytes]:
    """Signer, seed, and public key; making a key takes long, so that there is one a run."""
    key = key_of(SUITES[algorithm])
    assert isinstance(key, SlhDsaKey)
    part = len(key.octets) // 4
    return SoftwareSigner(SUITES[algorithm], key), key.octets[: 3 * part], key.octets[2 * part :]


def _verifies_slh(peer: SigningPeer, algorithm: str) -> None:
    signer, seed, public = _slh_seed(algorithm)
    message = secrets.token_bytes(200)
    signature = signer.sign(message)
    assert peer.public(algorithm, seed) == public
    assert peer.verify(algorithm, public, message, signature, b"")
    assert not peer.verify(algorithm, public, message, signature, CONTEXT)
    assert not peer.verify(algorithm, public, message, _changed(signature), b"")


def _signs_slh(peer: SigningPeer, algorithm: str) -> None:
    signer, seed, _ = _slh_seed(algorithm)
    message = secrets.token_bytes(200)
    _judge_both(signer, message, peer.sign(algorithm, seed, message, b""))


def _exchanges(peer: KemPeer, algorithm: str) -> None:
    seed = secrets.token_bytes(64)
    key = _ML_KEM[algorithm].from_seed_bytes(seed)
    public = key.public_key().public_bytes_raw()
    assert peer.public(algorithm, seed) == public
    ciphertext, secret = peer.encapsulate(algorithm, public)
    assert key.decapsulate(ciphertext) == secret
    secret, ciphertext = key.public_key().encapsulate()
    assert peer.decapsulate(algorithm, seed, ciphertext) == secret


def _judge_both(signer: Signer, message: bytes, signature: bytes) -> None:
    assert _outcome(signer, message, signature) is SignatureOutcome.VALID
    assert _outcome(signer, message, _changed(signature)) is not SignatureOutcome.VALID
    assert _outcome(signer, message + b".", signature) is SignatureOutcome.INVALID


def _outcome(signer: Signer, message: bytes, signature: bytes) -> SignatureOutcome:
    return verify_signature(
        public_key_der=signer.public_key,
        algorithm=signer.suite.algorithm,
        digest=signer.suite.digest,
        message=message,
        signature=signature,
    ).outcome


def _changed(signature: bytes) -> bytes:
    changed = bytearray(signature)
    changed[len(changed) // 2] ^= 1
    return bytes(changed)
