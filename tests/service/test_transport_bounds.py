"""What a message may be: octets, fields, framing, order."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.service import slow_clients
from tests.service.running import PATIENCE_S
from tests.service.slow_clients import HOST, chunk, connect, flood, megabytes, request, until_closed
from tests.service.transport_server import Running, running

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

TAKEN = 20_000_000
"""Of 300 MB, what kernels' buffers and the lingering server may swallow at most."""

CHUNKED = b"POST /length HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running(linger_s=0.3, sweep_s=0.1) as server:
        yield server


def code_of(server: Running, octets: bytes) -> tuple[int, str]:
    """Return status and code of the only answer to `octets`, after which the server closes."""
    (answer,) = slow_clients.answers(until_closed(connect(server.address, octets)))
    assert answer.fields["connection"] == "close"
    return answer.status, answer.problem()["code"]


@pytest.mark.parametrize("path", ["/length", "/limited"])
def test_a_content_at_the_limit_arrives_and_one_octet_more_is_refused(server: Running, path: str) -> None:
    assert json.loads(server.ask(path, bytes(65_536)).content)["octets"] == 65_536
    assert code_of(server, request(path, bytes(65_537))) == (413, "HTTP_BODY_TOO_LARGE")
    chunked = CHUNKED.replace(b"/length", path.encode())
    assert code_of(server, chunked + chunk(bytes(40_000)) * 2) == (413, "HTTP_BODY_TOO_LARGE")


@pytest.mark.parametrize("path", ["/length", "/limited"])
def test_a_client_that_expects_100_continue_gets_413_instead(server: Running, path: str) -> None:
    head = b"POST %s HTTP/1.1\r\n%sExpect: 100-continue\r\nContent-Length: " % (path.encode(), HOST)
    assert code_of(server, head + b"65537\r\n\r\n") == (413, "HTTP_BODY_TOO_LARGE")
    with connect(server.address, head + b"3\r\n\r\n") as client:
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"abc")
        assert json.loads(slow_clients.read_answers(client, 1)[0].content)["octets"] == 3


def test_a_client_that_sends_on_for_a_while_reads_its_413_and_meets_no_reset() -> None:
    with (
        running(linger_s=PATIENCE_S) as server,
        connect(server.address, request("/length", bytes(500_000))) as client,
    ):
        octets = b"".join(iter(lambda: client.recv(65_536), b""))
    assert slow_clients.answers(octets)[0].status == 413


GET = b"GET / HTTP/1.1\r\n" + HOST


@pytest.mark.parametrize(
    ("pieces", "status"),
    [
        (megabytes(300, b"POST /length HTTP/1.1\r\n" + HOST + b"Content-Length: 300000000\r\n\r\n"), 413),
        (megabytes(300, CHUNKED, chunk(bytes(8192)) * 8), 413),
        (megabytes(300, CHUNKED, b"8000\r\n" + bytes(32_768) + b"\r\n"), 413),
        (megabytes(300, CHUNKED + b"1;"), 431),
        (megabytes(300, CHUNKED, chunk(b"a", b";x=" + b"y" * 8000)), 431),
        (megabytes(300, CHUNKED + b"0\r\nX: "), 431),
        (megabytes(300, CHUNKED + b"0\r\n", b"X: y\r\n" * 10_000), 431),
        (megabytes(300, GET + b"X: "), 431),
        (megabytes(300, GET, b"X: y\r\n" * 10_000), 431),
        (megabytes(300, GET, b"X:" + b" " * 8000 + b"y\r\n"), 431),
        (megabytes(300, b"GET /"), 431),
        (megabytes(300, b"\r\n", b"\r\n" * 32_768), 431),
    ],
    ids=[
        "length", "chunks", "large-chunks", "chunk-size-line", "chunk-extensions", "trailer-line", "trailers",
        "header-line", "header-lines", "padding", "url", "empty-lines",
    ],
)  # fmt: skip
def test_300_megabytes_are_refused_early_and_leave_memory_flat(
    server: Running, pieces: Iterable[bytes], status: int
) -> None:
    server.ask("/length", bytes(65_536))
    before = slow_clients.peak_kib(server.pid)
    sent, received = flood(server.address, pieces)
    assert slow_clients.answers(received)[0].status == status
    assert sent < TAKEN
    assert slow_clients.peak_kib(server.pid) - before < 8_192


def test_a_header_section_just_below_the_limit_passes_and_at_the_limit_is_refused(server: Running) -> None:
    def head(octets: int) -> bytes:
        start = GET + b"X: "
        return start + b"a" * (octets - len(start) - 4) + b"\r\n\r\n"

    with connect(server.address, head(16_383)) as client:
        assert slow_clients.read_answers(client, 1)[0].status == 200
    assert code_of(server, head(16_384 + 4)) == (431, "HTTP_HEADER_TOO_LARGE")


def test_the_65th_field_is_refused_in_headers_and_trailers(server: Running) -> None:
    with connect(server.address, GET + b"X: y\r\n" * 63 + b"\r\n") as client:
        assert slow_clients.read_answers(client, 1)[0].status == 200
    assert code_of(server, GET + b"X: y\r\n" * 64 + b"\r\n") == (431, "HTTP_TOO_MANY_FIELDS")
    trailers = CHUNKED + chunk(b"abc") + b"0\r\n" + b"X: y\r\n"
    with connect(server.address, trailers + b"X: y\r\n" * 61 + b"\r\n") as client:
        assert slow_clients.read_answers(client, 1)[0].status == 200
    assert code_of(server, trailers + b"X: y\r\n" * 62 + b"\r\n") == (431, "HTTP_TOO_MANY_FIELDS")


def test_trailers_never_become_headers(server: Running) -> None:
    with connect(server.address, CHUNKED + b"0\r\nAuthorization: root\r\n\r\n") as client:
        seen = json.loads(slow_clients.read_answers(client, 1)[0].content)
    assert seen["names"] == ["host", "transfer-encoding"]


POST = b"POST /length HTTP/1.1\r\n"


@pytest.mark.parametrize(
    "octets",
    [
        POST + HOST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + HOST + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
        POST + HOST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        POST + HOST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
        POST + HOST + b"Content-Length: +3\r\n\r\nabc",
        POST + HOST + b"Content-Length : 3\r\n\r\nabc",
        POST + HOST + b"Content-Length: 99999999999999999999\r\n\r\nabc",
        POST + HOST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        POST + HOST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        POST + HOST + b"Upgrade: h2c\r\nConnection: Upgrade\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        POST + HOST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        POST + HOST + b"Transfer-Encoding: chunked\r\n\r\n1\nab\r\n0\r\n\r\n",
        POST + HOST + b"X: a\r\n folded: b\r\n\r\n",
        POST + HOST + b"X: a\x00b\r\n\r\n",
        POST + HOST.replace(b"\r", b"") + b"\n",
        POST + b"\r\n",
        POST + HOST + HOST + b"\r\n",
        b"CONNECT tsa.example:443 HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /\xff HTTP/1.1\r\n" + HOST + b"\r\n",
        POST.replace(b"1.1", b"2.0") + HOST + b"Content-Length: 3\r\n\r\nabc",
        POST.replace(b"1.1", b"0.9") + HOST + b"Content-Length: 3\r\n\r\nabc",
        b"GET /length\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
    ],
)
def test_a_message_that_two_readers_could_read_in_two_ways_is_refused(server: Running, octets: bytes) -> None:
    assert code_of(server, octets) == (400, "HTTP_MALFORMED")


@pytest.mark.parametrize("split", [False, True])
def test_content_of_a_declined_upgrade_is_content_and_no_second_request(server: Running, split: bool) -> None:  # noqa: FBT001 - a parameter of the test
    hidden = b"GET /hidden HTTP/1.1\r\n" + HOST + b"\r\n"
    octets = request("/length", hidden, b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c")
    middle = len(octets) - len(hidden) + 5 * split
    client = connect(server.address, octets[:middle])
    if split:
        server.ask("/length")
    client.sendall(octets[middle:])
    (answer,) = slow_clients.answers(until_closed(client))
    assert json.loads(answer.content)["octets"] == len(hidden)


def test_a_websocket_is_declined_and_answered_as_an_ordinary_request(server: Running) -> None:
    fields = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n"
    assert slow_clients.answers(until_closed(connect(server.address, GET + fields)))[0].status == 200


def test_a_connection_is_used_again_and_pipelined_requests_are_answered_in_order(server: Running) -> None:
    with connect(server.address) as client:
        for _ in range(2):
            client.sendall(b"".join(request(f"/{number}", bytes(number)) for number in range(20)))
            found = [json.loads(answer.content) for answer in slow_clients.read_answers(client, 20)]
            assert [(a["path"], a["octets"]) for a in found] == [(f"/{n}", n) for n in range(20)]


def test_a_pipeline_that_is_too_deep_ends_after_the_answers_that_are_owed(server: Running) -> None:
    found = slow_clients.answers(until_closed(connect(server.address, request("/length") * 3_000)))
    assert [answer.status for answer in found] == [200] * (len(found) - 1) + [503]
    assert 30 < len(found) < 40
    assert found[-1].fields["retry-after"]


def test_a_refusal_waits_for_the_answers_that_are_owed(server: Running) -> None:
    octets = request("/first") + request("/second") + b"nonsense\r\n\r\n"
    found = slow_clients.answers(until_closed(connect(server.address, octets)))
    assert [answer.status for answer in found] == [200, 200, 400]
    late_fault = request("/first") + CHUNKED + b"zz\r\n"
    found = slow_clients.answers(until_closed(connect(server.address, late_fault)))
    assert [answer.status for answer in found] == [200, 400]


def test_content_that_nobody_reads_ends_the_connection_instead_of_being_read_on(server: Running) -> None:
    head = b"POST /unread HTTP/1.1\r\n" + HOST + b"Content-Length: 300000000\r\n\r\n"
    sent, received = flood(server.address, megabytes(300, head))
    assert slow_clients.answers(received)[0].status == 200
    assert sent < TAKEN
