"""Time-stamps over the log's checkpoints: every so often, and when an epoch was sealed.

A stamp says until when at the latest a state of the log existed, on the word of
a clock and a key that are not those of the unit at work. Checkpoints that grew
are stamped, so an idle log does not grow; a stamp that fails is tried again and
never keeps the service from issuing.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog

from kokuin.ledger.faults import OpenRefusedError, StoreLostError, WorkRefusedError
from kokuin.ledger.published import KeptStamp, keep_stamp, newest_checkpoint, stamps
from kokuin.service.epochs import newest_of_any_node
from kokuin.service.ledger_store import open_reader
from kokuin.service.stamp_sources import OutsideAuthority, SecondUnit, StampError, obtain
from kokuin.trust.records import CHECKPOINT_STAMPED, EPOCH_OPENED

if TYPE_CHECKING:
    from collections.abc import Callable

    from kokuin.ledger.committer import Committer
    from kokuin.ledger.published import KeptCheckpoint
    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.publishing import Publisher
    from kokuin.service.recording import Recorder
    from kokuin.service.stamp_sources import StampSource
    from kokuin.service.unit_alone import Present
    from kokuin.trust.records import LeafValue

LOOK_SECONDS = 1.0
"""How often it is looked whether there is something to stamp."""

RETRY_SECONDS = 30.0
"""After the first failure; each further one doubles it, up to the interval of the stamps."""

FAILED = "CHECKPOINT_UNSTAMPED"
"""The last attempt of a source failed; `ledger.status` shows it, and `/readyz` does not."""

_STORE_ERRORS = (OpenRefusedError, WorkRefusedError, OSError, ValueError)

_log = structlog.get_logger()


@dataclass(slots=True)
class _Turn:
    """One source and its turn.

    Attributes:
        source: who stamps.
        size: of the newest checkpoint that it stamped.
        due: when it may be asked again, of the monotonic clock.
        failures: in a row.
        detail: why the last one failed.
    """

    source: StampSource
    size: int = 0
    due: float = 0.0
    failures: int = 0
    detail: str = ""


class Stamper:
    """Has checkpoints stamped; on the keeper's loop."""

    def __init__(  # noqa: PLR0913, PLR0917  # what it reads, asks and writes
        self,
        folder: DataFolder,
        config: Config,
        journal: Committer,
        publisher: Publisher,
        records: Recorder,
        present: Callable[[], Present],
    ) -> None:
        """Args: folder and settings; the ledger's writer and publisher; what records; what is in force."""
        self._folder, self._config = folder, config
        self._journal, self._publisher, self._records = journal, publisher, records
        table = config.ledger.stamps
        sources: list[StampSource] = []
        if table.url is not None and table.trust is not None:
            sources.append(OutsideAuthority(table.url, table.trust))
        if table.unit is not None:
            sources.append(SecondUnit(folder, config, table.unit, present))
        self._turns = [_Turn(source) for source in sources]
        self._epoch: int | None = None
        self._sealed: KeptCheckpoint | None = None

    def status(self) -> list[dict[str, Any]]:
        """Return what `ledger.status` says of the stamps."""
        return [
            {
                "source": turn.source.name,
                "size": turn.size,
                "problem": FAILED if turn.failures else "",
                "detail": turn.detail,
            }
            for turn in self._turns
        ]

    async def run(self) -> None:
        """Stamp for ever."""
        while self._turns:
            await self.look()
            await asyncio.sleep(min(LOOK_SECONDS, self._config.ledger.stamps.every_seconds))

    async def look(self) -> None:
        """Have stamped what is due."""
        try:
            await self._look_for_seal()
            if self._epoch is not None:
                await asyncio.gather(*(self._take(turn) for turn in self._turns))
        except StoreLostError:
            return  # the committer ends the process
        except _STORE_ERRORS as error:
            _log.warning("checkpoint.unstamped", reason=str(error))

    async def _look_for_seal(self) -> None:
        """Find the last checkpoint of the epoch that is over, once an epoch; at the start, what is due."""
        epoch = self._journal.head.epoch
        if epoch == self._epoch or self._publisher.published is None:
            return
        first = self._epoch is None
        stamped, at_us, sealed = await asyncio.to_thread(self._on_record)
        self._epoch, self._sealed = epoch, sealed
        if first:
            since_s = max(0.0, time.time() - at_us / 1_000_000)
            for turn in self._turns:
                turn.size = stamped
                turn.due = time.monotonic() + self._config.ledger.stamps.every_seconds - since_s

    def _on_record(self) -> tuple[int, int, KeptCheckpoint | None]:
        """Return size and time of the newest stamp, and the former epoch's last checkpoint if it has none."""
        with open_reader(self._folder, self._config) as reader:
            newest = max(stamps(reader), key=lambda stamp: stamp.size, default=None)
            opened = newest_of_any_node(reader, EPOCH_OPENED)
            sealed = None if opened is None else newest_checkpoint(reader, opened[0])
            if sealed is not None and any(stamp.size == sealed.size for stamp in stamps(reader, sealed.size)):
                sealed = None
        return (newest.size, newest.at, sealed) if newest else (0, 0, sealed)

    async def _take(self, turn: _Turn) -> None:
        now = time.monotonic()
        if turn.failures and now < turn.due:
            return
        if self._sealed is not None and self._sealed.size > turn.size:
            await self._stamp(turn, self._sealed)
        kept = self._publisher.published
        if kept is not None and kept.size > turn.size and now >= turn.due:
            await self._stamp(turn, kept)

    async def _stamp(self, turn: _Turn, kept: KeptCheckpoint) -> None:
        every = self._config.ledger.stamps.every_seconds
        try:
            await self._obtain(turn, kept)
        except (StampError, *_STORE_ERRORS) as error:
            turn.failures += 1
            turn.detail = str(error)
            turn.due = time.monotonic() + min(every, RETRY_SECONDS * 2 ** min(turn.failures - 1, 16))
            _log.warning(FAILED, source=turn.source.name, size=kept.size, reason=turn.detail)
        else:
            turn.size, turn.failures, turn.detail = kept.size, 0, ""
            turn.due = time.monotonic() + every

    async def _obtain(self, turn: _Turn, kept: KeptCheckpoint) -> None:
        """Have a checkpoint stamped, keep the stamp, and record it.

        Raises:
            StampError: there is no stamp, or the ledger refused its record.
        """
        stamp, issued = await obtain(turn.source, kept.note, self._config.policy.issue)
        fields: dict[str, LeafValue] = {
            "size": kept.size,
            "tok": stamp.tok,
            "tok512": stamp.tok512,
            "signer": stamp.signer,
        }
        # The record first: a token of our own unit must lie nowhere before it stands in the ledger. A crash
        # between the two leaves a leaf that names a stamp which is gone, and the next one is due at once.
        if not await self._records.caused(CHECKPOINT_STAMPED, fields, *issued):
            raise StampError("STAMP_UNRECORDED: the ledger refused its record")
        made = KeptStamp(kept.size, stamp.signer, stamp.der, time.time_ns() // 1_000)
        work = self._journal.work(lambda store: store.transact(lambda rows: keep_stamp(rows, made)))
        await asyncio.wrap_future(work)
