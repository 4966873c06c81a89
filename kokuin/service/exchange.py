"""One request and its whole response, beside ASGI.

ASGI costs a task, an event and a dozen calls for every request; for a
time-stamp that is more than its signature. An ordinary request for a
`DirectEndpoint` is therefore handed over when its content is complete, and
its response is written at once. Whatever is not ordinary (pipelined, chunked,
`Expect`, a client that does not read) takes the way of ASGI, to the same answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from uvicorn.server import ServerState

    from kokuin.service.access.peers import Peer
    from kokuin.service.access.principal import Principal

DIRECT_OCTETS = 16_384
"""No content above this is handed over directly: nothing here slows a client that sends much."""


class DefaultFields:
    """The server's own fields (`date`) as octets, made anew when uvicorn replaces them once a second."""

    def __init__(self) -> None:
        self._seen: list[tuple[bytes, bytes]] | None = None
        self._octets = b""

    def octets(self, fields: list[tuple[bytes, bytes]]) -> bytes:
        """Return status line 200 and these fields, uvicorn's present ones."""
        if fields is not self._seen:
            self._seen = fields
            self._octets = STATUS_LINE[200] + b"".join(
                name + b": " + value + b"\r\n" for name, value in fields
            )
        return self._octets


class DirectEndpoint(Protocol):
    """Takes POST requests without ASGI."""

    def takes(self, url: bytes, headers: Sequence[tuple[bytes, bytes]], peer: Peer) -> Principal | None:
        """Say for whom it answers, from the request target, the fields as received and the peer.

        None: it does not answer this request; the application does.
        Of its content nothing is known yet but what Content-Length says; a direct request's must be below
        `DIRECT_OCTETS`.
        """

    def answer(self, exchange: Exchange) -> None:
        """Let `exchange.reply` or `exchange.fail` be called once, on the event loop, after this call.

        Within it the parser has not seen yet what came behind the request. Whatever it raises ends in `fail`.
        """


class Connection(Protocol):
    """What an exchange needs of the protocol whose request it is."""

    url: bytes
    transport: asyncio.Transport
    server_state: ServerState

    @property
    def default_fields(self) -> DefaultFields:
        """The server's own fields."""

    @property
    def exchanges(self) -> set[Exchange]:
        """Requests that were handed over and not answered; an exchange that answers leaves it."""

    def write_failure(self) -> None:
        """Write the whole response 500 that announces the connection's end."""

    def on_response_complete(self) -> None:
        """Go on to the next request of the connection."""


class _NobodyWaits:
    """Stands for the event of uvicorn's cycle: no coroutine awaits a message of this request."""

    @staticmethod
    def set() -> None:
        """Tell nobody."""


class Exchange:
    """A request in the place of uvicorn's cycle, whose attributes its protocol reads and sets.

    Attributes:
        url: the request target.
        principal: who asks, as `DirectEndpoint.takes` said.
        body: the content, whole when `DirectEndpoint.answer` sees it.
    """

    __slots__ = (
        "_connection",
        "body",
        "disconnected",
        "keep_alive",
        "more_body",
        "principal",
        "response_complete",
        "url",
    )
    message_event = _NobodyWaits
    waiting_for_100_continue = False

    def __init__(self, connection: Connection, *, keep_alive: bool, principal: Principal) -> None:
        self._connection = connection
        self.url, self.principal = connection.url, principal
        self.body = b""
        self.more_body = True
        self.keep_alive = keep_alive
        self.disconnected = False
        self.response_complete = False

    @property
    def response_started(self) -> bool:
        """Whether octets of the response were written: all of them or none."""
        return self.response_complete

    def reply(self, fields: bytes, content: bytes) -> None:
        """Write a response with status 200, unless the client has gone or was refused meanwhile.

        Args:
            fields: header fields as they stand on the wire, each with its line end; Content-Length among
                them, `connection` not.
            content: the content.
        """
        connection = self._connection
        connection.exchanges.discard(self)
        if self.disconnected or self.response_complete:
            return
        self.response_complete = True
        end = b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n"
        head = connection.default_fields.octets(connection.server_state.default_headers)
        connection.transport.write(b"".join((head, fields, end, content)))
        if not self.keep_alive:
            connection.transport.close()
        connection.on_response_complete()

    def fail(self) -> None:
        """Answer 500 and close: we made a mistake, which whoever noticed it has logged."""
        connection = self._connection
        connection.exchanges.discard(self)
        if self.disconnected:
            return
        if not self.response_complete:
            self.response_complete = True
            connection.write_failure()
        connection.transport.close()
        connection.on_response_complete()
