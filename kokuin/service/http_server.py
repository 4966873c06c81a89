"""uvicorn's server as the house runs it: no signal handlers, and no word of its own in headers or logs."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import uvicorn

from kokuin.service.access.response_fields import response_fields

if TYPE_CHECKING:
    from collections.abc import Iterator

DRAIN_SECONDS = 10
"""How long open requests may take when a server stops."""


class Server(uvicorn.Server):
    """uvicorn's server without its signal handlers: the process's own main decides when it stops."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to whoever runs the process."""
        yield


def make_server(app: Any, protocol: Any, *, tls: bool = False) -> Server:
    """Return a server of an ASGI application over the class that `http_protocol.make_protocol` returned.

    Args:
        app: answers requests.
        protocol: the class.
        tls: whether TLS ends here.
    """
    config = uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        headers=response_fields(tls=tls),
        proxy_headers=False,  # nobody's word about the client's address is taken, nor needed
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    return Server(config)
