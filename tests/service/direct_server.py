"""The stamp endpoint behind the real protocol and the real server, in a thread of the test's process.

Clock, key and journal do as the test says (`rig.py`); sockets, parser and event loop are the service's.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
from collections import Counter
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

import structlog
import uvicorn
import uvloop

from kokuin.service.http_protocol import GuardedProtocol, TransportLimits, make_protocol
from kokuin.service.http_server import Server
from tests.service.rig import Rig, ScriptedJournal, rigged
from tests.service.running import PATIENCE_S
from tests.service.slow_clients import Address, Answer, connect, read_answers, until_closed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from kokuin.service.access.peers import Peer
    from kokuin.service.access.principal import Principal
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.exchange import Exchange
    from kokuin.service.http_problems import TransportEvent
    from kokuin.service.stamp_endpoint import StampEndpoint

T = TypeVar("T")


class Bug(Exception):  # noqa: N818  # what no code of ours expects
    """Stands for a mistake of ours."""


@dataclass
class Watched:
    """The direct endpoint, counted, and broken when told."""

    stamp: StampEndpoint
    answered: int = 0
    broken: str = ""

    def takes(self, url: bytes, headers: Sequence[tuple[bytes, bytes]], peer: Peer) -> Principal | None:
        if self.broken == "takes":
            raise Bug
        return self.stamp.takes(url, headers, peer)

    def answer(self, exchange: Exchange) -> None:
        self.answered += 1
        if self.broken == "answer":
            raise Bug
        self.stamp.answer(exchange)


@dataclass
class Serving:
    """A server in its thread."""

    address: Address
    loop: asyncio.AbstractEventLoop
    server: Server
    protocol: type[GuardedProtocol]
    rig: Rig
    journal: ScriptedJournal
    direct: Watched
    events: Counter[str]
    logs: list[Any]
    complaints: list[str] = field(default_factory=list)
    """What reached the loop's exception handler or a logger of the libraries as an error."""
    thread: threading.Thread = field(default_factory=threading.current_thread)

    def ask(self, octets: bytes, count: int = 1) -> list[Answer]:
        """Send octets on a connection of their own; return so many answers."""
        with connect(self.address, octets) as client:
            return read_answers(client, count)

    def ask_all(self, octets: bytes) -> bytes:
        """Send octets on a connection of their own; return what comes until the server closes it."""
        return until_closed(connect(self.address, octets), PATIENCE_S)

    def within(self, call: Callable[[], T]) -> T:
        """Return what `call` returns in the loop's thread."""
        result: Future[T] = Future()
        self.loop.call_soon_threadsafe(lambda: result.set_result(call()))
        return result.result(PATIENCE_S)

    def open(self) -> int:
        """Return how many direct requests are open."""
        return self.within(lambda: len(self.protocol.exchanges))

    def connections(self) -> int:
        """Return how many connections there are."""
        return self.within(lambda: len(self.protocol.patrol.connections))

    def await_(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until a condition holds."""
        pause = threading.Event()
        for _ in range(int(PATIENCE_S / 0.02)):
            if condition():
                return
            pause.wait(0.02)
        raise AssertionError(what)

    def await_records(self, count: int) -> None:
        """Wait until the journal was asked for so many records."""
        self.await_(lambda: len(self.journal.records) >= count, f"no {count} records")

    def limit(self, **limits: Any) -> None:
        """Grant clients something else from now on."""
        self.within(lambda: setattr(self.protocol, "limits", replace(self.protocol.limits, **limits)))

    def let_records_be_durable(self) -> None:
        """Let every record that waits be durable."""
        for future in self.journal.futures:
            if not future.done():
                future.set_result(())

    def stop(self) -> None:
        """Ask the server to stop, as the worker's `stop` does."""
        self.server.should_exit = True


class _Complaints(logging.Handler):
    def __init__(self, complaints: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._complaints = complaints

    def emit(self, record: logging.LogRecord) -> None:
        self._complaints.append(self.format(record))


async def _serve(  # noqa: PLR0913, PLR0917  # what the test decided
    folder: DataFolder,
    limits: TransportLimits,
    settings: Mapping[str, str] | None,
    slow: bool,  # noqa: FBT001  # as `rigged`
    drain_s: int,
    logs: list[Any],
    started: Future[Serving],
) -> None:
    journal, events = ScriptedJournal(), Counter[str]()

    def on_event(event: TransportEvent) -> None:
        events[event.code.value] += 1

    async with rigged(folder, journal, slow=slow, settings=settings) as rig:
        direct = Watched(rig.app.stamp)
        protocol = make_protocol(limits, on_event, direct)
        config = uvicorn.Config(
            rig.app,
            http=protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=drain_s,
        )
        server = Server(config)
        with socket.create_server(("127.0.0.1", 0), backlog=2048) as listener:
            # Small buffers of the kernel: a client that does not read is met sooner.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
            loop = asyncio.get_running_loop()
            address: Address = listener.getsockname()
            serving = Serving(address, loop, server, protocol, rig, journal, direct, events, logs)
            loop.set_exception_handler(lambda _, context: serving.complaints.append(repr(context)))
            started.set_result(serving)
            await server.serve(sockets=[listener])


@contextlib.contextmanager
def serving(
    folder: DataFolder,
    limits: TransportLimits | None = None,
    *,
    settings: Mapping[str, str] | None = None,
    slow: bool = False,
    drain_s: int = 10,
) -> Iterator[Serving]:
    """Serve until the block ends; a complaint that the test did not take away fails it.

    Args:
        folder: a data folder with its unit; its ledger is not touched.
        limits: of the transport.
        settings: `TSA_...` variables.
        slow: sign in threads.
        drain_s: how long open requests may take when it stops.
    """
    started: Future[Serving] = Future()

    def run() -> None:
        try:
            uvloop.run(_serve(folder, limits or TransportLimits(), settings, slow, drain_s, logs, started))
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)

    with structlog.testing.capture_logs() as logs:
        thread = threading.Thread(target=run, name="server")
        thread.start()
        server = started.result(PATIENCE_S)
        server.thread = thread
        handler = _Complaints(server.complaints)
        logging.getLogger().addHandler(handler)
        try:
            yield server
        finally:
            if thread.is_alive():
                server.let_records_be_durable()
            server.stop()
            thread.join(PATIENCE_S)
            logging.getLogger().removeHandler(handler)
        assert not thread.is_alive()
        assert server.complaints == []
