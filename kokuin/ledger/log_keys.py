"""The keys of a log: two signatures on every checkpoint, and both must hold.

An epoch of the ledger has its own origin and its own pair of keys, Ed25519
(0x01) and ML-DSA-44 (0x06), both named as the origin. `log.vkey` lists the
pairs of all epochs. Whoever breaks one of the two algorithms, or strips its
line, has no checkpoint.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kokuin.ledger.checkpoint import Checkpoint, read_checkpoint, sign_line, verify_line
from kokuin.ledger.note import SUITE_OF, Note, SignatureType, VerifierKey
from kokuin.ledger.note_faults import NoteError, NoteFault
from pqc.keyinfo import read_public_info

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kokuin.ledger.checkpoint import SignedCheckpoint
    from pqc.signing import Signer

MAX_FILE = 1 << 20
"""Octets of the longest `log.vkey`: some five hundred epochs."""

MAX_KEYS = 1024
"""Keys in the longest `log.vkey`; each is looked at as a key before anything else is known of it."""

KINDS = (SignatureType.ED25519, SignatureType.ML_DSA_44_COSIGNATURE)
"""What a log signs with, in the order of its lines."""


def verifier_key(name: str, kind: SignatureType, signer: Signer) -> VerifierKey:
    """Return the verifier key of a signer under a name.

    Raises:
        NoteError: the name cannot be, or the signer is of another suite.
    """
    if signer.suite.id != SUITE_OF[kind]:
        raise NoteError(NoteFault.VKEY_PUBLIC, f"{name[:64]}: {signer.suite.id}")
    return VerifierKey(name, kind, read_public_info(signer.public_key).bare)


class LogSigner:
    """Signs the checkpoints of one epoch. Safe for several threads, as its signers are."""

    def __init__(self, origin: str, ed25519: Signer, ml_dsa_44: Signer) -> None:
        """Args: the epoch's origin, and signers of the suites `ed25519` and `ml-dsa-44`.

        Raises:
            NoteError: the origin can name no key, or a signer is of another suite.
        """
        self.origin = origin
        self._signers = tuple(
            (verifier_key(origin, kind, signer), signer)
            for kind, signer in zip(KINDS, (ed25519, ml_dsa_44), strict=True)
        )

    def verifier_keys(self) -> tuple[VerifierKey, ...]:
        """Return the two public keys, Ed25519 first."""
        return tuple(key for key, _signer in self._signers)

    def sign(self, size: int, root: bytes, now_s: int) -> bytes:
        """Sign a checkpoint with both keys.

        The caller signs only what is committed, and never two roots for one size.

        Args:
            size: number of leaves.
            root: of the tree of that size.
            now_s: POSIX seconds, which the ML-DSA-44 signature carries.

        Returns:
            The octets of the note.

        Raises:
            NoteError: size, root or time cannot be.
            SignerError: a signer cannot sign.
        """
        checkpoint = Checkpoint(self.origin, size, root)
        lines = tuple(sign_line(key, signer, checkpoint, now_s) for key, signer in self._signers)
        return Note(checkpoint.text(), lines).encode()


class LogVerifier:
    """Checks checkpoints of the logs whose keys are trusted."""

    def __init__(self, keys: Iterable[VerifierKey]) -> None:
        """Args: the two keys of every epoch, in any order.

        Raises:
            NoteError: there is none, or an origin has not exactly one key of each kind.
        """
        epochs: dict[str, dict[SignatureType, VerifierKey]] = {}
        for key in keys:
            pair = epochs.setdefault(key.name, {})
            if key.kind not in KINDS or key.kind in pair:
                raise NoteError(NoteFault.LOG_KEYS, f"{key.name}: kind {key.kind:#04x}")
            pair[key.kind] = key
        if not epochs or any(len(pair) != len(KINDS) for pair in epochs.values()):
            raise NoteError(NoteFault.LOG_KEYS, "not two keys of each origin")
        self._epochs = {origin: tuple(pair[kind] for kind in KINDS) for origin, pair in epochs.items()}

    @classmethod
    def parse(cls, text: str) -> LogVerifier:
        """Read `log.vkey`: a verifier key a line; blank lines and lines that begin with `#` are skipped.

        Raises:
            NoteError: a line is no verifier key, or an origin has not exactly one key of each kind.
        """
        if len(text) > MAX_FILE:
            raise NoteError(NoteFault.TOO_LARGE, str(len(text)))
        lines = [line.strip() for line in text.split("\n")]
        keys = [line for line in lines if line and not line.startswith("#")]
        if len(keys) > MAX_KEYS:
            raise NoteError(NoteFault.TOO_LARGE, f"{len(keys)} keys")
        return cls(map(VerifierKey.parse, keys))

    @property
    def origins(self) -> tuple[str, ...]:
        """The origins whose keys are trusted, in the order of their first key."""
        return tuple(self._epochs)

    def keys(self, origin: str) -> tuple[VerifierKey, ...]:
        """Return the two keys of an origin, Ed25519 first; none when the origin is unknown."""
        return self._epochs.get(origin, ())

    def encode(self) -> str:
        """Return the text of `log.vkey`."""
        return "".join(f"{key.encode()}\n" for pair in self._epochs.values() for key in pair)

    def check(self, octets: bytes) -> SignedCheckpoint:
        """Read a checkpoint and verify that its log signed it with both keys.

        Raises:
            NoteError: it is no checkpoint, its origin is unknown, or one of the two signatures is
                missing or wrong.
        """
        signed = read_checkpoint(octets)
        keys = self.keys(signed.checkpoint.origin)
        if not keys:
            raise NoteError(NoteFault.ORIGIN_UNKNOWN, signed.checkpoint.origin[:64])
        for key in keys:
            if verify_line(key, signed) is None:
                raise NoteError(NoteFault.SIGNATURE_MISSING, f"{key.name}: kind {key.kind:#04x}")
        return signed
