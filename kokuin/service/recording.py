"""The keeper's own acts as leaves: who did what under which configuration."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from kokuin.service.issuing import new_id
from kokuin.trust.journal import Refused
from kokuin.trust.records import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Future

    from kokuin.service.provisioning import Act
    from kokuin.trust.journal import AppendOutcome, Journal
    from kokuin.trust.records import LeafValue

_log = structlog.get_logger()


class Recorder:
    """Writes the keeper's records; any thread may use it."""

    def __init__(self, journal: Journal, digest: Callable[[], str]) -> None:
        """Args: the ledger's writer; the digest of the configuration in force."""
        self._journal, self._digest = journal, digest

    def record(self, kind: str, fields: Mapping[str, LeafValue]) -> Future[AppendOutcome]:
        """Append what needs no answer; what the ledger refuses is at least in the log."""
        future = self._journal.append(self.make(kind, fields))
        future.add_done_callback(_log_refused)
        return future

    def make(self, kind: str, fields: Mapping[str, LeafValue]) -> Record:
        """Return a record with the fields that every act of the keeper has."""
        common = {"id": new_id(), "tenant": "service", "actor": "keeper", "cfg": self._digest()}
        return Record(kind, {**common, **fields})

    async def recorded(self, kind: str, fields: Mapping[str, LeafValue]) -> bool:
        """Append what whoever asked waits for; False when the ledger refused it."""
        outcome: AppendOutcome = await asyncio.wrap_future(self.record(kind, fields))
        return not isinstance(outcome, Refused)

    async def caused(self, kind: str, fields: Mapping[str, LeafValue], *with_it: Record) -> bool:
        """Append what the service causes itself, and what stands or falls with it; False when refused."""
        record = self.make(kind, fields)._replace(self_caused=True)
        future = self._journal.append(*with_it, record)
        future.add_done_callback(_log_refused)
        outcome: AppendOutcome = await asyncio.wrap_future(future)
        return not isinstance(outcome, Refused)

    def act(self, act: Act) -> None:
        """Append an act that was done."""
        self.record(act.kind, act.fields)

    def counted(self, counts: tuple[Record, ...]) -> None:
        """Append what was counted."""
        for count in counts:
            self.record(count.kind, count.fields)


def _log_refused(future: Future[AppendOutcome]) -> None:
    outcome = future.result()
    if isinstance(outcome, Refused):
        _log.error("append.refused", reason=outcome.reason.value, detail=outcome.detail)
