"""Ports for programs that cannot be given one by the kernel."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
from pathlib import Path

LOOPBACK = "127.0.0.1"
_LOWEST = 10_000
_given: set[int] = set()


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """Return a port that nobody held a moment ago and that no client is given between two starts.

    It is of TCP, or with SOCK_DGRAM of UDP. It is bound only later. Until then nobody of the same run is
    given it: each process of a run has ports of its own, and gives none of them twice.
    """
    mine = _share()
    while True:
        # Not by `random`: it is seeded alike in all processes of a run.
        port = secrets.choice(mine)
        if port in _given:
            continue
        with socket.socket(type=kind) as sock, contextlib.suppress(OSError):
            sock.bind((LOOPBACK, port))
            _given.add(port)
            return port


def _share() -> range:
    """Return the ports of this process: all where it is the only one, or every so-manieth of them."""
    name, count = (os.environ.get(f"PYTEST_XDIST_WORKER{end}", "") for end in ("", "_COUNT"))
    number, of = (int(name.removeprefix("gw")), int(count)) if name and count else (0, 1)
    return range(_LOWEST + number, max(2 * _LOWEST, _first_ephemeral()), of)


def _first_ephemeral() -> int:
    return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()[0])
