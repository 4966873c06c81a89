"""Sealing an epoch: roots of other hashes over its leaves go on record, and the next begins with new keys.

What each crash point leaves: before the seal's leaf, nothing but keys that
nobody trusts yet; after it, a seal that the next start, or the next who asks,
finishes. The leaf that opens the next epoch raises the head's in its own
transaction, so no checkpoint is ever signed with the keys of another epoch.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.ledger.checked import stored_root
from kokuin.ledger.faults import OpenRefusedError
from kokuin.service.activation_error import ActivationError
from kokuin.service.epochs import SEALED, Before, epoch_record, newest_of_any_node
from kokuin.service.ledger_store import open_reader
from kokuin.service.log_signing import make_log_keys, origin_of
from kokuin.service.seal_roots import RootsError, roots_of
from kokuin.service.unit_errors import UnitError
from kokuin.service.units import read_passphrase
from kokuin.trust.journal import Refused
from kokuin.trust.records import EPOCH_OPENED, EPOCH_SEALED

if TYPE_CHECKING:
    from collections.abc import Callable

    from kokuin.ledger.committer import Committer
    from kokuin.ledger.reader import StoreReader
    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.publishing import Publisher
    from kokuin.service.recording import Recorder
    from kokuin.trust.records import LeafValue

MOST_LEAVES = 1 << 24
"""Leaves after which an epoch is sealed whatever its age: hashing them takes minutes."""

_DAY_US = 86_400_000_000


class SealError(Exception):
    """An epoch could not be sealed now; what was done stands, and is gone on with."""


SEAL_ERRORS = (
    SealError,
    RootsError,
    OpenRefusedError,
    ActivationError,
    UnitError,
    OSError,
    sqlite3.Error,
)
"""What sealing may end with."""


@dataclass(frozen=True, slots=True)
class Seal:
    """What a seal's leaf says.

    Attributes:
        index: of the leaf.
        epoch: that it ends.
        size: leaves up to which everything is sealed.
        at: when it was committed, microseconds since 1970 UTC.
    """

    index: int
    epoch: int
    size: int
    at: int


def newest_seal(reader: StoreReader) -> Seal | None:
    """Return the last seal of the ledger.

    Raises:
        ActivationError: its leaf cannot be read.
    """
    found = newest_of_any_node(reader, EPOCH_SEALED)
    if found is None:
        return None
    index, leaf = found
    return Seal(index, *(int(str(leaf[name])) for name in ("epoch", "size", "at")))


class Sealer:
    """Seals the epochs of one ledger; on the keeper's loop."""

    def __init__(  # what it reads, writes and signs with
        self,
        folder: DataFolder,
        config: Config,
        journal: Committer,
        records: Recorder,
        publisher: Callable[[], Publisher],
    ) -> None:
        """Args: folder and settings; the ledger's writer; what makes records; who publishes, opened late."""
        self._folder, self._config, self._journal = folder, config, journal
        self._records, self._publisher = records, publisher
        self._one = asyncio.Lock()

    def is_due(self, now_us: int) -> bool:
        """Say whether a seal was begun, or the epoch's age or length wants one.

        Raises:
            OpenRefusedError, ActivationError: the ledger cannot be read.
        """
        head = self._journal.head
        with open_reader(self._folder, self._config) as reader:
            seal = newest_seal(reader)
            opened = newest_of_any_node(reader, EPOCH_OPENED)
        if seal is not None and seal.epoch == head.epoch:
            return True
        first = seal.size if seal else 0
        if head.acted <= first or opened is None:
            return False  # an idle log does not grow
        since = int(str(opened[1]["at"]))
        return head.size - first >= MOST_LEAVES or now_us - since >= self._config.ledger.seal_days * _DAY_US

    async def seal(self, actor: str) -> Seal | None:
        """Seal what was appended since the last seal, or finish what was begun; None: there is nothing.

        Raises:
            SealError: a checkpoint could not be published, or the ledger refused a record.
            RootsError: the leaves could not be hashed.
            OpenRefusedError, ActivationError: the ledger cannot be read.
            UnitError, OSError: keys cannot be made or opened.
        """
        async with self._one:
            publisher = self._publisher()
            seal = await self._begun(actor)
            if seal is not None:
                await self._open_next(publisher, seal)
            return seal

    async def _begun(self, actor: str) -> Seal | None:
        """Return the seal to be finished, a new one if none was begun."""
        head = self._journal.head
        with open_reader(self._folder, self._config) as reader:
            seal = newest_seal(reader)
            root = stored_root(reader, head.size)
            opened = newest_of_any_node(reader, EPOCH_OPENED)
        if seal is not None and seal.epoch == head.epoch:
            return seal
        first = seal.size if seal else 0
        if head.acted <= first or opened is None:
            return None
        # Appends go on meanwhile: what is after `size` is the next seal's.
        roots = await roots_of(self._folder, self._config, first, head.size)
        if root != head.root:
            raise SealError("the tree's rows are not those of the head")
        fields: dict[str, LeafValue] = {
            "epoch": head.epoch,
            "first": first,
            "size": head.size,
            "actor": actor,
        }
        fields |= {"root": head.root.hex(), **roots}
        record = self._records.make(EPOCH_SEALED, fields)._replace(self_caused=True)
        outcome = await asyncio.wrap_future(self._journal.append(record))
        if isinstance(outcome, Refused):
            raise SealError(f"{outcome.reason} {outcome.detail}")
        return Seal(outcome[0].index, head.epoch, head.size, outcome[0].at)

    async def _open_next(self, publisher: Publisher, seal: Seal) -> None:
        # A crash before this line leaves a seal that no checkpoint covers: the next attempt signs one.
        await publisher.publish(covering=seal.index + 1)
        covered = publisher.published
        if covered is None or covered.size <= seal.index:
            raise SealError("no checkpoint that covers the seal could be published")
        passphrase = read_passphrase(self._config, dict(os.environ))
        epoch = seal.epoch + 1
        # A crash after this line leaves keys of an epoch that no leaf opened: the next attempt takes them up.
        signer = await asyncio.to_thread(make_log_keys, self._folder, self._config, epoch, passphrase)
        before = Before(SEALED, origin_of(self._config, seal.epoch), covered.size, covered.root)
        outcome = await asyncio.wrap_future(
            self._journal.open_epoch(epoch_record(epoch, signer, before), epoch)
        )
        if isinstance(outcome, Refused):
            raise SealError(f"{outcome.reason} {outcome.detail}")
        # A crash after this line: the next start opens the keys of the head's epoch. So does the publisher.
        await publisher.publish(covering=outcome[0].index + 1)
