from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clock.fakes import SECOND_NS, FakeMachine, FakeSource, Rig, at_ns, good
from tsa.clock.guard import ClockMonitor
from tsa.clock.reader import ClockReader
from tsa.clock.sample import Leap
from tsa.clock.settings import ClockSettings
from tsa.clock.verdict import ClockFault, ClockVerdict

SETTINGS = ClockSettings()


def fit_rig(settings: ClockSettings = SETTINGS, wall: str = "2026-11-21T12:00:00Z") -> Rig:
    rig = Rig(settings, good("system"), machine=FakeMachine(wall))
    rig.polls(1)
    return rig


def verdict_of(machine: FakeMachine, *, offset_us: int = 0, leap: bool = False) -> ClockVerdict:
    return ClockVerdict(
        fault=None,
        detail="",
        source="test",
        offset_us=offset_us,
        uncertainty_us=1_000,
        wall_ns=machine.wall,
        boot_ns=machine.boot,
        expires_boot_ns=machine.boot + SETTINGS.life_ns,
        leap=leap,
    )


def test_no_verdict_yet_is_no_time() -> None:
    assert ClockReader(SETTINGS).read("u") is ClockFault.NOT_YET


def test_the_machine_s_own_clocks_are_read_by_default() -> None:
    reader = ClockReader(SETTINGS)
    source = FakeSource(good("system"), kind="system")
    before = time.time_ns() // 1000 - SETTINGS.resolution_us
    ClockMonitor(source, SETTINGS, on_verdict=lambda verdict, _: reader.update(verdict)).poll()
    gen = reader.read("u")
    assert isinstance(gen, int)
    assert before <= gen <= time.time_ns() // 1000


@pytest.mark.parametrize(("resolution_us", "expected"), [(1, 123_456), (1_000, 123_000), (100_000, 100_000)])
def test_gen_time_is_truncated_to_the_resolution(resolution_us: int, expected: int) -> None:
    rig = fit_rig(replace(SETTINGS, resolution_us=resolution_us))
    whole = rig.machine.wall // 1000
    rig.machine.run(0.123456789)
    assert rig.reader.read("u") == whole + expected


@pytest.mark.parametrize("seconds", [2.0, -2.0, 0.11, -0.11])
def test_a_step_is_refused_by_the_very_next_token(seconds: float) -> None:
    rig = fit_rig()
    rig.machine.run(1)
    assert isinstance(rig.reader.read("u"), int)
    rig.machine.step(seconds)
    assert rig.reader.read("u") is ClockFault.STEP


def test_after_a_step_undone_issuing_waits_for_a_newer_verdict() -> None:
    rig = fit_rig()
    stale = rig.monitor.verdict
    assert stale is not None
    rig.machine.run(1)
    rig.machine.step(2)
    assert rig.reader.read("u") is ClockFault.STEP
    rig.machine.step(-2)
    assert rig.reader.read("u") is ClockFault.STEP
    rig.reader.update(stale)
    assert rig.reader.read("u") is ClockFault.STEP, "a verdict from before the step proves nothing"
    assert rig.polls().fault is None
    assert isinstance(rig.reader.read("u"), int)


def test_a_jump_that_the_accuracy_does_not_cover_is_a_step_however_small() -> None:
    machine = FakeMachine()
    reader = ClockReader(SETTINGS, wall_ns=machine.wall_ns, boot_ns=machine.boot_ns)
    reader.update(verdict_of(machine, offset_us=SETTINGS.accuracy_us - SETTINGS.reserve_us - 2_000))
    machine.step(0.0009)
    assert isinstance(reader.read("u"), int)
    machine.step(0.0002)
    assert reader.read("u") is ClockFault.STEP


def test_a_thread_put_aside_between_the_two_readings_is_no_step() -> None:
    machine = FakeMachine()
    aside = [0.0]

    def boot_ns() -> int:
        machine.run(aside.pop() if aside else 0.0)
        return machine.boot

    reader = ClockReader(SETTINGS, wall_ns=machine.wall_ns, boot_ns=boot_ns)
    reader.update(verdict_of(machine))
    aside.append(0.5)
    assert isinstance(reader.read("u"), int)


def test_a_worker_that_hears_nothing_more_stops_by_itself() -> None:
    rig = fit_rig()
    rig.machine.run(SETTINGS.life_ns / SECOND_NS)
    assert isinstance(rig.reader.read("u"), int)
    rig.machine.run(0.001)
    assert rig.reader.read("u") is ClockFault.STALE


def test_setting_the_clock_back_does_not_prolong_a_verdict() -> None:
    rig = fit_rig()
    rig.machine.run(SETTINGS.life_ns / SECOND_NS + 1)
    rig.machine.step(-30)
    assert rig.reader.read("u") is ClockFault.STALE


def test_a_late_old_verdict_does_not_replace_a_newer_fault() -> None:
    rig = fit_rig()
    before = rig.monitor.verdict
    assert before is not None
    rig.source.reports = ()
    rig.polls()
    rig.reader.update(before)
    assert rig.reader.read("u") is ClockFault.LOST


def test_gen_time_never_falls_within_a_process() -> None:
    rig = fit_rig()
    rig.machine.run(1)
    first = rig.reader.read("u")
    rig.machine.step(-0.05)
    assert rig.reader.read("u") is ClockFault.BACKWARDS, (
        "a jump within the tolerance is no step, but still back"
    )
    assert isinstance(rig.reader.read("other"), int)
    rig.machine.run(0.05)
    assert rig.reader.read("u") == first, "equal is allowed"


def test_restart_with_the_clock_set_back_stays_above_the_ledger() -> None:
    rig = fit_rig()
    issued = rig.reader.read("u")
    assert isinstance(issued, int)

    restarted = fit_rig(wall="2026-11-21T11:59:00Z")
    restarted.reader.raise_floor("u", issued)
    restarted.reader.raise_floor("u", issued - 1_000_000)
    assert restarted.reader.read("u") is ClockFault.BACKWARDS
    restarted.polls(4)
    assert isinstance(restarted.reader.read("u"), int)


@pytest.mark.parametrize("offset_s", [-1.9, -1.0, -0.5, 0.0, 0.999, 1.9])
def test_no_token_within_a_second_of_an_announced_leap_second(offset_s: float) -> None:
    machine = FakeMachine("2026-06-30T23:59:50Z")
    reader = ClockReader(SETTINGS, wall_ns=machine.wall_ns, boot_ns=machine.boot_ns)
    reader.update(verdict_of(machine, leap=True))
    machine.run(7.9)
    assert isinstance(reader.read("u"), int)
    machine.run(2.1 + offset_s)
    assert reader.read("u") is ClockFault.LEAP
    machine.run(4)
    assert isinstance(reader.read("u"), int)


def test_an_announcement_withdrawn_as_the_month_turns_still_holds_for_the_second_after() -> None:
    machine = FakeMachine("2026-06-30T23:59:50Z")
    reader = ClockReader(SETTINGS, wall_ns=machine.wall_ns, boot_ns=machine.boot_ns)
    reader.update(verdict_of(machine, leap=True))
    machine.run(10.3)
    reader.update(verdict_of(machine, leap=False))
    assert reader.read("u") is ClockFault.LEAP
    machine.run(3)
    reader.update(verdict_of(machine, leap=False))
    assert isinstance(reader.read("u"), int)


def test_without_announcement_the_turn_of_the_year_is_a_moment_as_any_other() -> None:
    rig = fit_rig(wall="2026-12-31T23:59:44Z")
    assert rig.machine.wall == at_ns("2027-01-01T00:00:00Z")
    assert isinstance(rig.reader.read("u"), int)


def test_the_announcement_reaches_the_reader_through_the_monitor() -> None:
    rig = Rig(SETTINGS, good("system", leap=Leap.INSERT), machine=FakeMachine("2026-12-31T23:59:40Z"))
    rig.polls()
    assert isinstance(rig.reader.read("u"), int)
    rig.machine.run(4)
    assert rig.reader.read("u") is ClockFault.LEAP


def test_threads_reading_together_never_see_time_fall() -> None:
    rig = fit_rig(replace(SETTINGS, resolution_us=1))
    tick = threading.Lock()
    seen: dict[int, list[int]] = {}

    def wall_and_on() -> int:
        with tick:
            rig.machine.run(0.000001)
            return rig.machine.wall

    rig.reader._wall_ns = wall_and_on

    def work(number: int) -> None:
        values = [rig.reader.read("u") for _ in range(500)]
        seen[number] = [value for value in values if isinstance(value, int)]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for values in seen.values():
        assert len(values) == 500
        assert values == sorted(values)


@given(st.lists(st.tuples(st.floats(0, 20), st.floats(-3, 3), st.booleans()), max_size=30))
def test_whatever_happens_to_the_clock_gen_time_never_falls(story: list[tuple[float, float, bool]]) -> None:
    rig = fit_rig()
    highest = 0
    for seconds, step, polled in story:
        rig.machine.run(seconds)
        rig.machine.step(step if abs(step) > 1 else 0)
        gen = rig.reader.read("u")
        if isinstance(gen, int):
            assert gen >= highest
            highest = gen
        if polled:
            rig.monitor.poll()
