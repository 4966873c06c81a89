"""A log that asks, and a witness that answers from memory."""

from __future__ import annotations

from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

from kokuin.ledger.witness import Witness
from kokuin.ledger.witness_exchange import request_body
from tests.ledger.notes import NOW, ORIGIN, log, signer
from tests.ledger.rfc6962 import leaves, mth, proof

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kokuin.ledger.witness import Inconsistency, WitnessStore

NAME = "witness.example/w1"
LEAVES = leaves(64)


class MemoryStore:
    """A `WitnessStore` in memory that can fail at its write, before or after the octets are there."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.evidence: dict[tuple[str, str, str], bytes] = {}
        self.fail_before = self.fail_after = False
        self._lock = Lock()

    @contextmanager
    def exclusive(self, origin_hash: str) -> Iterator[None]:  # noqa: ARG002  # the seam's
        with self._lock:
            yield

    def read(self, origin_hash: str) -> bytes | None:
        return self.kept.get(origin_hash)

    def write(self, origin_hash: str, octets: bytes) -> None:
        assert self._lock.locked()
        if self.fail_before:
            raise OSError("not persisted")
        self.kept[origin_hash] = octets
        if self.fail_after:
            raise OSError("persisted all the same")

    def keep_evidence(self, origin_hash: str, finding: Inconsistency, name: str, octets: bytes) -> None:
        assert self._lock.locked()
        self.evidence.setdefault((origin_hash, finding, name), octets)


def witness_of(store: WitnessStore) -> Witness:
    """Return a witness that knows our log."""
    logs = {ORIGIN: log().verifier_keys()}
    return Witness(NAME, signer("ml-dsa-44", "witness"), signer("ed25519", "witness"), logs, store)


def signed(size: int, hashes: list[bytes] = LEAVES) -> bytes:
    """Return the log's checkpoint over the first leaves."""
    return log().sign(size, mth(hashes[:size]), NOW)


def request(old: int, size: int, hashes: list[bytes] = LEAVES) -> bytes:
    """Return an honest log's request for a cosignature."""
    return request_body(old, proof(old, hashes[:size]) if old else [], signed(size, hashes))
