"""All of the keeper that is about access, joined: changes, approvals, activations, totals, and the stop."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import structlog

from kokuin.ledger.faults import OpenRefusedError
from kokuin.ledger.refusals import RefusalCounter
from kokuin.service.access.activations import Activations
from kokuin.service.access.approvals import Approvals
from kokuin.service.access.approvers import GRANT, RELEASE, people_of
from kokuin.service.access.emergency import SET, Emergency
from kokuin.service.access.people import CHANGES, prepare
from kokuin.service.access.people_changes import Prepared
from kokuin.service.access.people_values import PeopleRefusedError
from kokuin.service.access.proposals import Proposal
from kokuin.service.access.state_faults import StateRefusedError
from kokuin.service.access.usage import KEEP_SECONDS, DayTotals
from kokuin.service.activation_error import ActivationError
from kokuin.service.ledger_store import open_reader
from kokuin.service.profile_operations import CHANGES as SWITCHES
from kokuin.service.switch_refusals import LEDGER_REFUSED
from kokuin.trust.records import ACCESS_DENIED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kokuin.ledger.committer import Committer
    from kokuin.service.access.people import People
    from kokuin.service.access.proposals import Decided
    from kokuin.service.access.state import StateStore
    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.ports import WorkerReport
    from kokuin.service.profile_operations import ProfileOperations
    from kokuin.service.recording import Recorder

_TAKING_AWAY = frozenset(
    {"access.tenant.disable", "access.client.disable", "access.key.revoke", "access.binding.remove"}
)
"""Changes after which somebody may less, and nobody more."""

_log = structlog.get_logger()


class AccessDesk:
    """The operations `access.*`, `approval.*`, `activation.*` and `stop.*`; on the keeper's loop."""

    def __init__(  # noqa: PLR0913, PLR0917  # the parts of the keeper that access is about
        self,
        folder: DataFolder,
        config: Config,
        store: StateStore,
        journal: Committer,
        records: Recorder,
        people: People,
        *,
        switches: Callable[[], ProfileOperations],
        on_change: Callable[[], None],
    ) -> None:
        """Join the parts.

        Args:
            folder: the data folder.
            config: its settings.
            store: of `state.db`.
            journal: the ledger's writer.
            records: writes leaves.
            people: changes who there is.
            switches: returns who switches profiles.
            on_change: told whenever the emergency stop was set or released.
        """
        self._config, self._people, self._switches = config, people, switches
        self._records, self._denials = records, RefusalCounter(ACCESS_DENIED, "tenant")
        self.emergency = Emergency(
            store,
            journal,
            records,
            lambda: open_reader(folder, config),
            people=lambda: people_of(people.table(), time.time_ns() // 1_000),
            on_change=on_change,
        )
        self.approvals = Approvals(
            store,
            records.recorded,
            lambda: open_reader(folder, config),
            execute=self._execute,
            context=self._context,
            veto=self._veto,
        )
        self._activations = Activations(store, records.recorded, self.approvals.propose)
        self._totals = DayTotals(store)

    async def begin(self) -> None:
        """Learn what stands, before anybody is let in.

        Raises:
            OpenRefusedError, StateRefusedError, ActivationError: that cannot be known.
        """
        await self.emergency.begin()
        await self._totals.load(time.time_ns() // 1_000)
        self._exhaust()

    async def run(self) -> None:
        """Watch the stop, keep the totals, and end what has waited too long, for ever."""
        shared = self._config.ledger.postgres is not None
        await asyncio.gather(self.emergency.run(shared=shared), self._tend())

    async def close(self) -> None:
        """Keep what was counted last."""
        try:
            await self._totals.keep()
        except StateRefusedError as error:
            _log.error("usage.unkept", reason=str(error))  # its text says all
        await self.emergency.close()
        self._records.counted(self._denials.drain())

    def take(self, report: WorkerReport) -> None:
        """Take what a worker counted: whom it turned away, and who did how much."""
        now_us = time.time_ns() // 1_000
        for code, tenant, count in report.denials:
            self._denials.note(code, tenant, now_us, count)
        self._totals.add(report.used, now_us)
        table = self._people.table()
        spent = {client for client in report.used if self._totals.is_exhausted(table.clients.get(client))}
        if not spent <= table.exhausted:
            self._people.exhaust(table.exhausted | spent)

    def tick(self, now_us: int) -> None:
        """Put on record whom nobody let in, in the minute that is over."""
        self._records.counted(self._denials.due(now_us))

    async def ask(self, operation: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one question; `ok` is False with `code`."""
        try:
            return await self._answer(operation, arguments)
        except PeopleRefusedError as error:
            return error.answer
        except StateRefusedError as error:
            _log.error("state.failed", code=error.fault.value, detail=str(error))
            return {"ok": False, "code": error.fault.value}
        except (OpenRefusedError, ActivationError) as error:
            return {"ok": False, "code": LEDGER_REFUSED, "detail": str(error)}

    async def _answer(self, operation: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        actor = str(arguments.get("actor", "unknown"))
        match operation.partition(".")[0]:
            case "approval":
                return await self.approvals.ask(operation, arguments)
            case "activation":
                return await self._activations.ask(operation, arguments)
            case "stop":
                return await self._stop(operation, arguments, actor)
        if await self._wants_two(operation, arguments):
            return await self._propose(operation, arguments, actor)
        answer = await self._people.ask(operation, arguments)
        if operation in CHANGES:
            self._exhaust()  # a quota may be another by now
        return answer

    async def _stop(self, operation: str, arguments: Mapping[str, Any], actor: str) -> dict[str, Any]:
        if operation == RELEASE:
            proposal = self.emergency.proposal(actor)
            return proposal if isinstance(proposal, dict) else await self.approvals.propose(proposal, actor)
        answer = await self.emergency.ask(operation, arguments)
        if operation == SET and answer["ok"]:
            await self.approvals.lapse(RELEASE, actor)  # whoever says stop now does not want it released
        return answer

    async def _wants_two(self, operation: str, arguments: Mapping[str, Any]) -> bool:
        if operation not in CHANGES:
            return False
        if self._config.access.approvals > 1:
            return True
        # Attack: whoever could add people, or keys of people, while stopped, could release the stop alone.
        given = self.emergency.stopped and operation not in _TAKING_AWAY
        return given or await self.emergency.guards(arguments)

    async def _propose(self, operation: str, arguments: Mapping[str, Any], actor: str) -> dict[str, Any]:
        code = self._veto(operation, actor)
        if code:
            # Attack: whoever proposes a key of somebody else is shown its text, and may be who approves it.
            return {"ok": False, "code": code}
        prepared = prepare(operation, arguments)
        await self._people.rehearse(operation, prepared)
        named = (prepared.arguments.get(name) for name in ("key", "binding", "client", "tenant"))
        about = next((str(each) for each in named if each is not None), "")
        # The text of a new key goes to whoever asked for it, now; what waits holds its hash.
        proposal = Proposal(operation, prepared.arguments, about, answer=prepared.answer)
        return await self.approvals.propose(proposal, actor)

    async def _execute(
        self, operation: str, arguments: Mapping[str, Any], decided: Decided
    ) -> dict[str, Any]:
        if operation == RELEASE:
            return await self.emergency.release(decided)
        if operation == GRANT:
            return await self._activations.grant(arguments, decided)
        if operation in SWITCHES:
            return await self._switches().do(operation, arguments, decided.both)
        by = {"actor": decided.proposer, "approver": decided.approver}
        answer = await self._people.carry_out(operation, Prepared(dict(arguments)), by)
        self._exhaust()
        return answer

    def _context(self, operation: str) -> str:
        if operation == RELEASE:
            return self.emergency.context
        return self._switches().context if operation in SWITCHES else ""

    def _veto(self, operation: str, actor: str) -> str:
        held = operation == RELEASE or operation in CHANGES - _TAKING_AWAY
        return self.emergency.veto(actor) if held else ""

    def _exhaust(self) -> None:
        self._people.exhaust(self._totals.exhausted(self._people.table(), time.time_ns() // 1_000))

    async def _tend(self) -> None:
        while True:
            await asyncio.sleep(KEEP_SECONDS)
            self._exhaust()  # also when a day has begun, or a client was granted more
            try:
                await self._totals.keep()
                await self.approvals.sweep()
            except StateRefusedError as error:
                _log.error("state.failed", code=error.fault.value, detail=str(error))
