"""Messages that do not end and messages that stop half-way, while an ordinary client goes on asking."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.requests import valid_requests
from tests.responses import check_response
from tests.service import slow_clients
from tests.service.fuzz_http import POLICY, tree_peak_kib
from tests.service.slow_clients import HOST, all_until_closed, chunk, connect, megabytes, request

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.service.running import Service
    from tests.service.slow_clients import Address


@dataclass(frozen=True, slots=True)
class Assault:
    """How one attack ended.

    Attributes:
        name: what was sent.
        seconds: until every attacking connection was closed.
        statuses: HTTP answers that the attackers got.
        sent_mb: how much of it the server's kernel took, MB.
        grown_kib: by how much the resident memory of all processes grew at most.
        served: requests of another client that were answered meanwhile.
        slowest_s: the longest that one of them took, seconds.
        failed: other clients' requests that were not answered with a token.
    """

    name: str
    seconds: float
    statuses: Counter[int]
    sent_mb: float
    grown_kib: int
    served: int
    slowest_s: float
    failed: int


@dataclass(slots=True)
class _Bystander:
    """An ordinary client that goes on asking while the service is attacked."""

    service: Service
    answered: list[float] = field(default_factory=list)
    failed: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextlib.contextmanager
    def asking(self) -> Iterator[None]:
        """Ask until the block ends."""
        thread = threading.Thread(target=self._ask)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    def _ask(self) -> None:
        body = valid_requests(POLICY)[13]
        # Once at least, however late this thread comes to run.
        while True:
            started = time.perf_counter()
            try:
                # A connection of its own each time: a new client must be let in, too.
                with connect(("127.0.0.1", self.service.port), request("/tsa", body)) as client:
                    answer = slow_clients.read_answers(client, 1)[0]
                good = answer.status == 200 and check_response(answer.content, body)
            except (OSError, AssertionError, ValueError):
                good = False
            self.failed += not good
            self.answered.append(time.perf_counter() - started)
            if self._stop.wait(0.05):
                return


def floods(megabytes_each: int = 300) -> dict[str, Iterable[bytes]]:
    """Return the messages that do not end: name → the pieces to send."""
    head = b"POST /tsa HTTP/1.1\r\n" + HOST
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n"
    length = b"Content-Length: %d\r\n\r\n" % (megabytes_each * 1_000_000)
    return {
        "body, Content-Length": megabytes(megabytes_each, head + length),
        "body, chunked": megabytes(megabytes_each, chunked, chunk(bytes(8_192)) * 8),
        "header line": megabytes(megabytes_each, head + b"X: "),
        "header lines": megabytes(megabytes_each, head, b"X: y\r\n" * 10_000),
        "URL": megabytes(megabytes_each, b"POST /tsa/"),
    }


def flood(service: Service, name: str, pieces: Iterable[bytes]) -> Assault:
    """Send one message that does not end."""
    address, bystander = ("127.0.0.1", service.port), _Bystander(service)
    before, started = tree_peak_kib(service.process.pid), time.monotonic()
    with bystander.asking():
        sent, received = slow_clients.flood(address, pieces)
        seconds = time.monotonic() - started
        time.sleep(0.3)
    statuses = Counter(answer.status for answer in slow_clients.answers(received))
    return _assault(name, seconds, statuses, sent, before, bystander)


def halves(service: Service, clients: int = 500) -> Iterator[Assault]:
    """Open `clients` connections that stop in the middle of their header, then as many within their body."""
    address: Address = ("127.0.0.1", service.port)
    head = b"POST /tsa HTTP/1.1\r\n" + HOST
    for name, half in (
        ("half-sent headers", head + b"X: y"),
        ("half-sent bodies", head + b"Content-Length: 100\r\n\r\nhalf"),
    ):
        bystander = _Bystander(service)
        before, started = tree_peak_kib(service.process.pid), time.monotonic()
        with bystander.asking():
            received = all_until_closed([connect(address, half) for _ in range(clients)], 60)
            seconds = time.monotonic() - started
        statuses = Counter(answer.status for octets in received for answer in slow_clients.answers(octets))
        sent = len(half) * clients
        yield _assault(f"{clients} {name}", seconds, statuses, sent, before, bystander)


def _assault(  # noqa: PLR0913, PLR0917  # what one attack measured, put together once
    name: str, seconds: float, statuses: Counter[int], sent: int, before: int, bystander: _Bystander
) -> Assault:
    return Assault(
        name,
        seconds,
        statuses,
        sent / 1e6,
        tree_peak_kib(bystander.service.process.pid) - before,
        len(bystander.answered),
        max(bystander.answered, default=0.0),
        bystander.failed,
    )
