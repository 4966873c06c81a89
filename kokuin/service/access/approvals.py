"""Proposals that wait for a second person: kept in `state.db`, decided in the ledger.

A proposal counts only while the ledger says that it was made and not that it
was decided. So neither an older copy of `state.db` nor a row that somebody put
there lets an act happen a second time, or without the first person.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlmodel import col, func, select

from kokuin.service.access.approvers import find_approver, may_propose, tenant_of
from kokuin.service.access.people_changes import new_id
from kokuin.service.access.principal import OPERATOR_TENANT
from kokuin.service.access.proposals import Decided
from kokuin.service.access.state_models import Approval
from kokuin.service.activation import read_act
from kokuin.service.switch_refusals import LEDGER_REFUSED
from kokuin.trust.records import APPROVAL_ENDED, APPROVAL_GIVEN, APPROVAL_PROPOSED

if TYPE_CHECKING:
    from sqlmodel import Session

    from kokuin.ledger.reader import StoreReader
    from kokuin.service.access.approvers import Approver
    from kokuin.service.access.proposals import Proposal
    from kokuin.service.access.state import StateStore
    from kokuin.trust.records import LeafValue

APPROVAL_SECONDS = 3600
"""How long a proposal waits for its second person."""
MAX_APPROVALS = 64
"""How many of one proposer may wait at a time: nobody's flood keeps others from proposing."""

_UNKNOWN = (
    "it has expired, was approved or denied, or what it was proposed in has changed since: propose it again"
)


Execute: TypeAlias = Callable[[str, Mapping[str, Any], Decided], Awaitable[dict[str, Any]]]
Record: TypeAlias = "Callable[[str, Mapping[str, LeafValue]], Awaitable[bool]]"


class Approvals:
    """The operations `approval.*`, and the one way to propose; on the keeper's loop."""

    def __init__(  # noqa: PLR0913  # what it reads and writes, and whom it asks
        self,
        store: StateStore,
        record: Record,
        reader: Callable[[], StoreReader],
        *,
        execute: Execute,
        context: Callable[[str], str],
        veto: Callable[[str, str], str],
    ) -> None:
        """Keep what is needed.

        Args:
            store: of `state.db`.
            record: writes a leaf, True once durable.
            reader: opens the ledger for reading.
            execute: does what was approved.
            context: says for an operation what it would be proposed in now.
            veto: says for an operation and an actor why that one may neither propose nor approve it; empty:
                they may.
        """
        self._store, self._record, self._reader = store, record, reader
        self._execute, self._context, self._veto = execute, context, veto
        self._one = asyncio.Lock()
        """Of two that decide at once the second finds it decided."""

    async def propose(self, proposal: Proposal, actor: str) -> dict[str, Any]:
        """Let a proposal wait; `ok` is False with `code` when it may not."""
        row = Approval(
            id=new_id("p-"),
            operation=proposal.operation,
            arguments=dict(proposal.arguments),
            about=proposal.about,
            tenant=proposal.tenant,
            context=proposal.context,
            proposer=actor,
            since_us=time.time_ns() // 1_000,
        )
        answer = {"ok": True, "state": "proposed", "approval": row.id, **proposal.answer}
        async with self._one:
            await self._sweep()
            if await self._store.aread(lambda session: _count(session, actor)) >= MAX_APPROVALS:
                return {"ok": False, "code": "APPROVALS_TOO_MANY"}
            if not await self._record(APPROVAL_PROPOSED, _leaf(row, actor)):
                return _not_recorded()
            # A crash before this line leaves a leaf without a row: nobody can approve it.
            await self._store.awrite(lambda session: session.add(row))
        return answer

    async def ask(self, operation: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one question; `ok` is False with `code`."""
        actor, key = str(arguments.get("actor", "")), str(arguments.get("approval", ""))
        match operation:
            case "approval.list":
                return {"ok": True, "approvals": await self._list(actor)}
            case "approval.approve":
                return await self._approve(key, actor)
            case "approval.deny":
                async with self._one:
                    return await self._deny(key, actor)
        return {"ok": False, "code": "OPERATION_UNKNOWN"}

    async def lapse(self, operation: str, actor: str) -> None:
        """End what waits of an operation, since the actor wants the contrary."""
        found = select(Approval).where(Approval.operation == operation)
        async with self._one:
            for row in await self._store.aread(lambda session: session.exec(found).all()):
                await self._end(row, actor, "lapsed")

    async def sweep(self) -> None:
        """End what has waited for too long."""
        async with self._one:
            await self._sweep()

    async def _sweep(self) -> None:
        limit = time.time_ns() // 1_000 - APPROVAL_SECONDS * 1_000_000
        found = select(Approval).where(Approval.since_us < limit)
        for row in await self._store.aread(lambda session: session.exec(found).all()):
            await self._end(row, "keeper", "expired")

    async def _approve(self, key: str, actor: str) -> dict[str, Any]:
        async with self._one:
            row = await self._given(key, actor)
        if isinstance(row, Approval):
            return await self._execute(row.operation, row.arguments, Decided(row.proposer, actor))
        return row

    async def _given(self, key: str, actor: str) -> Approval | dict[str, Any]:
        """Put an approval on record, and return what it was of; else the answer that says why not."""
        row, approver = await self._waiting(key, actor)
        if row is None:
            return _unknown()
        code = _objection(row, approver, actor) or self._veto(row.operation, actor)
        code = code or self._veto(row.operation, row.proposer)
        if code:
            return {"ok": False, "code": code}
        # Attack: a stolen key proposes, its client is shut out, and somebody says yes all the same.
        if row.context != self._context(row.operation) or not await self._stands(row):
            await self._end(row, actor, "lapsed")
            return _unknown()
        if not await self._record(APPROVAL_GIVEN, {**_leaf(row, actor), "proposer": row.proposer}):
            return _not_recorded()
        # A crash from here on: it counts as decided, and is done once or not at all.
        await self._drop(row)
        return row

    async def _stands(self, row: Approval) -> bool:
        """Say whether whoever proposed may still propose it."""
        now_us = time.time_ns() // 1_000
        return await self._store.aread(
            lambda session: may_propose(session, row.proposer, row.operation, now_us)
        )

    async def _deny(self, key: str, actor: str) -> dict[str, Any]:
        row, approver = await self._waiting(key, actor)
        if row is None:
            return _unknown()
        if isinstance(approver, str) and row.proposer != actor:  # who proposed may take it back
            return {"ok": False, "code": approver}
        return {"ok": True} if await self._end(row, actor, "denied") else _not_recorded()

    async def _waiting(self, key: str, actor: str) -> tuple[Approval | None, Approver | str]:
        """Return a proposal that waits, and who asks; None when there is none that they may see."""
        now_us = time.time_ns() // 1_000

        def find(session: Session) -> tuple[Approval | None, Approver | str, str]:
            found = session.get(Approval, key)
            return found, find_approver(session, actor, now_us), tenant_of(session, actor)

        row, approver, tenant = await self._store.aread(find)
        if row is None or tenant not in {OPERATOR_TENANT, row.tenant}:
            return None, approver
        if now_us - row.since_us >= APPROVAL_SECONDS * 1_000_000:
            return None, approver
        waits = await asyncio.to_thread(self._is_on_record, key)
        return (row if waits else None), approver

    def _is_on_record(self, key: str) -> bool:
        """Say whether the ledger has the proposal, and no decision on it."""
        with self._reader() as reader:
            proposed = _index(reader, APPROVAL_PROPOSED, key)
            decided = [_index(reader, kind, key) for kind in (APPROVAL_GIVEN, APPROVAL_ENDED)]
        return proposed is not None and decided == [None, None]

    async def _list(self, actor: str) -> list[dict[str, Any]]:
        await self.sweep()
        return await self._store.aread(lambda session: list_waiting(session, actor))

    async def _end(self, row: Approval, actor: str, why: str) -> bool:
        """End a proposal that is not done; False when that could not be recorded, and it waits on."""
        if not await self._record(APPROVAL_ENDED, {**_leaf(row, actor), "why": why}):
            return False
        await self._drop(row)
        return True

    async def _drop(self, row: Approval) -> None:
        def delete(session: Session) -> None:
            found = session.get(Approval, row.id)
            if found is not None:
                session.delete(found)

        await self._store.awrite(delete)


def list_waiting(session: Session, actor: str) -> list[dict[str, Any]]:
    """Return the proposals that wait and are an actor's to see."""
    tenant, limit = tenant_of(session, actor), time.time_ns() // 1_000 - APPROVAL_SECONDS * 1_000_000
    rows = select(Approval).where(Approval.since_us >= limit)
    found = session.exec(rows.order_by(col(Approval.since_us), col(Approval.id)))
    return [_shown(row) for row in found if tenant in {OPERATOR_TENANT, row.tenant}]


def _objection(row: Approval, approver: Approver | str, actor: str) -> str:
    """Say why somebody may not approve a proposal; empty: they may."""
    if row.proposer == actor:
        # Attack: one stolen key must not be enough.
        return "SELF_APPROVAL"
    if isinstance(approver, str):
        return approver
    # Attack: whoever proposes adds a second person of their own making.
    return "APPROVER_TOO_NEW" if approver.since_us >= row.since_us else ""


def _count(session: Session, proposer: str) -> int:
    found = select(func.count()).select_from(Approval).where(Approval.proposer == proposer)
    return session.exec(found).one()


def _index(reader: StoreReader, kind: str, key: str) -> int | None:
    """Return where the ledger has a leaf about a proposal, looking back as far as one may wait."""
    oldest = time.time_ns() // 1_000 - 2 * APPROVAL_SECONDS * 1_000_000
    for stored in reader.backwards(kind):
        leaf = read_act(stored)
        if leaf["proposal"] == key:
            return stored.index
        if int(str(leaf["at"])) < oldest:
            return None
    return None


def _leaf(row: Approval, actor: str) -> dict[str, LeafValue]:
    return {
        "tenant": row.tenant,
        "actor": actor,
        "act": row.operation,
        "about": row.about,
        "proposal": row.id,
    }


def _shown(row: Approval) -> dict[str, Any]:
    return {
        "approval": row.id,
        "operation": row.operation,
        "about": row.about,
        "arguments": row.arguments,
        "proposer": row.proposer,
        "since_us": row.since_us,
        "ends_us": row.since_us + APPROVAL_SECONDS * 1_000_000,
    }


def _unknown() -> dict[str, Any]:
    return {"ok": False, "code": "APPROVAL_UNKNOWN", "detail": _UNKNOWN}


def _not_recorded() -> dict[str, Any]:
    return {"ok": False, "code": LEDGER_REFUSED, "detail": "what was asked for could not be recorded"}
