"""The desk for `access.*`: tenants, clients, their keys and bindings; and the table of them for every worker.

A change is on record before it counts: its leaf is durable before the
transaction is committed that makes it.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

import structlog

from kokuin.service.access.key_changes import KEY_CHANGES
from kokuin.service.access.people_values import PeopleRefusedError
from kokuin.service.access.people_views import VIEWS, read_table
from kokuin.service.access.state import StateStore
from kokuin.service.access.state_faults import StateFault, StateRefusedError
from kokuin.service.access.tenant_changes import TENANT_CHANGES
from kokuin.service.switch_refusals import LEDGER_REFUSED
from kokuin.trust.journal import Refused
from kokuin.trust.records import ACCESS_CHANGED

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

    from sqlmodel import Session

    from kokuin.service.access.people_changes import Change, Prepared
    from kokuin.service.access.table import AccessTable
    from kokuin.service.recording import Recorder

OPERATIONS = {**TENANT_CHANGES, **KEY_CHANGES}
"""Every operation that changes who may do what, by name."""
CHANGES = frozenset(OPERATIONS)
HEARD_SECONDS = 3.0
"""How long whoever changed something waits until every worker knows it: less than `link.ASK_SECONDS`."""

_log = structlog.get_logger()

Hearer: TypeAlias = "Callable[[AccessTable], asyncio.Future[None] | None]"
"""Takes a table; what it returns is done when the table is in use elsewhere, None: it is already."""


class _RehearsedError(Exception):
    """Takes back what was only tried."""


class People:
    """On the keeper's loop; the tables are read and written in threads."""

    def __init__(self, store: StateStore, records: Recorder) -> None:
        """Read the tables.

        Args:
            store: of `state.db`.
            records: what writes leaves.

        Raises:
            StateRefusedError: the tables cannot be read.
        """
        self._store, self._records = store, records
        self._changing = asyncio.Lock()
        self._tasks: set[asyncio.Task[dict[str, Any]]] = set()
        self._told: dict[int, Hearer] = {}
        self._next = 0
        self._exhausted: frozenset[str] = frozenset()
        self._table = _read(store)

    def table(self) -> AccessTable:
        """Return what every worker knows."""
        return self._table

    def subscribe(self, on_access: Hearer) -> Callable[[], None]:
        """Tell `on_access` the table now and at every change; the result ends that."""
        number = self._next = self._next + 1
        self._told[number] = on_access
        on_access(self._table)

        def unsubscribe() -> None:
            self._told.pop(number, None)

        return unsubscribe

    def exhaust(self, clients: frozenset[str]) -> None:
        """Say whose day's quota is used up."""
        if clients != self._exhausted:
            self._exhausted = clients
            self._publish(replace(self._table, exhausted=clients))

    async def ask(self, operation: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one question; `ok` is False with `code`, and `field` of a value that is unfit."""
        try:
            if operation in CHANGES:
                # Attack: whoever asks names an approver, whom nobody asked, for the leaf.
                by = {"actor": arguments.get("actor", "unknown")}
                return await self.carry_out(operation, prepare(operation, arguments), by)
            if operation in VIEWS:
                view = VIEWS[operation]
                return {"ok": True, **await self._store.aread(lambda session: view(session, arguments))}
        except PeopleRefusedError as error:
            return error.answer
        except StateRefusedError as error:
            return _failed(error)
        return {"ok": False, "code": "OPERATION_UNKNOWN"}

    async def rehearse(self, operation: str, prepared: Prepared) -> None:
        """Try a change and take it back: what cannot come to anything is not proposed.

        Raises:
            PeopleRefusedError: it would be refused.
            StateRefusedError: the tables cannot be read.
        """

        def attempt(session: Session) -> None:
            """Make the change and give it up."""
            OPERATIONS[operation].make(session, prepared.arguments, time.time_ns() // 1_000)
            raise _RehearsedError

        try:
            await self._store.awrite(attempt)
        except _RehearsedError:
            return

    async def carry_out(self, operation: str, prepared: Prepared, by: Mapping[str, Any]) -> dict[str, Any]:
        """Make a change: its leaf, then the change, then every worker's table.

        Args:
            operation: one of `CHANGES`.
            prepared: its arguments, of `prepare`; perhaps some time ago.
            by: `actor`, whose act it is, and `approver`, who approved it; empty or absent: nobody had to.

        Raises:
            PeopleRefusedError: what it is about is unknown, or does not allow it.
            StateRefusedError: the tables cannot be read or written.
        """
        task = asyncio.ensure_future(self._carried_out(operation, prepared, by))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # Attack: a caller who goes away at the right moment must not keep a revoked key with the workers.
        return await asyncio.shield(task)

    async def _carried_out(self, operation: str, prepared: Prepared, by: Mapping[str, Any]) -> dict[str, Any]:
        # One at a time: the ledger has the changes in the order in which they were made.
        async with self._changing:
            try:
                refusal = await self._store.awrite(
                    lambda session: self._make(session, operation, prepared, by)
                )
            except StateRefusedError:
                await self._refresh()  # a commit that failed may have come to the disk all the same
                raise
            if refusal is not None:
                return {"ok": False, "code": LEDGER_REFUSED, "detail": refusal}
            hearing = await self._refresh()
        await _heard(hearing)
        return {"ok": True, **prepared.answer}

    async def _refresh(self) -> list[asyncio.Future[None]]:
        """Let every worker know what the tables say; return what is done when they do."""
        table = await asyncio.to_thread(_read, self._store)
        return self._publish(replace(table, exhausted=self._exhausted))

    def _make(
        self, session: Session, operation: str, prepared: Prepared, by: Mapping[str, Any]
    ) -> str | None:
        """Change the tables in a session that is committed next; say why not when the ledger refuses."""
        change = OPERATIONS[operation].make(session, prepared.arguments, time.time_ns() // 1_000)
        if change is None:
            return None
        session.flush()  # what the tables refuse, they refuse before it is on record
        outcome = self._records.record(ACCESS_CHANGED, _leaf(change, by)).result()
        if isinstance(outcome, Refused):
            session.rollback()
            return outcome.reason.value
        # A crash before the commit leaves a leaf without its change, which grants nothing; what it takes away
        # the next start does (`withdrawals`). Whoever asked heard of no success, and asks again.
        return None

    def _publish(self, table: AccessTable) -> list[asyncio.Future[None]]:
        self._table = table
        told = [on_access(table) for on_access in tuple(self._told.values())]
        return [each for each in told if each is not None]


def open_state(path: Path) -> StateStore:
    """Open a `state.db` from which a table can be made.

    Raises:
        StateRefusedError: it is not there, is damaged, or another release's.
    """
    store = StateStore(path)
    try:
        _read(store)
    except StateRefusedError:
        store.close()
        raise
    return store


def prepare(operation: str, arguments: Mapping[str, Any]) -> Prepared:
    """Judge the arguments of a change.

    Raises:
        PeopleRefusedError: VALUE_UNFIT.
    """
    return OPERATIONS[operation].prepare(arguments)


async def _heard(hearing: Collection[asyncio.Future[None]]) -> None:
    """Wait until the workers know: whoever is told that a key is revoked finds no worker that takes it.

    One that stands still is not waited for without end: it answers nobody just now.
    """
    if hearing:
        _, late = await asyncio.wait(hearing, timeout=HEARD_SECONDS)
        if late:
            _log.warning("access.unheard", workers=len(late))


def _read(store: StateStore) -> AccessTable:
    try:
        return store.read(read_table)
    except (ValueError, TypeError, KeyError) as error:
        raise StateRefusedError(StateFault.UNREADABLE, f"its rows: {type(error).__name__}") from error


def _leaf(change: Change, by: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "tenant": change.tenant,
        "actor": str(by.get("actor", "unknown")),
        "act": change.act,
        "about": change.about,
        "of": change.of,
        "terms": list(change.terms),
        "approver": str(by.get("approver", "")),
    }


def _failed(error: StateRefusedError) -> dict[str, Any]:
    _log.error("state.failed", code=error.fault.value, detail=str(error))
    return {"ok": False, "code": error.fault.value}
