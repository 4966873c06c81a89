"""What each worker knows of clients: who they are, how they show it, what they may. The keeper pushes it.

Names of tenants and people stay in `state.db`: here, as in the ledger, are pseudonyms.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from kokuin.service.access.principal import Role

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Client:
    """A person or a machine, and what it may.

    Attributes:
        id: pseudonym, `c-` and 16 characters; the `actor` of leaves.
        tenant: pseudonym, `t-` and 16 characters, or `operator`.
        roles: what it may at all.
        enabled: whether neither it nor its tenant was disabled.
        person: whether it may stand for a person where two people are wanted.
        profiles: time-stamp profiles it may use; None: all.
        classes: document classes it may act for; None: all.
        networks: CIDR blocks it may come from; none: from anywhere.
        begins_us, ends_us: its validity, microseconds since 1970 UTC; None: open.
        rate: acts a second and worker that it may keep up; None: as many as it can.
        burst: acts it may have saved up.
        per_day: acts a day (UTC) of all workers together; None: no end.
        activated: whether it acts only within an approved activation.
    """

    id: str
    tenant: str
    roles: frozenset[Role]
    enabled: bool = True
    person: bool = False
    profiles: frozenset[str] | None = None
    classes: frozenset[str] | None = None
    networks: tuple[str, ...] = ()
    begins_us: int | None = None
    ends_us: int | None = None
    rate: float | None = None
    burst: int = 1
    per_day: int | None = None
    activated: bool = False


@dataclass(frozen=True, slots=True)
class Key:
    """An API key, of which nothing is kept but its hash.

    Attributes:
        id: the part that everybody may see, 16 characters of base32.
        client: whose.
        digest: SHA-256, lower-case hex, of the whole key as it was shown once.
        begins_us, ends_us: its validity, microseconds since 1970 UTC; None: open.
        revoked: whether it was.
        replaced: whether another key took its place: it ends with the time of grace and is then as good as
            revoked.
    """

    id: str
    client: str
    digest: str
    begins_us: int | None = None
    ends_us: int | None = None
    revoked: bool = False
    replaced: bool = False

    def is_revoked(self, now_us: int) -> bool:
        """Say whether it was revoked, or replaced long enough ago."""
        return self.revoked or (self.replaced and self.ends_us is not None and now_us >= self.ends_us)


@dataclass(frozen=True, slots=True)
class AccessTable:
    """All clients at one moment.

    Attributes:
        clients: by id.
        keys: by id, revoked ones too: who holds one is told so.
        certificates: client id by SHA-256 (lower-case hex) of the certificate's DER.
        subjects: client id by issuer and subject of a JWT, joined by a line feed.
        exhausted: clients whose day's quota is used up.
    """

    clients: Mapping[str, Client] = field(default_factory=lambda: MappingProxyType({}))
    keys: Mapping[str, Key] = field(default_factory=lambda: MappingProxyType({}))
    certificates: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    subjects: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    exhausted: frozenset[str] = frozenset()


def subject_key(issuer: str, subject: str) -> str:
    """Return the key of `AccessTable.subjects`; neither part of a JWT that is accepted holds a line feed."""
    return f"{issuer}\n{subject}"


def pack_table(table: AccessTable) -> dict[str, Any]:
    """Return a table as the header of a frame has it."""
    return {
        "clients": [_pack_client(client) for client in table.clients.values()],
        "keys": [asdict(key) for key in table.keys.values()],
        "certificates": dict(table.certificates),
        "subjects": dict(table.subjects),
        "exhausted": sorted(table.exhausted),
    }


def unpack_table(packed: Mapping[str, Any]) -> AccessTable:
    """Read what `pack_table` wrote."""
    clients = [_unpack_client(each) for each in packed["clients"]]
    return AccessTable(
        clients={client.id: client for client in clients},
        keys={each["id"]: Key(**each) for each in packed["keys"]},
        certificates=packed["certificates"],
        subjects=packed["subjects"],
        exhausted=frozenset(packed["exhausted"]),
    )


def _pack_client(client: Client) -> dict[str, Any]:
    return {
        **asdict(client),
        "roles": sorted(client.roles),
        "profiles": None if client.profiles is None else sorted(client.profiles),
        "classes": None if client.classes is None else sorted(client.classes),
    }


def _unpack_client(packed: Mapping[str, Any]) -> Client:
    return Client(
        **{
            **packed,
            "roles": frozenset(map(Role, packed["roles"])),
            "profiles": None if packed["profiles"] is None else frozenset(packed["profiles"]),
            "classes": None if packed["classes"] is None else frozenset(packed["classes"]),
            "networks": tuple(packed["networks"]),
        }
    )
