"""Between the parent of `tsa serve` and its children: orders, descriptors, and a sign of life.

The control socket is also the lifeline: at its end the parent is dead, and the
child stops, so that no orphan keeps the port or the data folder.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable

SNAPSHOT = "KOKUIN_CONFIGURATION"
"""Variable in which the parent hands the configuration in force to its children, as JSON."""
EXIT_CANNOT_START = 78
"""The configuration, the folder or a key is unfit: starting again would not help."""
EXIT_UNREACHABLE = 75
"""The ledger's server does not answer: starting again may help."""

_MAX_ORDER = 4096
_MAX_DESCRIPTORS = 2


def places(sock: socket.socket, admin: socket.socket | None) -> dict[str, Any]:
    """Return where a service listens, for the log: the kernel chose a port that the settings leave open."""
    host, port = sock.getsockname()[:2]
    return {"host": host, "port": port} | ({} if admin is None else {"admin_port": admin.getsockname()[1]})


class Control:
    """The child's end of the control socket (SOCK_SEQPACKET: one order a packet, at most two descriptors)."""

    def __init__(self, sock: socket.socket, on_order: Callable[[dict[str, Any], list[int]], None]) -> None:
        """Args: the socket; told each order and its descriptors; the order `{}` is the parent's end."""
        self._sock, self._on_order = sock, on_order
        sock.setblocking(False)
        asyncio.get_running_loop().add_reader(sock.fileno(), self._readable)

    def tell(self, word: str) -> None:
        """Tell the parent something about this child; a dead one is told nothing, its end is an order."""
        with contextlib.suppress(OSError):
            self._sock.send(word.encode())

    def _readable(self) -> None:
        try:
            data, descriptors, _, _ = socket.recv_fds(self._sock, _MAX_ORDER, _MAX_DESCRIPTORS)
        except BlockingIOError:
            return
        except OSError:
            data, descriptors = b"", []
        if not data:
            asyncio.get_running_loop().remove_reader(self._sock.fileno())
        self._on_order(orjson.loads(data) if data else {}, descriptors)
