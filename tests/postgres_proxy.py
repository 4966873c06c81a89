"""A connection to PostgreSQL that is cut where a test says so."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from enum import StrEnum, auto
from typing import TYPE_CHECKING

from tests.ports import LOOPBACK

if TYPE_CHECKING:
    from pathlib import Path


class Cut(StrEnum):
    """What happens to the next thing that the client says."""

    BEFORE = auto()
    """The server never hears it."""
    AFTER = auto()
    """The server does it and answers, and the client never hears the answer."""
    UNDERWAY = auto()
    """The server hears it, and the client is cut off while the server is at it."""


class CuttingProxy:
    """Forwards between clients on a port of 127.0.0.1 and the server's socket, until it is told to cut."""

    def __init__(self, server: Path) -> None:
        """Args: the server's Unix socket."""
        self._server = str(server)
        self._cut: Cut | None = None
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server((LOOPBACK, 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self, when: Cut) -> None:
        """Cut the connection at the next thing that a client says; connections made after it are whole."""
        self._cut = when

    def close(self) -> None:
        """End everything."""
        for each in (self._listener, *self._sockets):
            _end(each)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._server)
                self._sockets += [client, server]
                swallow = threading.Event()
                for pump in (self._to_server, self._to_client):
                    threading.Thread(target=pump, args=(client, server, swallow), daemon=True).start()

    def _to_server(self, client: socket.socket, server: socket.socket, swallow: threading.Event) -> None:
        with suppress(OSError):
            while octets := client.recv(65536):
                cut, self._cut = self._cut, None
                if cut is Cut.BEFORE:
                    break
                if cut is Cut.AFTER:
                    swallow.set()
                server.sendall(octets)
                if cut is Cut.UNDERWAY:
                    # The server's side stays: it is for the server to find out when it answers.
                    _end(client)
                    return
        _end(client)
        _end(server)

    def _to_client(self, client: socket.socket, server: socket.socket, swallow: threading.Event) -> None:
        with suppress(OSError):
            while octets := server.recv(65536):
                if swallow.is_set():
                    break
                client.sendall(octets)
        _end(client)
        _end(server)


def _end(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
    sock.close()
