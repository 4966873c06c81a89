"""Ports for programs that cannot be given one by the kernel."""

from __future__ import annotations

import contextlib
import secrets
import socket
from pathlib import Path

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """Return a port that nobody held a moment ago and that no client is given between two starts."""
    while True:
        # Not by `random`: it is seeded alike in all processes of a run, which would meet at one port.
        port = secrets.choice(range(10_000, max(20_000, _first_ephemeral())))
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.bind((LOOPBACK, port))
            return port


def _first_ephemeral() -> int:
    return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()[0])
