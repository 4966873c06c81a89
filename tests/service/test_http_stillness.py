"""A server that stood still, with its machine or alone, holds nobody to deadlines that passed meanwhile."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.server import ServerState

from kokuin.service.http_protocol import TransportLimits, make_protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from kokuin.service.http_problems import TransportEvent

HALF = b"POST /tsa HTTP/1.1\r\nHost: tsa.example\r\nX: y"
LIMITS = TransportLimits(header_deadline_s=10.0, write_deadline_s=10.0, sweep_s=1.0)


class Loop:
    """A loop whose clock the test moves; it knows timers and nothing else."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self._timers: list[tuple[float, Callable[..., None], tuple[object, ...]]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, seconds: float, call: Callable[..., None], *words: object) -> None:
        self._timers.append((self.now + seconds, call, words))

    def run(self, seconds: float) -> None:
        """Let time pass with every timer at its time."""
        end = self.now + seconds
        while self._timers and (first := min(self._timers, key=lambda timer: timer[0]))[0] <= end:
            self.now = max(self.now, first[0])
            self._timers.remove(first)
            first[1](*first[2])
        self.now = end

    def stand_still(self, seconds: float) -> None:
        """Let time pass with nobody at work; timers that are due come after it."""
        self.now += seconds
        self.run(0)


class Wire(asyncio.Transport):
    """A connection's other end."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.1", 1)})
        self.written = b""
        self.unsent = 0
        self.gone = False

    def write(self, data: Any) -> None:
        self.written += data

    def write_eof(self) -> None:
        pass

    def can_write_eof(self) -> bool:
        return True

    def is_closing(self) -> bool:
        return self.gone

    def abort(self) -> None:
        self.gone = True

    def close(self) -> None:
        self.gone = True

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


async def nobody(_scope: object, _receive: object, _send: object) -> None:
    raise AssertionError("no request is whole")


def connected(told: list[TransportEvent]) -> tuple[Loop, Wire]:
    """Return a connection on which half a request has come."""
    loop: Any = Loop()
    config = uvicorn.Config(nobody, http=make_protocol(LIMITS, told.append), log_config=None)
    config.load()
    protocol: Any = config.http_protocol_class
    connection, wire = protocol(config, ServerState(), {}, loop), Wire()
    connection.connection_made(wire)
    connection.data_received(HALF)
    return loop, wire


def test_half_a_request_is_refused_once_the_server_has_waited_for_the_rest() -> None:
    told: list[TransportEvent] = []
    loop, wire = connected(told)
    loop.run(9)
    assert wire.written == b""
    loop.run(3)
    assert b" 408 " in wire.written
    assert [event.code for event in told] == ["HTTP_HEADER_LATE"]


def test_what_a_client_sent_while_the_server_stood_still_is_read_before_the_client_is_late() -> None:
    """Its rest lay in the kernel, and the timer came first: 408 for a client in time."""
    told: list[TransportEvent] = []
    loop, wire = connected(told)
    loop.run(5)
    loop.stand_still(60)
    assert (wire.written, told) == (b"", [])
    loop.run(4)
    assert wire.written == b""
    loop.run(3)
    assert b" 408 " in wire.written, "what it really waited for counts"


def test_a_short_stillness_counts_for_nobody_either() -> None:
    told: list[TransportEvent] = []
    loop, wire = connected(told)
    loop.run(9.5)
    loop.stand_still(1.4)
    assert (wire.written, told) == (b"", [])


def test_a_client_that_could_not_read_from_a_server_that_stood_still_is_not_cut_off() -> None:
    told: list[TransportEvent] = []
    loop, wire = connected(told)
    wire.unsent = 1_000_000
    loop.run(2)
    loop.stand_still(60)
    assert (wire.gone, told) == (False, [])
    loop.run(12)
    assert wire.gone
    assert [event.code for event in told][-1] == "HTTP_CLIENT_NOT_READING"
