"""How a connection lives and ends: its phases, its deadlines, its last words.

A connection is always in one `Phase`; its deadlines are kept by the `Patrol`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, ClassVar

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from kokuin.service.http_problems import TransportCode, TransportEvent, problem

if TYPE_CHECKING:
    from kokuin.service.http_patrol import Patrol

PROGRESS_OCTETS = 65_536
"""A body or a response that moves by this much within its deadline earns a new deadline."""


@dataclass(frozen=True, slots=True)
class TransportLimits:
    """What one worker process grants its clients; times in seconds, sizes in octets.

    Attributes:
        header_deadline_s: from the connection, or the first octet of a later request, to its last header.
        body_deadline_s: from the last header to the end of the content, or per `PROGRESS_OCTETS` of it.
        idle_s: between two requests of a connection.
        write_deadline_s: for the client to take `PROGRESS_OCTETS` of a response, or all of it.
        linger_s: for the client to read a refusal while it is still sending.
        sweep_s: how often deadlines are looked at; every deadline is kept with this precision.
        header_octets: request line, fields, trailers and chunk framing of one message, as received. Of a
            request that is pipelined behind another in the same read, at most twice as many pass.
        fields: header and trailer fields of one message.
        linger_octets: how much of a refused message is read and thrown away.
        pipelined: requests of one connection that may wait for their turn.
        requests: requests that the application works on at a time.
        connections: open connections.
    """

    header_deadline_s: float = 10.0
    body_deadline_s: float = 10.0
    idle_s: float = 15.0
    write_deadline_s: float = 10.0
    linger_s: float = 2.0
    sweep_s: float = 1.0
    header_octets: int = 16_384
    fields: int = 64
    linger_octets: int = 1_048_576
    pipelined: int = 32
    requests: int = 512
    connections: int = 2_048


class Phase(Enum):
    """What a connection is waiting for."""

    HEAD = auto()
    """The rest of a header section (or the first octet on a new connection)."""
    BODY = auto()
    """The rest of the content."""
    ANSWER = auto()
    """The application."""
    IDLE = auto()
    """The next request."""
    DEAF = auto()
    """Owed answers, before a refusal can be sent; what arrives is thrown away."""
    LINGER = auto()
    """The client's end, after the last answer; what arrives is thrown away."""


HEAD, BODY, ANSWER, IDLE, DEAF, LINGER = Phase


class _GentleTransport(asyncio.Transport):
    """What uvicorn's cycle writes to: the transport, but for `close`, which the protocol decides.

    Closing a socket on octets that nobody read sends RST, and RST may overtake the answer.
    """

    def __init__(self, inner: asyncio.Transport, connection: GuardedConnection) -> None:
        super().__init__()
        self._inner = inner
        self._connection = connection
        self.write = inner.write  # type: ignore[method-assign]  # twice a response: no call between

    def is_closing(self) -> bool:
        return self._connection.lingering or self._inner.is_closing()

    def close(self) -> None:
        if not self.is_closing():
            self._connection.close_gently()


def _to_nobody(data: bytes | bytearray | memoryview) -> None:
    """Write to a connection that is lost."""
    del data


class GuardedConnection(HttpToolsProtocol):
    """One connection under `TransportLimits`; what its messages may look like is its subclass's business.

    Attributes:
        limits: what the process grants.
        patrol: who keeps the deadlines.
        on_event: told of every refusal.
        phase: what the connection waits for.
        since: since when, in the loop's time.
        received: octets so far.
        received_before: octets when the running body deadline began.
    """

    limits: ClassVar[TransportLimits]
    patrol: ClassVar[Patrol]
    on_event: ClassVar[staticmethod[[TransportEvent], None]]

    phase = HEAD
    since = 0.0
    received = 0
    received_before = 0
    _unsent = 0
    _unsent_since = 0.0
    _linger_left = 0
    _refusal: TransportCode | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn
        """Take a connection, or answer it with 503 when there are too many."""
        super().connection_made(transport)
        self._inner = transport
        self.since = self.loop.time()
        self.patrol.watch(self)
        if len(self.patrol.connections) > self.limits.connections:
            # No lingering here: a flood of connections must cost no more than this write.
            self.phase = DEAF
            self._report(TransportCode.TOO_MANY_CONNECTIONS)
            self._write_problem(TransportCode.TOO_MANY_CONNECTIONS)
            transport.close()
        self.transport = _GentleTransport(transport, self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self.patrol.connections.discard(self)
        # uvicorn tells only the newest request of a pipeline; the one being answered would go on writing.
        self.transport.write = _to_nobody  # type: ignore[method-assign]  # as in _GentleTransport
        super().connection_lost(exc)

    def resume_writing(self) -> None:
        """Let the application write again: the client reads."""
        self._unsent = 0
        super().resume_writing()

    def on_response_complete(self) -> None:
        """Go on with the next request of the pipeline, the refusal that waits behind it, or silence."""
        self.server_state.total_requests += 1
        if self.phase is LINGER or self._inner.is_closing():
            return
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self._refusal is not None:
            self._answer_refusal(self._refusal)
        elif self.cycle.more_body:
            self.close_gently()
        else:
            self.flow.resume_reading()
            if self.phase is ANSWER:
                self.phase = IDLE
                self.since = self.loop.time()

    def refuse(self, code: TransportCode) -> None:
        """Refuse the message that is being read, once all messages before it are answered."""
        self._report(code)
        cycle = self.cycle
        owed = cycle is not None and not cycle.response_complete
        if owed and cycle.more_body:
            cycle.disconnected = True
            cycle.message_event.set()
            if self.pipeline:
                self.pipeline.popleft()
            elif cycle.response_started:
                self._linger()
                return
            else:
                owed = False
        if owed:
            self.phase = DEAF
            self._refusal = code
            self.flow.pause_reading()
        else:
            self._answer_refusal(code)

    def write_failure(self) -> None:
        """Write what a client is told of a mistake of ours."""
        self._report(TransportCode.INTERNAL)
        self._write_problem(TransportCode.INTERNAL)

    def _answer_refusal(self, code: TransportCode) -> None:
        self._write_problem(code)
        self._linger()

    def _write_problem(self, code: TransportCode) -> None:
        status, fields, content = problem(code)
        lines = [name + b": " + value + b"\r\n" for name, value in self.server_state.default_headers + fields]
        self._inner.write(b"".join([STATUS_LINE[status], *lines, b"\r\n", content]))

    def _report(self, code: TransportCode) -> None:
        self.on_event(TransportEvent(code, self.client[0] if self.client else None))

    @property
    def lingering(self) -> bool:
        """Whether only the client's end is awaited."""
        return self.phase is LINGER

    def close_gently(self) -> None:
        """Close, but let a client that is still sending read its answer first (RFC 9112 §9.6)."""
        if self.cycle is not None and self.cycle.more_body:
            self._linger()
        else:
            self._inner.close()

    def _linger(self) -> None:
        self.phase = LINGER
        self.since = self.loop.time()
        self._linger_left = self.limits.linger_octets
        if not self._inner.can_write_eof():
            self._inner.close()
        elif not self._inner.is_closing():
            self._inner.write_eof()
            self.flow.resume_reading()

    def throw_away(self, octets: int) -> None:
        """Account for octets that nobody reads any more; too many of them stop the reading."""
        self._linger_left -= octets
        if self._linger_left < 0:
            self.flow.pause_reading()

    def forgive(self, seconds: float, now: float) -> None:
        """Count the last `seconds` before `now` for nobody's delay."""
        self.since = min(self.since + seconds, now)
        self._unsent_since = min(self._unsent_since + seconds, now)

    def keep_deadlines(self, now: float) -> None:
        """End the connection when what it waits for is late; called by the patrol."""
        waited = now - self.since
        if not self._client_reads(now):
            self._report(TransportCode.CLIENT_NOT_READING)
            self._inner.abort()
        elif self._inner.is_closing():
            return
        elif self.phase is IDLE:
            if waited > self.limits.idle_s:
                self._inner.close()
        elif self.phase is LINGER:
            if waited > self.limits.linger_s and not self._unsent:
                self._inner.close()
        elif self.phase is HEAD or self.phase is BODY:
            self._keep_reading_deadline(now)

    def _keep_reading_deadline(self, now: float) -> None:
        if self.flow.read_paused or (self.phase is BODY and self.cycle.waiting_for_100_continue):
            self.since = now  # it is us who do not read
        elif self.phase is HEAD:
            if now - self.since > self.limits.header_deadline_s:
                self.refuse(TransportCode.HEADER_LATE)
        elif now - self.since > self.limits.body_deadline_s:
            if self.received - self.received_before < PROGRESS_OCTETS:
                self.refuse(TransportCode.BODY_LATE)
            self.since, self.received_before = now, self.received

    def _client_reads(self, now: float) -> bool:
        unsent = self._inner.get_write_buffer_size()
        if not unsent or not self._unsent or unsent <= self._unsent - PROGRESS_OCTETS:
            self._unsent, self._unsent_since = unsent, now
        else:
            self._unsent = max(self._unsent, unsent)
        return not unsent or now - self._unsent_since <= self.limits.write_deadline_s
