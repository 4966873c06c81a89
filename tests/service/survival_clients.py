"""Clients that keep every token they received, over a service that is being killed."""

from __future__ import annotations

import secrets
import socket
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Self

from kokuin.trust.token import TokenFacts, read_token
from kokuin.wire import encode
from kokuin.wire.tsp import read_timestamp_response

if TYPE_CHECKING:
    from types import TracebackType

HOST = "127.0.0.1"
SHA256 = "2.16.840.1.101.3.4.2.1"
SYSTEM_FAILURE = 25
TIMEOUT_SECONDS = 30.0
"""More than the service lets anybody wait: who gave up before could be given a token that nobody takes."""
RETRY_SECONDS = 0.02


class Outcome(StrEnum):
    """What became of one request; nothing else may happen while parts of the service die."""

    GRANTED = "granted"
    SYSTEM_FAILURE = "systemFailure"
    """RFC 3161 says so, with HTTP 200."""
    BEHIND = "503"
    """The transport says so, with Retry-After."""
    BROKEN = "broken"
    """No connection, or none that lived to bring the answer."""
    WRONG = "wrong"
    """Anything else."""


@dataclass(frozen=True, slots=True)
class Stamped:
    """One request's outcome.

    Attributes:
        outcome: what became of it.
        token: DER of the token, empty without.
        serial: the token's serial number, lower-case hex.
        detail: what was wrong.
    """

    outcome: Outcome
    token: bytes = b""
    serial: str = ""
    detail: str = ""


def make_request(imprint: bytes, nonce: int) -> bytes:
    """Return a TimeStampReq over a SHA-256 imprint (RFC 3161 §2.4.1)."""
    algorithm = encode.sequence(encode.oid(SHA256), encode.NULL)
    return encode.sequence(
        encode.integer(1),
        encode.sequence(algorithm, encode.octet_string(imprint)),
        encode.integer(nonce),
    )


def ask(port: int, connection: HTTPConnection | None = None) -> Stamped:
    """Stamp random octets, on a connection of its own unless one is given."""
    imprint, nonce = secrets.token_bytes(32), secrets.randbits(63)
    own = connection is None
    connection = connection or HTTPConnection(HOST, port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("POST", "/tsa", make_request(imprint, nonce), _HEADERS)
        response = connection.getresponse()
        status, retry, body = response.status, response.getheader("Retry-After"), response.read()
    except (OSError, HTTPException) as error:
        connection.close()
        return Stamped(Outcome.BROKEN, detail=repr(error))
    finally:
        if own:
            connection.close()
    if status == 503 and retry:
        return Stamped(Outcome.BEHIND)
    if status != 200:
        return Stamped(Outcome.WRONG, detail=f"HTTP {status}")
    return _read(body, imprint, nonce)


_HEADERS = {"Content-Type": "application/timestamp-query"}


def _read(body: bytes, imprint: bytes, nonce: int) -> Stamped:
    response = read_timestamp_response(body)
    if response.token is None:
        if response.fail_info == {SYSTEM_FAILURE} and response.status == 2 and response.status_text:
            return Stamped(Outcome.SYSTEM_FAILURE)
        return Stamped(Outcome.WRONG, detail=f"failInfo {sorted(response.fail_info)}")
    facts = read_token(response.token)
    if not isinstance(facts, TokenFacts):
        return Stamped(Outcome.WRONG, detail="an unreadable token")
    info = facts.tst_info
    if response.status != 0 or info.nonce != nonce or info.imprint.value != imprint:
        return Stamped(Outcome.WRONG, detail="the token answers another request")
    return Stamped(Outcome.GRANTED, response.token, f"{info.serial:032x}")


@dataclass(slots=True)
class Clients:
    """Threads that stamp without pause until told to stop, each on a connection that it keeps.

    Attributes:
        port: where.
        count: how many.
        received: the DER of every token that any of them got, by serial number.
        outcomes: how often each outcome was met.
        wrong: details of what may not happen.
    """

    port: int
    count: int
    received: dict[str, bytes] = field(default_factory=dict)
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(self.count)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Let every client finish its request, then end it."""
        self._stop.set()
        for thread in self._threads:
            thread.join(2 * TIMEOUT_SECONDS)
            if thread.is_alive():
                self.wrong.append("a client still waits for its answer")

    def snapshot(self) -> tuple[dict[str, bytes], Counter[Outcome]]:
        """Return what was received and counted so far."""
        with self._lock:
            return dict(self.received), Counter(self.outcomes)

    def wait_granted(self, more: int, seconds: float = 30.0) -> None:
        """Wait until `more` further tokens came, so that the next blow falls into work."""
        wanted = self.outcomes[Outcome.GRANTED] + more
        deadline = time.monotonic() + seconds
        while self.outcomes[Outcome.GRANTED] < wanted and time.monotonic() < deadline:
            time.sleep(0.01)

    def _run(self) -> None:
        connection = HTTPConnection(HOST, self.port, timeout=TIMEOUT_SECONDS)
        while not self._stop.is_set():
            stamped = ask(self.port, connection)
            with self._lock:
                self._note(stamped)
            if stamped.outcome is not Outcome.GRANTED:
                time.sleep(RETRY_SECONDS)
        connection.close()

    def _note(self, stamped: Stamped) -> None:
        self.outcomes[stamped.outcome] += 1
        if stamped.outcome is Outcome.GRANTED:
            if stamped.serial in self.received:
                self.wrong.append(f"serial {stamped.serial} was given twice")
            self.received[stamped.serial] = stamped.token
        elif stamped.outcome is Outcome.WRONG:
            self.wrong.append(stamped.detail)


def start_half(port: int) -> tuple[socket.socket, bytes]:
    """Send the first half of a request; return the connection and the half that is still to come."""
    body = make_request(secrets.token_bytes(32), secrets.randbits(63))
    head = f"POST /tsa HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {len(body)}\r\n\r\n"
    connection = socket.create_connection((HOST, port), timeout=TIMEOUT_SECONDS)
    connection.sendall(head.encode() + body[:20])
    return connection, body[20:]


def finish_half(connection: socket.socket, rest: bytes) -> Stamped:
    """Send the other half and read the answer until the server closes."""
    with connection:
        connection.sendall(rest)
        octets = b""
        while chunk := connection.recv(65_536):
            octets += chunk
    head, _, body = octets.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        return Stamped(Outcome.WRONG, detail=repr(head[:100]))
    response = read_timestamp_response(body)
    if response.token is None:
        return Stamped(Outcome.WRONG, detail=f"failInfo {sorted(response.fail_info)}")
    facts = read_token(response.token)
    assert isinstance(facts, TokenFacts)
    return Stamped(Outcome.GRANTED, response.token, f"{facts.tst_info.serial:032x}")
