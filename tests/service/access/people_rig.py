"""The desk for `access.*` over a `state.db` of its own and a journal that does as the test says."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kokuin.service.access.people import People, open_state
from kokuin.service.access.state import create
from kokuin.service.recording import Recorder
from tests.service.rig import ScriptedJournal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from kokuin.trust.records import Record


class Desk:
    """Asks as an actor, and keeps what was written to the ledger."""

    def __init__(self, path: Path, journal: ScriptedJournal) -> None:
        self.path, self.journal = path, journal
        self.store = open_state(path)
        self.people = People(self.store, Recorder(journal, lambda: "cfg"))

    def ask(self, operation: str, **arguments: object) -> dict[str, Any]:
        """Ask one thing of `access.` as the owner."""
        return asyncio.run(self.people.ask(f"access.{operation}", {**arguments, "actor": "owner"}))

    def done(self, operation: str, **arguments: object) -> dict[str, Any]:
        """Ask for what must be done."""
        answer = self.ask(operation, **arguments)
        assert answer["ok"], answer
        return answer

    def refused(self, operation: str, **arguments: object) -> tuple[str, str]:
        """Ask for what must be refused; return code and field."""
        leaves, table = len(self.journal.records), self.people.table()
        answer = self.ask(operation, **arguments)
        assert not answer["ok"], answer
        assert (len(self.journal.records), self.people.table()) == (leaves, table), "a no changes nothing"
        return answer["code"], answer.get("field", "")

    def tenant(self, name: str = "Murasaki") -> str:
        """Add a tenant."""
        return str(self.done("tenant.add", name=name)["tenant"])

    def client(self, tenant: str = "operator", name: str = "Genji", **values: object) -> str:
        """Add a client, that may stamp if nothing else is said."""
        values = {"roles": ["stamp"], **values}
        return str(self.done("client.add", tenant=tenant, name=name, **values)["client"])

    @property
    def leaf(self) -> Mapping[str, Any]:
        """The last leaf's fields."""
        return self.last.fields

    @property
    def last(self) -> Record:
        """What was written last."""
        return self.journal.records[-1]


@contextmanager
def at_desk(path: Path, journal: ScriptedJournal | None = None) -> Iterator[Desk]:
    """Open a desk, over a new `state.db` where there is none."""
    if not path.exists():
        create(path)
    desk = Desk(path, journal or ScriptedJournal())
    try:
        yield desk
    finally:
        desk.store.close()
