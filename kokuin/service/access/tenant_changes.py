"""Changes of tenants and of their clients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlmodel import select

from kokuin.service.access import people_values as values
from kokuin.service.access.people_changes import (
    Change,
    Operation,
    Prepared,
    find,
    new_id,
    require_room,
    terms,
)
from kokuin.service.access.people_values import unfit
from kokuin.service.access.principal import OPERATOR_TENANT, Role
from kokuin.service.access.state_models import Client, Tenant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlmodel import Session


def _prepare_tenant(arguments: Mapping[str, Any]) -> Prepared:
    tenant = new_id("t-")
    return Prepared({"tenant": tenant, "name": values.name_of(arguments)}, {"tenant": tenant})


def _add_tenant(session: Session, arguments: Mapping[str, Any], now_us: int) -> Change:
    require_room(session, Tenant)
    if session.exec(select(Tenant).where(Tenant.name == arguments["name"])).first() is not None:
        raise unfit("name", "another tenant has it")
    tenant = arguments["tenant"]
    session.add(Tenant(id=tenant, name=arguments["name"], created_us=now_us))
    return Change("tenant.added", tenant, "", tenant)


def _prepare_known_tenant(arguments: Mapping[str, Any]) -> Prepared:
    return Prepared({"tenant": values.id_of(arguments, "tenant")})


def _enable_tenant(session: Session, arguments: Mapping[str, Any], _: int) -> Change | None:
    return _set_tenant(session, arguments["tenant"], enabled=True)


def _disable_tenant(session: Session, arguments: Mapping[str, Any], _: int) -> Change | None:
    return _set_tenant(session, arguments["tenant"], enabled=False)


def _set_tenant(session: Session, tenant: str, *, enabled: bool) -> Change | None:
    found = find(session, Tenant, tenant)
    if tenant == OPERATOR_TENANT:
        raise unfit("tenant", "the operator's is always there")
    if found.enabled is enabled:
        return None
    found.enabled = enabled
    return Change("tenant.enabled" if enabled else "tenant.disabled", tenant, "", tenant)


def _prepare_client(arguments: Mapping[str, Any]) -> Prepared:
    given = {name: value for name, value in arguments.items() if value is not None}
    said = {"networks": [], **values.client_values({"name": None, "roles": None, **given})}
    values.require_period(said.get("begins_us"), said.get("ends_us"))
    client = new_id("c-")
    tenant = values.id_of(arguments, "tenant")
    return Prepared({"client": client, "tenant": tenant, "said": said}, {"client": client})


def _add_client(session: Session, arguments: Mapping[str, Any], now_us: int) -> Change:
    tenant = find(session, Tenant, arguments["tenant"]).id
    require_room(session, Client)
    client = Client(id=arguments["client"], tenant=tenant, created_us=now_us, **arguments["said"])
    _require_fit(session, client)
    session.add(client)
    return Change("client.added", client.id, tenant, tenant, _granted(client))


def _prepare_client_change(arguments: Mapping[str, Any]) -> Prepared:
    said = values.client_values(arguments)
    return Prepared({"client": values.id_of(arguments, "client"), "said": said})


def _change_client(session: Session, arguments: Mapping[str, Any], _: int) -> Change | None:
    client = find(session, Client, arguments["client"])
    said: Mapping[str, Any] = arguments["said"]
    if all(getattr(client, name) == value for name, value in said.items()):
        return None
    for name, value in said.items():
        setattr(client, name, value)
    _require_fit(session, client)
    values.require_period(client.begins_us, client.ends_us)
    return Change("client.changed", client.id, client.tenant, client.tenant, _granted(client))


def _require_fit(session: Session, client: Client) -> None:
    if Role.OPERATE in client.roles and client.tenant != OPERATOR_TENANT:
        # Whoever operates changes what every tenant may do.
        raise unfit("roles", f"operate is for clients of the tenant {OPERATOR_TENANT}")
    same = select(Client.id).where(
        Client.tenant == client.tenant, Client.name == client.name, Client.id != client.id
    )
    with session.no_autoflush:
        if session.exec(same).first() is not None:
            raise unfit("name", "another client of the tenant has it")


def _prepare_known_client(arguments: Mapping[str, Any]) -> Prepared:
    return Prepared({"client": values.id_of(arguments, "client")})


def _enable_client(session: Session, arguments: Mapping[str, Any], _: int) -> Change | None:
    return _set_client(session, arguments["client"], enabled=True)


def _disable_client(session: Session, arguments: Mapping[str, Any], _: int) -> Change | None:
    return _set_client(session, arguments["client"], enabled=False)


def _set_client(session: Session, client: str, *, enabled: bool) -> Change | None:
    found = find(session, Client, client)
    if found.enabled is enabled:
        return None
    found.enabled = enabled
    return Change("client.enabled" if enabled else "client.disabled", client, found.tenant, found.tenant)


def _granted(client: Client) -> tuple[str, ...]:
    """Say what a client may; of its networks only how many: an address may be a person's."""
    said: dict[str, object] = {
        "roles": ",".join(client.roles),
        "person": client.person or None,
        "profiles": _joined(client.profiles),
        "classes": _joined(client.classes),
        "networks": len(client.networks) or None,
        "begins": client.begins_us,
        "ends": client.ends_us,
        "rate": client.rate,
        "burst": client.burst if client.rate is not None else None,
        "per_day": client.per_day,
        "activated": client.activated or None,
    }
    return terms(said)


def _joined(words: list[str] | None) -> str | None:
    return None if words is None else ",".join(words)


TENANT_CHANGES = {
    "access.tenant.add": Operation(_prepare_tenant, _add_tenant),
    "access.tenant.enable": Operation(_prepare_known_tenant, _enable_tenant),
    "access.tenant.disable": Operation(_prepare_known_tenant, _disable_tenant),
    "access.client.add": Operation(_prepare_client, _add_client),
    "access.client.change": Operation(_prepare_client_change, _change_client),
    "access.client.enable": Operation(_prepare_known_client, _enable_client),
    "access.client.disable": Operation(_prepare_known_client, _disable_client),
}
"""Operations by name."""
