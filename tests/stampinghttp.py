"""A time-stamp authority over HTTP that answers as it is told, with a unit of a test."""

from __future__ import annotations

import contextlib
import http.server
import threading
import time
from typing import TYPE_CHECKING

from kokuin.wire import encode
from kokuin.wire.tsp import read_timestamp_request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.trust.evidences import Unit


class StampingServer(http.server.ThreadingHTTPServer):
    """Stamps what it is asked to, now, or refuses.

    Attributes:
        unit: by which.
        refuses: whether it refuses.
        asked: how many requests it had.
    """

    daemon_threads = True

    def __init__(self, unit: Unit) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.unit = unit
        self.refuses = False
        self.asked = 0

    @property
    def url(self) -> str:
        """Where it is asked."""
        return f"http://127.0.0.1:{self.server_address[1]}/tsa"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: StampingServer

    def do_POST(self) -> None:
        self.server.asked += 1
        request = read_timestamp_request(self.rfile.read(int(self.headers["content-length"])))
        if self.server.refuses:
            answer = encode.sequence(encode.sequence(encode.integer(2)))
        else:
            token = self.server.unit.unit.issue(request, time.time_ns() // 1_000).token
            answer = encode.sequence(encode.sequence(encode.integer(0)), token)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def stamping(unit: Unit) -> Iterator[StampingServer]:
    """Serve with a unit."""
    with StampingServer(unit) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()
