"""Who counts where two people are wanted: persons with role approve, the owner, and the operator key.

Asked of the tables, never of whoever brings the question: a worker that has not heard yet that a
client was disabled must not let it approve.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.service.access.principal import OPERATOR_TENANT, Role
from kokuin.service.access.state_models import Binding, Client, Key, Tenant
from kokuin.service.access.validity import is_valid
from kokuin.service.owner import OWNER

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from sqlmodel import Session

    from kokuin.service.access.table import AccessTable

OPERATOR_KEY = "operator-key"
"""The actor of whoever holds the operator key."""
UNNAMED = frozenset({OWNER, OPERATOR_KEY})
"""Actors that are no clients: whoever may open the owner socket, whoever has the key of `tsa init`."""


GRANT = "activation.grant"
"""What an approval of an activation has done; nobody can ask for it."""
RELEASE = "stop.release"
_PROPOSERS = {
    GRANT: frozenset({Role.OPERATE, Role.APPROVE}),
    RELEASE: frozenset({Role.OPERATE, Role.APPROVE}),
}
"""Roles of which whoever proposes must have one, where it is not `operate`."""


@dataclass(frozen=True, slots=True)
class Approver:
    """Somebody who may stand for a second person.

    Attributes:
        actor: pseudonym.
        tenant: whose; the operator's may approve for every tenant.
        since_us: when the client was added, microseconds since 1970 UTC; 0 of those that are no clients.
    """

    actor: str
    tenant: str
    since_us: int

    def sees(self, tenant: str) -> bool:
        """Say whether a proposal that concerns a tenant, or the service, is theirs to see."""
        return self.tenant in {OPERATOR_TENANT, tenant}


def find_approver(session: Session, actor: str, now_us: int) -> Approver | str:
    """Return who an actor is, or the code of why they may not approve."""
    if actor in UNNAMED:
        return Approver(actor, OPERATOR_TENANT, 0)
    client = _in_force(session, actor, now_us)
    if client is None or Role.APPROVE not in client.roles:
        return "ROLE_WANTED"
    # A program that says yes to everything is no second person.
    return Approver(actor, client.tenant, client.created_us) if client.person else "PERSON_WANTED"


def may_propose(session: Session, actor: str, operation: str, now_us: int) -> bool:
    """Say whether whoever proposed an operation may still do so."""
    if actor in UNNAMED:
        return True
    client = _in_force(session, actor, now_us)
    return client is not None and bool(_PROPOSERS.get(operation, {Role.OPERATE}) & set(client.roles))


def _in_force(session: Session, actor: str, now_us: int) -> Client | None:
    """Return a client that is let in now."""
    client = session.get(Client, actor)
    tenant = None if client is None else session.get(Tenant, client.tenant)
    if client is None or tenant is None or not (client.enabled and tenant.enabled):
        return None
    return client if is_valid(client.begins_us, client.ends_us, now_us) else None


def tenant_of(session: Session, actor: str) -> str:
    """Return the tenant of an actor; empty when there is no such client."""
    if actor in UNNAMED:
        return OPERATOR_TENANT
    client = session.get(Client, actor)
    return "" if client is None else client.tenant


def client_of(session: Session, arguments: Mapping[str, Any]) -> str:
    """Return the client that a question names, or whose key or binding it names; empty when there is none."""
    held: Key | Binding | None = session.get(Key, str(arguments.get("key", "")))
    held = held or session.get(Binding, str(arguments.get("binding", "")))
    return str(arguments.get("client", "")) if held is None else held.client


def people_of(table: AccessTable, now_us: int) -> tuple[str, ...]:
    """Return the persons of the operator's tenant that may approve now."""
    return tuple(
        sorted(
            client.id
            for client in table.clients.values()
            if client.enabled
            and client.person
            and client.tenant == OPERATOR_TENANT
            and Role.APPROVE in client.roles
            and is_valid(client.begins_us, client.ends_us, now_us)
        )
    )
