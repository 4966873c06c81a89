"""Evidence for tokens in natural batches: whatever was recorded while the last archive time-stamp was made.

What each crash point leaves: an archive token that was made and not recorded has
gone to nobody, and the next start stamps the same tokens again; once the append
is durable, every record of the batch can be made of the ledger. Nothing else is
kept.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import sqlite3
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import structlog

from kokuin.ledger.faults import OpenRefusedError, StoreLostError
from kokuin.ledger.leaf import LeafError
from kokuin.service import metrics
from kokuin.service.evidence.batching import make_batch
from kokuin.service.evidence.owed import MAX_BATCH
from kokuin.service.evidence.stamping import EvidenceUnit
from kokuin.service.evidence.watch import EvidenceWatch
from kokuin.service.installation import evidence_profiles
from kokuin.service.ledger_store import open_reader
from kokuin.service.unit_errors import UnitError
from kokuin.trust.records import EVIDENCE_STAMPED
from pqc.profiles import ProfileError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.evidence.batching import Made
    from kokuin.service.evidence.owed import Owed
    from kokuin.service.recording import Recorder
    from kokuin.service.unit_alone import Present

LOOK_SECONDS = 0.5
"""Between two batches at least: the ledger grows by two leaves with each."""
BACKLOG_SECONDS = 60.0
"""A token that has waited longer for its evidence keeps others from being issued."""
UNREAD_SECONDS = 60.0
"""Who has not known for longer what waits takes it that something does."""
_RETRY_SECONDS = 15.0

UNIT_UNFIT = "EVIDENCE_UNIT_UNFIT"
"""Problem of `/readyz`: a unit that makes evidence cannot sign."""
BEHIND = "EVIDENCE_BEHIND"
"""Problem of `/readyz`: a token has been waiting too long for its evidence."""

LEFT_OUT = "EVIDENCE_MATERIAL_LEFT_OUT"
"""Warning: certificates or revocation lists had no room in the newest batch of a unit."""

_STORE_ERRORS = (OpenRefusedError, LeafError, sqlite3.Error)

_T = TypeVar("_T")

_log = structlog.get_logger()


@dataclass(slots=True)
class _Turn:
    """A unit that makes evidence, how often it failed in a row, when it is tried again, what it is at."""

    unit: EvidenceUnit
    failures: int = 0
    due: float = 0.0
    work: asyncio.Task[None] | None = None


class Batcher:
    """On the keeper's loop; the work itself in threads, of each unit one batch at a time."""

    def __init__(  # noqa: PLR0913  # what it reads, asks, writes and tells
        self,
        folder: DataFolder,
        config: Config,
        records: Recorder,
        present: Callable[[], Present],
        stopped: Callable[[], bool],
        *,
        on_problem: Callable[[], None],
    ) -> None:
        """Args: folder and settings; what records; what is in force.

        `stopped` says whether an operator has stopped issuing, `on_problem` is told when `problems` changed.
        """
        self._folder, self._config, self._records, self._present = folder, config, records, present
        self._stopped, self._on_problem = stopped, on_problem
        self._watch = EvidenceWatch(folder.profiles, shared=config.ledger.postgres is not None)
        self._turns: dict[str, _Turn] = {}
        self._batches = self._tokens = 0
        self._incomplete: set[str] = set()
        self._reading = asyncio.Lock()
        self._oldest: Mapping[str, Owed] = {}
        """By unit, what has been waiting longest, when that was last read."""
        self._oldest_us: int | None = None
        self._found: dict[str, str] = {}
        self._of_others: dict[str, str] = {}
        """The same of units whose profiles are off: nobody is refused for it, and what waits still does."""
        self._read_at = time.monotonic()
        """When all that waits was known; that stands still with a ledger that cannot be read."""

    @property
    def problems(self) -> Mapping[str, str]:
        """By profile whose unit makes evidence: the code of what keeps it from being made in time."""
        if self._unread_s <= UNREAD_SECONDS:
            return self._found
        return {**dict.fromkeys(_owners(self._present()), BEHIND), **self._found}

    @property
    def counters(self) -> Mapping[str, float]:
        """What was stamped since the start, by metric name."""
        return {metrics.EVIDENCE_BATCHES.name: self._batches, metrics.EVIDENCE_TOKENS.name: self._tokens}

    @property
    def warnings(self) -> tuple[str, ...]:
        """Codes of what an operator should know."""
        return (*sorted({*self._of_others.values()}), *([LEFT_OUT] if self._incomplete else []))

    @property
    def backlog_s(self) -> float:
        """For how long the oldest token has been waiting for evidence, seconds."""
        waiting = 0.0 if self._oldest_us is None else max(0.0, time.time() - self._oldest_us / 1e6)
        return max(waiting, self._unread_s if self._unread_s > UNREAD_SECONDS else 0.0)

    @property
    def _unread_s(self) -> float:
        return time.monotonic() - self._read_at

    async def run(self) -> None:
        """Stamp for ever; a device that hangs keeps its own unit from it, and no other."""
        try:
            while True:
                for ended in [turn.work for turn in self._turns.values() if turn.work and turn.work.done()]:
                    ended.result()  # what nobody expects ends the process
                await self._begin()
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            for turn in self._turns.values():
                if turn.work is not None:
                    turn.work.cancel()

    async def look(self) -> None:
        """Stamp what waits, and wait until it is stamped."""
        await self._begin()
        for turn in tuple(self._turns.values()):
            if turn.work is not None:
                await turn.work

    async def _begin(self) -> None:
        """Read what waits, and let each unit that is not at work stamp what waits for it."""
        present = self._present()
        if self._stopped() or present.clock is None or present.clock.fault is not None:
            self._read_at = time.monotonic()
            return  # nothing is issued now; what waits is stamped later
        try:
            await self._read(present)
            # Those of profiles that are on are tried before anything waits for them.
            names = self._oldest.keys() | evidence_profiles(present.snapshot)
        except StoreLostError:
            return  # the committer ends the process
        except (*_STORE_ERRORS, ProfileError) as error:
            _log.warning("evidence.unread", reason=str(error))
            names = set()
        for name in sorted(names):
            turn = self._turns.setdefault(name, _Turn(EvidenceUnit(self._folder, self._config, name)))
            if time.monotonic() >= turn.due and (turn.work is None or turn.work.done()):
                turn.work = asyncio.create_task(self._work(name, turn, present), name=f"evidence {name}")
        self._tell(present)

    async def _read(self, present: Present) -> None:
        async with self._reading:
            await asyncio.to_thread(self._follow, present)

    def _follow(self, present: Present) -> None:
        begun = time.monotonic()
        with open_reader(self._folder, self._config) as reader:
            self._watch.look(reader, present.snapshot, present.active.epoch)
        self._oldest = {name: queue[0] for name, queue in self._watch.waiting.items() if queue}
        if self._watch.at_end:
            self._read_at = begun

    async def _work(self, name: str, turn: _Turn, present: Present) -> None:
        """Try a unit, and stamp what waits for it."""
        try:
            await asyncio.to_thread(self._tried, name, turn, functools.partial(turn.unit.require, present))
            if not turn.failures:
                await self._stamp(name, turn, present)
        except StoreLostError:
            return  # as in `_begin`
        except (*_STORE_ERRORS, ProfileError) as error:
            _log.warning("evidence.unread", reason=str(error))
        self._tell(self._present())

    async def _stamp(self, name: str, turn: _Turn, present: Present) -> None:
        async with self._reading:
            batch = tuple(itertools.islice(self._watch.waiting.get(name, ()), MAX_BATCH))
        made = await asyncio.to_thread(self._made, name, turn, batch, present) if batch else None
        if made is None:
            return
        await self._read(present)
        first = self._oldest.get(name)
        if first is None or first.index != batch[0].index:
            return  # another node has covered them meanwhile; what was made here has gone to nobody
        # A crash before this line: as if nothing had been stamped. After it: the records can be made.
        if await self._records.caused(EVIDENCE_STAMPED, made.fields, made.archive):
            (self._incomplete.discard if made.complete else self._incomplete.add)(name)
            self._batches += 1
            self._tokens += len(batch)
            # Only what stands in the ledger counts as covered.
            await self._read(present)

    def _made(self, name: str, turn: _Turn, batch: tuple[Owed, ...], present: Present) -> Made | None:
        return self._tried(name, turn, lambda: make_batch(self._folder, name, turn.unit, batch, present))

    def _tried(self, name: str, turn: _Turn, act: Callable[[], _T]) -> _T | None:
        """Return what a unit does; None, and another turn later, when it fails."""
        try:
            done = act()
        except Exception as error:  # noqa: BLE001  # a key device may raise anything; it is tried again
            turn.failures += 1
            turn.due = time.monotonic() + min(_RETRY_SECONDS, LOOK_SECONDS * 2 ** min(turn.failures, 10))
            known = isinstance(error, (UnitError, ProfileError))
            _log.warning(UNIT_UNFIT, profile=name, reason=str(error) if known else repr(error))
            return None
        turn.failures = 0
        return done

    def _tell(self, present: Present) -> None:
        oldest = {name: first.at for name, first in self._oldest.items()}
        self._oldest_us = min(oldest.values(), default=None)
        owners = _owners(present)
        unfit = {name for name, turn in self._turns.items() if turn.failures}
        problems = dict.fromkeys(unfit & (owners | oldest.keys()), UNIT_UNFIT)
        late_us = time.time_ns() / 1_000 - BACKLOG_SECONDS * 1e6
        for name, at_us in oldest.items():
            if at_us < late_us:
                problems.setdefault(name, BEHIND)
        self._of_others = {name: code for name, code in problems.items() if name not in owners}
        found = {name: code for name, code in problems.items() if name in owners}
        if found != self._found:
            self._found = found
            self._on_problem()


def _owners(present: Present) -> frozenset[str]:
    """Return the profiles whose units make the evidence of those that are on; none where that is unknown."""
    try:
        return evidence_profiles(present.snapshot)
    except ProfileError:
        return frozenset()
