"""Proofs of the published log: that a record is in it, and that a longer log begins with a shorter one.

They are made from the published tiles, and from the store where those are
damaged or lost. Every proof is verified before it is given: a wrong one would
accuse a ledger that is right.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from kokuin.ledger.checkpoint import read_checkpoint
from kokuin.ledger.leaf import leaf_hash
from kokuin.ledger.log_folder import LogFolder
from kokuin.ledger.note_faults import NoteError
from kokuin.ledger.published import newest_checkpoint
from kokuin.ledger.search_query import TOKEN, read_fields
from kokuin.ledger.tile_files import TileFiles
from kokuin.ledger.tile_proofs import consistency_proof, inclusion_proof, root_at
from kokuin.ledger.tlog_proof import TlogProof
from kokuin.ledger.tree import MAX_SIZE, verify_consistency, verify_inclusion

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kokuin.ledger.checkpoint import SignedCheckpoint
    from kokuin.ledger.reader import Stored, StoreReader
    from kokuin.ledger.tile_proofs import HashSource

_Made = TypeVar("_Made")


class ProofFault(StrEnum):
    """Why there is no proof."""

    PENDING = "PROOF_PENDING"
    """The record is durable, but no published checkpoint covers it yet; the next one comes within seconds."""
    RECORD_UNKNOWN = "RECORD_UNKNOWN"
    """The ledger has no record of this index, serial number or token."""
    CHECKPOINT_UNKNOWN = "CHECKPOINT_UNKNOWN"
    """No checkpoint of this size was made, or none was published yet."""
    SIZES = "PROOF_SIZES"
    """No consistency proof goes from a larger size to a smaller one, or beyond what is published."""
    SEARCHING = "SEARCH_BUILDING"
    """The search index, which finds tokens by their digest, is still being built."""
    TREE = "LOG_INCONSISTENT"
    """Neither the tiles nor the store give the root of the checkpoint."""


class ProofRefusedError(Exception):
    """There is no proof.

    Attributes:
        fault: the stable code.
    """

    def __init__(self, fault: ProofFault, detail: str = "") -> None:
        super().__init__(f"{fault}: {detail}" if detail else str(fault))
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Consistency:
    """That the tree of `size` leaves begins with the tree of `old_size` (RFC 6962 §2.1.2).

    Attributes:
        old_size: number of leaves of the older tree.
        size: number of leaves of the newer tree.
        old_root: root of the older tree.
        root: root of the newer tree.
        hashes: the proof, for `tree.verify_consistency`.
    """

    old_size: int
    size: int
    old_root: bytes
    root: bytes
    hashes: tuple[bytes, ...]


def find_record(
    reader: StoreReader, *, index: int | None = None, serial: str | None = None, token: str | None = None
) -> Stored:
    """Find a record by its index, or by its token's serial number.

    Args:
        reader: of the ledger.
        index: of the record.
        serial: lower-case hex, used when there is no index.
        token: SHA-256 of the bare token, lower-case hex: the record must be of this very token.

    Raises:
        ProofRefusedError: with `RECORD_UNKNOWN`.
    """
    if index is not None:
        stored = reader.by_index(index) if 0 <= index < MAX_SIZE else None
    else:
        stored = None if serial is None else reader.by_serial(serial)
    if stored is None or (token is not None and read_fields(stored.leaf).get(TOKEN) != token):
        raise ProofRefusedError(ProofFault.RECORD_UNKNOWN)
    return stored


class Prover:
    """Makes proofs of one log. Any thread may use it; nothing of the ledger stays open between two calls."""

    def __init__(self, root: Path, open_reader: Callable[[], StoreReader]) -> None:
        """Args: the log's folder; what opens the ledger, asked only where the folder does not suffice."""
        self._folder = LogFolder(root)
        self._tiles = TileFiles(root)
        self._open = open_reader

    def checkpoint(self, size: int | None = None) -> SignedCheckpoint:
        """Return the published checkpoint, or the one of a size that was signed at any time.

        Raises:
            ProofRefusedError: with `CHECKPOINT_UNKNOWN`, or `TREE` when what is published is no checkpoint.
            OSError, OpenRefusedError: it cannot be read.
        """
        octets = self._folder.checkpoint() if size is None else self._kept(size)
        if octets is None:
            raise ProofRefusedError(ProofFault.CHECKPOINT_UNKNOWN)
        try:
            return read_checkpoint(octets)
        except NoteError as error:
            raise ProofRefusedError(ProofFault.TREE, str(error)) from error

    def inclusion(self, stored: Stored, size: int | None = None) -> TlogProof:
        """Prove that a record is in the log (RFC 6962 §2.1.1).

        Args:
            stored: as the ledger has it.
            size: of the checkpoint; None: the published one.

        Returns:
            The proof, with the leaf's octets as extra data unless its retention is over.

        Raises:
            ProofRefusedError: there is no such proof (yet).
            OSError, OpenRefusedError: the log or the ledger cannot be read.
        """
        try:
            signed = self.checkpoint(size)
        except ProofRefusedError as error:
            if size is None and error.fault is ProofFault.CHECKPOINT_UNKNOWN:
                raise ProofRefusedError(ProofFault.PENDING) from None
            raise
        checkpoint, index = signed.checkpoint, stored.index
        if index >= checkpoint.size:
            raise ProofRefusedError(ProofFault.PENDING if size is None else ProofFault.SIZES)
        if stored.leaf and leaf_hash(stored.leaf) != stored.leaf_hash:
            raise ProofRefusedError(ProofFault.TREE, f"the leaf at {index}")

        def make(source: HashSource) -> TlogProof | None:
            hashes = tuple(inclusion_proof(source, index, checkpoint.size))
            if not verify_inclusion(index, checkpoint.size, stored.leaf_hash, hashes, checkpoint.root):
                return None
            return TlogProof(index, hashes, signed.octets, stored.leaf)

        return self._make(make)

    def consistency(self, old_size: int, size: int | None = None) -> Consistency:
        """Prove that one tree begins with another; both begin the published one.

        Args:
            old_size: of the older tree.
            size: of the newer tree; None: the published one's.

        Raises:
            ProofRefusedError: there is no such proof (yet).
            OSError, OpenRefusedError: the log or the ledger cannot be read.
        """
        published = self.checkpoint().checkpoint
        new_size = published.size if size is None else size
        if not 0 <= old_size <= new_size <= published.size:
            raise ProofRefusedError(ProofFault.SIZES)

        def make(source: HashSource) -> Consistency | None:
            old_root, root = root_at(source, old_size), root_at(source, new_size)
            # Through the published root: damaged tiles would prove one wrong tree to begin another.
            onward = consistency_proof(source, new_size, published.size)
            hashes = tuple(consistency_proof(source, old_size, new_size))
            holds = verify_consistency(new_size, published.size, root, published.root, onward)
            if not holds or not verify_consistency(old_size, new_size, old_root, root, hashes):
                return None
            return Consistency(old_size, new_size, old_root, root, hashes)

        return self._make(make)

    def _kept(self, size: int) -> bytes | None:
        with self._open() as reader:
            kept = newest_checkpoint(reader, size)
        return kept.note if kept is not None and kept.size == size else None

    def _make(self, make: Callable[[HashSource], _Made | None]) -> _Made:
        made = _attempt(make, self._tiles)
        if made is None:
            with self._open() as reader:
                made = _attempt(make, reader)
        if made is None:
            raise ProofRefusedError(ProofFault.TREE)
        return made


def _attempt(make: Callable[[HashSource], _Made | None], source: HashSource) -> _Made | None:
    try:
        return make(source)
    except ValueError:
        # The source lacks hashes.
        return None
