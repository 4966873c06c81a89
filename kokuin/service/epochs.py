"""Epochs of the ledger: each has an origin and checkpoint keys of its own, and a leaf that names them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.service.activation import read_act
from kokuin.service.activation_error import ActivationError
from kokuin.service.issuing import new_id
from kokuin.trust.journal import Refused
from kokuin.trust.records import EPOCH_OPENED, Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kokuin.ledger.committer import Committer
    from kokuin.ledger.log_keys import LogSigner
    from kokuin.ledger.reader import StoreReader
    from kokuin.trust.records import LeafValue


_NEWEST = "SELECT idx FROM ix WHERE kind = ? AND serial IS NULL ORDER BY idx DESC LIMIT 1"
_OPENED = "SELECT idx FROM ix WHERE kind = ? AND serial IS NULL ORDER BY idx"

BEGUN, SEALED = "begun", "sealed"
"""Why an epoch was opened: the log's first, or after a seal; `recoveries.RECOVERED` after a loss."""


@dataclass(frozen=True, slots=True)
class Before:
    """What an epoch follows.

    Attributes:
        why: `BEGUN`, `SEALED` or `RECOVERED`.
        origin: of the epoch before; empty for the first.
        size: leaves on which the new epoch stands: after a seal those of the last checkpoint of the epoch
            before, after a recovery those that the restored store has.
        root: of the tree over them.
        known_origin: after a recovery: of the longest checkpoint of the history that was lost.
        known_size: its number of leaves.
        known_root: its root.
    """

    why: str
    origin: str = ""
    size: int = 0
    root: bytes = b""
    known_origin: str = ""
    known_size: int = 0
    known_root: bytes = b""


def epoch_on_record(reader: StoreReader) -> int | None:
    """Return the epoch that the newest `epoch.opened` leaf names; None: no leaf names one.

    Raises:
        ActivationError: that leaf cannot be read.
    """
    found = newest_of_any_node(reader, EPOCH_OPENED)
    return None if found is None else int(str(found[1]["epoch"]))


def newest_of_any_node(reader: StoreReader, kind: str) -> tuple[int, Mapping[str, LeafValue]] | None:
    """Return index and fields of the newest leaf of a kind: nodes that share a ledger share its epochs.

    Raises:
        ActivationError: that leaf cannot be read.
    """
    rows = reader.execute(_NEWEST, (kind,))
    stored = reader.by_index(rows[0][0]) if rows else None
    return None if stored is None else (stored.index, read_act(stored))


def openings(reader: StoreReader) -> Iterator[Mapping[str, LeafValue]]:
    """Yield the leaves that opened the ledger's epochs, the oldest first.

    Raises:
        ActivationError: one cannot be read.
    """
    for (index,) in reader.execute(_OPENED, (EPOCH_OPENED,)):
        stored = reader.by_index(index)
        if stored is not None:
            yield read_act(stored)


def epoch_record(epoch: int, signer: LogSigner, before: Before) -> Record:
    """Return the record that an epoch begins with: its number, origin and keys, and what it follows.

    It wants no checkpoint on its own account: a log without acts does not grow.
    """
    fields: dict[str, LeafValue] = {
        "id": new_id(),
        "tenant": "service",
        "actor": "keeper",
        "cfg": "",
        "epoch": epoch,
        "origin": signer.origin,
        "vkeys": [key.encode() for key in signer.verifier_keys()],
        "why": before.why,
        "before_origin": before.origin,
        "before_size": before.size,
        "before_root": before.root.hex(),
        "known_origin": before.known_origin,
        "known_size": before.known_size,
        "known_root": before.known_root.hex(),
    }
    return Record(EPOCH_OPENED, fields, self_caused=True)


async def record_first_epoch(journal: Committer, signer: LogSigner) -> None:
    """Record an epoch that has no leaf yet: of a new ledger, or of one from a release without epochs.

    Raises:
        ActivationError: the ledger refused the record.
    """
    record = epoch_record(journal.head.epoch, signer, Before(BEGUN))
    outcome = await asyncio.wrap_future(journal.append(record))
    if isinstance(outcome, Refused):
        raise ActivationError(f"the ledger refused its epoch's record: {outcome.reason} {outcome.detail}")
