"""uvicorn's server as the house runs it: no signal handlers, and no word of its own in headers or logs."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from typing import TYPE_CHECKING, Any, cast

import uvicorn

from kokuin.service.access.response_fields import response_fields

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Iterator

DRAIN_SECONDS = 10
"""How long open requests may take when a server stops."""
HANDSHAKE_SECONDS = 10.0
"""How long a client may take for the handshake of TLS, before which no connection is counted."""


class Server(uvicorn.Server):
    """uvicorn's server without its signal handlers: the process's own main decides when it stops."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to whoever runs the process."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Take connections as uvicorn does, but with a deadline for the handshake of less than a minute."""
        await self.lifespan.startup()
        config, loop = self.config, asyncio.get_running_loop()
        made = functools.partial(
            cast("Any", config.http_protocol_class),
            config=config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )
        patience_s = HANDSHAKE_SECONDS if config.ssl is not None else None
        self.servers = [
            await loop.create_server(
                made, sock=sock, ssl=config.ssl, ssl_handshake_timeout=patience_s, backlog=config.backlog
            )
            for sock in sockets or ()
        ]
        self.started = True


def make_server(app: Any, protocol: Any, tls: ssl.SSLContext | None = None) -> Server:
    """Return a server of an ASGI application over the class that `http_protocol.make_protocol` returned.

    Args:
        app: answers requests.
        protocol: the class.
        tls: what TLS is spoken with; None: it is not spoken here.
    """
    config = uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        headers=response_fields(tls=tls is not None),
        proxy_headers=False,  # whom a proxy speaks for, `access.peers` says
        timeout_graceful_shutdown=DRAIN_SECONDS,
        ssl_context_factory=None if tls is None else lambda _config, _default: tls,
    )
    return Server(config)
