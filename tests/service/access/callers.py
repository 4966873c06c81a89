"""Clients of several tenants with keys, and one worker's application that knows them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from kokuin.service.access.admin_door import admin_door
from kokuin.service.access.credentials import make_key
from kokuin.service.access.doorkeeper import Doorkeeper
from kokuin.service.access.table import AccessTable, Client, Key
from kokuin.service.app import make_app
from kokuin.service.config import Config
from kokuin.service.datafolder import DataFolder
from kokuin.service.metrics import WorkerCounters
from kokuin.service.ports import Readiness
from kokuin.service.stamp_endpoint import StampEndpoint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kokuin.service.access.principal import Role
    from kokuin.service.app import Application

OPERATOR = "operator"
ACME, BLUME = "t-aaaaaaaaaaaaaaaa", "t-bbbbbbbbbbbbbbbb"
"""Pseudonyms of two tenants."""


class NoKeeper:
    """The port of a keeper that is never asked, since nobody gets so far."""

    def lag(self) -> float:
        return 0.0

    async def ask(self, operation: str, arguments: Mapping[str, Any] | None = None) -> dict[str, Any]:
        raise AssertionError(f"somebody got through to {operation} {arguments}")


@dataclass
class Callers:
    """Clients by what they may; each has one key."""

    clients: dict[str, Client] = field(default_factory=dict)
    keys: dict[str, Key] = field(default_factory=dict)

    def add(self, tenant: str, *roles: Role) -> str:
        """Make a client and return its key."""
        number = len(self.clients)
        client = Client(f"c-{number:016}", tenant, frozenset(roles))
        made = make_key()
        self.clients[client.id] = client
        self.keys[made.id] = Key(made.id, client.id, made.digest)
        return made.text

    @property
    def table(self) -> AccessTable:
        """What the keeper would push."""
        return AccessTable(clients=self.clients, keys=self.keys)


def application(
    callers: Callers, config: Config | None = None, folder: DataFolder | None = None
) -> tuple[Application, Doorkeeper]:
    """Join what answers of a worker; nobody stamps."""
    config, keeper = config or Config(), NoKeeper()
    doorkeeper, nothing = Doorkeeper(config.access, None), None
    doorkeeper.install(callers.table)
    unused: Any = nothing
    port: Any = keeper
    stamp = StampEndpoint(config, unused, doorkeeper, port, WorkerCounters())
    where = folder or DataFolder(Path("/nowhere"))
    return make_app(where, config, stamp, doorkeeper, port, lambda: Readiness(())), doorkeeper


_SHARED: dict[str, tuple[Application, Doorkeeper]] = {}


def shared(callers: Callers, config: Config) -> tuple[Application, Doorkeeper]:
    """Return the application of a configuration with these clients; one is made, since that takes long."""
    name = config.digest()
    if name not in _SHARED:
        _SHARED[name] = application(callers, config)
    app, doorkeeper = _SHARED[name]
    doorkeeper.install(callers.table)
    doorkeeper.drain_denials()
    return app, doorkeeper


def ask(  # noqa: PLR0913  # one keyword a part of the request
    app: Application,
    path: str,
    key: str | None = None,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    content: bytes = b"",
    admin: bool = False,
) -> httpx.Response:
    """Send one request to an application, by the socket of administration or by the other."""

    async def send() -> httpx.Response:
        shown = {} if key is None else {"authorization": f"Bearer {key}"}
        transport = httpx.ASGITransport(admin_door(app) if admin else app)
        async with httpx.AsyncClient(transport=transport, base_url="http://worker") as client:
            return await client.request(method, path, headers={**shown, **(headers or {})}, content=content)

    return asyncio.run(send())


def code(answer: httpx.Response) -> tuple[int, str]:
    """Return status and code of a problem."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    assert answer.json()["status"] == answer.status_code
    return answer.status_code, answer.json()["code"]
