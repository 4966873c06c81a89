"""Epochs of the ledger: each has an origin and checkpoint keys of its own, and a leaf that names them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from kokuin.service.activation import ActivationError, read_act
from kokuin.service.issuing import new_id
from kokuin.trust.journal import Refused
from kokuin.trust.records import EPOCH_OPENED, Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kokuin.ledger.committer import Committer
    from kokuin.ledger.log_keys import LogSigner
    from kokuin.ledger.reader import StoreReader
    from kokuin.trust.records import LeafValue


_NEWEST = "SELECT idx FROM ix WHERE kind = ? AND serial IS NULL ORDER BY idx DESC LIMIT 1"


def epoch_on_record(reader: StoreReader) -> int | None:
    """Return the epoch that the newest `epoch.opened` leaf names; None: no leaf names one.

    Raises:
        ActivationError: that leaf cannot be read.
    """
    # Of any node: those that share a ledger share its epochs.
    rows = reader.execute(_NEWEST, (EPOCH_OPENED,))
    stored = reader.by_index(rows[0][0]) if rows else None
    return None if stored is None else int(str(read_act(stored)["epoch"]))


def epoch_record(epoch: int, signer: LogSigner, fields: Mapping[str, LeafValue]) -> Record:
    """Return the record that an epoch begins with: its number, origin and verifier keys."""
    common = {"id": new_id(), "tenant": "service", "actor": "keeper", "cfg": ""}
    vkeys = [key.encode() for key in signer.verifier_keys()]
    return Record(EPOCH_OPENED, {**common, "epoch": epoch, "origin": signer.origin, "vkeys": vkeys, **fields})


async def record_first_epoch(journal: Committer, signer: LogSigner) -> None:
    """Record an epoch that has no leaf yet: of a new ledger, or of one from a release without epochs.

    Raises:
        ActivationError: the ledger refused the record.
    """
    record = epoch_record(journal.head.epoch, signer, {})
    outcome = await asyncio.wrap_future(journal.append(record))
    if isinstance(outcome, Refused):
        raise ActivationError(f"the ledger refused its epoch's record: {outcome.reason} {outcome.detail}")
