"""A folder's ledger with the keeper's desk for it, and no service around them."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from kokuin.ledger.committer import Committer
from kokuin.ledger.leaf import read_leaf
from kokuin.ledger.log_folder import LogFolder
from kokuin.ledger.reader import LedgerReader
from kokuin.ledger.store import SqliteStore
from kokuin.service.config import load_config
from kokuin.service.epochs import epoch_on_record, record_first_epoch
from kokuin.service.ledger_desk import LedgerDesk
from kokuin.service.log_signing import open_log_signer, published_keys
from kokuin.service.recording import Recorder
from kokuin.service.standing import require_not_behind
from tests.service.running import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kokuin.ledger.checkpoint import Checkpoint
    from kokuin.service.datafolder import DataFolder
    from kokuin.trust.records import Record


class Desked:
    """One life of a ledger's owner: opened as a keeper opens it, closed or left as a crash leaves it."""

    def __init__(self, folder: DataFolder, settings: Mapping[str, str] | None = None) -> None:
        self.folder, self.config = folder, load_config(folder.root, dict(settings or {}))
        self.fatal: list[str] = []
        with LedgerReader(folder.ledger) as reader:
            require_not_behind(folder, self.config, reader)
            epoch = epoch_on_record(reader)
        store = SqliteStore(folder.ledger)
        signer = open_log_signer(folder, self.config, store.head.epoch, None)
        self.journal = Committer(
            store,
            capacity=4096,
            clock_ns=lambda: time.time_ns(),  # noqa: PLW0108  # tests set it forward
            on_fatal=self.fatal.append,
        )
        if epoch is None:
            asyncio.run(record_first_epoch(self.journal, signer))
        self.desk = LedgerDesk(
            folder,
            self.config,
            self.journal,
            signer,
            Recorder(self.journal, lambda: "c" * 64),
            on_problem=lambda: None,
            on_fatal=self.fatal.append,
        )

    def append(self, *records: Record) -> int:
        """Append records and return the index of the first."""
        outcome = self.journal.append(*records).result(PATIENCE_S)
        assert isinstance(outcome, tuple), outcome
        return outcome[0].index

    def ask(self, operation: str, **arguments: object) -> dict[str, Any]:
        """Ask the desk as the owner is asked."""
        return asyncio.run(self.desk.ask(operation, {"actor": "owner", **arguments}))

    def publish(self) -> None:
        """Publish what there is."""
        asyncio.run(self.desk.stop())

    def shown(self) -> Checkpoint:
        """Return the published checkpoint, verified."""
        octets = LogFolder(self.folder.log).checkpoint()
        assert octets is not None
        return published_keys(self.folder).check(octets).checkpoint

    def leaves(self, kind: str = "") -> list[Mapping[str, Any]]:
        """Return the leaves, or those of one kind; emptied ones are left out."""
        with LedgerReader(self.folder.ledger) as reader:
            found = [read_leaf(stored.leaf) for stored in reader.walk() if stored.leaf]
        return [leaf for leaf in found if kind in ("", leaf["kind"])]

    def end(self) -> None:
        """Close the ledger; nothing fatal may have happened."""
        self.journal.close()
        assert not self.fatal
