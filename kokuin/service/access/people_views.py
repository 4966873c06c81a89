"""What the tables say: lists for operators, with names, and the one table for workers, without."""

from __future__ import annotations

from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

from sqlmodel import col, select

from kokuin.service.access import people_values as values
from kokuin.service.access import table
from kokuin.service.access.people_changes import find
from kokuin.service.access.principal import Role
from kokuin.service.access.state import StateStore
from kokuin.service.access.state_models import Binding, Client, Key, Tenant

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from sqlalchemy import ColumnElement
    from sqlmodel import Session

    from kokuin.service.access.state_models import StateTable

_BY_AGE = (col(Client.created_us), col(Client.id))


def read_table(session: Session) -> table.AccessTable:
    """Return all clients and what they show, under their pseudonyms.

    Raises:
        ValueError, TypeError, KeyError: a row holds what no release of ours wrote.
    """
    enabled = {tenant.id: tenant.enabled for tenant in session.exec(select(Tenant))}
    bindings = session.exec(select(Binding)).all()
    return table.AccessTable(
        clients={
            row.id: _client(row, tenant_enabled=enabled[row.tenant]) for row in session.exec(select(Client))
        },
        keys={row.id: _key(row) for row in session.exec(select(Key))},
        certificates={row.certificate: row.client for row in bindings if row.certificate is not None},
        subjects={
            table.subject_key(row.issuer, row.subject): row.client
            for row in bindings
            if row.issuer is not None and row.subject is not None
        },
    )


def _client(row: Client, *, tenant_enabled: bool) -> table.Client:
    return table.Client(
        id=row.id,
        tenant=row.tenant,
        roles=frozenset(map(Role, row.roles)),
        enabled=row.enabled and tenant_enabled,
        person=row.person,
        profiles=None if row.profiles is None else frozenset(row.profiles),
        classes=None if row.classes is None else frozenset(row.classes),
        networks=tuple(str(ip_network(network)) for network in row.networks),
        begins_us=row.begins_us,
        ends_us=row.ends_us,
        rate=row.rate,
        burst=row.burst,
        per_day=row.per_day,
        activated=row.activated,
    )


def _key(row: Key) -> table.Key:
    return table.Key(
        id=row.id,
        client=row.client,
        digest=row.digest,
        begins_us=row.begins_us,
        ends_us=row.ends_us,
        revoked=row.revoked,
        replaced=row.replaced,
    )


def _shown(row: StateTable, identity: str) -> dict[str, Any]:
    """Return a row's columns, its id under what it is the id of; a key's hash is nobody's to see."""
    shown = row.model_dump(exclude={"digest"})
    return {identity: shown.pop("id"), **shown}


def _list_tenants(session: Session, _: Mapping[str, Any]) -> dict[str, Any]:
    rows = session.exec(select(Tenant).order_by(col(Tenant.created_us), col(Tenant.id)))
    return {"tenants": [_shown(row, "tenant") for row in rows]}


def _list_clients(session: Session, arguments: Mapping[str, Any]) -> dict[str, Any]:
    rows = session.exec(select(Client).where(*_of_tenant(session, arguments)).order_by(*_BY_AGE))
    return {"clients": [_shown(row, "client") for row in rows]}


def _show_client(session: Session, arguments: Mapping[str, Any]) -> dict[str, Any]:
    client = find(session, Client, values.id_of(arguments, "client"))
    own = {"client": client.id}
    keys, bindings = _list_keys(session, own), _list_bindings(session, own)
    return {"client": _shown(client, "client"), **keys, **bindings}


def _list_keys(session: Session, arguments: Mapping[str, Any]) -> dict[str, Any]:
    wanted = select(Key).join(Client).where(*_of_client(session, arguments))
    rows = session.exec(wanted.order_by(*_BY_AGE, col(Key.created_us), col(Key.id)))
    return {"keys": [_shown(row, "key") for row in rows]}


def _list_bindings(session: Session, arguments: Mapping[str, Any]) -> dict[str, Any]:
    wanted = select(Binding).join(Client).where(*_of_client(session, arguments))
    rows = session.exec(wanted.order_by(*_BY_AGE, col(Binding.created_us), col(Binding.id)))
    return {"bindings": [_shown(row, "binding") for row in rows]}


def _of_tenant(session: Session, arguments: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    if arguments.get("tenant") is None:
        return []
    return [col(Client.tenant) == find(session, Tenant, values.id_of(arguments, "tenant")).id]


def _of_client(session: Session, arguments: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    if arguments.get("client") is None:
        return _of_tenant(session, arguments)
    return [col(Client.id) == find(session, Client, values.id_of(arguments, "client")).id]


def read_people(path: Path, operation: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Answer one of `VIEWS` from the `state.db` of a folder that nobody serves.

    Raises:
        StateRefusedError: it cannot be read.
    """
    store = StateStore(path)
    try:
        return {"ok": True, **store.read(lambda session: VIEWS[operation](session, arguments))}
    except values.PeopleRefusedError as error:
        return error.answer
    finally:
        store.close()


VIEWS: Mapping[str, Callable[[Session, Mapping[str, Any]], dict[str, Any]]] = {
    "access.tenant.list": _list_tenants,
    "access.client.list": _list_clients,
    "access.client.show": _show_client,
    "access.key.list": _list_keys,
    "access.binding.list": _list_bindings,
}
"""What may be asked about the tables; each raises `PeopleRefusedError` for what is unknown."""
