"""Any sequence of changes comes to the table that a plain model says, also when the file is opened anew."""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule

from tests.service.access.people_rig import Desk, at_desk

if TYPE_CHECKING:
    from kokuin.service.access.table import AccessTable

ROLES = st.lists(st.sampled_from(["stamp", "seal", "approve", "audit"]), unique=True)


@dataclass
class _Key:
    client: str
    revoked: bool = False
    replaced: bool = False


@dataclass
class _Model:
    tenants: dict[str, bool] = field(default_factory=lambda: {"operator": True})
    clients: dict[str, tuple[str, bool, frozenset[str]]] = field(default_factory=dict)
    keys: dict[str, _Key] = field(default_factory=dict)
    subjects: dict[str, str] = field(default_factory=dict)
    leaves: int = 0


def _seen(table: AccessTable) -> tuple[object, ...]:
    return (
        {key: (each.tenant, each.enabled, each.roles) for key, each in table.clients.items()},
        {key: (each.client, each.revoked, each.replaced) for key, each in table.keys.items()},
        dict(table.subjects),
    )


class PeopleMachine(RuleBasedStateMachine):
    """Changes, and the model of what they come to."""

    tenants = Bundle("tenants")
    clients = Bundle("clients")
    keys = Bundle("keys")

    def __init__(self) -> None:
        super().__init__()
        self.ends = contextlib.ExitStack()
        self.path = Path(self.ends.enter_context(tempfile.TemporaryDirectory())) / "state.db"
        self.desk: Desk = self.ends.enter_context(at_desk(self.path))
        self.model = _Model()
        self.names = 0

    def teardown(self) -> None:
        """Close the file."""
        self.ends.close()

    def named(self) -> str:
        """Return a name that nobody has."""
        self.names += 1
        return f"n{self.names}"

    @rule(target=tenants)
    def add_tenant(self) -> str:
        tenant = self.desk.tenant(self.named())
        self.model.tenants[tenant] = True
        self.model.leaves += 1
        return tenant

    @rule(tenant=tenants, enabled=st.booleans())
    def set_tenant(self, tenant: str, *, enabled: bool) -> None:
        self.desk.done("tenant.enable" if enabled else "tenant.disable", tenant=tenant)
        self.model.leaves += self.model.tenants[tenant] is not enabled
        self.model.tenants[tenant] = enabled

    @rule(target=clients, tenant=tenants, roles=ROLES)
    def add_client(self, tenant: str, roles: list[str]) -> str:
        client = self.desk.client(tenant, self.named(), roles=roles)
        self.model.clients[client] = (tenant, True, frozenset(roles))
        self.model.leaves += 1
        return client

    @rule(client=clients, roles=ROLES)
    def change_client(self, client: str, roles: list[str]) -> None:
        self.desk.done("client.change", client=client, roles=roles)
        tenant, enabled, before = self.model.clients[client]
        self.model.leaves += before != frozenset(roles)
        self.model.clients[client] = (tenant, enabled, frozenset(roles))

    @rule(client=clients, enabled=st.booleans())
    def set_client(self, client: str, *, enabled: bool) -> None:
        self.desk.done("client.enable" if enabled else "client.disable", client=client)
        tenant, before, roles = self.model.clients[client]
        self.model.leaves += before is not enabled
        self.model.clients[client] = (tenant, enabled, roles)

    @rule(target=keys, client=clients)
    def create_key(self, client: str) -> str:
        key = str(self.desk.done("key.create", client=client)["key"])
        self.model.keys[key] = _Key(client)
        self.model.leaves += 1
        return key

    @rule(target=keys, key=keys)
    def rotate_key(self, key: str) -> object:
        old = self.model.keys[key]
        if old.revoked or old.replaced:
            assert self.desk.refused("key.rotate", key=key, grace_seconds=9) == ("VALUE_UNFIT", "key")
            return multiple()
        new = str(self.desk.done("key.rotate", key=key, grace_seconds=9)["key"])
        old.replaced = True
        self.model.keys[new] = _Key(old.client)
        self.model.leaves += 1
        return new

    @rule(key=keys)
    def revoke_key(self, key: str) -> None:
        self.desk.done("key.revoke", key=key)
        self.model.leaves += not self.model.keys[key].revoked
        self.model.keys[key].revoked = True

    @rule(client=clients, subject=st.sampled_from("abc"))
    def bind(self, client: str, subject: str) -> None:
        said = {"client": client, "issuer": "i", "subject": subject}
        if f"i\n{subject}" in self.model.subjects:
            assert self.desk.refused("binding.add", **said) == ("VALUE_UNFIT", "subject")
            return
        self.desk.done("binding.add", **said)
        self.model.subjects[f"i\n{subject}"] = client
        self.model.leaves += 1

    @rule(client=clients)
    def unbind(self, client: str) -> None:
        for each in self.desk.done("binding.list", client=client)["bindings"]:
            self.desk.done("binding.remove", binding=each["binding"])
            self.model.leaves += 1
        left = {key: held for key, held in self.model.subjects.items() if held != client}
        self.model.subjects = left

    @rule()
    def open_anew(self) -> None:
        self.desk.store.close()
        self.desk = Desk(self.path, self.desk.journal)
        self.ends.callback(self.desk.store.close)

    @invariant()
    def the_table_is_the_models(self) -> None:
        model = self.model
        clients = {
            key: (tenant, enabled and model.tenants[tenant], roles)
            for key, (tenant, enabled, roles) in model.clients.items()
        }
        keys = {key: (each.client, each.revoked, each.replaced) for key, each in model.keys.items()}
        assert _seen(self.desk.people.table()) == (clients, keys, model.subjects)

    @invariant()
    def every_change_has_a_leaf_and_nothing_else_has(self) -> None:
        assert len(self.desk.journal.records) == self.model.leaves


TestPeopleMachine = PeopleMachine.TestCase
TestPeopleMachine.settings = settings(max_examples=10, stateful_step_count=30)
