"""Changes of what clients show: API keys, certificates, subjects of JWTs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlmodel import select

from kokuin.service.access import people_values as values
from kokuin.service.access.credentials import make_key
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
from kokuin.service.access.state_models import Binding, Client, Key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlmodel import Session


def _prepare_key(arguments: Mapping[str, Any]) -> Prepared:
    begins_us, ends_us = values.period_of(arguments)
    made = make_key()
    known = {"client": values.id_of(arguments, "client"), "begins_us": begins_us, "ends_us": ends_us}
    return Prepared({**known, "key": made.id, "digest": made.digest}, {"key": made.id, "text": made.text})


def _create_key(session: Session, arguments: Mapping[str, Any], now_us: int) -> Change:
    client = find(session, Client, arguments["client"])
    require_room(session, Key)
    begins_us, ends_us = arguments["begins_us"], arguments["ends_us"]
    key = Key(
        id=arguments["key"],
        client=client.id,
        digest=arguments["digest"],
        created_us=now_us,
        begins_us=begins_us,
        ends_us=ends_us,
    )
    session.add(key)
    granted = terms({"begins": begins_us, "ends": ends_us})
    return Change("key.created", key.id, client.id, client.tenant, granted)


def _prepare_rotation(arguments: Mapping[str, Any]) -> Prepared:
    made = make_key()
    known = {"key": values.id_of(arguments, "key"), "grace_seconds": values.grace_of(arguments)}
    return Prepared({**known, "new": made.id, "digest": made.digest}, {"key": made.id, "text": made.text})


def _rotate_key(session: Session, arguments: Mapping[str, Any], now_us: int) -> Change:
    old = find(session, Key, arguments["key"])
    if old.revoked or old.replaced:
        raise unfit("key", "it was revoked or replaced")
    client = find(session, Client, old.client)
    require_room(session, Key)
    lasted_us = None if old.ends_us is None else old.ends_us - (old.begins_us or old.created_us)
    # The new one lasts as long as the old one was to: who bounded a key did not mean its first one only.
    ends_us = None if lasted_us is None else now_us + lasted_us
    new = Key(
        id=arguments["new"],
        client=client.id,
        digest=arguments["digest"],
        created_us=now_us,
        ends_us=ends_us,
    )
    session.add(new)
    grace_us = now_us + arguments["grace_seconds"] * 1_000_000
    old.replaced = True
    old.ends_us = grace_us if old.ends_us is None else min(old.ends_us, grace_us)
    granted = terms({"replaces": old.id, "until": old.ends_us, "ends": ends_us})
    return Change("key.rotated", new.id, client.id, client.tenant, granted)


def _prepare_known_key(arguments: Mapping[str, Any]) -> Prepared:
    return Prepared({"key": values.id_of(arguments, "key")})


def _revoke_key(session: Session, arguments: Mapping[str, Any], _: int) -> Change | None:
    key = find(session, Key, arguments["key"])
    if key.revoked:
        return None
    key.revoked = True
    return Change("key.revoked", key.id, key.client, find(session, Client, key.client).tenant)


def _prepare_binding(arguments: Mapping[str, Any]) -> Prepared:
    named = {"certificate", "issuer", "subject"} & arguments.keys()
    if named not in ({"certificate"}, {"issuer", "subject"}):
        raise unfit("certificate", "either a certificate, or issuer and subject")
    known: dict[str, Any]
    if named == {"certificate"}:
        known = {"certificate": values.certificate_of(arguments), "issuer": None, "subject": None}
    else:
        known = {name: values.text_of(arguments, name) for name in ("issuer", "subject")}
        known["certificate"] = None
    binding = new_id("b-")
    client = values.id_of(arguments, "client")
    return Prepared({"client": client, "binding": binding, **known}, {"binding": binding})


def _add_binding(session: Session, arguments: Mapping[str, Any], now_us: int) -> Change:
    client = find(session, Client, arguments["client"])
    require_room(session, Binding)
    certificate, issuer, subject = (arguments[name] for name in ("certificate", "issuer", "subject"))
    same = select(Binding.id).where(
        Binding.certificate == certificate, Binding.issuer == issuer, Binding.subject == subject
    )
    if session.exec(same).first() is not None:
        raise unfit("certificate" if certificate else "subject", "it is bound already")
    binding = Binding(
        id=arguments["binding"],
        client=client.id,
        certificate=certificate,
        issuer=issuer,
        subject=subject,
        created_us=now_us,
    )
    session.add(binding)
    granted = terms({"kind": "certificate" if certificate else "subject"})
    return Change("binding.added", binding.id, client.id, client.tenant, granted)


def _prepare_known_binding(arguments: Mapping[str, Any]) -> Prepared:
    return Prepared({"binding": values.id_of(arguments, "binding")})


def _remove_binding(session: Session, arguments: Mapping[str, Any], _: int) -> Change:
    binding = find(session, Binding, arguments["binding"])
    session.delete(binding)
    tenant = find(session, Client, binding.client).tenant
    return Change("binding.removed", binding.id, binding.client, tenant)


KEY_CHANGES = {
    "access.key.create": Operation(_prepare_key, _create_key),
    "access.key.rotate": Operation(_prepare_rotation, _rotate_key),
    "access.key.revoke": Operation(_prepare_known_key, _revoke_key),
    "access.binding.add": Operation(_prepare_binding, _add_binding),
    "access.binding.remove": Operation(_prepare_known_binding, _remove_binding),
}
"""Operations by name."""
