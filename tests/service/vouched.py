"""A folder's log with its publisher, and no service around it, for witnesses and authorities to vouch for."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from kokuin.ledger.checkpoint import read_checkpoint
from kokuin.ledger.committer import Committer
from kokuin.ledger.leaf import read_leaf
from kokuin.ledger.log_folder import LogFolder
from kokuin.ledger.reader import LedgerReader
from kokuin.ledger.store import SqliteStore
from kokuin.service.config import load_config
from kokuin.service.log_signing import open_log_signer
from kokuin.service.publishing import Publisher
from kokuin.service.recording import Recorder
from kokuin.service.witness_client import WitnessClient, read_witnesses
from kokuin.service.witnessing import Witnessing
from tests.ledger.samples import issued
from tests.service.running import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from kokuin.ledger.checkpoint import SignedCheckpoint
    from kokuin.service.datafolder import DataFolder
    from tests.service.witnesses import LocalWitness

CFG = "c" * 64


class Vouched:
    """One life of a log."""

    def __init__(self, folder: DataFolder, settings: Mapping[str, str] | None = None) -> None:
        self.folder, self.config = folder, load_config(folder.root, dict(settings or {}))
        self.fatal: list[str] = []
        self.problems = 0
        self.journal = Committer(
            SqliteStore(folder.ledger), capacity=64, clock_ns=time.time_ns, on_fatal=self.fatal.append
        )
        self.records = Recorder(self.journal, lambda: CFG)
        self.publisher = Publisher(
            folder,
            self.config,
            self.journal,
            open_log_signer(folder, self.config, 1, None),
            on_problem=lambda: None,
            on_fatal=self.fatal.append,
        )
        self._count = 0

    def grow(self, count: int = 1) -> int:
        """Append tokens, publish, and return the size."""
        for _ in range(count):
            self._count += 1
            outcome = self.journal.append(issued(self.journal.size * 1000 + self._count)).result(PATIENCE_S)
            assert isinstance(outcome, tuple), outcome
        asyncio.run(self.publisher.publish())
        return self.journal.size

    def witnessing(self) -> Witnessing:
        """Return who asks the witnesses of the settings."""
        assert self.config.ledger.witnesses is not None

        def told() -> None:
            self.problems += 1

        return Witnessing(
            self.folder,
            self.config,
            self.journal,
            self.publisher,
            read_witnesses(self.config.ledger.witnesses),
            self.records,
            on_problem=told,
        )

    def shown(self) -> SignedCheckpoint:
        """Return the published checkpoint."""
        octets = LogFolder(self.folder.log).checkpoint()
        assert octets is not None
        return read_checkpoint(octets)

    def leaves(self, kind: str) -> list[Mapping[str, Any]]:
        """Return the leaves of a kind."""
        with LedgerReader(self.folder.ledger) as reader:
            found = [read_leaf(stored.leaf) for stored in reader.walk()]
        return [leaf for leaf in found if leaf["kind"] == kind]

    def close(self) -> None:
        """End it."""
        self.journal.close()


def rounds(witnessing: Witnessing, count: int = 1) -> None:
    """Ask the witnesses so many times."""

    async def ask() -> None:
        async with WitnessClient() as client:
            for _ in range(count):
                witnessing.look()
                await witnessing.round(client)

    asyncio.run(ask())


def policy(path: Path, quorum: str, **witnesses: LocalWitness) -> dict[str, str]:
    """Write a policy of some witnesses, and return the settings that name it."""
    lines = [witness.lines(name) for name, witness in witnesses.items()]
    path.write_text("".join(lines) + quorum + "\n")
    return {"TSA_LEDGER__WITNESSES": str(path)}
