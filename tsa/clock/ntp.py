"""The source that asks several NTP servers itself, all at once."""

from __future__ import annotations

import secrets
import socket
import threading
import time
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from tsa.clock.machine import boot_ns as machine_boot_ns
from tsa.clock.machine import read_pair
from tsa.clock.ntp_packet import PACKET_SIZE, NtpAnswer, NtpRefusal, make_request, read_response
from tsa.clock.sample import SourceReport, unheard
from tsa.clock.settings import Endpoint, SourceKind, read_endpoint

if TYPE_CHECKING:
    from collections.abc import Callable

DEADLINE_S = 2.0
"""All servers together take no longer."""

# RFC 5905 §7.4: after `RATE` ask less and less often.
_REST_S = 64.0
_LONGEST_REST_S = 3600.0 * 9


@dataclass(slots=True)
class _Server:
    name: str
    endpoint: Endpoint
    asking: threading.Thread | None = None
    denied: bool = False
    rest_s: float = 0.0
    rests_until: float = 0.0

    def silence(self) -> str:
        """Return why the server is not to be asked now, or nothing."""
        if self.denied:
            return "the server forbade to ask it (DENY or RSTR)"
        if time.monotonic() < self.rests_until:
            return "the server wanted to be asked less often (RATE)"
        # A name server that hangs must not make threads pile up.
        return "the last question still hangs" if self.asking is not None and self.asking.is_alive() else ""

    def take(self, refusal: NtpRefusal) -> None:
        """Obey a kiss-o'-death."""
        if refusal is NtpRefusal.KISS_DENY:
            self.denied = True
        elif refusal is NtpRefusal.KISS_RATE:
            self.rest_s = min(max(_REST_S, self.rest_s * 2), _LONGEST_REST_S)
            self.rests_until = time.monotonic() + self.rest_s


class NtpSource:
    """Reports one exchange with each server a poll; the judge wants a quorum of them."""

    kind = SourceKind.NTP

    def __init__(
        self,
        servers: tuple[str, ...],
        *,
        wall_ns: Callable[[], int] = time.time_ns,
        boot_ns: Callable[[], int] = machine_boot_ns,
    ) -> None:
        """Ask `servers` (`host`, `host:port`, `[address]:port`).

        Raises:
            ValueError: a server cannot be read; `ClockSettings.problems()` says so beforehand.
        """
        self._servers = [_Server(name, _endpoint(name)) for name in servers]
        self._wall_ns = wall_ns
        self._boot_ns = boot_ns

    def ask(self) -> tuple[SourceReport, ...]:
        """Return a report of each server, within `DEADLINE_S` whatever the network or the resolver does."""
        deadline = time.monotonic() + DEADLINE_S
        answers: SimpleQueue[tuple[str, SourceReport]] = SimpleQueue()
        reports: dict[str, SourceReport] = {}
        for server in self._servers:
            if why := server.silence():
                reports[server.name] = unheard(server.name, why)
                continue
            server.asking = threading.Thread(
                target=lambda server=server: answers.put((server.name, self._exchange(server, deadline))),
                name=f"ntp {server.name}",
                daemon=True,
            )
            server.asking.start()
        while len(reports) < len(self._servers):
            try:
                name, report = answers.get(timeout=max(0.0, deadline - time.monotonic()))
            except Empty:
                break
            reports[name] = report
        return tuple(
            reports.get(server.name, unheard(server.name, "no answer in time")) for server in self._servers
        )

    def _exchange(self, server: _Server, deadline: float) -> SourceReport:
        try:
            address, outcome = query(server.endpoint, deadline, self._wall_ns, self._boot_ns)
        except OSError as error:
            return unheard(server.name, str(error) or type(error).__name__)
        if isinstance(outcome, NtpRefusal):
            server.take(outcome)
            return unheard(server.name, outcome)
        server.rest_s = 0.0
        return SourceReport(
            name=server.name,
            synchronised=True,
            offset_us=outcome.offset_us,
            uncertainty_us=outcome.uncertainty_us,
            host=server.endpoint.host,
            refid=outcome.refid,
            address=address,
            stratum=outcome.stratum,
            leap=outcome.leap,
            age_s=outcome.age_s,
        )


def query(
    endpoint: Endpoint, deadline: float, wall_ns: Callable[[], int], boot_ns: Callable[[], int]
) -> tuple[str, NtpAnswer | NtpRefusal]:
    """Exchange one request and response with a server (RFC 5905 §8).

    Datagrams that do not answer our request are passed over until the deadline,
    so that nobody can silence a server by guessing at answers.

    Args:
        endpoint: the server.
        deadline: `time.monotonic()` at which patience ends.
        wall_ns: the wall clock, nanoseconds since 1970 UTC.
        boot_ns: CLOCK_BOOTTIME, nanoseconds.

    Returns:
        The numeric address that was asked, and its answer.

    Raises:
        OSError: the name does not resolve, the network refuses, or no answer came in time.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        endpoint.host, endpoint.port, type=socket.SOCK_DGRAM, proto=socket.IPPROTO_UDP
    )[0]
    token = secrets.randbits(64)
    with socket.socket(family, kind, protocol) as udp:
        # Connected: the kernel drops datagrams from elsewhere, and tells at once when the port is closed.
        udp.connect(address)
        sent_wall, sent_boot = read_pair(wall_ns, boot_ns)
        udp.send(make_request(token))
        while (left := deadline - time.monotonic()) > 0:
            udp.settimeout(left)
            packet = udp.recv(PACKET_SIZE + 1)
            outcome = read_response(packet, token, sent_wall, boot_ns() - sent_boot)
            if outcome not in {NtpRefusal.SIZE, NtpRefusal.MODE, NtpRefusal.ORIGIN}:
                return str(address[0]), outcome
    raise TimeoutError("no answer in time")


def _endpoint(name: str) -> Endpoint:
    endpoint = read_endpoint(name)
    if endpoint is None:
        raise ValueError(f"no NTP server: {name!r}")
    return endpoint
