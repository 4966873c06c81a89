"""Clients that no library would be: they stop half-way, never end, never read, or say two things at once."""

from __future__ import annotations

import contextlib
import json
import re
import select
import socket
import time
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Address = tuple[str, int]

HOST = b"Host: tsa.example\r\n"
PATIENCE_S = 60.0
"""As that of `running`, which loads all of the service: servers that load this module have little of it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One response: status, fields by lower-case name, content."""

    status: int
    fields: dict[str, str]
    content: bytes

    def problem(self) -> dict[str, Any]:
        """Return the RFC 9457 members; fails when the answer is no problem."""
        assert self.fields["content-type"] == "application/problem+json"
        members: dict[str, Any] = json.loads(self.content)
        assert members["status"] == self.status
        return members


def answers(octets: bytes) -> list[Answer]:
    """Split what a server sent into its responses; every one must carry a Content-Length."""
    found = []
    while octets:
        head, _, octets = octets.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        status = int(re.fullmatch(r"HTTP/1\.1 (\d{3}) .*", first)[1])  # type: ignore[index]  # fails the test
        length = 0 if status < 200 else int(fields["content-length"])
        found.append(Answer(status, fields, octets[:length]))
        octets = octets[length:]
    return found


def request(path: str, content: bytes = b"", *fields: bytes) -> bytes:
    """Return an ordinary POST."""
    lines = [b"POST %s HTTP/1.1\r\n" % path.encode(), HOST, b"Content-Length: %d\r\n" % len(content)]
    return b"".join([*lines, *(field + b"\r\n" for field in fields), b"\r\n", content])


def chunk(content: bytes, extension: bytes = b"") -> bytes:
    """Return one chunk of a chunked content (RFC 9112 §7.1)."""
    return b"%x%s\r\n%s\r\n" % (len(content), extension, content)


def connect(address: Address, octets: bytes = b"") -> socket.socket:
    """Connect, send `octets`, and say nothing more."""
    client = socket.create_connection(address, timeout=PATIENCE_S)
    client.sendall(octets)
    return client


def read_answers(client: socket.socket, count: int) -> list[Answer]:
    """Read until `count` whole responses are there."""
    octets = b""
    while True:
        with contextlib.suppress(KeyError):
            found = answers(octets)
            if len(found) >= count and all(
                len(a.content) == int(a.fields["content-length"]) for a in found if a.status >= 200
            ):
                return found
        piece = client.recv(65_536)
        assert piece, f"the server closed after {octets!r}"
        octets += piece


def until_closed(client: socket.socket, seconds: float = PATIENCE_S) -> bytes:
    """Return all that comes before the server closes or resets; fails when it does neither in time."""
    return all_until_closed([client], seconds)[0]


def all_until_closed(clients: Sequence[socket.socket], seconds: float = PATIENCE_S) -> list[bytes]:
    """Return what each client got before the server closed it; fails when one is open after `seconds`."""
    received = {client.fileno(): b"" for client in clients}
    by_number = {client.fileno(): client for client in clients}
    waiting = select.poll()
    for number in received:
        waiting.register(number, select.POLLIN)
    open_numbers = set(received)
    deadline = time.monotonic() + seconds
    while open_numbers:
        assert time.monotonic() < deadline, f"{len(open_numbers)} connections are still open"
        for number, _ in waiting.poll(100):
            piece = b""
            with contextlib.suppress(ConnectionError):
                piece = by_number[number].recv(65_536)
            received[number] += piece
            if not piece:
                waiting.unregister(number)
                open_numbers.discard(number)
    for client in clients:
        client.close()
    return list(received.values())


def flood(address: Address, pieces: Iterable[bytes], seconds: float = PATIENCE_S) -> tuple[int, bytes]:
    """Send `pieces` as fast as the server takes them while reading.

    Returns:
        How many octets the server's kernel took before it closed or took no more, and what it answered.
    """
    sent, received, rest, source = 0, b"", b"", iter(pieces)
    deadline = time.monotonic() + seconds
    with connect(address) as client:
        client.setblocking(False)
        more = True
        while True:
            assert time.monotonic() < deadline, f"still open after {sent} octets"
            readable, writable, _ = select.select([client], [client] if more else [], [], 0.1)
            try:
                if readable:
                    piece = client.recv(65_536)
                    if not piece:
                        return sent, received
                    received += piece
                elif writable:
                    rest = rest or next(source, b"")
                    more = bool(rest)
                    taken = client.send(rest)
                    sent, rest = sent + taken, rest[taken:]
            except ConnectionError:
                return sent, received + _left(client)


def _left(client: socket.socket) -> bytes:
    """Return what had come before a reset that was met while sending."""
    octets = b""
    with contextlib.suppress(OSError):
        while piece := client.recv(65_536):
            octets += piece
    return octets


def megabytes(count: int, prefix: bytes = b"", unit: bytes = b"a" * 65_536) -> Iterable[bytes]:
    """Yield `prefix` and then `count` MB of `unit`."""
    yield prefix
    yield from repeat(unit, count * 1_000_000 // len(unit))


def peak_kib(pid: int) -> int:
    """Return the highest resident memory that a process ever had, KiB."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])  # type: ignore[index]  # Linux always has the line
