from __future__ import annotations

import os
import re
from socket import SOCK_DGRAM
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clock.chronyd import PATIENCE_S, Chronyd, chronyd, wait_for
from tests.peers import need
from tests.ports import free_port
from tsa.clock.chrony import (
    ChronySource,
    UnreadableError,
    parse_ntpdata,
    parse_sources,
    parse_tracking,
    refid_text,
)
from tsa.clock.guard import ClockMonitor
from tsa.clock.sample import Leap
from tsa.clock.settings import ClockSettings
from tsa.clock.sources import make_source
from tsa.clock.verdict import ClockFault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tsa.clock.sample import Source, SourceReport

# Lines that chronyc 4.3 printed for a chronyd on loopback.
NOW_NS = 1_795_245_070_600_000_000
TRACKING = (
    "7F000001,127.0.0.1,9,1795245070.552110445,-0.000001807,0.000000123,0.000000142,"
    "-0.171,0.211,4.885,0.000006647,0.000002312,0.0,Normal\n"
)
SOURCES = (
    "^,*,127.0.0.1,8,-6,377,0,0.000000370,0.000000493,0.000003382\n^,x,192.0.2.9,2,6,377,0,2.0,2.0,0.1\n"
)
NTPDATA = (
    "127.0.0.1,7F000001,21230,127.0.0.1,7F000001,Normal,4,Server,8,-6,0,-25,0.000000030,0.000000,0.000000,"
    "7F7F0101,,1795245066.141957645,-0.000000493,0.000006647,0.000000058,0.000046900,0.00,111,111,1111,"
    "No,No,Kernel,Kernel,179,179,179,177\n"
)


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no answer be too late because the machine is busy."""
    monkeypatch.setattr("tsa.clock.chrony.DEADLINE_S", PATIENCE_S)


def following(server: Chronyd) -> tuple[str, ...]:
    return (f"server 127.0.0.1 port {server.ntp_port} iburst minpoll -6 maxpoll -6",)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Chronyd, Chronyd]]:
    """A server and a chronyd that follows it."""
    folder = tmp_path_factory.mktemp("c")
    with (
        chronyd(folder / "a", "local stratum 8") as server,
        chronyd(folder / "b", *following(server)) as follower,
    ):
        wait_for(lambda: source_of(follower).ask()[0].synchronised)
        yield server, follower


def source_of(daemon: Chronyd, *, by_socket: bool = False) -> ChronySource:
    address = str(daemon.command_socket) if by_socket else "127.0.0.1"
    return ChronySource(daemon.chronyc, address, daemon.command_port)


def test_a_following_chronyd_is_believed(pair: tuple[Chronyd, Chronyd]) -> None:
    settings = ClockSettings(
        kind="chrony", chrony_address="127.0.0.1", chrony_port=pair[1].command_port, chronyc=pair[1].chronyc
    )
    source = make_source(settings)
    tracking, upstream = both(source)
    assert (tracking.name, tracking.stratum, tracking.refid) == ("127.0.0.1", 9, "127.0.0.1")
    assert upstream.upstream
    assert upstream.address == "127.0.0.1"

    def good_sample() -> bool:
        verdict = ClockMonitor(source, settings, on_verdict=lambda *_: None).poll()
        assert verdict.source == "chrony 127.0.0.1"
        return verdict.fault is ClockFault.NOT_YET

    wait_for(good_sample)  # one of three


def both(source: Source) -> tuple[SourceReport, SourceReport]:
    """Return chronyd's word and that of its server, once it follows it: a busy machine makes it let go."""
    reports: tuple[SourceReport, ...] = ()

    def follows() -> bool:
        nonlocal reports
        reports = source.ask()
        return len(reports) == 2 and abs(reports[0].offset_us) < 100_000

    wait_for(follows, lambda: str(reports))
    return reports[0], reports[1]


def test_through_its_socket_chronyd_tells_what_its_sources_follow(pair: tuple[Chronyd, Chronyd]) -> None:
    _, upstream = both(source_of(pair[1], by_socket=True))
    assert (upstream.refid, upstream.stratum, upstream.upstream) == ("127.127.1.1", 8, True)


def test_a_chronyd_that_only_serves_its_own_clock_is_not_believed(pair: tuple[Chronyd, Chronyd]) -> None:
    (report,) = source_of(pair[0]).ask()
    assert not report.synchronised
    assert "7F7F0101" in report.detail


def test_a_chronyd_without_sources_is_not_believed(tmp_path: Path) -> None:
    with chronyd(tmp_path / "a") as daemon:
        (report,) = source_of(daemon).ask()
    assert not report.synchronised
    assert "Not synchronised" in report.detail


def test_an_absent_chronyd_is_a_report() -> None:
    (report,) = ChronySource(need("chronyc"), "127.0.0.1", free_port(SOCK_DGRAM)).ask()
    assert not report.synchronised
    assert "506" in report.detail


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("exec sleep 30", "no answer in time"),
        ("exec >&-; exec sleep 30", "no answer in time"),
        ("yes", "more than 65536 octets"),
        ("exit 3", "exit status 3"),
        ("true", "no tracking line"),
        ("echo hello", "1 fields for 14"),
        (None, "No such file"),
    ],
)
def test_a_chronyc_that_misbehaves_is_a_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None, why: str
) -> None:
    if why == "no answer in time":
        monkeypatch.setattr("tsa.clock.chrony.DEADLINE_S", 0.5)
    program = tmp_path / "chronyc"
    if script is not None:
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o700)
    (report,) = ChronySource(str(program), "", 323).ask()
    assert not report.synchronised
    assert why in report.detail


def test_tracking_is_read_as_chronyc_means_it() -> None:
    report = parse_tracking(TRACKING, NOW_NS)
    assert report.synchronised
    # "System time : 0.000001807 seconds fast of NTP time", says the same chronyc to people.
    assert report.offset_us == 2
    assert report.uncertainty_us == 7
    assert report.leap is Leap.NONE
    assert 0.04 < report.age_s < 0.05


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_measurement_far_from_now_is_old_on_either_side(hours: int) -> None:
    assert parse_tracking(TRACKING, NOW_NS + hours * 3_600_000_000_000).age_s == pytest.approx(3600, abs=1)


@pytest.mark.parametrize(
    ("status", "leap"),
    [("Insert second", Leap.INSERT), ("Delete second", Leap.DELETE), ("Not synchronised", None)],
)
def test_chrony_s_leap_status(status: str, leap: Leap | None) -> None:
    report = parse_tracking(TRACKING.replace("Normal", status), NOW_NS)
    assert (report.leap if report.synchronised else None) is leap


@pytest.mark.parametrize(
    "text",
    [
        "",
        "501 Not authorised\n",
        TRACKING * 2,
        TRACKING.replace("\n", ",1\n"),
        TRACKING.replace("0.000006647", "nan"),
        TRACKING.replace("0.000006647", "-5.0"),
        TRACKING.replace("-0.000001807", "1e9"),
        TRACKING.replace("-0.000001807", "9" * 40),
        TRACKING.replace("7F000001", "7F00000G"),
    ],
)
def test_an_unexpected_tracking_line_is_no_time(text: str) -> None:
    with pytest.raises(UnreadableError):
        parse_tracking(text, NOW_NS)


def test_only_sources_in_use_are_upstream() -> None:
    used = parse_sources(SOURCES)
    assert used == ("127.0.0.1",)
    (report,) = parse_ntpdata(NTPDATA + NTPDATA.replace("127.0.0.1,7F", "192.0.2.9,7F", 1), used)
    assert (report.refid, report.leap) == ("127.127.1.1", Leap.NONE)


def test_a_smearing_reference_of_an_upstream_source_is_seen() -> None:
    (report,) = parse_ntpdata(NTPDATA.replace("7F7F0101", "474F4F47"), ("127.0.0.1",))
    assert report.refid in ClockSettings().smearers


@pytest.mark.parametrize(
    ("refid", "text"),
    [("474F4F47", "GOOG"), ("50505300", "PPS"), ("A9FEA97B", "169.254.169.123"), ("00000001", "0.0.0.1")],
)
def test_reference_ids_are_letters_or_addresses(refid: str, text: str) -> None:
    assert refid_text(refid) == text


@given(st.text(alphabet=st.sampled_from(re.sub(r"\s", "", TRACKING + NTPDATA) + "\n,^*"), max_size=400))
def test_arbitrary_output_is_refused_or_read(text: str) -> None:
    for parse in (
        lambda: parse_tracking(text, NOW_NS),
        lambda: parse_sources(text),
        lambda: parse_ntpdata(text, ()),
    ):
        try:
            parse()
        except UnreadableError:
            continue


def test_chronyc_speaks_the_language_that_we_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LC_ALL", "ja_JP.UTF-8")
    program = tmp_path / "chronyc"
    program.write_text('#!/bin/sh\necho "$LC_ALL" "$@"\nexit 1\n')
    program.chmod(0o700)
    (report,) = ChronySource(str(program), "/run/x.sock", 323).ask()
    assert report.detail == "chronyc: C -c -n -h /run/x.sock -p 323 tracking"
    assert os.environ["LC_ALL"] == "ja_JP.UTF-8"
