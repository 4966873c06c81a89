"""Activations: grants of so many acts of one client until a moment, each wanted by two people.

An act is spent before it is done, durably: a crash between the two costs an
act, and never gives one away.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlmodel import col, delete, select

from kokuin.service.access.approvers import GRANT, tenant_of
from kokuin.service.access.people_changes import new_id
from kokuin.service.access.principal import OPERATOR_TENANT
from kokuin.service.access.proposals import Proposal
from kokuin.service.access.state_faults import StateRefusedError
from kokuin.service.access.state_models import Activation, Client
from kokuin.service.owner import OWNER
from kokuin.service.switch_refusals import LEDGER_REFUSED
from kokuin.trust.records import ACTIVATION_GRANTED

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from sqlmodel import Session
    from sqlmodel.sql.expression import SelectOfScalar

    from kokuin.service.access.approvals import Record
    from kokuin.service.access.proposals import Decided
    from kokuin.service.access.state import StateStore
    from kokuin.trust.records import LeafValue

KINDS = ("stamp", "seal")
"""What may be granted."""
MAX_COUNT = 10_000_000
FARTHEST_US = 31 * 24 * 3600 * 1_000_000
"""How far ahead an activation may end, microseconds."""
MAX_OPEN = 64
"""How many of one client may be open at a time."""

SPEND = "activation.spend"


class _Spending(NamedTuple):
    client: str
    kind: str
    done: asyncio.Future[str]


class Activations:
    """The operations `activation.*`; on the keeper's loop."""

    def __init__(
        self,
        store: StateStore,
        record: Record,
        propose: Callable[[Proposal, str], Awaitable[dict[str, Any]]],
    ) -> None:
        """Args: of `state.db`; writes a leaf, True once durable; lets a proposal wait."""
        self._store, self._record, self._propose = store, record, propose
        self._waiting: list[_Spending] = []
        self._spender: asyncio.Task[None] | None = None

    async def ask(self, operation: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one question; `ok` is False with `code`, and `field` of a value that is unfit."""
        actor = str(arguments.get("actor", ""))
        match operation:
            case "activation.propose":
                return await self._proposed(arguments, actor)
            case "activation.list":
                listed = await self._store.aread(lambda session: list_activations(session, actor))
                return {"ok": True, "activations": listed}
            case _ if operation == SPEND and actor != OWNER:  # workers alone act for clients
                return await self._spend(str(arguments.get("client")), str(arguments.get("kind")))
        return {"ok": False, "code": "OPERATION_UNKNOWN"}

    async def grant(self, arguments: Mapping[str, Any], decided: Decided) -> dict[str, Any]:
        """Make an activation that two have wanted."""
        row = Activation(id=new_id("a-"), created_us=time.time_ns() // 1_000, **arguments)
        client = await self._store.aread(lambda session: session.get(Client, row.client))
        if client is None:
            return {"ok": False, "code": "CLIENT_UNKNOWN"}
        fields: dict[str, LeafValue] = {
            "tenant": client.tenant,
            "actor": decided.proposer,
            "approver": decided.approver,
            "activation": row.id,
            "client": row.client,
            "act": row.kind,
            "count": row.count,
            "until": row.until_us,
        }
        if not await self._record(ACTIVATION_GRANTED, fields):
            return {"ok": False, "code": LEDGER_REFUSED}
        # A crash before this line leaves a leaf that grants nothing.
        await self._store.awrite(lambda session: _insert(session, row))
        return {"ok": True, "activation": row.id}

    async def _proposed(self, arguments: Mapping[str, Any], actor: str) -> dict[str, Any]:
        now_us = time.time_ns() // 1_000
        kind, count, until_us = (arguments.get(name) for name in ("kind", "count", "until_us"))
        if kind not in KINDS:
            return _unfit("kind", f"one of {', '.join(KINDS)}")
        if type(count) is not int or not 1 <= count <= MAX_COUNT:
            return _unfit("count", f"a whole number from 1 to {MAX_COUNT}")
        if type(until_us) is not int or not now_us < until_us <= now_us + FARTHEST_US:
            return _unfit("until_us", "microseconds since 1970 UTC, at most 31 days ahead")
        key = str(arguments.get("client"))

        def find(session: Session) -> tuple[Client | None, int]:
            found = session.get(Client, key)
            seen = found is not None and tenant_of(session, actor) in {OPERATOR_TENANT, found.tenant}
            return (found if seen else None), len(session.exec(_open(key, now_us)).all())

        client, others = await self._store.aread(find)
        if client is None:
            return {"ok": False, "code": "CLIENT_UNKNOWN"}
        if others >= MAX_OPEN:
            return {"ok": False, "code": "TOO_MANY", "detail": f"{MAX_OPEN} is the most"}
        asked = {"client": key, "kind": kind, "count": count, "until_us": until_us}
        return await self._propose(Proposal(GRANT, asked, key, client.tenant), actor)

    async def _spend(self, client: str, kind: str) -> dict[str, Any]:
        """Spend one act: what is asked for while one transaction is written goes into the next together."""
        done: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Spending(client, kind, done))
        if self._spender is None:
            self._spender = asyncio.create_task(self._spend_all(), name="spend")
        activation = await done
        return {"ok": True, "activation": activation} if activation else _wanted()

    async def _spend_all(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                spent = await self._store.awrite(
                    lambda session, batch=batch: [_take(session, each) for each in batch]  # type: ignore[misc]  # bound at once
                )
            except StateRefusedError:
                spent = [""] * len(batch)  # whether it was written is unknown, so nobody acts
            for each, activation in zip(batch, spent, strict=True):
                if not each.done.done():
                    each.done.set_result(activation)
        self._spender = None


def _take(session: Session, spending: _Spending) -> str:
    """Take one act from the activation that ends first; empty when there is none."""
    now_us = time.time_ns() // 1_000
    left = _open(spending.client, now_us).where(
        Activation.kind == spending.kind, col(Activation.spent) < col(Activation.count)
    )
    found = session.exec(left.order_by(col(Activation.until_us), col(Activation.id)).limit(1)).first()
    if found is None:
        return ""
    found.spent += 1
    session.add(found)
    session.flush()
    return found.id


def _open(client: str, now_us: int) -> SelectOfScalar[Activation]:
    return select(Activation).where(Activation.client == client, Activation.until_us > now_us)


def _insert(session: Session, row: Activation) -> None:
    """Add an activation, in place of those of its client that are over."""
    over = delete(Activation).where(
        col(Activation.client) == row.client, col(Activation.until_us) <= row.created_us
    )
    session.exec(over)
    session.add(row)


def list_activations(session: Session, actor: str) -> list[dict[str, Any]]:
    """Return the activations that are an actor's to see."""
    tenant = tenant_of(session, actor)
    wanted = select(Activation).join(Client).order_by(col(Activation.created_us), col(Activation.id))
    if tenant != OPERATOR_TENANT:
        wanted = wanted.where(Client.tenant == tenant)
    return [_shown(row) for row in session.exec(wanted)]


def _shown(row: Activation) -> dict[str, Any]:
    return {
        "activation": row.id,
        "client": row.client,
        "kind": row.kind,
        "count": row.count,
        "left": row.count - row.spent,
        "until_us": row.until_us,
    }


def _unfit(name: str, detail: str) -> dict[str, Any]:
    return {"ok": False, "code": "VALUE_UNFIT", "field": name, "detail": detail}


def _wanted() -> dict[str, Any]:
    return {"ok": False, "code": "ACTIVATION_WANTED"}
