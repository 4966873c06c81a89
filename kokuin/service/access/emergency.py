"""The emergency stop: one operator stops all issuing at once, two people together release it.

The truth is the ledger: the newest of `stop.set` and `stop.released`, of
whichever node. A row in `state.db` says the same of a stop that stands, for a
ledger that cannot take the leaf, or that is recovered without it; of the two the
newer one counts, so that neither an old copy nor a restart changes anything.
"""

from __future__ import annotations

import asyncio
import time
import unicodedata
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import structlog
from sqlmodel import select

from kokuin.ledger.faults import OpenRefusedError
from kokuin.service.access.approvers import RELEASE, client_of
from kokuin.service.access.principal import OPERATOR_TENANT
from kokuin.service.access.proposals import Proposal
from kokuin.service.access.state_faults import StateRefusedError
from kokuin.service.access.state_models import Stop
from kokuin.service.access.stop_views import Stopped, StopReader, kept_stop, newest_stop, show_stop
from kokuin.service.noting import MAX_REASON
from kokuin.service.switch_refusals import LEDGER_REFUSED
from kokuin.trust.journal import Refused
from kokuin.trust.records import STOP_RELEASED, STOP_SET

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlmodel import Session

    from kokuin.ledger.committer import Committer
    from kokuin.ledger.reader import StoreReader
    from kokuin.service.access.proposals import Decided
    from kokuin.service.access.state import StateStore
    from kokuin.service.access.stop_views import Found
    from kokuin.service.recording import Recorder
    from kokuin.trust.records import LeafValue

SET = "stop.set"
PROBLEM = "EMERGENCY_STOP"
"""What `/readyz` says meanwhile."""
MAX_PEOPLE = 64
"""How many people the leaf of a stop names; more would not fit into one."""
LOOK_SECONDS = 1.0
"""How often the stops of other nodes are looked for, and a stop that is not on record is recorded."""
WRITE_SECONDS = 5.0
"""How long whoever stops waits for its leaf and its row before they are told how it is kept."""

_log = structlog.get_logger()


class Emergency:
    """The operations `stop.*`; on the keeper's loop."""

    def __init__(  # noqa: PLR0913  # what it reads and writes, and whom it tells
        self,
        store: StateStore,
        journal: Committer,
        records: Recorder,
        reader: Callable[[], StoreReader],
        *,
        people: Callable[[], tuple[str, ...]],
        on_change: Callable[[], None],
    ) -> None:
        """Keep what is needed.

        Args:
            store: of `state.db`.
            journal: the ledger's writer, which takes no token while stopped.
            records: writes leaves.
            reader: opens the ledger for reading.
            people: says which persons of the operator's tenant may approve now.
            on_change: told whenever `stopped` changed.
        """
        self._store, self._journal, self._records = store, journal, records
        self._open, self._people, self._on_change = reader, people, on_change
        self._reader = StopReader(reader)
        self._stop: Stopped | None = None
        self._seen, self._newest_us = -1, 0
        """Index and time of the newest leaf that is known: of several the time may be the same."""
        self._recording = asyncio.Lock()
        self._releasing = False
        self._again: tuple[str, str] | None = None
        """Reason and actor of a stop that was set while a release was being recorded."""
        self._writing: tuple[asyncio.Task[None], asyncio.Task[bool]] | None = None

    @property
    def stopped(self) -> bool:
        """Whether nothing may be issued."""
        return self._stop is not None

    @property
    def context(self) -> str:
        """The stop that a release is proposed of: of another one nobody said that it may go."""
        return "" if self._stop is None else str(self._stop.since_us)

    def veto(self, actor: str) -> str:
        """Say why an actor may not release the stop that stands; empty: they may, or there is none."""
        stop = self._stop
        return "STOP_PEOPLE_WANTED" if stop and actor not in stop.releasers(self._people()) else ""

    async def guards(self, arguments: Mapping[str, Any]) -> bool:
        """Say whether a change concerns one of the people who alone can release the stop that stands.

        Attack: one operator sets a stop and takes the others' keys away, and nobody is left to end it.
        """
        people = () if self._stop is None else self._stop.people
        if len(people) < 2:
            return False
        if arguments.get("tenant") == OPERATOR_TENANT:
            return True
        return await self._store.aread(lambda session: client_of(session, arguments)) in people

    async def begin(self) -> None:
        """Learn, before anything is issued, whether a stop stands.

        Raises:
            OpenRefusedError, StateRefusedError, ActivationError: that cannot be known.
        """
        kept = await self._store.aread(kept_stop)
        if kept is not None:
            self._install(kept)
        self._take(await asyncio.to_thread(self._found_now))

    async def run(self, *, shared: bool) -> None:
        """Look at the ledger for ever where other nodes write to it; record what could not be recorded."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if self._stop is not None and not self._stop.recorded:
                await self._put_on_record()
            if shared:
                try:
                    self._take(await asyncio.to_thread(self._reader.newest))
                except OpenRefusedError as error:
                    # Without the ledger nothing is issued either.
                    _log.warning("stop.unseen", reason=str(error))

    async def close(self) -> None:
        """Let the ledger go."""
        await asyncio.to_thread(self._reader.close)

    async def ask(self, operation: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one question, but for `stop.release`; `ok` is False with `code`."""
        match operation:
            case _ if operation == SET:
                return await self._set(arguments.get("reason"), str(arguments.get("actor", "unknown")))
            case "stop.show":
                return {"ok": True, **self._shown()}
        return {"ok": False, "code": "OPERATION_UNKNOWN"}

    def proposal(self, actor: str) -> Proposal | dict[str, Any]:
        """Return what a release proposes, or the answer that says why the actor may not propose it."""
        if self._stop is None:
            return {"ok": False, "code": "STOP_NONE"}
        code = self.veto(actor)
        return {"ok": False, "code": code} if code else Proposal(RELEASE, context=self.context)

    async def release(self, decided: Decided) -> dict[str, Any]:
        """Let issuing go on, as two have wanted."""
        if self._stop is None or self._releasing:
            return {"ok": False, "code": "STOP_NONE"}
        self._releasing = True
        try:
            async with self._recording:
                refusal = await self._record_release(self._stop, decided)
        finally:
            self._releasing, self._again = False, None
        if refusal is not None:
            return {"ok": False, "code": LEDGER_REFUSED, "detail": refusal}
        if self._stop is not None:
            return await self._kept()
        await self._store.awrite(_forget)
        return {"ok": True}

    async def _record_release(self, stop: Stopped | None, decided: Decided) -> str | None:
        """Release, or say why the ledger refuses."""
        if stop is None:
            return None  # another node's release was seen meanwhile
        both: dict[str, LeafValue] = {"actor": decided.proposer, "approver": decided.approver}
        fields = {**both, "since": stop.since_us}
        outcome = await asyncio.wrap_future(self._records.record(STOP_RELEASED, fields))
        if isinstance(outcome, Refused):
            return outcome.reason.value
        # A crash before this line: a row in `state.db` is older than the leaf, and counts no more.
        self._know(outcome[0].index, outcome[0].at)
        if self._again is not None:
            # Whoever said stop while this was written was told that it is: not one token goes between.
            self._begin(*self._again)
        elif self._stop is stop:  # else the ledger was looked at meanwhile, and this is another stop
            self._install(None)
        return None

    async def _set(self, reason: object, actor: str) -> dict[str, Any]:
        if not isinstance(reason, str) or not 0 < len(reason) <= MAX_REASON:
            detail = f"1 to {MAX_REASON} characters"
            return {"ok": False, "code": "VALUE_UNFIT", "field": "reason", "detail": detail}
        if self._stop is None:
            self._begin(reason, actor)
            return await self._kept()
        if self._releasing:
            self._again = (reason, actor)
        return {"ok": True, **self._shown()}

    def _begin(self, reason: str, actor: str) -> None:
        """Stop at once, and before anything that may take time: the ledger may be what is wrong."""
        now_us = max(time.time_ns() // 1_000, self._newest_us + 1)
        people = self._people()[:MAX_PEOPLE]
        self._install(Stopped(now_us, actor, _line(reason), people))

    async def _kept(self) -> dict[str, Any]:
        """Say what stands, once it is durable."""
        if not await self._is_durable(self._stop):
            return {"ok": False, "code": "STOP_NOT_KEPT", "detail": "it ends with this process"}
        return {"ok": True, **self._shown()}

    async def _is_durable(self, stop: Stopped | None) -> bool:
        """Write a stop into the ledger and beside it: either may be full, lost, or put back from a copy."""
        if stop is None:
            return True  # released meanwhile
        recording = asyncio.create_task(self._put_on_record(), name="stop")
        keeping = asyncio.create_task(self._keep(stop), name="stop.row")
        self._writing = (recording, keeping)
        await asyncio.wait(self._writing, timeout=WRITE_SECONDS)
        recorded = self._stop is None or self._stop.recorded
        return recorded or (keeping.done() and keeping.result())

    async def _put_on_record(self) -> None:
        """Write the leaf of the stop that stands."""
        async with self._recording:
            stop = self._stop
            if stop is None or stop.recorded:
                return
            said: dict[str, LeafValue] = {"actor": stop.actor, "reason": stop.reason}
            fields = {**said, "people": list(stop.people)}
            outcome = await asyncio.wrap_future(self._records.record(STOP_SET, fields))
            if not isinstance(outcome, Refused) and self._stop is stop:
                self._know(outcome[0].index, outcome[0].at)
                self._stop = replace(stop, since_us=outcome[0].at, recorded=True)

    async def _keep(self, stop: Stopped) -> bool:
        row = Stop(actor=stop.actor, reason=stop.reason, since_us=stop.since_us, people=list(stop.people))

        def keep(session: Session) -> None:
            session.merge(row)

        try:
            await self._store.awrite(keep)
        except StateRefusedError as error:
            _log.critical("stop.not_kept", reason=str(error))
            return False
        return True

    def _found_now(self) -> Found | None:
        with self._open() as reader:
            return newest_stop(reader)

    def _take(self, found: Found | None) -> None:
        """Take the ledger's word, where it is newer than what is known."""
        # Attack: a clock that is put back makes a stop as old as the release before it; the index is newer.
        if found is None or found.index <= self._seen:
            return
        if found.outranks(self._stop):
            self._know(found.index, found.at_us)
            self._install(found.stop)

    def _know(self, index: int, at_us: int) -> None:
        self._seen, self._newest_us = max(self._seen, index), max(self._newest_us, at_us)

    def _install(self, stop: Stopped | None) -> None:
        changed = (stop is None) != (self._stop is None)
        self._stop = stop
        # First the ledger, then everybody else: what a worker has signed by now does not leave.
        self._journal.halt(stop is not None)
        if changed:
            _log.warning("stop.released" if stop is None else "stop.set")
            self._on_change()

    def _shown(self) -> dict[str, Any]:
        return show_stop(self._stop, self._people())


def _line(reason: str) -> str:
    """Return a reason as one line that fits into a leaf; nobody is kept from stopping by a reason's form."""
    # Attack: it writes over what the second person reads, or is too long for the leaf that other nodes await.
    shown = "".join(
        each if each.isprintable() or each == "\u3000" else " " if each.isspace() else "\ufffd"
        for each in reason
    )
    return unicodedata.normalize("NFC", shown)[:MAX_REASON]


def _forget(session: Session) -> None:
    for row in session.exec(select(Stop)):
        session.delete(row)
