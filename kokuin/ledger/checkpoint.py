"""Checkpoints: a log's size and root under signatures (C2SP tlog-checkpoint, tlog-cosignature).

Each kind of signature signs other octets. The ML-DSA-44 one names its signer
and a time and does not cover extension lines; the Ed25519 one covers the whole
text. We write no extension lines.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.ledger.note import Note, SignatureLine, SignatureType, check_text, decode_base64, read_note
from kokuin.ledger.note_faults import NoteError, NoteFault
from kokuin.ledger.tree import HASH_OCTETS, MAX_SIZE

if TYPE_CHECKING:
    from kokuin.ledger.note import VerifierKey
    from pqc.signing import Signer

_TIME_LIMIT = 1 << 63
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_TIMESTAMP = 8
_LABEL = b"subtree/v1\n\0"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log says of itself at one size.

    Attributes:
        origin: the log's name.
        size: number of leaves.
        root: RFC 6962 §2.1, 32 octets.
        extensions: further lines, opaque; nothing here gives them a meaning.

    Raises:
        NoteError: no checkpoint can hold these.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        lines = (self.origin, *self.extensions)
        if not all(lines) or any("\n" in line for line in lines):
            raise NoteError(NoteFault.CHECKPOINT_FORM, "an empty or a broken line")
        if not 0 <= self.size <= MAX_SIZE or len(self.root) != HASH_OCTETS:
            raise NoteError(NoteFault.CHECKPOINT_FORM, "size or root")
        check_text(self.text())

    def text(self) -> str:
        """Return the note's text."""
        return "".join(
            f"{line}\n"
            for line in (self.origin, self.size, base64.b64encode(self.root).decode(), *self.extensions)
        )


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint as it was read: its content, the note, and the very octets. Nothing is verified yet."""

    checkpoint: Checkpoint
    note: Note
    octets: bytes


@dataclass(frozen=True, slots=True)
class Signed:
    """A signature that was verified.

    Attributes:
        key: that made it.
        timestamp: POSIX seconds; 0 when a cosigner says nothing of the time; None for Ed25519 (0x01).
    """

    key: VerifierKey
    timestamp: int | None


def read_checkpoint(octets: bytes) -> SignedCheckpoint:
    """Read a signed checkpoint strictly.

    Raises:
        NoteError: the octets are no note, or its text is no checkpoint.
    """
    note = read_note(octets)
    lines = note.text.removesuffix("\n").split("\n")
    if len(lines) < 3:
        raise NoteError(NoteFault.CHECKPOINT_FORM, "fewer than three lines")
    origin, size, root, *extensions = lines
    checkpoint = Checkpoint(origin, read_size(size), decode_base64(root), tuple(extensions))
    return SignedCheckpoint(checkpoint, note, octets)


def read_size(text: str) -> int:
    """Read a decimal number without leading zeroes, below 2^63.

    Raises:
        NoteError: it is something else.
    """
    if not _DECIMAL.fullmatch(text) or int(text) > MAX_SIZE:
        raise NoteError(NoteFault.CHECKPOINT_FORM, "a size")
    return int(text)


def sign_line(key: VerifierKey, signer: Signer, checkpoint: Checkpoint, now_s: int) -> SignatureLine:
    """Sign a checkpoint.

    Args:
        key: the name and kind under which `signer` signs.
        signer: holds the private half of `key`.
        checkpoint: what is signed.
        now_s: POSIX seconds; Ed25519 (0x01) does not carry it.

    Raises:
        NoteError: the time is none, or the origin is too long for the kind.
        SignerError: the signer cannot sign.
    """
    if not 0 < now_s < _TIME_LIMIT:
        raise NoteError(NoteFault.TIMESTAMP, str(now_s))
    signature = signer.sign(signed_message(key, checkpoint, now_s))
    if key.kind is not SignatureType.ED25519:
        signature = now_s.to_bytes(_TIMESTAMP, "big") + signature
    return SignatureLine(key.name, key.key_id, signature)


def verify_line(key: VerifierKey, signed: SignedCheckpoint) -> Signed | None:
    """Verify the signature of one trusted key, if the checkpoint has it.

    Returns:
        The verified signature, or None when no line names this key (C2SP signed-note: lines of
        unknown keys are ignored, even of one with the same name or the same id).

    Raises:
        NoteError: the key's line does not verify, carries no possible time, or stands there twice;
            then the whole note is refused.
    """
    lines = [line for line in signed.note.signatures if line.is_of(key)]
    if not lines:
        return None
    if len(lines) > 1:
        raise NoteError(NoteFault.SIGNATURE_TWICE, key.name)
    signature, timestamp = lines[0].signature, None
    if key.kind is not SignatureType.ED25519:
        if len(signature) <= _TIMESTAMP:
            raise NoteError(NoteFault.SIGNATURE_WRONG, key.name)
        timestamp = int.from_bytes(signature[:_TIMESTAMP], "big")
        signature = signature[_TIMESTAMP:]
        if timestamp >= _TIME_LIMIT:
            raise NoteError(NoteFault.TIMESTAMP, key.name)
    if not key.verifies(signed_message(key, signed.checkpoint, timestamp or 0), signature):
        raise NoteError(NoteFault.SIGNATURE_WRONG, key.name)
    return Signed(key, timestamp)


def signed_message(key: VerifierKey, checkpoint: Checkpoint, timestamp: int) -> bytes:
    """Return the octets that a key of this kind signs for a checkpoint.

    Args:
        key: whose kind decides; ML-DSA-44 signs the key's name too.
        checkpoint: what is signed.
        timestamp: POSIX seconds; unused by Ed25519 (0x01).

    Raises:
        NoteError: the origin is too long for ML-DSA-44's message.
    """
    if key.kind is SignatureType.ED25519:
        return checkpoint.text().encode()
    if key.kind is SignatureType.ED25519_COSIGNATURE:
        return f"cosignature/v1\ntime {timestamp}\n{checkpoint.text()}".encode()
    return b"".join(
        (
            _LABEL,
            _opaque(key.name),
            timestamp.to_bytes(8, "big"),
            _opaque(checkpoint.origin),
            bytes(8),  # start: a checkpoint is the subtree from 0
            checkpoint.size.to_bytes(8, "big"),
            checkpoint.root,
        )
    )


def _opaque(text: str) -> bytes:
    """Return `opaque <1..255>` of RFC 8446 §3.4."""
    octets = text.encode()
    if len(octets) > 0xFF:
        raise NoteError(NoteFault.NAME, "above 255 octets")
    return bytes([len(octets)]) + octets
