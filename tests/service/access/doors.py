"""A doorkeeper with clients of every kind, and requests to `/tsa` of one worker's application."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import httpx

from kokuin.service.access.credentials import NewKey, digest_of, make_key
from kokuin.service.access.denials import Denial, DenialCode
from kokuin.service.access.doorkeeper import Doorkeeper
from kokuin.service.access.peers import SCOPE_KEY, Peer
from kokuin.service.access.principal import Principal, Role
from kokuin.service.access.table import AccessTable, Client, Key, subject_key
from kokuin.service.config import Config
from kokuin.service.metrics import WorkerCounters
from kokuin.service.stamp_endpoint import StampEndpoint
from tests.service.access.callers import ACME, NoKeeper
from tests.service.access.issuers import ISSUER, SUBJECT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kokuin.service.access.bearer_tokens import PinnedIssuer

CLIENT = "c-aaaaaaaaaaaaaaaa"
OPERATOR_KEY = "the-operator-key-of-this-test-0123456789abc"
HERE = Peer("192.0.2.7")
FINGERPRINT = "ab" * 32


@dataclass
class Door:
    """A doorkeeper and one client, whose key, certificate and subject it knows."""

    config: Config = field(default_factory=Config)
    issuers: Iterable[PinnedIssuer] = ()
    client: Client = field(default_factory=lambda: Client(CLIENT, ACME, frozenset({Role.STAMP})))
    made: NewKey = field(default_factory=make_key)
    key: Key | None = None

    def __post_init__(self) -> None:
        self.key = self.key or Key(self.made.id, self.client.id, self.made.digest)
        self.doorkeeper = Doorkeeper(self.config.access, digest_of(OPERATOR_KEY.encode()), self.issuers)
        # Time stands still: what is used up does not come back while a busy machine looks elsewhere.
        self.doorkeeper._quotas._monotonic = self.doorkeeper._throttle._monotonic = lambda: 1000.0
        self.install()

    def install(self, *, exhausted: bool = False, key: dict[str, Any] | None = None, **client: Any) -> None:
        """Push the table, with parts of the client and of its key changed."""
        assert self.key is not None
        self.client = replace(self.client, **client)
        self.key = replace(self.key, **(key or {}))
        self.doorkeeper.install(
            AccessTable(
                clients={self.client.id: self.client},
                keys={self.key.id: self.key},
                certificates={FINGERPRINT: self.client.id},
                subjects={subject_key(ISSUER, SUBJECT): self.client.id},
                exhausted=frozenset({self.client.id} if exhausted else ()),
            )
        )

    def admit(
        self, *fields: tuple[str, str | bytes], peer: Peer = HERE, basic: bool = False
    ) -> Principal | DenialCode:
        """Return the caller, or the code of the refusal."""
        found = self.doorkeeper.admit(raw(fields), peer, basic=basic)
        return found.code if isinstance(found, Denial) else found

    def bearing(self, secret: str | bytes, peer: Peer = HERE) -> Principal | DenialCode:
        """Admit whoever bears a secret."""
        return self.admit(("authorization", bearer(secret)), peer=peer)

    def endpoint(self, keeper: Any = None) -> StampEndpoint:
        """Return the endpoint that this doorkeeper guards; nothing is signed."""
        responder: Any = SimpleNamespace(stopped=False)
        port: Any = keeper or NoKeeper()
        return StampEndpoint(self.config, responder, self.doorkeeper, port, WorkerCounters())


def raw(fields: Iterable[tuple[str, str | bytes]]) -> list[tuple[bytes, bytes]]:
    """Return fields as ASGI has them."""
    return [(name.encode(), value.encode() if isinstance(value, str) else value) for name, value in fields]


def bearer(secret: str | bytes) -> bytes:
    """Return the value of the field of whoever bears a secret."""
    return b"Bearer " + (secret.encode() if isinstance(secret, str) else secret)


def basic_of(user: str, password: str) -> str:
    """Return the value of the field by which HTTP Basic shows a password."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def stamp(
    endpoint: StampEndpoint,
    path: str = "/tsa",
    headers: Mapping[str, str] | None = None,
    peer: Peer = HERE,
) -> httpx.Response:
    """Ask the endpoint over ASGI."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope[SCOPE_KEY] = peer
        scope["state"] = {"request_id": "0123456789abcdef01234567"}
        await endpoint(scope, receive, send)

    async def post() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://worker") as client:
            return await client.post(path, content=b"", headers=dict(headers or {}))

    return asyncio.run(post())
