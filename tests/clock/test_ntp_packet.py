from __future__ import annotations

import struct
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clock.fakes import at_ns
from tsa.clock.ntp_packet import NtpAnswer, NtpRefusal, make_request, read_response, to_ntp
from tsa.clock.sample import Leap

SENT = at_ns("2026-11-21T12:00:00Z")
TOKEN = 0x1122334455667788
TRIP_NS = 20_000_000


@dataclass(frozen=True)
class Response:
    """A server's answer, built here from RFC 5905's figure 8 and not with the product's layout."""

    leap: int = 0
    version: int = 4
    mode: int = 4
    stratum: int = 2
    precision: int = -24
    root_delay: int = 0x0000_0100
    root_dispersion: int = 0x0000_0080
    refid: bytes = bytes([192, 0, 2, 1])
    updated: int = to_ntp(SENT - 64_000_000_000)
    origin: int = TOKEN
    received: int = to_ntp(SENT + 10_000_000)
    sent: int = to_ntp(SENT + 10_000_000)

    def packet(self) -> bytes:
        head = self.leap << 6 | self.version << 3 | self.mode
        words = struct.pack("!BBBb", head, self.stratum, 6, self.precision)
        words += struct.pack("!II", self.root_delay, self.root_dispersion) + self.refid
        return words + struct.pack("!4Q", self.updated, self.origin, self.received, self.sent)


def read(response: Response, sent_ns: int = SENT, taken_ns: int = TRIP_NS) -> NtpAnswer | NtpRefusal:
    return read_response(response.packet(), TOKEN, sent_ns, taken_ns)


def answer(response: Response, sent_ns: int = SENT) -> NtpAnswer:
    outcome = read(response, sent_ns)
    assert isinstance(outcome, NtpAnswer)
    return outcome


def ahead(response: Response, seconds: int) -> Response:
    """The same server with its clock set otherwise."""
    mask = (1 << 64) - 1
    moved = {
        name: (getattr(response, name) + (seconds << 32)) & mask for name in ("updated", "received", "sent")
    }
    return replace(response, **moved)


def test_a_request_tells_nothing_but_its_random_token() -> None:
    assert make_request(TOKEN) == b"\x23" + bytes(39) + TOKEN.to_bytes(8, "big")


def test_a_right_clock_on_a_symmetric_path_has_no_offset() -> None:
    got = answer(Response())
    assert abs(got.offset_us) <= 1
    # Half the round trip of 20 ms, half the root delay and the root dispersion (both 1/512 s here).
    assert 10_000 + 1_953 + 1_953 <= got.uncertainty_us <= 13_920
    assert (got.stratum, got.refid, got.leap, round(got.age_s)) == (2, "192.0.2.1", Leap.NONE, 64)


@pytest.mark.parametrize("seconds", [2, -2, 86_400, -86_400])
def test_the_offset_is_our_clock_minus_the_server_s(seconds: int) -> None:
    assert abs(answer(ahead(Response(), seconds)).offset_us + seconds * 1_000_000) <= 1


@given(st.floats(0, 1), st.integers(0, 500_000), st.integers(0, 100_000), st.integers(-(10**7), 10**7))
def test_the_true_offset_lies_within_the_bound_however_lopsided_the_path(
    share: float, trip_us: int, held_us: int, offset_us: int
) -> None:
    received = SENT + round(trip_us * share) * 1000 - offset_us * 1000
    sent = received + held_us * 1000
    response = replace(
        Response(), received=to_ntp(received), sent=to_ntp(sent), updated=to_ntp(received - 10**9)
    )
    outcome = read(response, taken_ns=(trip_us + held_us) * 1000)
    assert isinstance(outcome, NtpAnswer)
    assert abs(outcome.offset_us - offset_us) <= outcome.uncertainty_us


@pytest.mark.parametrize("moment", ["2036-02-07T06:28:15Z", "2036-02-07T06:28:17Z", "2040-01-01T00:00:00Z"])
def test_the_end_of_ntp_s_first_era_changes_nothing(moment: str) -> None:
    sent = at_ns(moment)
    there = to_ntp(sent + 10_000_000)
    response = replace(Response(), updated=to_ntp(sent - 2_000_000_000), received=there, sent=there)
    assert abs(answer(response, sent).offset_us) <= 1


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"origin": TOKEN ^ 1}, NtpRefusal.ORIGIN),
        ({"origin": 0}, NtpRefusal.ORIGIN),
        ({"mode": 3}, NtpRefusal.MODE),
        ({"mode": 5}, NtpRefusal.MODE),
        ({"version": 3}, NtpRefusal.MODE),
        ({"leap": 3}, NtpRefusal.UNSYNCHRONISED),
        ({"stratum": 16}, NtpRefusal.UNSYNCHRONISED),
        ({"updated": 0}, NtpRefusal.UNSYNCHRONISED),
        ({"received": 0}, NtpRefusal.UNSYNCHRONISED),
        ({"sent": 0}, NtpRefusal.UNSYNCHRONISED),
        ({"stratum": 0, "refid": b"RATE"}, NtpRefusal.KISS_RATE),
        ({"stratum": 0, "refid": b"DENY"}, NtpRefusal.KISS_DENY),
        ({"stratum": 0, "refid": b"RSTR"}, NtpRefusal.KISS_DENY),
        ({"stratum": 0, "refid": b"INIT", "leap": 3}, NtpRefusal.UNSYNCHRONISED),
        ({"stratum": 0, "refid": b"WHAT"}, NtpRefusal.UNSYNCHRONISED),
        ({"root_delay": 0xFFFF_FFFF}, NtpRefusal.NONSENSE),
        ({"root_dispersion": 16 << 16}, NtpRefusal.NONSENSE),
        ({"updated": to_ntp(SENT + 60_000_000_000)}, NtpRefusal.NONSENSE),
        ({"sent": to_ntp(SENT + 9_000_000)}, NtpRefusal.NONSENSE),
        ({"sent": to_ntp(SENT + 60_000_000)}, NtpRefusal.NONSENSE),
    ],
)
def test_a_bad_response_gives_no_time(change: dict[str, int], refusal: NtpRefusal) -> None:
    assert read(replace(Response(), **change)) is refusal  # type: ignore[arg-type]


def test_a_forged_kiss_of_death_does_not_silence_a_server() -> None:
    assert read(replace(Response(), stratum=0, refid=b"DENY", origin=1)) is NtpRefusal.ORIGIN


@pytest.mark.parametrize(("bits", "leap"), [(1, Leap.INSERT), (2, Leap.DELETE)])
def test_leap_seconds_are_announced(bits: int, leap: Leap) -> None:
    assert answer(replace(Response(), leap=bits)).leap is leap


@pytest.mark.parametrize(
    ("stratum", "refid", "text"),
    [(1, b"GOOG", "GOOG"), (1, b"FB\0\0", "FB"), (1, b"\x01\x02\0\0", "1.2.0.0")],
)
def test_a_reference_id_is_letters_at_stratum_one(stratum: int, refid: bytes, text: str) -> None:
    assert answer(replace(Response(), stratum=stratum, refid=refid)).refid == text


@pytest.mark.parametrize("size", [0, 1, 47, 49, 68])
def test_another_size_is_no_answer(size: int) -> None:
    assert read_response((Response().packet() + bytes(20))[:size], TOKEN, SENT, TRIP_NS) is NtpRefusal.SIZE


@given(st.binary(max_size=80) | st.binary(min_size=48, max_size=48), st.integers(0, (1 << 64) - 1))
def test_arbitrary_octets_are_read_without_error(packet: bytes, token: int) -> None:
    assert isinstance(read_response(packet, token, SENT, TRIP_NS), NtpAnswer | NtpRefusal)


@given(st.data())
def test_a_damaged_answer_is_refused_or_keeps_a_sane_bound(data: st.DataObject) -> None:
    packet = bytearray(Response().packet())
    for _ in range(data.draw(st.integers(1, 4))):
        packet[data.draw(st.integers(0, 47).filter(lambda at: not 24 <= at < 32))] = data.draw(
            st.integers(0, 255)
        )
    outcome = read_response(bytes(packet), TOKEN, SENT, TRIP_NS)
    if isinstance(outcome, NtpAnswer):
        assert 0 <= outcome.uncertainty_us < 18_000_000
        assert 1 <= outcome.stratum <= 15
        assert outcome.age_s >= 0
