"""A load generator that costs little, since it shares the cores with what it measures.

Each connection sends the same request again as soon as its answer is there. One process, one epoll, no
HTTP library; an answer that is not a granted response ends the run.

Run as `python -m conformance.benchmark.load PORT CONNECTIONS SECONDS REQUEST_HEX`; prints JSON.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from dataclasses import asdict, dataclass

WARM_SECONDS = 0.2
"""From the first request to the first that counts."""
GRANTED = bytes.fromhex("3003020100")
"""PKIStatusInfo with status granted (RFC 3161 §2.4.2); it follows the four octets of the outer header."""


@dataclass(frozen=True, slots=True)
class Load:
    """What was measured: answers a second, and the median and 99th percentile of their times."""

    rate: float
    p50_ms: float
    p99_ms: float


class _Connection:
    def __init__(self, port: int, message: bytes) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._message = message
        self._answer = b""
        self._sent = 0.0

    def ask(self) -> None:
        self._answer = b""
        self._sent = time.perf_counter()
        self.socket.send(self._message)

    def take(self) -> float | None:
        """Read what is there; return the seconds since the question once the answer is whole."""
        octets = self.socket.recv(65_536)
        if not octets:
            raise ConnectionError(f"closed after {self._answer!r}")
        answer = self._answer = self._answer + octets
        body = answer.find(b"\r\n\r\n") + 4
        if body < 4:
            return None
        at = answer.find(b"content-length: ") + 16
        if len(answer) < body + int(answer[at : answer.index(b"\r", at)]):
            return None
        if answer[body + 4 : body + 9] != GRANTED:
            raise ConnectionError(f"not granted: {answer[:600]!r}")
        return time.perf_counter() - self._sent


def request_message(body: bytes) -> bytes:
    """Return a whole HTTP request around a TimeStampReq."""
    lines = (
        "POST /tsa HTTP/1.1",
        "host: 127.0.0.1",
        "content-type: application/timestamp-query",
        f"content-length: {len(body)}",
        "",
        "",
    )
    return "\r\n".join(lines).encode() + body


def run(port: int, connections: int, seconds: float, body: bytes) -> Load:
    """Load a server on the loopback.

    Args:
        port: where it listens.
        connections: how many ask at a time, each one request after the other.
        seconds: for how long, after `WARM_SECONDS`.
        body: the TimeStampReq.

    Raises:
        ConnectionError: an answer was no granted response.
    """
    message = request_message(body)
    poll = select.epoll()
    clients = {}
    for _ in range(connections):
        client = _Connection(port, message)
        clients[client.socket.fileno()] = client
        poll.register(client.socket, select.EPOLLIN)
        client.ask()
    times: list[float] = []
    start = time.perf_counter() + WARM_SECONDS
    while (now := time.perf_counter()) < start + seconds:
        for descriptor, _ in poll.poll(1.0):
            client = clients[descriptor]
            took = client.take()
            if took is not None:
                if now > start:
                    times.append(took)
                client.ask()
    for client in clients.values():
        client.socket.close()
    times.sort()
    return Load(len(times) / seconds, times[len(times) // 2] * 1e3, times[len(times) * 99 // 100] * 1e3)


if __name__ == "__main__":
    _port, _connections, _seconds, _request = sys.argv[1:]
    print(json.dumps(asdict(run(int(_port), int(_connections), float(_seconds), bytes.fromhex(_request)))))
