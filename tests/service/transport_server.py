"""A process with the guarded transport and next to no application, for the attacks of `test_transport_*`.

Run as a module, it takes the limits as JSON, serves on a port of the kernel's choice and prints that port.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import uvicorn

from kokuin.service.body_limit import BodyLimitMiddleware, BodyRefusal, read_body, refuse_body
from kokuin.service.http_protocol import TransportEvent, TransportLimits, make_protocol
from tests.service import slow_clients

if TYPE_CHECKING:
    from collections.abc import Iterator

    from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, Scope

BODY_LIMIT = 65_536
BIG_OCTETS = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Running:
    """A server process."""

    address: slow_clients.Address
    pid: int

    def ask(self, path: str, content: bytes = b"") -> slow_clients.Answer:
        """Send one ordinary request on a connection of its own."""
        with slow_clients.connect(self.address, slow_clients.request(path, content)) as client:
            return slow_clients.read_answers(client, 1)[0]

    def events(self) -> dict[str, int]:
        """Return how often each code was reported so far."""
        counts: dict[str, int] = json.loads(self.ask("/events").content)
        return counts


@contextlib.contextmanager
def running(**limits: float) -> Iterator[Running]:
    """Start a server with `TransportLimits(**limits)`; its traceback, if any, fails the test."""
    command = [sys.executable, "-m", "tests.service.transport_server", json.dumps(limits)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield Running(("127.0.0.1", int(process.stdout.readline())), process.pid)
        process.terminate()
        _, complaints = process.communicate(timeout=slow_clients.PATIENCE_S)
        assert complaints == ""


class _Application:
    def __init__(self) -> None:
        self.reported: Counter[str] = Counter()
        self._released = asyncio.Event()
        self._limited = BodyLimitMiddleware(self._length, BODY_LIMIT)

    def report(self, event: TransportEvent) -> None:
        self.reported[event.code] += 1

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        assert scope["type"] == "http"
        match scope["path"]:
            case "/events":
                await self._answer(send, self.reported)
            case "/limited":
                await self._limited(scope, receive, send)
            case "/unread":
                await self._answer(send, "not interested")
            case "/hold":
                await self._released.wait()
                await self._answer(send, "released")
            case "/release":
                self._released.set()
                await self._answer(send, "all")
            case "/big":
                await self._big(send)
            case _:
                await self._length(scope, receive, send)

    async def _length(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        assert scope["type"] == "http"
        body = await read_body(scope, receive, limit=BODY_LIMIT)
        if isinstance(body, BodyRefusal):
            await refuse_body(send, body)
        else:
            names = [name.decode() for name, _ in scope["headers"]]
            await self._answer(send, {"path": scope["path"], "octets": len(body), "names": names})

    async def _answer(self, send: ASGISendCallable, value: Any) -> None:
        content = json.dumps(value).encode()
        length = (b"content-length", b"%d" % len(content))
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": content})

    async def _big(self, send: ASGISendCallable) -> None:
        length = (b"content-length", b"%d" % BIG_OCTETS)
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        for left in range(BIG_OCTETS - 65_536, -1, -65_536):
            await send({"type": "http.response.body", "body": bytes(65_536), "more_body": left > 0})


async def _serve(limits: dict[str, Any]) -> None:
    application = _Application()
    config = uvicorn.Config(
        application,
        http=make_protocol(TransportLimits(**limits), application.report),
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
    )
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listener:
        print(listener.getsockname()[1], flush=True)  # noqa: T201 - the test reads it
        await uvicorn.Server(config).serve(sockets=[listener])


if __name__ == "__main__":
    import uvloop

    uvloop.run(_serve(json.loads(sys.argv[1])))
