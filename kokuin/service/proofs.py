"""Proofs of a folder's ledger: for the workers' routes, in threads, and for the command."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kokuin.ledger.proving import ProofFault, ProofRefusedError, Prover, find_record
from kokuin.ledger.search import Progress
from kokuin.ledger.search_query import Query
from kokuin.service.ledger_search import LedgerSearch, tenant_of
from kokuin.service.ledger_store import open_reader
from kokuin.service.published_log import reading

if TYPE_CHECKING:
    from collections.abc import Callable

    from kokuin.ledger.checkpoint import SignedCheckpoint
    from kokuin.ledger.proving import Consistency
    from kokuin.ledger.reader import Stored
    from kokuin.ledger.tlog_proof import TlogProof
    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder


@dataclass(frozen=True, slots=True)
class Wanted:
    """The record that is to be proven, by its index, its token's serial number or its token's digest.

    Attributes:
        index: in the ledger.
        serial: lower-case hex.
        token: SHA-256 of the bare token, lower-case hex; beside a serial number it must be of that token.
    """

    index: int | None = None
    serial: str | None = None
    token: str | None = None

    @property
    def is_searched(self) -> bool:
        """Whether only the search index can find it."""
        return self.index is None and self.serial is None


def _to_all(_: str) -> bool:
    return True


class Proofs:
    """Finds and proves records of one folder's ledger. Any thread may use it."""

    def __init__(self, folder: DataFolder, config: Config) -> None:
        """Args: the folder, served or not, and its settings."""
        self._folder, self._config = folder, config
        self._search = LedgerSearch(folder, config)
        self._prover = Prover(folder.log, lambda: open_reader(folder, config))

    def find(self, wanted: Wanted, shows: Callable[[str], bool] = _to_all) -> Stored:
        """Find a record.

        Args:
            wanted: which.
            shows: says of a tenant's pseudonym whether its records may be shown; others' are as if unknown.

        Raises:
            ProofRefusedError: there is none, or the index that would find it is still being built.
            QueryError: the digest is none.
            SearchRefusedError, OpenRefusedError: the index or the ledger cannot be used.
        """
        stored = self._find(wanted)
        if not shows(tenant_of(stored)):
            raise ProofRefusedError(ProofFault.RECORD_UNKNOWN)
        return stored

    def _find(self, wanted: Wanted) -> Stored:
        if not wanted.is_searched:
            with reading(self._folder, self._config) as reader:
                return find_record(reader, index=wanted.index, serial=wanted.serial, token=wanted.token)
        found = self._search.find(Query(token=wanted.token, limit=1))
        if isinstance(found, Progress):
            raise ProofRefusedError(ProofFault.SEARCHING)
        if not found.hits:
            raise ProofRefusedError(ProofFault.RECORD_UNKNOWN)
        return found.hits[0]

    def checkpoint(self) -> SignedCheckpoint:
        """See `Prover.checkpoint`."""
        return self._prover.checkpoint()

    def inclusion(self, stored: Stored, size: int | None = None) -> TlogProof:
        """See `Prover.inclusion`."""
        return self._prover.inclusion(stored, size)

    def consistency(self, old_size: int, size: int | None = None) -> Consistency:
        """See `Prover.consistency`."""
        return self._prover.consistency(old_size, size)


def consistency_document(found: Consistency) -> dict[str, Any]:
    """Return a consistency proof as JSON has it: sizes, and roots and hashes in base64."""
    return {
        "from": found.old_size,
        "to": found.size,
        "from_root": as_text(found.old_root),
        "to_root": as_text(found.root),
        "hashes": [as_text(octets) for octets in found.hashes],
    }


def as_text(octets: bytes) -> str:
    """Return a hash as checkpoints have it, in base64."""
    return base64.b64encode(octets).decode()
