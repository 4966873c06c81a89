from __future__ import annotations

from dataclasses import replace

import pytest

from tests.clock.fakes import SECOND_NS, FakeMachine, Rig, at_ns, good, lost
from tsa.clock.sample import Leap, SourceReport
from tsa.clock.settings import ClockSettings
from tsa.clock.sources import make_source
from tsa.clock.verdict import ClockFault

NTP = ClockSettings(kind="ntp", servers=("ntp1", "ntp2", "ntp3"))
GOOD = (good("ntp1"), good("ntp2"), good("ntp3"))
LAST_DAY = "2026-12-31T18:00:00Z"


def fit_rig(settings: ClockSettings = NTP, *reports: SourceReport, machine: FakeMachine | None = None) -> Rig:
    rig = Rig(settings, *(reports or GOOD), machine=machine)
    rig.polls(settings.good_samples)
    assert isinstance(rig.reader.read("u"), int)
    return rig


def all_three(report: SourceReport) -> tuple[SourceReport, ...]:
    return tuple(replace(report, name=name) for name in ("ntp1", "ntp2", "ntp3"))


FAULTS = {
    "drift": (all_three(good(offset_us=-999_500)), ClockFault.DRIFT),
    "drift ahead": (all_three(good(offset_us=2_000_000)), ClockFault.DRIFT),
    "uncertain": (all_three(good(uncertainty_us=1_000_000)), ClockFault.DRIFT),
    "lost": (all_three(lost()), ClockFault.LOST),
    "one of a quorum of two left": ((good(), lost("ntp2"), lost("ntp3")), ClockFault.LOST),
    "no reports": ((), ClockFault.LOST),
    "stale": (all_three(good(age_s=9_000.0)), ClockFault.STALE),
    "disagreeing": (
        (good("ntp1", offset_us=-5_000), good("ntp2"), good("ntp3", offset_us=5_000)),
        ClockFault.DISAGREE,
    ),
    "smearing by reference": ((good(refid="GOOG"), *GOOD[1:]), ClockFault.SMEAR),
    "smearing by address": ((good(address="169.254.169.123"), *GOOD[1:]), ClockFault.SMEAR),
    "smearing by name": ((good(host="time.google.com"), *GOOD[1:]), ClockFault.SMEAR),
}


@pytest.mark.parametrize(("reports", "fault"), FAULTS.values(), ids=FAULTS)
def test_a_fault_of_the_sources_stops_issuing_within_one_poll(
    reports: tuple[SourceReport, ...], fault: ClockFault
) -> None:
    rig = fit_rig()
    rig.source.reports = reports
    assert rig.polls().fault is fault
    assert rig.reader.read("u") is fault
    assert [verdict.fault for verdict in rig.changes] == [ClockFault.NOT_YET, None, fault]


def test_one_liar_among_three_sources_does_not_stop_issuing() -> None:
    rig = fit_rig()
    rig.source.reports = (good("ntp1", offset_us=3_000_000), good("ntp2", offset_us=400), good("ntp3"))
    verdict = rig.polls()
    assert verdict.fault is None
    assert abs(verdict.offset_us) + verdict.uncertainty_us <= 1_400


def test_a_verdict_names_kind_and_sources_so_that_each_leaf_is_marked() -> None:
    assert Rig(NTP, *GOOD).polls().source == "ntp ntp1,ntp2,ntp3"
    settings = ClockSettings()
    assert Rig(settings, *make_source(settings).ask()).polls().source == "system"


@pytest.mark.parametrize("seconds", [2.0, -2.0, 3600.0, -3600.0, 0.2, -0.2])
def test_a_step_is_seen_by_the_next_poll_even_when_the_source_believes_the_clock(seconds: float) -> None:
    settings = ClockSettings()
    rig = Rig(settings, good("system"))
    assert rig.polls().fault is None
    rig.machine.step(seconds)
    verdict = rig.polls()
    assert verdict.fault is ClockFault.STEP
    assert f"{round(seconds * 1_000_000)} us" in verdict.detail


def test_a_step_while_the_sources_are_asked_cannot_hide_behind_their_answer() -> None:
    rig = Rig(replace(NTP, good_samples=1))

    class Stepping:
        kind = "ntp"

        def ask(self) -> tuple[SourceReport, ...]:
            rig.machine.step(2)
            return GOOD

    rig.monitor._source = Stepping()
    assert rig.polls().fault is None, "the sources measured before the step"
    assert rig.reader.read("u") is ClockFault.STEP
    assert rig.polls().fault is ClockFault.STEP


def test_issuing_starts_only_after_enough_good_samples() -> None:
    rig = Rig(NTP, *GOOD)
    assert rig.reader.read("u") is ClockFault.NOT_YET
    assert [rig.polls().fault for _ in range(3)] == [ClockFault.NOT_YET, ClockFault.NOT_YET, None]


def test_the_development_source_is_fit_at_its_first_poll() -> None:
    assert Rig(ClockSettings(), good("system")).polls().fault is None


def test_issuing_resumes_by_itself_after_good_samples_in_a_row() -> None:
    rig = fit_rig()
    rig.source.reports = ()
    rig.polls()
    rig.source.reports = GOOD
    assert [rig.polls().fault for _ in range(2)] == [ClockFault.LOST] * 2
    rig.source.reports = FAULTS["stale"][0]
    assert rig.polls().fault is ClockFault.STALE
    rig.source.reports = GOOD
    assert [rig.polls().fault for _ in range(3)] == [ClockFault.STALE, ClockFault.STALE, None]
    assert isinstance(rig.reader.read("u"), int)


def test_issuing_waits_for_the_operator_when_configured() -> None:
    rig = fit_rig(replace(NTP, resume="operator"))
    assert not rig.monitor.resume()
    rig.source.reports = ()
    rig.polls()
    assert not rig.monitor.resume(), "a word given during the fault must not count after it"
    rig.source.reports = GOOD
    assert rig.polls(3).fault is ClockFault.HELD
    assert rig.polls(5).fault is ClockFault.HELD
    assert rig.reader.read("u") is ClockFault.HELD
    assert rig.monitor.resume()
    assert rig.monitor.poll().fault is None
    assert isinstance(rig.reader.read("u"), int)
    rig.source.reports = ()
    rig.polls()
    rig.source.reports = GOOD
    assert rig.polls(3).fault is ClockFault.HELD, "one word ends one stop"


def test_a_new_fault_during_the_hold_needs_good_samples_and_the_operator_again() -> None:
    rig = fit_rig(replace(NTP, resume="operator"))
    rig.source.reports = ()
    rig.polls()
    rig.source.reports = GOOD
    rig.polls(3)
    rig.monitor.resume()
    rig.source.reports = ()
    assert rig.polls().fault is ClockFault.LOST
    rig.source.reports = GOOD
    assert rig.polls(3).fault is ClockFault.HELD


def test_a_restart_is_no_way_round_the_operator() -> None:
    settings = replace(NTP, resume="operator")
    assert Rig(settings, *GOOD, stopped_before=True).polls(3).fault is ClockFault.HELD
    assert Rig(settings, *GOOD).polls(3).fault is None
    assert Rig(NTP, *GOOD, stopped_before=True).polls(3).fault is None


def test_sources_that_come_up_late_at_the_first_start_need_no_operator() -> None:
    rig = Rig(replace(NTP, resume="operator"))
    assert rig.polls().fault is ClockFault.LOST
    rig.source.reports = GOOD
    assert rig.polls(3).fault is None


def test_a_source_silent_about_a_leap_second_that_the_quorum_announces_smears() -> None:
    announced = (good("ntp1", leap=Leap.INSERT), good("ntp2", leap=Leap.INSERT), good("ntp3"))
    rig = fit_rig(machine=FakeMachine(LAST_DAY))
    rig.source.reports = announced
    verdict = rig.polls()
    assert verdict.fault is ClockFault.SMEAR
    assert "ntp3" in verdict.detail


def test_before_the_last_day_sources_may_learn_of_a_leap_second_one_after_the_other() -> None:
    rig = fit_rig(machine=FakeMachine("2026-12-20T00:00:00Z"))
    rig.source.reports = (good("ntp1", leap=Leap.INSERT), good("ntp2", leap=Leap.INSERT), good("ntp3"))
    verdict = rig.polls()
    assert verdict.fault is None
    assert verdict.leap


def test_one_source_alone_cannot_call_the_others_smearing() -> None:
    rig = fit_rig(machine=FakeMachine(LAST_DAY))
    rig.source.reports = (good("ntp1", leap=Leap.INSERT), *GOOD[1:])
    assert rig.polls().fault is None


def test_upstream_sources_of_a_daemon_are_judged_for_smearing_only() -> None:
    chrony = ClockSettings(kind="chrony")
    far_off = good("192.0.2.7", offset_us=9_000_000, age_s=9e9, upstream=True)
    rig = fit_rig(chrony, good("192.0.2.7"), far_off)
    rig.source.reports = (good("192.0.2.7"), good("192.0.2.8", refid="GOOG", upstream=True))
    assert rig.polls().fault is ClockFault.SMEAR
    rig.source.reports = (far_off,)
    assert rig.polls().fault is ClockFault.LOST


@pytest.mark.parametrize(("kind", "second"), [(Leap.INSERT, -1), (Leap.DELETE, 1)])
@pytest.mark.parametrize("resume", ["auto", "operator"])
def test_an_announced_leap_second_pauses_issuing_and_is_no_step(kind: Leap, second: int, resume: str) -> None:
    settings = replace(NTP, resume=resume)
    machine = FakeMachine("2026-12-31T23:58:00Z")
    rig = fit_rig(settings, *all_three(good(leap=kind)), machine=machine)
    turn = at_ns("2027-01-01T00:00:00Z")
    before = turn - (SECOND_NS if kind is Leap.DELETE else 0)
    rig.machine.run((turn - 10 * SECOND_NS - machine.wall) / SECOND_NS)
    assert rig.monitor.poll().fault is None
    rig.machine.run((before - machine.wall) / SECOND_NS)
    rig.machine.step(second)
    assert rig.reader.read("u") is ClockFault.LEAP
    rig.machine.run(0.5)
    assert rig.monitor.poll().fault is ClockFault.LEAP
    rig.source.reports = GOOD
    assert rig.polls().fault is None, "the announced second itself is no fault that has to be lived down"
    rig.machine.run(5)
    assert isinstance(rig.reader.read("u"), int)


def test_a_step_of_another_size_beside_a_leap_second_is_a_step() -> None:
    rig = fit_rig(machine=FakeMachine("2026-12-31T23:58:00Z"))
    rig.source.reports = all_three(good(leap=Leap.INSERT))
    rig.machine.run(60)
    rig.monitor.poll()
    rig.machine.run(60)
    rig.machine.step(-3)
    assert rig.polls().fault is ClockFault.STEP


def test_a_second_lost_without_announcement_is_a_step() -> None:
    rig = fit_rig(machine=FakeMachine("2026-12-31T23:59:00Z"))
    rig.machine.step(-1)
    assert rig.polls().fault is ClockFault.STEP
