"""Ports for programs that cannot be given one by the kernel."""

from __future__ import annotations

import contextlib
import random
import socket
from pathlib import Path

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """Return a port that nobody held a moment ago and that no client is given between two starts."""
    while True:
        port = random.randrange(10_000, max(20_000, _first_ephemeral()))  # noqa: S311  # no secret
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.bind((LOOPBACK, port))
            return port


def _first_ephemeral() -> int:
    return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()[0])
