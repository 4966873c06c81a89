"""Token buckets and the throttle, with a clock that the test turns."""

from __future__ import annotations

import pytest

from kokuin.service.access.denials import DenialCode
from kokuin.service.access.principal import Role
from kokuin.service.access.quotas import MAX_ADDRESSES, FailureThrottle, Quotas
from kokuin.service.access.table import Client


class Clock:
    """Seconds."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def client(name: str = "c", rate: float | None = None, burst: int = 1) -> Client:
    return Client(name, "t", frozenset({Role.STAMP}), rate=rate, burst=burst)


def spent(quotas: Quotas, acts: int = 1, name: str = "c") -> tuple[DenialCode, int | None] | None:
    denial = quotas.spend(name, acts)
    return None if denial is None else (denial.code, denial.retry_s)


def test_a_bucket_gives_its_depth_at_once_and_then_its_rate() -> None:
    clock = Clock()
    quotas = Quotas(clock)
    quotas.install([client(rate=2.0, burst=3)], frozenset())
    assert [spent(quotas) for _ in range(4)] == [None] * 3 + [(DenialCode.RATE_EXCEEDED, 1)]
    clock.now += 0.5
    assert spent(quotas) is None
    assert spent(quotas) == (DenialCode.RATE_EXCEEDED, 1)
    clock.now += 1000
    assert [spent(quotas) for _ in range(4)] == [None] * 3 + [(DenialCode.RATE_EXCEEDED, 1)]
    assert quotas.drain_used() == {"c": 7}, "what was refused was not used"


def test_several_acts_are_taken_together_or_not_at_all() -> None:
    clock = Clock()
    quotas = Quotas(clock)
    quotas.install([client(rate=0.1, burst=10)], frozenset())
    assert spent(quotas, 8) is None
    assert spent(quotas, 3) == (DenialCode.RATE_EXCEEDED, 10)
    assert spent(quotas, 2) is None


def test_a_new_table_leaves_a_bucket_as_it_is_unless_its_rate_is_another() -> None:
    quotas = Quotas(Clock())
    quotas.install([client(rate=1.0, burst=1)], frozenset())
    assert spent(quotas) is None
    quotas.install([client(rate=1.0, burst=1)], frozenset())
    assert spent(quotas) == (DenialCode.RATE_EXCEEDED, 1)
    quotas.install([client(rate=1.0, burst=2)], frozenset())
    assert spent(quotas) is None
    quotas.install([client()], frozenset())
    assert [spent(quotas) for _ in range(100)] == [None] * 100


def test_a_day_that_is_used_up_is_over_until_midnight(monkeypatch: pytest.MonkeyPatch) -> None:
    quotas = Quotas(Clock())
    monkeypatch.setattr("kokuin.service.access.quotas.time.time", lambda: 86_400.0 * 20_000 - 61.5)
    quotas.install([client(), client("other")], frozenset({"c"}))
    assert spent(quotas) == (DenialCode.QUOTA_EXCEEDED, 62)
    assert spent(quotas, name="other") is None
    quotas.install([client()], frozenset())
    assert spent(quotas) is None


def test_whoever_is_no_client_has_no_quota() -> None:
    quotas = Quotas(Clock())
    assert spent(quotas, name="operator-key") is None
    assert quotas.drain_used() == {}


def test_a_clock_that_stands_or_goes_back_gives_nothing_away() -> None:
    clock = Clock()
    quotas = Quotas(clock)
    quotas.install([client(rate=1.0, burst=1)], frozenset())
    assert spent(quotas) is None
    clock.now -= 500
    assert spent(quotas) == (DenialCode.RATE_EXCEEDED, 1)


def test_wrong_credentials_are_borne_at_their_rate() -> None:
    clock = Clock()
    throttle = FailureThrottle(6, clock)
    for _ in range(6):
        assert throttle.wait_s("192.0.2.1") is None
        throttle.fail("192.0.2.1")
    assert throttle.wait_s("192.0.2.1") == 10
    clock.now += 4
    assert throttle.wait_s("192.0.2.1") == 6
    clock.now += 6.1
    assert throttle.wait_s("192.0.2.1") is None
    throttle.fail("192.0.2.1")
    assert throttle.wait_s("192.0.2.1") is not None


@pytest.mark.parametrize(
    ("wrong", "same", "other"),
    [
        ("192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2"),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::9", "2001:db8:0:2::1"),
        ("", "no address", "192.0.2.1"),
    ],
)
def test_a_block_of_addresses_is_one_customers(wrong: str, same: str, other: str) -> None:
    throttle = FailureThrottle(1, Clock())
    throttle.fail(wrong)
    assert throttle.wait_s(wrong) == throttle.wait_s(same) == 60
    assert throttle.wait_s(other) is None


def test_addresses_are_remembered_in_bounded_number() -> None:
    throttle = FailureThrottle(1, Clock())
    for number in range(MAX_ADDRESSES + 500):
        throttle.fail(f"10.0.{number >> 8}.{number & 255}")
    assert len(throttle) == MAX_ADDRESSES
    assert throttle.wait_s("10.0.0.0") is None
    assert throttle.wait_s("10.0.17.0") == 60
