"""Stamping beside ASGI while something fails: journal, key, configuration, our code, the server's end."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from kokuin.service import responder
from kokuin.service.http_protocol import TransportLimits
from kokuin.trust.journal import AppendRefusal, Refused
from tests.service import slow_clients
from tests.service.asking import granted, query, refusal, serial_of
from tests.service.direct_server import Serving, serving
from tests.service.running import PATIENCE_S, leaves
from tests.service.running import serving as serving_process
from tests.service.slow_clients import HOST, Answer, connect, read_answers, request, until_closed

if TYPE_CHECKING:
    from collections.abc import Callable

    from kokuin.service.datafolder import DataFolder
    from tests.service.running import Prepared

GOOD = request("/tsa", query())
GET = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"
WAYS = pytest.mark.parametrize("octets", [GOOD, GOOD.replace(b"/tsa", b"/tsa?", 1)], ids=["direct", "asgi"])


@pytest.fixture(scope="module")
def folder(folder_of: Callable[[str], Prepared]) -> DataFolder:
    return folder_of("classical").folder


def unavailable(answer: Answer) -> None:
    """Check a refusal in the protocol's words."""
    assert (answer.status, refusal(answer.content)[1]) == (200, {"system_failure"})


# --- the journal


def test_more_requests_than_allowed_are_turned_away_while_the_journal_stalls(folder: DataFolder) -> None:
    with serving(folder, TransportLimits(requests=3)) as server:
        server.journal.script.extend([None] * 3)
        with contextlib.ExitStack() as clients:
            waiting = [clients.enter_context(connect(server.address, GOOD)) for _ in range(3)]
            server.await_records(3)
            for octets in (GOOD, GET):
                (answer,) = slow_clients.answers(server.ask_all(octets))
                assert answer.problem()["code"] == "HTTP_TOO_MANY_REQUESTS"
                assert answer.fields["retry-after"] == "1"
            server.let_records_be_durable()
            for client in waiting:
                granted(read_answers(client, 1)[0].content)
        granted(server.ask(GOOD)[0].content)
        assert len(server.journal.records) == 4


def test_whoever_hangs_up_frees_no_place_for_more_work(folder: DataFolder) -> None:
    """Else a client that resets its connections could queue any number of signatures."""
    with serving(folder, TransportLimits(requests=3)) as server:
        server.journal.script.extend([None] * 3)
        clients = [connect(server.address, GOOD) for _ in range(3)]
        server.await_records(3)
        for client in clients:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            client.close()
        server.await_(lambda: server.connections() == 0, "the connections are still there")
        assert server.ask(GOOD)[0].problem()["code"] == "HTTP_TOO_MANY_REQUESTS"
        server.let_records_be_durable()
        server.await_(lambda: server.open() == 0, "a place is kept for nobody")
        granted(server.ask(GOOD)[0].content)
        assert len(server.journal.records) == 4


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(responder, "PATIENCE_SECONDS", 0.1)
    monkeypatch.setattr(responder, "SWEEP_SECONDS", 0.02)


@pytest.mark.usefixtures("_impatient")
@WAYS
def test_a_stalled_journal_ends_in_a_refusal_and_its_late_record_answers_nobody(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch, octets: bytes
) -> None:
    with serving(folder) as server, connect(server.address) as client:
        server.journal.script.append(None)
        client.sendall(octets)
        unavailable(read_answers(client, 1)[0])
        assert server.open() == 0
        server.let_records_be_durable()
        monkeypatch.setattr(responder, "PATIENCE_SECONDS", PATIENCE_S)
        client.sendall(octets)
        (answer,) = read_answers(client, 1)
        assert serial_of(answer.content) == server.journal.records[-1].serial
        client.shutdown(socket.SHUT_WR)
        assert until_closed(client) == b""


def test_a_request_whose_patience_ended_in_the_queue_is_not_signed_for_nobody(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a queue that is once longer than the patience would never serve anybody again."""
    monkeypatch.setattr(responder, "SWEEP_SECONDS", 0.02)
    monkeypatch.setattr(responder, "PATIENCE_SECONDS", PATIENCE_S)
    threads = len(os.sched_getaffinity(0))
    with serving(folder, slow=True) as server:
        go_on, sign = threading.Event(), server.rig.signer._signer.sign

        def slowly(message: bytes) -> bytes:
            assert go_on.wait(PATIENCE_S)
            return sign(message)

        server.rig.signer._signer.sign = slowly  # type: ignore[method-assign]  # the test's own
        with contextlib.ExitStack() as clients:
            waiting = [clients.enter_context(connect(server.address, GOOD)) for _ in range(threads + 20)]
            server.await_(lambda: server.rig.signer.calls == threads, "not all threads are at work")
            server.await_(lambda: server.open() == threads + 20, "not all arrived")
            monkeypatch.setattr(responder, "PATIENCE_SECONDS", 0.1)
            for client in waiting:
                unavailable(read_answers(client, 1)[0])
        monkeypatch.setattr(responder, "PATIENCE_SECONDS", PATIENCE_S)
        go_on.set()
        granted(server.ask(GOOD)[0].content)
        assert server.rig.signer.calls == threads + 1


@WAYS
@pytest.mark.parametrize("slow", [False, True])
def test_a_token_of_an_older_configuration_is_made_again(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch, octets: bytes, *, slow: bool
) -> None:
    monkeypatch.setattr(responder, "SWEEP_SECONDS", 0.05)
    stale = Refused(AppendRefusal.STALE_EPOCH)
    with serving(folder, slow=slow) as server:
        server.journal.script.append(stale)
        serial = serial_of(server.ask(octets)[0].content)
        assert [serial] == [record.serial for record in server.journal.records[1:]]
        server.journal.script.extend([stale, stale])
        assert serial_of(server.ask(octets)[0].content) == server.journal.records[4].serial
        server.journal.script.extend([Refused(AppendRefusal.DUPLICATE_SERIAL)] * 2)
        unavailable(server.ask(octets)[0])
        assert len(server.journal.records) == 7


def test_a_broken_key_is_told_in_the_protocols_words(folder: DataFolder) -> None:
    with serving(folder) as server:
        server.rig.signer.broken = True
        unavailable(server.ask(GOOD)[0])
        server.rig.signer.broken = False
        granted(server.ask(GOOD)[0].content)


# --- mistakes of ours


def failed(server: Serving, octets: bytes) -> None:
    """Check that the client is told, the connection ends, and nothing is kept."""
    (answer,) = slow_clients.answers(server.ask_all(octets))
    assert (answer.status, answer.problem()["code"]) == (500, "INTERNAL")
    assert answer.fields["connection"] == "close"
    server.await_(lambda: server.connections() == 0, "the connection is still there")
    assert server.open() == 0


def test_a_mistake_in_taking_a_request_leaves_it_to_asgi_and_is_logged(folder: DataFolder) -> None:
    with serving(folder) as server:
        server.direct.broken = "takes"
        granted(server.ask(GOOD)[0].content)
        (event,) = [event for event in server.logs if event["log_level"] == "error"]
        assert (event["event"], event["exc_info"]) == ("direct.takes.failed", True)


@pytest.mark.parametrize("behind", [b"", GOOD, GOOD[:-3], b"nonsense\r\n\r\n"])
def test_a_mistake_in_answering_is_told_and_logged_and_ends_the_connection(
    folder: DataFolder, behind: bytes
) -> None:
    with serving(folder, TransportLimits(linger_s=0.2, sweep_s=0.1)) as server:
        server.direct.broken = "answer"
        failed(server, GOOD + behind)
        (event,) = [event for event in server.logs if event["log_level"] == "error"]
        assert (event["event"], event["exc_info"]) == ("direct.answer.failed", True)
        server.direct.broken = ""
        granted(server.ask(GOOD)[0].content)
        assert len(server.journal.records) == 1


@WAYS
def test_a_mistake_between_record_and_answer_harms_no_neighbour(
    folder: DataFolder, octets: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(folder) as server:
        server.journal.script.append(None)
        counters = server.rig.app.stamp._counters
        count = counters.answered
        failing = iter([True])

        def answered(profile: str, code: str, seconds: float) -> None:
            if next(failing, False):
                raise ZeroDivisionError
            count(profile, code, seconds)

        monkeypatch.setattr(counters, "answered", answered)
        with connect(server.address, octets) as first, connect(server.address) as second:
            server.await_records(1)
            server.journal.script.append(None)
            second.sendall(octets)
            server.await_records(2)
            server.within(server.let_records_be_durable)
            (answer,) = slow_clients.answers(until_closed(first))
            assert answer.problem()["code"] == "INTERNAL"
            granted(read_answers(second, 1)[0].content)
        server.await_(lambda: server.open() == 0, "a place is kept for nobody")
        if octets == GOOD:
            (event,) = [event for event in server.logs if event["log_level"] == "error"]
            assert (event["event"], event["exc_info"]) == ("tsa.answer.failed", True)
        else:
            (complaint,) = server.complaints
            assert "ZeroDivisionError" in complaint
            server.complaints.clear()


def test_a_mistake_after_the_client_has_gone_is_logged_and_kept_by_nobody(folder: DataFolder) -> None:
    with serving(folder) as server:
        server.direct.broken = "answer"
        for _ in range(20):
            connect(server.address, GOOD).close()
        server.await_(lambda: server.direct.answered == 20, "not all arrived")
        server.await_(lambda: server.connections() == 0, "the connection is still there")
        server.await_(lambda: server.open() == 0, "a place is kept for nobody")


# --- the end


def test_a_stop_answers_an_open_request_and_then_closes(folder: DataFolder) -> None:
    with serving(folder, drain_s=int(PATIENCE_S / 2)) as server:
        server.journal.script.append(None)
        with connect(server.address, GOOD) as client, connect(server.address, GET) as idle:
            server.await_records(1)
            read_answers(idle, 1)
            server.stop()
            assert until_closed(idle) == b""
            server.within(server.let_records_be_durable)
            (answer,) = slow_clients.answers(until_closed(client))
            granted(answer.content)
            assert answer.fields["connection"] == "close"
        server.thread.join(PATIENCE_S)
        assert not server.thread.is_alive()


def test_a_stop_while_the_journal_stalls_ends_in_a_refusal(folder: DataFolder) -> None:
    """The drain is shorter than the patience: who waits at its end is refused in the protocol's words."""
    with serving(folder, drain_s=1) as server:
        server.journal.script.append(None)
        with connect(server.address, GOOD) as client:
            server.await_records(1)
            server.stop()
            (answer,) = slow_clients.answers(until_closed(client))
            unavailable(answer)
            assert answer.fields["connection"] == "close"
        server.thread.join(PATIENCE_S)
        assert not server.thread.is_alive()
        assert "timeout graceful shutdown exceeded" in server.complaints.pop()


def test_a_signature_that_is_made_after_the_end_is_told_to_nobody(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Else a service that stops leaves a traceback in its log."""
    raised: list[object] = []
    monkeypatch.setattr(threading, "excepthook", raised.append)
    before, go_on = set(threading.enumerate()), threading.Event()
    with serving(folder, slow=True, drain_s=1) as server:
        sign = server.rig.signer._signer.sign

        def slowly(message: bytes) -> bytes:
            assert go_on.wait(PATIENCE_S)
            return sign(message)

        server.rig.signer._signer.sign = slowly  # type: ignore[method-assign]  # the test's own
        signing = [each for each in set(threading.enumerate()) - before if each.name.startswith("sign-")]
        with connect(server.address, GOOD) as client:
            server.await_(lambda: server.rig.signer.calls == 1, "nobody signs")
            server.stop()
            unavailable(slow_clients.answers(until_closed(client))[0])
        server.thread.join(PATIENCE_S)
        server.complaints.clear()  # of the drain that ended
    go_on.set()
    assert signing
    for each in signing:
        each.join(PATIENCE_S)
        assert not each.is_alive()
    assert raised == []
    assert [each for each in caplog.records if each.name == "concurrent.futures"] == []


def test_a_stopped_process_owes_nobody_an_answer(folder_of: Callable[[str], Prepared]) -> None:
    """Many connections stamp while the service is told to stop: each is answered whole or closed."""
    with serving_process(folder_of("classical")) as service:
        address = ("127.0.0.1", service.port)
        clients = [connect(address, GOOD) for _ in range(50)]
        code = service.stop()
        received = slow_clients.all_until_closed(clients, PATIENCE_S)
        log = service.events()
    assert code == 0
    found = [slow_clients.answers(octets) for octets in received]
    serials = {serial_of(answer.content) for some in found for answer in some}
    assert serials <= {str(leaf["serial"]) for leaf in leaves(service.folder) if leaf["kind"] == "tst.issued"}
    assert not [event for event in log if event["level"] not in {"info", "warning"}]
