"""A proof that travels with what was logged: index, audit path, checkpoint (C2SP tlog-proof)."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.ledger.checkpoint import read_checkpoint, read_size
from kokuin.ledger.note import MAX_NOTE, decode_base64
from kokuin.ledger.note_faults import NoteError, NoteFault
from kokuin.ledger.tree import HASH_OCTETS, MAX_SIZE, verify_inclusion

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kokuin.ledger.checkpoint import Checkpoint

MAX_HASHES = 63
"""Hashes of the longest audit path, that of a tree of `MAX_SIZE` leaves."""

MAX_EXTRA = 64 * 1024
"""Octets of extra data at most."""

MAX_PROOF = MAX_NOTE + 2 * MAX_EXTRA + 8192
"""Octets of the longest proof that is read."""

_HEADER = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True, slots=True)
class TlogProof:
    """A proof as it was read or is to be written; whether it holds is asked with `holds`.

    Attributes:
        index: of the leaf, from 0.
        hashes: its audit path, from the leaf upward.
        checkpoint_octets: the signed checkpoint, verbatim.
        extra: whatever the application adds, not authenticated; empty for nothing.

    Raises:
        NoteError: no proof can hold these.
    """

    index: int
    hashes: tuple[bytes, ...]
    checkpoint_octets: bytes
    extra: bytes = b""

    def __post_init__(self) -> None:
        if (
            not 0 <= self.index < MAX_SIZE
            or len(self.hashes) > MAX_HASHES
            or any(len(octets) != HASH_OCTETS for octets in self.hashes)
            or len(self.extra) > MAX_EXTRA
        ):
            raise NoteError(NoteFault.PROOF_FORM, "index, hashes or extra data")
        read_checkpoint(self.checkpoint_octets)

    def encode(self) -> bytes:
        """Return the octets of a `.tlog-proof` file."""
        extra = f"extra {base64.b64encode(self.extra).decode()}\n" if self.extra else ""
        head = f"{_HEADER}\n{extra}index {self.index}\n{encode_hashes(self.hashes)}\n"
        return head.encode() + self.checkpoint_octets

    def holds(self, leaf_hash: bytes, checkpoint: Checkpoint) -> bool:
        """Say whether the leaf is in the tree of the checkpoint.

        Args:
            leaf_hash: of the leaf, computed from what the verifier has.
            checkpoint: what `LogVerifier.check` returned for `checkpoint_octets`; the proof alone
                shows nothing.
        """
        return verify_inclusion(self.index, checkpoint.size, leaf_hash, self.hashes, checkpoint.root)


def read_proof(octets: bytes) -> TlogProof:
    """Read a proof strictly; `TlogProof.encode` of it gives the same octets again.

    Raises:
        NoteError: the octets are no proof, or hold no checkpoint.
    """
    if len(octets) > MAX_PROOF:
        raise NoteError(NoteFault.TOO_LARGE, str(len(octets)))
    head, blank, checkpoint_octets = octets.partition(b"\n\n")
    if not blank or not head.isascii():
        raise NoteError(NoteFault.PROOF_FORM)
    header, *lines = head.decode().split("\n")
    if header != _HEADER:
        raise NoteError(NoteFault.PROOF_FORM, "another header")
    extra = b""
    if lines and lines[0].startswith("extra "):
        extra = decode_base64(lines.pop(0).removeprefix("extra "))
        if not extra:
            raise NoteError(NoteFault.PROOF_FORM, "a line of no extra data")
    if not lines or not lines[0].startswith("index "):
        raise NoteError(NoteFault.PROOF_FORM, "without an index")
    index = read_size(lines.pop(0).removeprefix("index "))
    return TlogProof(index, read_hashes(lines, MAX_HASHES), checkpoint_octets, extra)


def encode_hashes(hashes: Iterable[bytes]) -> str:
    """Return hashes in base64, each in a line of its own."""
    return "".join(f"{base64.b64encode(octets).decode()}\n" for octets in hashes)


def read_hashes(lines: list[str], most: int) -> tuple[bytes, ...]:
    """Read hashes in base64, one a line without its newline.

    Raises:
        NoteError: a line holds something else, or there are more than `most`.
    """
    if len(lines) > most:
        raise NoteError(NoteFault.PROOF_FORM, f"{len(lines)} hashes")
    hashes = tuple(decode_base64(line) for line in lines)
    if any(len(octets) != HASH_OCTETS for octets in hashes):
        raise NoteError(NoteFault.PROOF_FORM, "a hash of another length")
    return hashes
