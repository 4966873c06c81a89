"""How long a client may take, and how many there may be."""

from __future__ import annotations

import json
import os
import signal
import threading
from typing import TYPE_CHECKING

import pytest

from tests.service import slow_clients
from tests.service.slow_clients import HOST, all_until_closed, connect, request, until_closed
from tests.service.survival import wait_until
from tests.service.transport_server import Running, running

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from tests.service.slow_clients import Answer

HALF_HEAD = b"POST /length HTTP/1.1\r\n" + HOST + b"X: y"
HALF_BODY = b"POST /length HTTP/1.1\r\n" + HOST + b"Content-Length: 100\r\n\r\nhalf"


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running(
        header_deadline_s=0.6, body_deadline_s=0.6, idle_s=0.4, write_deadline_s=1, linger_s=0.3, sweep_s=0.1
    ) as server:
        yield server


def codes(received: list[bytes]) -> set[tuple[int, str]]:
    found = [slow_clients.answers(octets)[-1] for octets in received]
    return {(answer.status, answer.problem()["code"]) for answer in found}


def test_500_half_headers_and_500_half_bodies_are_closed_while_others_are_served() -> None:
    with running(header_deadline_s=2, body_deadline_s=2, linger_s=0.3, sweep_s=0.1) as server:
        # Time runs from when they are let in: by then all have said what they say, however busy we were.
        os.kill(server.pid, signal.SIGSTOP)
        heads = [connect(server.address, HALF_HEAD) for _ in range(500)]
        bodies = [connect(server.address, HALF_BODY) for _ in range(500)]
        os.kill(server.pid, signal.SIGCONT)
        assert server.ask("/length", b"abc").status == 200
        peak = slow_clients.peak_kib(server.pid)  # with all of them: who asked last was let in last
        received = all_until_closed(heads + bodies)
        assert codes(received[:500]) == {(408, "HTTP_HEADER_LATE")}
        assert codes(received[500:]) == {(408, "HTTP_BODY_LATE")}
        assert slow_clients.peak_kib(server.pid) - peak < 8_192


def trickle(client: socket.socket, octet: bytes, stop: threading.Event) -> None:
    try:
        while not stop.wait(0.1):
            client.sendall(octet)
    except OSError:
        pass  # the server closed the connection, or the test its own end when it had read that


@pytest.mark.parametrize(
    ("start", "octet", "code"),
    [
        (HALF_HEAD, b"a", "HTTP_HEADER_LATE"),
        (b"GET /", b"a", "HTTP_HEADER_LATE"),
        (b"", b"\n", "HTTP_HEADER_LATE"),
        (request("/length") + HALF_HEAD, b"a", "HTTP_HEADER_LATE"),
        (HALF_BODY, b"a", "HTTP_BODY_LATE"),
        (request("/length") + HALF_BODY, b"a", "HTTP_BODY_LATE"),
    ],
)
def test_an_octet_now_and_then_buys_no_time(server: Running, start: bytes, octet: bytes, code: str) -> None:
    client, stop = connect(server.address, start), threading.Event()
    trickling = threading.Thread(target=trickle, args=(client, octet, stop))
    trickling.start()
    received = until_closed(client)
    stop.set()
    trickling.join()
    assert codes([received]) == {(408, code)}


def test_a_silent_connection_is_told_and_an_idle_one_is_closed_without_a_word(server: Running) -> None:
    assert codes([until_closed(connect(server.address))]) == {(408, "HTTP_HEADER_LATE")}
    for idle in (request("/length"), request("/length") + b"\r\n" * 3):
        (answer,) = slow_clients.answers(until_closed(connect(server.address, idle)))
        assert answer.status == 200


def test_an_application_that_takes_its_time_is_not_the_clients_fault() -> None:
    limits = {
        "header_deadline_s": 1,
        "body_deadline_s": 1,
        "idle_s": 1,
        "linger_s": 0.2,
        "sweep_s": 0.05,
    }
    with (
        running(**limits) as server,
        connect(server.address, request("/hold") + request("/length")) as pipelining,
        connect(server.address, request("/hold", bytes(600_000))) as held_up,
    ):
        assert codes([until_closed(connect(server.address))]) == {(408, "HTTP_HEADER_LATE")}
        server.ask("/release")
        assert [answer.status for answer in slow_clients.read_answers(pipelining, 2)] == [200, 200]
        assert slow_clients.read_answers(held_up, 1)[0].status == 200


def test_a_client_that_never_reads_is_reset(server: Running) -> None:
    before = server.events().get("HTTP_CLIENT_NOT_READING", 0)
    client = connect(server.address, request("/big"))
    wait_until(
        "the client is given up", lambda: server.events().get("HTTP_CLIENT_NOT_READING", 0) == before + 1
    )
    assert len(until_closed(client)) < 64 * 1024 * 1024


def test_a_slow_reader_that_makes_progress_gets_everything() -> None:
    waiting = threading.Event()
    with (
        running(write_deadline_s=2, sweep_s=0.1) as server,
        connect(server.address, request("/big")) as client,
    ):
        left = 64 * 1024 * 1024
        while left > 0:
            piece = client.recv(1_048_576)
            assert piece
            left -= len(piece)
            waiting.wait(0.045)  # all of it takes longer than the deadline


def answered(server: Running, path: str, status: int) -> Answer | None:
    """Ask, and return an answer of this status only."""
    answer = server.ask(path)
    return answer if answer.status == status else None


def test_connections_above_the_limit_get_503_and_a_freed_place_is_given_again() -> None:
    with running(connections=10, header_deadline_s=60) as server:
        taken = [connect(server.address, HALF_HEAD) for _ in range(10)]
        for _ in range(3):
            (answer,) = slow_clients.answers(until_closed(connect(server.address)))
            assert (answer.status, answer.problem()["code"]) == (503, "HTTP_TOO_MANY_CONNECTIONS")
            assert answer.fields["retry-after"]
        for client in taken:
            client.close()
        answer = wait_until("a place is free", lambda: answered(server, "/events", 200))
        assert json.loads(answer.content)["HTTP_TOO_MANY_CONNECTIONS"] >= 3


def test_requests_above_the_limit_get_503_and_those_that_wait_are_answered() -> None:
    with running(requests=2, body_deadline_s=60) as server:
        halves = [connect(server.address, HALF_BODY) for _ in range(2)]
        answer = wait_until("both are at work", lambda: answered(server, "/length", 503))
        assert answer.problem()["code"] == "HTTP_TOO_MANY_REQUESTS"
        assert answer.fields["retry-after"]
        for client in halves:
            client.sendall(bytes(96))
            assert [answer.status for answer in slow_clients.read_answers(client, 1)] == [200]
            client.close()
        assert server.ask("/length").status == 200


def test_a_stop_answers_what_was_asked_and_waits_for_no_half_request() -> None:
    with running(header_deadline_s=60) as server:
        half = connect(server.address, HALF_HEAD)
        assert server.ask("/length").status == 200
    assert until_closed(half) == b""
