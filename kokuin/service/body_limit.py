"""Request content, bounded in octets.

Deadlines are not kept here: `http_protocol` answers 408 for late content, and the reader of that content
then learns `DISCONNECTED`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from kokuin.service.http_problems import TransportCode, send_problem

if TYPE_CHECKING:
    from uvicorn._types import (
        ASGI3Application,
        ASGIReceiveCallable,
        ASGIReceiveEvent,
        ASGISendCallable,
        HTTPScope,
        Scope,
    )


class BodyRefusal(StrEnum):
    """Why a request's content is not there."""

    TOO_LARGE = "HTTP_BODY_TOO_LARGE"
    """Declared or found longer than the route takes: answer 413, see `refuse_body`."""
    DISCONNECTED = "HTTP_DISCONNECTED"
    """The client left or was late; nobody is there to answer."""


async def read_body(scope: HTTPScope, receive: ASGIReceiveCallable, *, limit: int) -> bytes | BodyRefusal:
    """Return the whole content of a request, of at most `limit` octets.

    A Content-Length above the limit is refused before anything is received, so that a client that expects
    `100 Continue` (RFC 9110 §10.1.1) keeps its content to itself.
    """
    for name, value in scope["headers"]:
        # Python reads no number of thousands of digits, and the parser lets leading zeros pass.
        if name == b"content-length" and int(value.lstrip(b"0") or b"0") > limit:
            return BodyRefusal.TOO_LARGE
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return BodyRefusal.DISCONNECTED
        size += len(message["body"])
        if size > limit:
            return BodyRefusal.TOO_LARGE
        if not message["more_body"]:
            return b"".join([*pieces, message["body"]]) if pieces else message["body"]
        pieces.append(message["body"])


async def refuse_body(send: ASGISendCallable, refusal: BodyRefusal) -> None:
    """Answer `TOO_LARGE` with 413 as problem+json and end the connection; nobody is left for the other."""
    if refusal is BodyRefusal.TOO_LARGE:
        await send_problem(send, TransportCode.BODY_TOO_LARGE)


class BodyLimitMiddleware:
    """ASGI middleware that reads the content first and starts the application only with all of it."""

    def __init__(self, app: ASGI3Application, limit: int, streamed: frozenset[str] = frozenset()) -> None:
        """Wrap `app`.

        Args:
            app: gets requests whose content is there.
            limit: in octets.
            streamed: paths whose routes read and bound the content themselves.
        """
        self._app = app
        self._limit = limit
        self._streamed = streamed

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Serve one ASGI scope (other scopes than `http` pass untouched)."""
        if scope["type"] != "http" or scope["path"] in self._streamed:
            await self._app(scope, receive, send)
            return
        body = await read_body(scope, receive, limit=self._limit)
        if isinstance(body, BodyRefusal):
            await refuse_body(send, body)
            return
        unread = [body]

        async def replay() -> ASGIReceiveEvent:
            if unread:
                return {"type": "http.request", "body": unread.pop(), "more_body": False}
            return await receive()

        await self._app(scope, replay, send)
