"""Epochs of the ledger: each has an origin and checkpoint keys of its own, and a leaf that names them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from kokuin.service.activation import ActivationError, newest
from kokuin.service.issuing import new_id
from kokuin.trust.journal import Refused
from kokuin.trust.records import EPOCH_OPENED, Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kokuin.ledger.committer import Committer
    from kokuin.ledger.log_keys import LogSigner
    from kokuin.ledger.reader import LedgerReader
    from kokuin.trust.records import LeafValue


def epoch_on_record(reader: LedgerReader) -> int | None:
    """Return the epoch that the newest `epoch.opened` leaf names; None: no leaf names one.

    Raises:
        ActivationError: that leaf cannot be read.
    """
    leaf = newest(reader, EPOCH_OPENED)
    return None if leaf is None else int(str(leaf["epoch"]))


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
