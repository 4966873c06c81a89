"""Stamping beside ASGI: which requests go that way, and that both ways say the same, in pipelines too."""

from __future__ import annotations

import functools
import itertools
import socket
from typing import TYPE_CHECKING, cast

import pytest
from structlog.testing import capture_logs

from kokuin.service.exchange import DIRECT_OCTETS
from kokuin.service.http_protocol import TransportLimits
from tests.service import slow_clients
from tests.service.asking import granted, query, refusal, serial_of, tst_info
from tests.service.direct_server import Serving, serving
from tests.service.running import PATIENCE_S
from tests.service.slow_clients import HOST, Answer, chunk, connect, read_answers, request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kokuin.service.datafolder import DataFolder
    from kokuin.service.http_connection import GuardedConnection
    from tests.service.running import Prepared

LIMIT = 65_536
GOOD = query()
CLOSE = b"Connection: close"
GET = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"


def asgi(octets: bytes) -> bytes:
    """Return the same request on the other way: a target with a query is not a plain one."""
    return octets.replace(b" HTTP/1.1", b"? HTTP/1.1", 1)


def stamp(nonce: int, *fields: bytes) -> bytes:
    """Return a stamp request that its answer can be told by."""
    return request("/tsa", query(nonce=nonce), *fields)


def nonce_of(answer: Answer) -> int:
    """Return the nonce of a granted token."""
    assert answer.status == 200
    nonce: int = tst_info(granted(answer.content))["nonce"].native
    return nonce


@pytest.fixture(scope="module")
def folder(folder_of: Callable[[str], Prepared]) -> DataFolder:
    return folder_of("classical").folder


@pytest.fixture(scope="module")
def shared(folder: DataFolder) -> Iterator[Serving]:
    # Whoever sends much that is refused may be slow to send it.
    with serving(folder, TransportLimits(linger_s=PATIENCE_S)) as server:
        yield server


@pytest.fixture
def server(shared: Serving) -> Iterator[Serving]:
    """One server for all tests that leave it as it was."""
    shared.direct.answered = 0
    shared.journal.records.clear()
    with capture_logs() as logs:  # of this test: after each one the log goes where it went at the start
        yield shared
        assert shared.open() == 0
    assert [event for event in logs if event["log_level"] != "info"] == []
    assert not shared.journal.script


# --- which way


@pytest.mark.parametrize("path", ["/tsa", "/tsa/classical", "/tsa/nobody"])
@pytest.mark.parametrize("body", [GOOD, b"", b"\x30\x00", query(version=2), bytes(DIRECT_OCTETS)])
def test_both_ways_give_the_same_status_fields_and_form(server: Serving, path: str, body: bytes) -> None:
    octets = request(path, body)
    (direct,) = server.ask(octets)
    assert server.direct.answered == 1
    (other,) = server.ask(asgi(octets))
    assert server.direct.answered == 1, "a target with a query is not a plain one"
    assert (direct.status, list(direct.fields)) == (other.status, list(other.fields))
    for name in set(direct.fields) - {"date", "x-request-id", "content-length"}:
        assert direct.fields[name] == other.fields[name]
    assert direct.fields["x-request-id"] != other.fields["x-request-id"]
    assert direct.fields["date"]
    if body == GOOD and path != "/tsa/nobody":
        infos = [tst_info(granted(answer.content)) for answer in (direct, other)]
        assert [set(info.native) for info in infos] == [set(infos[0].native)] * 2
        assert [len(server.journal.records), infos[0]["nonce"]] == [2, infos[1]["nonce"]]
    else:
        assert direct.content == other.content
        assert refusal(direct.content)[0] == "rejection"


@pytest.mark.parametrize("octets", [request("/tsa", GOOD, CLOSE), request("/tsa", b"", CLOSE)])
def test_both_ways_say_that_they_close(server: Serving, octets: bytes) -> None:
    for way in (octets, asgi(octets)):
        (answer,) = slow_clients.answers(server.ask_all(way))
        assert list(answer.fields)[-1] == "connection"
        assert (answer.status, answer.fields["connection"]) == (200, "close")
    assert server.direct.answered == 1


@pytest.mark.parametrize("length", [0, 1, DIRECT_OCTETS, DIRECT_OCTETS + 1, LIMIT, LIMIT + 1])
def test_a_content_of_every_size_has_its_way(server: Serving, length: int) -> None:
    (answer,) = server.ask(request("/tsa", bytes(length)))
    assert server.direct.answered == (length <= DIRECT_OCTETS)
    if length > LIMIT:
        assert answer.problem()["code"] == "HTTP_BODY_TOO_LARGE"
    else:
        assert (answer.status, refusal(answer.content)[0]) == (200, "rejection")


def test_a_limit_below_the_direct_ones_holds_for_both(folder: DataFolder) -> None:
    with serving(folder, settings={"TSA_SERVER__BODY_OCTETS": "1024"}) as server:
        assert server.ask(request("/tsa", bytes(1024)))[0].status == 200
        assert server.direct.answered == 1
        assert server.ask(request("/tsa", bytes(1025)))[0].problem()["code"] == "HTTP_BODY_TOO_LARGE"


@pytest.mark.parametrize("zeros", [5, 5_000])
def test_leading_zeros_of_a_length_are_counted_by_nobody(server: Serving, zeros: int) -> None:
    """Python refuses to read a number of more than 4300 digits; the parser does not."""
    octets = request("/tsa", GOOD).replace(b"Content-Length: ", b"Content-Length: " + b"0" * zeros)
    for way in (octets, asgi(octets)):
        assert nonce_of(server.ask(way)[0]) == 0x0123456789ABCDEF


def test_chunked_content_is_stamped(server: Serving) -> None:
    head = b"POST /tsa HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
    octets = head + chunk(GOOD[:9]) + chunk(GOOD[9:]) + b"0\r\n\r\n"
    found = server.ask(octets + stamp(2), 2)
    assert [nonce_of(answer) for answer in found] == [0x0123456789ABCDEF, 2]
    assert server.direct.answered == 0


def test_who_expects_100_continue_gets_it_and_a_token(server: Serving) -> None:
    octets = request("/tsa", GOOD, b"Expect: 100-continue")
    with connect(server.address, octets[: -len(GOOD)]) as client:
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(GOOD)
        granted(read_answers(client, 1)[0].content)
        client.sendall(stamp(3))
        assert nonce_of(read_answers(client, 1)[0]) == 3
    assert server.direct.answered == 1, "the second request expects nothing"


def test_http_1_0_is_stamped_and_closed(server: Serving) -> None:
    octets = request("/tsa", GOOD, b"Connection: keep-alive").replace(b"HTTP/1.1", b"HTTP/1.0")
    (answer,) = slow_clients.answers(server.ask_all(octets))
    granted(answer.content)
    assert (answer.fields["connection"], server.direct.answered) == ("close", 0)


def test_a_declined_upgrade_is_stamped_and_its_content_is_no_second_request(server: Serving) -> None:
    octets = request("/tsa", GOOD, b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c")
    (answer,) = slow_clients.answers(server.ask_all(octets))
    granted(answer.content)
    assert server.direct.answered == 0


@pytest.mark.parametrize("split", range(1, 9))
def test_content_in_two_segments_is_one(server: Serving, split: int) -> None:
    octets = stamp(4)
    middle = len(octets) - len(query(nonce=4)) * split // 9
    with connect(server.address, octets[:middle]) as client:
        server.await_(lambda: server.open() == 1, "the head did not arrive")
        assert server.direct.answered == 0
        client.sendall(octets[middle:])
        assert nonce_of(read_answers(client, 1)[0]) == 4
    assert (server.direct.answered, len(server.journal.records)) == (1, 1)


def test_a_request_octet_by_octet_is_one_and_the_connection_goes_on(server: Serving) -> None:
    with connect(server.address) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for nonce in (5, 6):
            for octet in stamp(nonce):
                client.sendall(bytes((octet,)))
            assert nonce_of(read_answers(client, 1)[0]) == nonce
    assert (server.direct.answered, len(server.journal.records)) == (2, 2)


# --- who may


@pytest.mark.parametrize(
    ("settings", "fields", "status", "code"),
    [
        ({"TSA_ACCESS__TIMESTAMPS": '"closed"'}, [], 401, "CREDENTIAL_WANTED"),
        ({"TSA_ACCESS__TIMESTAMPS": '"keyed"'}, [], 401, "CREDENTIAL_WANTED"),
        ({}, [b"Authorization: Bearer wrong"], 401, "CREDENTIAL_WRONG"),
        ({}, [b"authorization:"], 401, "CREDENTIAL_WRONG"),
        ({}, [b"Authorization: Bearer a", b"Authorization: Bearer b"], 400, "CREDENTIAL_TWICE"),
    ],
)
def test_who_may_not_stamp_is_told_before_anything_is_read(
    folder: DataFolder, settings: dict[str, str], fields: list[bytes], status: int, code: str
) -> None:
    with serving(folder, settings=settings) as server:
        (answer,) = server.ask(request("/tsa", GOOD, *fields))
        assert (answer.status, answer.problem()["code"]) == (status, code)
        assert (server.direct.answered, server.open(), server.journal.records) == (0, 0, [])


def test_a_ledger_that_is_behind_is_told_and_nothing_is_signed(server: Serving) -> None:
    server.rig.keeper.behind_s = 60.0
    try:
        (answer,) = server.ask(request("/tsa", GOOD))
    finally:
        server.rig.keeper.behind_s = 0.0
    assert (answer.status, answer.problem()["code"]) == (503, "LEDGER_BEHIND")
    assert answer.fields["retry-after"] == "1"
    assert (server.direct.answered, server.journal.records) == (0, [])
    assert nonce_of(server.ask(stamp(1))[0]) == 1


# --- pipelines


@pytest.mark.parametrize("count", [2, 3, 30])
def test_stamps_in_one_segment_are_answered_in_order_and_once(server: Serving, count: int) -> None:
    with connect(server.address) as client:
        for first in (100, 200):
            client.sendall(b"".join(stamp(first + number) for number in range(count)))
            found = read_answers(client, count)
            assert [nonce_of(answer) for answer in found] == [first + number for number in range(count)]
    serials = [serial_of(answer.content) for answer in found]
    assert serials == [record.serial for record in server.journal.records[count:]]
    assert len(server.journal.records) == 2 * count


@pytest.mark.parametrize("bad", [b"", query(version=2)])
def test_refusals_and_tokens_in_one_segment_keep_their_order(server: Serving, bad: bytes) -> None:
    found = server.ask(request("/tsa", bad) + stamp(1) + request("/tsa", bad) + stamp(2), 4)
    assert [refusal(answer.content)[0] for answer in found[::2]] == ["rejection"] * 2
    assert [nonce_of(answer) for answer in found[1::2]] == [1, 2]


def test_other_routes_and_stamps_in_one_segment_keep_their_order(server: Serving) -> None:
    first, second = server.ask(stamp(1) + GET, 2)
    assert (nonce_of(first), second.content) == (1, b"ok\n")
    first, second = server.ask(GET + stamp(2), 2)
    assert (first.content, nonce_of(second)) == (b"ok\n", 2)
    first, second, third = server.ask(GET + stamp(3) + GET, 3)
    assert (first.content, nonce_of(second), third.content) == (b"ok\n", 3, b"ok\n")


def test_a_request_that_comes_while_another_is_open_waits_for_its_turn(server: Serving) -> None:
    server.journal.script.append(None)
    with connect(server.address, stamp(1)) as client:
        server.await_records(1)
        client.sendall(GET + stamp(2))
        server.journal.futures[-1].set_result(())
        first, second, third = read_answers(client, 3)
    assert (nonce_of(first), second.content, nonce_of(third)) == (1, b"ok\n", 2)


@pytest.mark.parametrize("body", [GOOD, b"", query(version=2)], ids=["token", "empty", "refused"])
@pytest.mark.parametrize("way", [bytes, asgi], ids=["direct", "asgi"])
def test_nothing_is_stamped_behind_a_request_that_closes(
    server: Serving, body: bytes, way: Callable[[bytes], bytes]
) -> None:
    """A record of a token that nobody can get is no harm, but a client that closed asked for none."""
    (answer,) = slow_clients.answers(
        server.ask_all(way(request("/tsa", body, CLOSE)) + stamp(7) + way(stamp(8)))
    )
    assert answer.fields["connection"] == "close"
    server.await_(lambda: server.connections() == 0, "the connection is still there")
    assert len(server.journal.records) == (body == GOOD)


def test_nonsense_behind_an_open_stamp_is_refused_after_its_answer(server: Serving) -> None:
    server.journal.script.append(None)
    with connect(server.address, stamp(1) + b"nonsense\r\n\r\n") as client:
        server.await_records(1)
        server.journal.futures[-1].set_result(())
        token, problem = slow_clients.answers(slow_clients.until_closed(client))
    assert (nonce_of(token), problem.problem()["code"]) == (1, "HTTP_MALFORMED")


def test_a_pipeline_of_refused_stamps_is_as_deep_as_any_other(server: Serving) -> None:
    """One connection's refusals must not keep the loop from all others for thousands of requests."""
    found = slow_clients.answers(server.ask_all(request("/tsa") * 3_000))
    assert [answer.status for answer in found] == [200] * (len(found) - 1) + [503]
    assert 30 < len(found) < 40


# --- clients that leave, wait or do not read


def test_a_client_that_has_gone_leaves_a_record_and_nothing_else(server: Serving) -> None:
    for leave in ("close", "reset"):
        server.journal.records.clear()
        server.journal.script.append(None)
        client = connect(server.address, stamp(1))
        server.await_records(1)
        if leave == "reset":
            linger = socket.SO_LINGER
            client.setsockopt(socket.SOL_SOCKET, linger, b"\x01\0\0\0\0\0\0\0")
        client.close()
        if leave == "reset":  # else it may have closed its half alone, and be reading
            server.await_(lambda: server.connections() == 0, "the connection is still there")
        server.journal.futures[-1].set_result(())
        server.await_(lambda: server.open() == 0, "the request is still there")
        server.await_(lambda: server.connections() == 0, "the connection is still there")
        assert len(server.journal.records) == 1
    assert nonce_of(server.ask(stamp(2))[0]) == 2


def test_a_client_that_closes_its_half_after_the_request_reads_its_token(server: Serving) -> None:
    server.journal.script.append(None)
    with connect(server.address, stamp(7)) as client:
        client.shutdown(socket.SHUT_WR)
        server.await_records(1)
        server.journal.futures[-1].set_result(())
        (answer,) = slow_clients.answers(slow_clients.until_closed(client))
    assert nonce_of(answer) == 7
    assert answer.fields["connection"] == "close"
    server.await_(lambda: server.connections() == 0, "the connection is still there")


def test_a_client_that_goes_with_half_a_content_leaves_nothing(server: Serving) -> None:
    client = connect(server.address, stamp(1)[:-5])
    server.await_(lambda: server.open() == 1, "the head did not arrive")
    client.close()
    server.await_(lambda: server.open() == 0, "the request is still there")
    assert server.journal.records == []


def test_half_a_content_is_late_and_its_place_is_free_again(folder: DataFolder) -> None:
    limits = TransportLimits(body_deadline_s=0.3, sweep_s=0.1, linger_s=20, requests=1)
    with serving(folder, limits) as server, connect(server.address, stamp(1)[:-5]) as client:
        assert read_answers(client, 1)[0].problem()["code"] == "HTTP_BODY_LATE"
        assert nonce_of(server.ask(stamp(2))[0]) == 2
        client.sendall(stamp(1)[-5:])
        assert client.recv(100) == b""
        assert len(server.journal.records) == 1


@pytest.mark.parametrize("body", [GOOD, b""], ids=["tokens", "refusals"])
def test_a_client_that_does_not_read_is_bounded_and_ended(folder: DataFolder, body: bytes) -> None:
    limits = TransportLimits(write_deadline_s=PATIENCE_S, sweep_s=0.1)
    with serving(folder, limits) as server, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(server.address)
        for sent in itertools.count(20, 20):
            client.sendall(request("/tsa", body) * 20)
            server.await_(functools.partial(_settled, server, sent), "the server stands still")
            if server.within(lambda: _paused(server)):
                break
        direct = server.direct.answered
        client.sendall(request("/tsa", body) * 5)
        unsent = server.within(lambda: _unsent(server))
        server.limit(write_deadline_s=0.3)
        server.await_(lambda: server.events["HTTP_CLIENT_NOT_READING"] == 1, "the client was served on")
        server.await_(lambda: server.connections() == 0, "the connection is still there")
        assert server.direct.answered == direct, "whoever does not read is not served directly"
        assert unsent < 150_000
        assert server.open() == 0
        server.await_(lambda: not server.within(lambda: len(server.server.server_state.tasks)), "tasks")


def _connections(server: Serving) -> set[GuardedConnection]:
    return cast("set[GuardedConnection]", server.protocol.patrol.connections)


def _unsent(server: Serving) -> int:
    (connection,) = _connections(server)
    return connection._inner.get_write_buffer_size()


def _paused(server: Serving) -> bool:
    return any(connection.flow.write_paused for connection in _connections(server))


def _settled(server: Serving, sent: int) -> bool:
    """Say whether all that was sent is answered, or nothing will be."""
    return server.within(lambda: _paused(server) or server.server.server_state.total_requests == sent)


def test_a_pipeline_that_nobody_reads_is_cut_off(folder: DataFolder) -> None:
    with serving(folder, TransportLimits(write_deadline_s=1.0, sweep_s=0.1)) as server:
        server.journal.script.append(None)
        client = connect(server.address, stamp(1))
        server.await_records(1)
        client.sendall(b"".join(stamp(number) for number in range(2, 50)))
        server.journal.futures[0].set_result(())
        *tokens, last = slow_clients.answers(slow_clients.until_closed(client))
        assert [nonce_of(answer) for answer in tokens] == list(range(1, 34))
        assert last.problem()["code"] == "HTTP_TOO_MANY_REQUESTS"
        assert len(server.journal.records) == 33
