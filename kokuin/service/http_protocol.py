"""HTTP/1.1 for hostile networks: uvicorn's protocol with bounded messages, time and connections.

What is refused here never reaches the application; it is answered with an RFC
9457 problem and a stable code, after the answers that the connection still owes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import httptools
import structlog
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT

from kokuin.service.access.peers import SCOPE_KEY, UNKNOWN, peer_of_transport
from kokuin.service.exchange import DefaultFields, Exchange
from kokuin.service.http_connection import (
    ANSWER,
    BODY,
    DEAF,
    HEAD,
    LINGER,
    GuardedConnection,
    TransportLimits,
)
from kokuin.service.http_patrol import Patrol
from kokuin.service.http_problems import TransportCode, TransportEvent, send_problem

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, Scope

    from kokuin.service.access.peers import Peer
    from kokuin.service.access.principal import Principal
    from kokuin.service.exchange import DirectEndpoint

_log = structlog.get_logger()

__all__ = ["TransportCode", "TransportEvent", "TransportLimits", "make_protocol"]

CHUNK_FRAMING_OCTETS = 32
"""Octets around a chunk (RFC 9112 §7.1) that are no attempt to flood with chunk extensions."""


def make_protocol(
    limits: TransportLimits, on_event: Callable[[TransportEvent], None], direct: DirectEndpoint | None = None
) -> type[GuardedProtocol]:
    """Return the protocol class for `uvicorn.Config(http=...)`; one for each server.

    uvicorn's own `limit_concurrency` and `timeout_keep_alive` have no effect.

    Args:
        limits: what clients are granted.
        on_event: called on the event loop for every refusal, so an attacker decides how often: it must be
            quick and must not raise.
        direct: answers ordinary requests that are its own; all others go to the application.
    """
    bound = {
        "limits": limits,
        "patrol": Patrol(limits.sweep_s),
        "on_event": staticmethod(on_event),
        "direct": direct,
        "default_fields": DefaultFields(),
        "exchanges": set(),
    }
    return type("BoundGuardedProtocol", (GuardedProtocol,), bound)


async def _too_many_requests(_scope: Scope, _receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    await send_problem(send, TransportCode.TOO_MANY_REQUESTS)


class _LateBody:
    """Parser callbacks for the content of a request whose head another parser has read."""

    def __init__(self, protocol: GuardedProtocol) -> None:
        self._protocol = protocol

    def on_body(self, body: bytes) -> None:
        if self._protocol.cycle.more_body:
            self._protocol.on_body(body)

    def on_message_complete(self) -> None:
        if self._protocol.cycle.more_body:
            self._protocol.on_message_complete()


class _FaultyHeadError(Exception):
    """Stops the parser; the reason is in the protocol."""


class GuardedProtocol(GuardedConnection):
    """One connection under `TransportLimits`; made by the class that `make_protocol` returns."""

    cycle: Any
    """The request that is being read or answered: uvicorn's cycle, or an `Exchange`."""
    direct: ClassVar[DirectEndpoint | None]
    default_fields: ClassVar[DefaultFields]
    exchanges: ClassVar[set[Exchange]]
    """Requests of all connections that the direct endpoint has not answered yet.

    One whose client has gone stays when it was handed over: it costs as much as before, and whoever could
    free its place by hanging up would be granted any number of them.
    """

    peer: Peer = UNKNOWN
    _exchange: Exchange | None = None
    _fault: TransportCode | None = None
    _head_fields = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn
        """Take a connection."""
        super().connection_made(transport)
        self._real_app = self.app
        self.peer = peer_of_transport(transport, self.client)
        self._envelope_left = self.limits.header_octets

    def data_received(self, data: bytes) -> None:
        """Feed the parser, never more at once than the message's envelope may still take."""
        phase = self.phase
        if phase is DEAF or phase is LINGER:
            self.throw_away(len(data))
            return
        self.received += len(data)
        if len(data) <= self._envelope_left:
            self._feed(data)
            return
        rest = memoryview(data)
        while rest and self.phase is not DEAF and self.phase is not LINGER:
            taken = self._envelope_left
            self._feed(rest[:taken])
            rest = rest[taken:]

    def _feed(self, piece: bytes | memoryview) -> None:
        # An endless line completes no callback of the parser: only counting what goes in sees it.
        self._envelope_left -= len(piece)
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade as upgrade:
            self._decline_upgrade(piece[upgrade.args[0] :])
        except httptools.HttpParserError:
            self.refuse(self._fault or TransportCode.MALFORMED)
        else:
            if self._envelope_left <= 0:
                self.refuse(TransportCode.HEADER_TOO_LARGE)

    def _decline_upgrade(self, rest: bytes | memoryview) -> None:
        # A declined upgrade is an ordinary request (RFC 9110 §7.8; Java's HttpClient offers h2c with every
        # POST), but llhttp stops before its content and would take that for the next request.
        framing = [
            name + b": " + value + b"\r\n"
            for name, value in self.cycle.scope["headers"]
            if name in (b"content-length", b"transfer-encoding")
        ]
        self.cycle.keep_alive = False
        self.parser = httptools.HttpRequestParser(_LateBody(self))
        self._feed(b"".join([b"POST / HTTP/1.1\r\n", *framing, b"\r\n", rest]))

    def _should_upgrade(self) -> bool:
        return False

    def on_message_begin(self) -> None:
        """Start the header deadline of a request that is not the connection's first."""
        if self.phase is not HEAD:
            self.phase = HEAD
            self.since = self.loop.time()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Hand a sound request to the application, or to a refusal when that has too much to do.

        Raises:
            _FaultyHeadError: the header section is refused.
        """
        self._fault = self._fault_of_head()
        if self._fault is not None:
            raise _FaultyHeadError
        principal = self._taken(self.direct) if self._may_go_direct() else None
        if principal is None:
            self._start_application()
        else:
            keep_alive = self.parser.should_keep_alive()
            self._exchange = self.cycle = Exchange(self, keep_alive=keep_alive, principal=principal)
            self.exchanges.add(self._exchange)
        # Trailers are no headers (RFC 9110 §6.5.1): the application must never see them as such.
        self._head_fields = len(self.headers)
        self.headers = []
        self.phase = BODY
        self.since = self.loop.time()
        self.received_before = self.received

    def _may_go_direct(self) -> bool:
        """Say whether nothing about the request wants ASGI."""
        cycle = self.cycle
        return (
            (cycle is None or cycle.response_complete)
            and not self.expect_100_continue
            and not self.flow.write_paused
            and not self.parser.should_upgrade()
            and self.parser.get_method() == b"POST"
            and self.parser.get_http_version() == "1.1"
            and self._open_requests() < self.limits.requests
        )

    def _taken(self, direct: DirectEndpoint | None) -> Principal | None:
        try:
            return None if direct is None else direct.takes(self.url, self.headers, self.peer)
        except Exception:  # noqa: BLE001  # the parser would take a mistake of ours for one of the client's
            _log.exception("direct.takes.failed")
            return None

    def _open_requests(self) -> int:
        return len(self.tasks) + len(self.exchanges)

    def _start_application(self) -> None:
        busy = self._open_requests() >= self.limits.requests
        self.app = _too_many_requests if busy else self._real_app
        self.scope[SCOPE_KEY] = self.peer  # type: ignore[literal-required]  # ours, beside ASGI's
        super().on_headers_complete()

    def _fault_of_head(self) -> TransportCode | None:
        if len(self.headers) > self.limits.fields:
            return TransportCode.TOO_MANY_FIELDS
        hosts = 0
        for name, _ in self.headers:
            if name == b"host":
                hosts += 1
        version = self.parser.get_http_version()  # the parser takes 0.9 and 2.0 too
        if version not in {"1.0", "1.1"} or (hosts != 1 and (hosts or version == "1.1")):
            return TransportCode.MALFORMED  # RFC 9112 §2.3, §3.2
        if len(self.pipeline) >= self.limits.pipelined:
            return TransportCode.TOO_MANY_REQUESTS
        return None

    def on_body(self, body: bytes) -> None:
        """Take content, which does not count for the envelope."""
        left, whole = self._envelope_left + len(body) + CHUNK_FRAMING_OCTETS, self.limits.header_octets
        self._envelope_left = left if left < whole else whole  # noqa: FURB136 - min() costs on the hot path
        cycle = self.cycle
        if not cycle.response_complete:
            cycle.body += body
            if len(cycle.body) > HIGH_WATER_LIMIT:
                self.flow.pause_reading()
            cycle.message_event.set()

    def on_message_complete(self) -> None:
        """Give the next message a whole envelope.

        Raises:
            _FaultyHeadError: the trailers make too many fields.
        """
        if self.parser.should_upgrade():
            return
        if len(self.headers) + self._head_fields > self.limits.fields:
            self._fault = TransportCode.TOO_MANY_FIELDS
            raise _FaultyHeadError
        self._envelope_left = self.limits.header_octets
        self.phase = ANSWER
        cycle = self.cycle
        if not cycle.response_complete:
            cycle.more_body = False
            cycle.message_event.set()
            if isinstance(cycle, Exchange) and self.direct is not None:
                try:
                    self.direct.answer(cycle)
                except Exception:  # noqa: BLE001  # as in _taken, and nobody else would answer
                    _log.exception("direct.answer.failed")
                    self.loop.call_soon(cycle.fail)

    def eof_received(self) -> bool | None:  # type: ignore[override]  # as asyncio has it; uvicorn returns None
        """Let a client that has sent all, and says so by closing its half, read what it has asked for.

        Its token is on record when the answer is written; closing here would give it to nobody.
        """
        exchange = self._exchange
        # TLS has no half that is closed, and asyncio warns.
        if exchange is None or exchange is not self.cycle or self.scheme == "https":
            return None
        if exchange.more_body or exchange.response_complete:
            return None
        exchange.keep_alive = False
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection, and a request of it that was not answered."""
        super().connection_lost(exc)
        if self._exchange is not None:
            self._exchange.disconnected = True
            self._free_half()

    def refuse(self, code: TransportCode) -> None:
        """Refuse the message that is being read, see `GuardedConnection`."""
        super().refuse(code)
        self._free_half()

    def _free_half(self) -> None:
        """Give the place of a request free that will never be handed over."""
        if self._exchange is not None and self._exchange.more_body:
            self.exchanges.discard(self._exchange)
