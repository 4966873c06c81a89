"""What a change of tenants, clients, keys and bindings is: arguments that were judged, and its leaf.

A change is made in a transaction that is not committed before the leaf is
durable (`people.People`). What it says for the leaf are pseudonyms: names,
addresses, issuers and subjects stay in the tables.
"""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from sqlmodel import func, select

from kokuin.service.access.people_values import PeopleRefusedError
from kokuin.service.access.state_models import Binding, Client, Key, Tenant

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlmodel import Session

    from kokuin.service.access.state_models import StateTable

Row = TypeVar("Row", Tenant, Client, Key, Binding)

LIMITS: dict[type[StateTable], int] = {Tenant: 10_000, Client: 50_000, Key: 100_000, Binding: 50_000}
"""How many of each there may be: the table of all of them goes to every worker in one frame."""

_UNKNOWN: dict[type[StateTable], str] = {
    Tenant: "TENANT_UNKNOWN",
    Client: "CLIENT_UNKNOWN",
    Key: "KEY_UNKNOWN",
    Binding: "BINDING_UNKNOWN",
}


@dataclass(frozen=True, slots=True)
class Change:
    """What was done to the tables.

    Attributes:
        act: `area.event`, as the leaf has it.
        about: pseudonym of what was changed.
        of: pseudonym of the client or tenant that has it; empty of a tenant.
        tenant: pseudonym of the tenant that it is about.
        terms: what was granted, `word=value`, sorted.
    """

    act: str
    about: str
    of: str
    tenant: str
    terms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Prepared:
    """An operation whose arguments were judged, and completed with what is made up before anything is done.

    Attributes:
        arguments: only known ones, fit for JSON; of a new key its hash, never its text, so that they may wait
            for an approval.
        answer: what whoever asked is told beside `ok`; the text of a new key stands here and nowhere else.
    """

    arguments: dict[str, Any]
    answer: dict[str, Any] = field(default_factory=dict, repr=False)


class Operation(NamedTuple):
    """How an operation is done.

    `prepare` takes arguments as they were asked for. `make` does it in a session, with the arguments of the
    former and the present moment (µs), and returns None when all is so already. Both raise
    `PeopleRefusedError`.
    """

    prepare: Callable[[Mapping[str, Any]], Prepared]
    make: Callable[[Session, Mapping[str, Any], int], Change | None]


def new_id(prefix: str) -> str:
    """Return a pseudonym: `prefix` and 16 characters, 80 random bits, which tell nothing."""
    return prefix + base64.b32encode(secrets.token_bytes(10)).decode().lower()


def find(session: Session, kind: type[Row], key: str) -> Row:
    """Return the row of an id.

    Raises:
        PeopleRefusedError: there is none; the code says of what.
    """
    found = session.get(kind, key)
    if found is None:
        raise PeopleRefusedError(_UNKNOWN[kind])
    return found


def require_room(session: Session, kind: type[Row]) -> None:
    """Refuse one more where there are as many as there may be.

    Raises:
        PeopleRefusedError: TOO_MANY.
    """
    if session.exec(select(func.count()).select_from(kind)).one() >= LIMITS[kind]:
        raise PeopleRefusedError("TOO_MANY", detail=f"{LIMITS[kind]} is the most")


def terms(said: Mapping[str, object]) -> tuple[str, ...]:
    """Return terms as a leaf has them; None: there is none of that word."""
    return tuple(sorted(f"{word}={value}" for word, value in said.items() if value is not None))
