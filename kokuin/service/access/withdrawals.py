"""What the ledger says was taken away is taken away, whatever `state.db` says at the start.

A crash between a leaf and its change, or an older copy of the file, would let a
revoked key in again. So of what is on record the taking away counts by itself;
a grant never does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import structlog
from sqlmodel import col, select

from kokuin.service.access.people_views import read_table
from kokuin.service.access.state_models import Binding, Client, Key, Tenant
from kokuin.service.activation import read_act
from kokuin.service.ledger_store import open_reader
from kokuin.trust.records import ACCESS_CHANGED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sqlmodel import Session

    from kokuin.ledger.reader import StoreReader
    from kokuin.service.access.state import StateStore
    from kokuin.service.access.table import AccessTable
    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.trust.records import LeafValue

_DISABLES = {
    "tenant.disabled": True,
    "tenant.enabled": False,
    "client.disabled": True,
    "client.enabled": False,
}
_GRANTS = frozenset({"client.added", "client.changed"})
"""Acts whose leaf says all that a client may from then on."""

_Number = TypeVar("_Number", int, float)

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """Pseudonyms of what the ledger says is over.

    Attributes:
        keys: that were revoked.
        replaced: end (microseconds since 1970 UTC) by key that another one took the place of.
        bindings: that were removed.
        disabled: tenants and clients of which the newest such leaf says so.
        left: by client what the newest such leaf leaves it, by word. Of networks it has the number alone.
    """

    keys: set[str] = field(default_factory=set)
    replaced: dict[str, int] = field(default_factory=dict)
    bindings: set[str] = field(default_factory=set)
    disabled: set[str] = field(default_factory=set)
    left: dict[str, Mapping[str, str]] = field(default_factory=dict)


def withdraw_recorded(folder: DataFolder, config: Config, store: StateStore) -> None:
    """Bring `state.db` to what the ledger says was taken away.

    Raises:
        OpenRefusedError, ActivationError: the ledger cannot be read.
        StateRefusedError: `state.db` cannot be read or written.
    """
    with open_reader(folder, config) as reader:
        withdrawn = read_recorded(reader)
    taken = store.write(lambda session: _withdraw(session, withdrawn))
    if taken:
        _log.warning("access.withdrawn", about=taken)


def withdrawn_table(session: Session, withdrawn: Withdrawn) -> AccessTable:
    """Return the table as `withdraw_recorded` would leave it; nothing is written."""
    with session.no_autoflush:
        _withdraw(session, withdrawn)
        return read_table(session)


def read_recorded(reader: StoreReader) -> Withdrawn:
    """Collect what a ledger says is over.

    Raises:
        ActivationError: a leaf cannot be read.
    """
    return read_withdrawn(_newest_first(reader))


def read_withdrawn(leaves: Iterable[Mapping[str, LeafValue]]) -> Withdrawn:
    """Collect what leaves `access.changed`, from the newest to the oldest, say is over."""
    withdrawn, decided = Withdrawn(), set[str]()
    for leaf in leaves:
        act, about = str(leaf["act"]), str(leaf["about"])
        if act == "key.revoked":
            withdrawn.keys.add(about)
        elif act == "binding.removed":
            withdrawn.bindings.add(about)
        elif act == "key.rotated":
            said = _terms(leaf)
            withdrawn.replaced[said.get("replaces", "")] = int(said.get("until", "0"))
        elif act in _GRANTS:
            withdrawn.left.setdefault(about, _terms(leaf))
        elif act in _DISABLES and about not in decided:
            decided.add(about)
            if _DISABLES[act]:
                withdrawn.disabled.add(about)
    return withdrawn


def _newest_first(reader: StoreReader) -> Iterator[Mapping[str, LeafValue]]:
    for stored in reader.backwards(ACCESS_CHANGED):
        if not stored.leaf:
            return  # the retention of this one is over, and of all before it
        yield read_act(stored)


def _terms(leaf: Mapping[str, LeafValue]) -> dict[str, str]:
    terms = leaf["terms"]
    return dict(term.split("=", 1) for term in terms) if isinstance(terms, list) else {}


def _withdraw(session: Session, withdrawn: Withdrawn) -> list[str]:
    """Change the tables; return the pseudonyms of what was changed."""
    taken = []
    for key in session.exec(select(Key).where(col(Key.revoked).is_(False))):
        if key.id in withdrawn.keys:
            key.revoked = True
            taken.append(key.id)
        elif key.id in withdrawn.replaced and not key.replaced:
            key.replaced, key.ends_us = True, withdrawn.replaced[key.id]
            taken.append(key.id)
    for binding in session.exec(select(Binding)):
        if binding.id in withdrawn.bindings:
            session.delete(binding)
            taken.append(binding.id)
    rows: list[Tenant | Client] = [*session.exec(select(Tenant)), *session.exec(select(Client))]
    for row in rows:
        if row.enabled and row.id in withdrawn.disabled:
            row.enabled = False
            taken.append(row.id)
    clients = session.exec(select(Client)).all()
    taken += [
        each.id for each in clients if each.id in withdrawn.left and _narrow(each, withdrawn.left[each.id])
    ]
    return taken


def _narrow(client: Client, left: Mapping[str, str]) -> bool:
    """Take from a client what is not left to it, and say whether that was anything."""
    profiles, classes = (_words(left.get(name)) for name in ("profiles", "classes"))
    rate = None if "rate" not in left else float(left["rate"])
    burst = _whole(left, "burst") or client.burst
    narrowed: dict[str, object] = {
        "roles": _both(client.roles, _words(left["roles"])),
        "person": client.person and "person" in left,
        "profiles": _both(client.profiles, profiles),
        "classes": _both(client.classes, classes),
        "begins_us": max(_known(client.begins_us, _whole(left, "begins")), default=None),
        "ends_us": min(_known(client.ends_us, _whole(left, "ends")), default=None),
        "rate": min(_known(client.rate, rate), default=None),
        "burst": burst if client.rate is None else min(client.burst, burst),
        "per_day": min(_known(client.per_day, _whole(left, "per_day")), default=None),
        "activated": client.activated or "activated" in left,
    }
    less = {name: value for name, value in narrowed.items() if value != getattr(client, name)}
    for name, value in less.items():
        setattr(client, name, value)
    return bool(less)


def _words(joined: str | None) -> list[str] | None:
    return None if joined is None else [word for word in joined.split(",") if word]


def _both(one: list[str] | None, other: list[str] | None) -> list[str] | None:
    """Return what stands in both lists; None: a list of everything."""
    if one is None or other is None:
        return other if one is None else one
    return [word for word in one if word in other]


def _whole(left: Mapping[str, str], word: str) -> int | None:
    return int(left[word]) if word in left else None


def _known(*values: _Number | None) -> list[_Number]:
    return [value for value in values if value is not None]
