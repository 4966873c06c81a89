from __future__ import annotations

import socket
import struct
import threading
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.clock.chronyd import PATIENCE_S, chronyd, wait_for
from tests.ports import free_port
from tsa.clock.guard import ClockMonitor
from tsa.clock.ntp import DEADLINE_S, NtpSource
from tsa.clock.ntp_packet import to_ntp
from tsa.clock.reader import ClockReader
from tsa.clock.settings import ClockSettings
from tsa.clock.sources import make_source
from tsa.clock.verdict import ClockFault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tsa.clock.sample import SourceReport
    from tsa.clock.verdict import ClockVerdict


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no answer be too late because the machine is busy."""
    monkeypatch.setattr("tsa.clock.ntp.DEADLINE_S", PATIENCE_S)


def fit(monitor: ClockMonitor) -> ClockVerdict:
    """Poll until an exchange was so quick that its offset is known well enough."""
    verdict = monitor.poll()

    def is_fit() -> bool:
        nonlocal verdict
        verdict = verdict if verdict.fault is None else monitor.poll()
        return verdict.fault is None

    wait_for(is_fit, lambda: verdict.detail)
    return verdict


@contextmanager
def impostor(answers: Callable[[bytes], list[bytes]]) -> Iterator[str]:
    """An NTP server on loopback that sends whatever `answers` makes of a request."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        udp.settimeout(0.05)
        done = threading.Event()

        def serve() -> None:
            while not done.is_set():
                try:
                    request, client = udp.recvfrom(512)
                except TimeoutError:
                    continue
                for packet in answers(request):
                    udp.sendto(packet, client)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"127.0.0.1:{udp.getsockname()[1]}"
        finally:
            done.set()
            thread.join()


def response(
    request: bytes, *, ahead_s: float = 0.0, stratum: int = 2, refid: bytes = b"\x7f\0\0\1"
) -> bytes:
    now = to_ntp(time.time_ns() + round(ahead_s * 1e9))
    head = struct.pack("!BBBbII", 0x24, stratum, 6, -20, 0, 0)
    return head + refid + struct.pack("!Q8sQQ", now - (1 << 32), request[40:48], now, now)


def test_three_chronyd_make_a_quorum_and_issue(tmp_path: Path) -> None:
    with ExitStack() as stack:
        daemons = [
            stack.enter_context(chronyd(tmp_path / str(number), "local stratum 8")) for number in range(3)
        ]
        servers = tuple(daemon.server for daemon in daemons)
        settings = ClockSettings(kind="ntp", servers=servers, uncertainty_us=10_000, good_samples=1)
        assert settings.problems() == ()
        reader = ClockReader(settings)
        monitor = ClockMonitor(
            make_source(settings), settings, on_verdict=lambda verdict, _: reader.update(verdict)
        )
        verdict = fit(monitor)
        assert abs(verdict.offset_us) <= verdict.uncertainty_us + 1_000
        assert isinstance(reader.read("u"), int)
        assert verdict.source == f"ntp {','.join(servers)}"
        stack.close()
        assert monitor.poll().fault is ClockFault.LOST
        assert reader.read("u") is ClockFault.LOST


def test_a_server_of_this_kind_reports_what_chronyd_says_of_itself(tmp_path: Path) -> None:
    with chronyd(tmp_path / "a", "local stratum 8") as daemon:
        (report,) = NtpSource((daemon.server,)).ask()
    assert report.synchronised, report.detail
    assert (report.stratum, report.refid, report.address) == (8, "127.127.1.1", "127.0.0.1")


def test_an_unsynchronised_chronyd_gives_no_time(tmp_path: Path) -> None:
    with chronyd(tmp_path / "a") as daemon:
        (report,) = NtpSource((daemon.server,)).ask()
    assert not report.synchronised
    assert report.detail == "NTP_UNSYNCHRONISED"


def test_a_lying_server_is_outvoted_by_chronyd(tmp_path: Path) -> None:
    with (
        chronyd(tmp_path / "a", "local stratum 8") as first,
        chronyd(tmp_path / "b", "local stratum 8") as second,
        impostor(lambda request: [response(request, ahead_s=2)]) as liar,
    ):
        settings = ClockSettings(kind="ntp", servers=(first.server, liar, second.server), good_samples=1)
        source = make_source(settings)
        for report, truth in zip(source.ask(), (0, -2_000_000, 0), strict=True):
            assert abs(report.offset_us - truth) <= report.uncertainty_us
        # Fit is what lies within a second of the true time: the liar's word is not in it.
        verdict = fit(ClockMonitor(source, settings, on_verdict=lambda *_: None))
        assert abs(verdict.offset_us) <= verdict.uncertainty_us + 1_000


def test_forged_answers_in_front_of_the_true_one_are_passed_over() -> None:
    def answers(request: bytes) -> list[bytes]:
        forged = response(bytes(48), ahead_s=-3600)
        kiss = response(bytes(48), stratum=0, refid=b"DENY")
        return [b"", b"short", forged, kiss, bytes(400), response(request)]

    with impostor(answers) as server:
        source = NtpSource((server,))
        for _ in range(2):
            (report,) = source.ask()
            assert report.synchronised, report.detail
            assert abs(report.offset_us) <= report.uncertainty_us


def test_a_server_that_forbids_questions_is_never_asked_again() -> None:
    asked: list[bytes] = []

    def answers(request: bytes) -> list[bytes]:
        asked.append(request)
        return [response(request, stratum=0, refid=b"DENY")]

    with impostor(answers) as server:
        source = NtpSource((server,))
        assert source.ask()[0].detail == "NTP_KISS_DENY"
        assert "forbade" in source.ask()[0].detail
    assert len(asked) == 1


def test_a_server_that_wants_rest_gets_more_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []

    def answers(request: bytes) -> list[bytes]:
        asked.append(request)
        return [response(request, stratum=0, refid=b"RATE")]

    slept = 0.0
    monotonic = time.monotonic
    monkeypatch.setattr("tsa.clock.ntp.time.monotonic", lambda: monotonic() + slept)
    with impostor(answers) as server:
        source = NtpSource((server,))
        for nap, questions in ((0.0, 1), (10.0, 1), (60.0, 2), (70.0, 2), (70.0, 3)):
            slept += nap
            assert not source.ask()[0].synchronised
            assert len(asked) == questions


def test_every_request_carries_another_random_token() -> None:
    asked: list[bytes] = []

    def answers(request: bytes) -> list[bytes]:
        asked.append(request)
        return [response(request)]

    with impostor(answers) as server:
        source = NtpSource((server,))
        for _ in range(3):
            source.ask()
    assert len({request[40:] for request in asked}) == 3
    assert {request[:40] for request in asked} == {b"\x23" + bytes(39)}


def test_a_closed_port_is_reported_at_once() -> None:
    (report,) = NtpSource((f"127.0.0.1:{free_port(socket.SOCK_DGRAM)}",)).ask()
    assert not report.synchronised
    assert "refused" in report.detail


def test_silent_servers_and_a_hanging_resolver_do_not_hold_the_others_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resolver = threading.Event()
    resolve = socket.getaddrinfo
    looked_up: list[object] = []

    def hanging(host: str, *args: object, **keywords: object) -> object:
        if host == "slow.example":
            looked_up.append(host)
            resolver.wait(60)
            raise socket.gaierror("at last")
        return resolve(host, *args, **keywords)  # type: ignore[arg-type]

    monkeypatch.setattr("tsa.clock.ntp.socket.getaddrinfo", hanging)
    assert DEADLINE_S == 2.0
    with impostor(lambda _: []) as silent, impostor(lambda request: [response(request)]) as good:
        source = NtpSource(("slow.example", silent, good))
        try:
            reports = patiently(source, monkeypatch)
            assert [report.synchronised for report in reports] == [False, False, True]
            details = [report.detail for report in source.ask()]
        finally:
            resolver.set()
    hung = source._servers[0].asking
    assert hung is not None
    hung.join()
    assert details[0] == "the last question still hangs"
    assert len(looked_up) == 1, "questions that hang must not pile up"


def patiently(source: NtpSource, monkeypatch: pytest.MonkeyPatch) -> tuple[SourceReport, ...]:
    """Ask for as short a time as the good server needs: each question lasts until its deadline."""
    reports: tuple[SourceReport, ...] = ()
    for deadline_s in (0.3, 3.0, 30.0):
        monkeypatch.setattr("tsa.clock.ntp.DEADLINE_S", deadline_s)
        reports = source.ask()
        if any(report.synchronised for report in reports):
            break
        for server in source._servers[1:]:  # whoever still hangs is not asked again
            assert server.asking is not None
            server.asking.join()
    return reports
