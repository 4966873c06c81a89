"""Checkpoints: signed for what is committed, kept before anybody sees them, then published, once a second.

What each crash point leaves: a checkpoint that is kept and not published is
published at the next start; tiles without a checkpoint are written again. No
size ever gets a second root, because a root is signed only when it was read
from a committed head, and kept only when the store has no other for its size.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from threading import Lock
from typing import TYPE_CHECKING

import structlog

from kokuin.ledger.checked import stored_root
from kokuin.ledger.faults import OpenRefusedError, StoreLostError, WorkRefusedError
from kokuin.ledger.log_folder import LogFolder
from kokuin.ledger.published import (
    KeptCheckpoint,
    SecondRootError,
    cosignatures,
    keep_checkpoint,
    newest_checkpoint,
)
from kokuin.service.ledger_store import open_reader
from kokuin.service.log_signing import open_log_signer, origin_of
from kokuin.service.unit_errors import UnitError
from kokuin.service.units import read_passphrase
from pqc.newfile import write_durably
from pqc.signing import SignerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from kokuin.ledger.committer import Committer
    from kokuin.ledger.log_keys import LogSigner
    from kokuin.ledger.plan import Head
    from kokuin.ledger.reader import StoreReader
    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder

INTERVAL_SECONDS = 1.0
_PASSING = (
    OSError,
    ValueError,
    sqlite3.Error,
    WorkRefusedError,
    OpenRefusedError,
    SignerError,
    UnitError,
)
"""What may be otherwise a second later."""
CHECKPOINT_UNPUBLISHED = "CHECKPOINT_UNPUBLISHED"
"""Problem of `/readyz`: the log's checkpoints no longer reach the world, although its records are durable."""

_log = structlog.get_logger()


class Publisher:
    """Signs and publishes the checkpoints of one log; on the keeper's loop, the work itself in a thread."""

    def __init__(  # noqa: PLR0913  # what it reads, writes, signs with and tells
        self,
        folder: DataFolder,
        config: Config,
        journal: Committer,
        signer: LogSigner,
        *,
        on_problem: Callable[[], None],
        on_fatal: Callable[[str], None],
    ) -> None:
        """Args: folder and settings; the ledger's writer; the epoch's keys.

        `on_problem` is told whenever `problem` changed, `on_fatal` that this process must end now.
        """
        self._folder, self._config = folder, config
        self._journal, self._signer = journal, signer
        self._one = Lock()
        self._on_problem, self._on_fatal = on_problem, on_fatal
        self._files = LogFolder(folder.log)
        self._published: KeptCheckpoint | None = None
        self._since: int | None = None
        self._halted = False
        self.problem = ""
        """Code of why checkpoints are not published; empty while they are."""

    @property
    def published(self) -> KeptCheckpoint | None:
        """The checkpoint that the world sees, as this process published it."""
        return self._published

    async def run(self) -> None:
        """Publish for ever."""
        while True:
            await self.publish()
            await asyncio.sleep(INTERVAL_SECONDS)

    async def publish(self, covering: int = 0) -> None:
        """Sign and publish where the ledger grew by an act; finish what a crash left.

        Args:
            covering: how many leaves the checkpoint must have at least, whoever caused them.
        """
        problem = ""
        try:
            await asyncio.to_thread(self._publish, covering)
        except _PASSING as error:
            problem = CHECKPOINT_UNPUBLISHED
            _log.warning("checkpoint.unpublished", reason=str(error))
        except SecondRootError as error:
            self._on_fatal(f"this store is not the log that was shown: {error}")
        except StoreLostError:
            return  # the committer ends the process
        if problem != self.problem:
            self.problem = problem
            self._on_problem()

    def _publish(self, covering: int) -> None:
        # Whoever was cancelled may still be at it in its thread.
        with self._one, open_reader(self._folder, self._config) as reader:
            if self._halted:
                return
            newest = newest_checkpoint(reader)
            self._require_shown(reader, newest)
            # Read from the committed head alone: a root of what may yet be rolled back must never be signed.
            head = self._journal.head
            if max(head.acted, covering) > (newest.size if newest else 0):
                newest = self._sign(head)
            if newest is not None and newest != self._published:
                self._show(reader, newest)

    def _require_shown(self, reader: StoreReader, newest: KeptCheckpoint | None) -> None:
        """Refuse a store that lacks what was shown of it: to go on would show a second root for a size.

        Raises:
            SecondRootError: the database was replaced by an older copy under this process.
        """
        shown = self._published
        if shown is None:
            return
        behind = newest is None or newest.size < shown.size or reader.head().size < shown.size
        if behind or stored_root(reader, shown.size) != shown.root:
            raise SecondRootError(f"{shown.size}: {shown.root.hex()} was shown, the store does not hold it")

    def show_again(self, kept: KeptCheckpoint) -> None:
        """Publish a checkpoint with the cosignatures that are kept by now, unless a later one is published.

        Raises:
            OSError: the former file stays.
            OpenRefusedError: the ledger cannot be read.
        """
        with self._one:
            if kept == self._published:
                with open_reader(self._folder, self._config) as reader:
                    self._files.publish(with_cosignatures(kept.note, cosignatures(reader, kept.size)))

    def halt(self, note: bytes) -> None:
        """Sign and publish nothing more, and remember why: the next start must refuse this store.

        Args:
            note: a checkpoint that this log signed, and that this store does not begin with.

        Raises:
            OSError: it cannot be remembered; halted all the same.
        """
        with self._one:
            self._halted = True
            write_durably(self._config.ledger.high_water, note)

    def _sign(self, head: Head) -> KeptCheckpoint:
        if self._signer.origin != origin_of(self._config, head.epoch):
            # This process, or another node, opened an epoch; the leaf that did it is signed with its keys.
            passphrase = read_passphrase(self._config, dict(os.environ))
            self._signer = open_log_signer(self._folder, self._config, head.epoch, passphrase)
        # Attack on genuine tokens: a node that hung signs a head from which another has long moved on. By a
        # later date than that of the head itself, tokens that were issued since would seem not to be there.
        dated_us = min(time.time_ns() // 1_000, head.at)
        note = self._signer.sign(head.size, head.root, dated_us // 1_000_000)
        signed = KeptCheckpoint(head.size, head.root, note, dated_us)
        kept = self._journal.work(lambda store: store.transact(lambda rows: keep_checkpoint(rows, signed)))
        # A crash before this line: nobody has seen the note, and the next one is signed for what is there.
        return kept.result()

    def _show(self, reader: StoreReader, kept: KeptCheckpoint) -> None:
        """Bring a kept checkpoint before the world: memory first, then tiles, then the checkpoint itself."""
        if self._since is None:
            self._since = self._files.published_size()
        # Known before it is seen: no copy of the store that lacks it is ever appended to by this process.
        self._journal.know(kept.size, kept.root)
        write_durably(self._config.ledger.high_water, kept.note)
        self._files.write_tiles(reader, self._since, kept.size)
        self._files.publish(with_cosignatures(kept.note, cosignatures(reader, kept.size)))
        self._since = kept.size
        self._published = kept


def with_cosignatures(note: bytes, lines: list[str]) -> bytes:
    """Return a log's own note with the signature lines of its witnesses behind it."""
    return note + "".join(f"{line}\n" for line in lines).encode()
