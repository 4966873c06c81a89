"""The gate: every request but those of the hot path passes here before any route gets it.

It makes the `Principal`, asks `decide`, and lets through or answers. No handler reads a credential.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import structlog
from starlette.routing import Match, Route

from kokuin.service.access.admin_door import ADMIN
from kokuin.service.access.credentials import is_in_url
from kokuin.service.access.denials import Denial, DenialCode
from kokuin.service.access.peers import peer_of
from kokuin.service.access.principal import NOBODY
from kokuin.service.access.refusing import DeniedError, refusal
from kokuin.service.access.request_ids import request_id_of
from kokuin.service.access.rules import decide, rule_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from kokuin.service.access.doorkeeper import Doorkeeper
    from kokuin.service.access.principal import Principal
    from kokuin.service.access.rules import Rule
    from kokuin.service.config import Config

_PRINCIPAL = "principal"

_log = structlog.get_logger()


def principal_of(request: Request) -> Principal:
    """Return who asks; nobody where the route is public."""
    found: Principal = request.scope["state"][_PRINCIPAL]
    return found


class AccessGate:
    """ASGI middleware around the router."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        routes: Sequence[BaseRoute],
        doorkeeper: Doorkeeper,
        config: Config,
        unread: frozenset[str],
    ) -> None:
        """Wrap the router.

        Args:
            app: gets requests that may be answered.
            routes: the router's own list.
            doorkeeper: of the worker.
            config: the configuration in force.
            unread: paths whose content is not read before the gate.
        """
        self._app, self._routes, self._unread = app, routes, unread
        self._doorkeeper, self._config = doorkeeper, config

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope."""
        route = self._route(scope)
        if route is None:
            # 404 and 405 are the router's to say, and nobody's credentials are looked at for them.
            await self._app(scope, receive, send)
            return
        query = scope["query_string"].decode("latin-1")
        named = {name for name, _ in parse_qsl(query, keep_blank_values=True, max_num_fields=None)}
        rule = rule_for(scope["method"], route.path, named)
        assert rule is not None  # noqa: S101  # `check_routes` held the table against the routes
        found = self._judge(scope, rule)
        if isinstance(found, Denial):
            await self._refuse(scope, send, found, rule)
            return
        scope["state"] = {**scope["state"], _PRINCIPAL: found}
        try:
            await self._app(scope, receive, send if rule.public else _unshared(send))
        except DeniedError as error:
            await self._refuse(scope, send, error.denial, rule)

    def _route(self, scope: Scope) -> Route | None:
        """Return the route that the router will take."""
        if scope["type"] != "http":
            return None
        for route in self._routes:
            if route.matches(scope)[0] is Match.FULL and isinstance(route, Route):
                return route
        return None

    def _judge(self, scope: Scope, rule: Rule) -> Principal | Denial:
        """Say who asks, or why they may not."""
        if is_in_url(scope["raw_path"] + b"?" + scope["query_string"]):
            return Denial(DenialCode.CREDENTIAL_IN_URL)
        # What is public stays so for a monitor with an old key, and costs nobody a digest.
        found = (
            NOBODY
            if rule.public and not rule.naming
            else self._doorkeeper.admit(scope["headers"], peer_of(scope))
        )
        if isinstance(found, Denial):
            return found
        return decide(found, rule, self._config, admin=scope.get(ADMIN, False)) or found

    async def _refuse(self, scope: Scope, send: Send, denial: Denial, rule: Rule) -> None:
        request_id = request_id_of(scope)
        self._doorkeeper.note(denial)
        _log.info(
            "access.denied",
            code=denial.code,
            tenant=denial.tenant,
            method=rule.method,
            route=rule.path,
            request=request_id,
        )
        status, fields, content = refusal(denial, request_id)
        if scope["path"] in self._unread:
            # Content that was not read ends the connection (RFC 9112 §9.3): the client must be told.
            fields.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": status, "headers": fields})
        await send({"type": "http.response.body", "body": content})


def _unshared(send: Send) -> Send:
    """Return a `send` that keeps answers out of everybody's cache, unless they say otherwise."""

    async def tell(message: Message) -> None:
        if message["type"] == "http.response.start":
            fields = list(message.get("headers", ()))
            if all(name.lower() != b"cache-control" for name, _ in fields):
                fields.append((b"cache-control", b"no-store"))
            message = {**message, "headers": fields}
        await send(message)

    return tell
