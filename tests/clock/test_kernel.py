from __future__ import annotations

import pytest

from tsa.clock.kernel import KernelClock, KernelSource, read_kernel, report_kernel
from tsa.clock.sample import Leap


def kernel(state: int = 0, status: int = 0x2001, offset: int = 0) -> KernelClock:
    return KernelClock(state, status, offset, maxerror_us=5_000, esterror_us=70)


def test_this_kernel_answers_with_plausible_values() -> None:
    clock = read_kernel()
    assert 0 <= clock.state <= 5
    assert 0 <= clock.maxerror_us <= 16_000_000
    assert (clock.state == 5) == (not report_kernel(clock).synchronised)
    (report,) = KernelSource().ask()
    assert report.name == "kernel"


def test_the_bound_is_the_maximal_error() -> None:
    report = report_kernel(kernel())
    assert report.synchronised
    assert report.uncertainty_us == 5_000


@pytest.mark.parametrize(("state", "status"), [(5, 0x2001), (0, 0x2041), (0, 0x3001), (5, 0x40)])
def test_an_unsynchronised_kernel_gives_no_time(state: int, status: int) -> None:
    assert not report_kernel(kernel(state, status)).synchronised


@pytest.mark.parametrize(
    ("state", "leap"),
    [(0, Leap.NONE), (1, Leap.INSERT), (2, Leap.DELETE), (3, Leap.INSERT), (4, Leap.NONE)],
)
def test_the_kernel_announces_leap_seconds(state: int, leap: Leap) -> None:
    assert report_kernel(kernel(state)).leap is leap


@pytest.mark.parametrize(
    ("status", "offset", "expected"),
    [(0x2001, 1_500_000, -1_500), (0x2001, -1_500_000, 1_500), (0x0001, 1_500, -1_500), (0x2001, 1, -1)],
)
def test_what_the_kernel_still_adds_is_missing_now(status: int, offset: int, expected: int) -> None:
    assert report_kernel(kernel(0, status, offset)).offset_us == expected
