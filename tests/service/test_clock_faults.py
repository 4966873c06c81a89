"""Clock faults as a client, a load balancer, an operator and an auditor see them."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from kokuin.service import owner
from kokuin.service import worker as worker_module
from tests.clock.fakes import good, lost
from tests.service.clocked import GRANTED, NTP, SYSTEM, TIME_NOT_AVAILABLE, Clocked, clocked, tomorrow
from tests.service.survival_audit import audit

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from tests.service.running import Prepared
    from tsa.clock.sample import SourceReport

GOOD = (good("ntp1"), good("ntp2"), good("ntp3"))
OPERATOR = {**NTP, "RESUME": '"operator"'}
STARTED = [("clock.unfit", "CLOCK_NOT_YET"), ("clock.fit", "")]


def every(report: SourceReport) -> tuple[SourceReport, ...]:
    return tuple(replace(report, name=name) for name in ("ntp1", "ntp2", "ntp3"))


FAULTS = {
    "CLOCK_DRIFT": every(good(offset_us=1_500_000)),
    "CLOCK_SOURCE_LOST": (good("ntp1"), lost("ntp2"), lost("ntp3")),
    "CLOCK_STALE": every(good(age_s=9_000.0)),
    "CLOCK_DISAGREE": (good("ntp1", offset_us=-5_000), good("ntp2"), good("ntp3", offset_us=5_000)),
    "CLOCK_SMEAR": (good("ntp1", refid="GOOG"), *GOOD[1:]),
}


@pytest.fixture
def prepared(folder_of: Callable[[str], Prepared], monkeypatch: pytest.MonkeyPatch) -> Prepared:
    """A data folder; workers report once, so that only the test decides when the clock is looked at."""
    monkeypatch.setattr(worker_module, "REPORT_SECONDS", 3_600.0)
    return folder_of("classical")


def run(scenario: Coroutine[None, None, None]) -> None:
    asyncio.run(scenario)


async def make_fit(service: Clocked) -> None:
    """Let the good polls pass that a start wants, and stamp."""
    await service.polls(2)
    assert await service.problems() == ()
    assert await service.stamp() == GRANTED


@pytest.mark.parametrize("seconds", [2.0, -2.0])
def test_a_step_is_refused_by_the_next_token_and_resumed_after_good_samples(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    async def scenario() -> None:
        async with clocked(monkeypatch, prepared.folder, NTP, *GOOD) as service:
            await make_fit(service)
            service.machine.step(seconds)
            assert await service.stamp() == TIME_NOT_AVAILABLE
            await service.polls()
            assert await service.problems() == ("CLOCK_STEP",)
            assert await service.leaves() == [*STARTED, ("clock.unfit", "CLOCK_STEP")]
            await service.polls(2)
            assert await service.stamp() == TIME_NOT_AVAILABLE
            await service.polls()
            assert await service.problems() == ()
            assert await service.stamp() == GRANTED
            assert (await service.leaves())[-1] == ("clock.fit", "")

    run(scenario())
    assert audit(prepared.folder.root, {}, workers=1).violations == []


def test_a_step_that_only_a_token_saw_brings_readiness_down_without_waiting_for_the_poll(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "REPORT_SECONDS", 0.01)

    async def scenario() -> None:
        async with clocked(monkeypatch, prepared.folder, SYSTEM, good("system")) as service:
            assert await service.stamp() == GRANTED
            service.machine.step(-2.0)
            assert await service.stamp() == TIME_NOT_AVAILABLE
            await service.until(lambda problems: problems == ("CLOCK_STEP",))

    run(scenario())


@pytest.mark.parametrize(("code", "reports"), FAULTS.items(), ids=FAULTS)
def test_a_fault_of_the_sources_stops_the_service_within_one_poll(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch, code: str, reports: tuple[SourceReport, ...]
) -> None:
    async def scenario() -> None:
        async with clocked(monkeypatch, prepared.folder, NTP, *GOOD) as service:
            await make_fit(service)
            service.source.reports = reports
            await service.polls()
            assert await service.stamp() == TIME_NOT_AVAILABLE
            assert await service.problems() == (code,)
            service.source.reports = GOOD
            await service.polls(2)
            assert await service.stamp() == TIME_NOT_AVAILABLE
            await service.polls()
            assert await service.stamp() == GRANTED
            assert await service.leaves() == [*STARTED, ("clock.unfit", code), ("clock.fit", "")]

    run(scenario())


def test_a_monitor_that_fell_silent_stops_tokens_and_readiness(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with clocked(monkeypatch, prepared.folder, NTP, *GOOD) as service:
            await make_fit(service)
            service.machine.run(60.0)
            assert await service.stamp() == TIME_NOT_AVAILABLE
            service.keeper._publish()
            assert await service.problems() == ("CLOCK_STALE",)

    run(scenario())


async def hold(service: Clocked) -> None:
    """Let a fault come and go."""
    await make_fit(service)
    service.source.reports = ()
    await service.polls()
    service.source.reports = GOOD
    await service.polls(4)
    assert await service.problems() == ("CLOCK_HELD",)
    assert await service.stamp() == TIME_NOT_AVAILABLE


def test_an_operator_with_the_key_resumes_and_nobody_else(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with clocked(monkeypatch, prepared.folder, OPERATOR, *GOOD) as service:
            await hold(service)
            for shown, code in (
                (None, "CREDENTIAL_WANTED"),
                ("Bearer wrong", "CREDENTIAL_WRONG"),
                ("Basic b3BlcmF0b3I6", "CREDENTIAL_NOT_HERE"),
            ):
                header = {} if shown is None else {"Authorization": shown}
                answer = await service.client.post("/api/v1/clock/resume", headers=header)
                assert (answer.status_code, answer.json()["code"]) == (401, code)
            assert await service.stamp() == TIME_NOT_AVAILABLE
            key = {"Authorization": f"Bearer {prepared.operator_key}"}
            assert (await service.client.post("/api/v1/clock/resume", headers=key)).status_code == 200
            assert await service.problems() == ()
            assert await service.stamp() == GRANTED
            assert (await service.leaves())[-2:] == [("clock.resumed", ""), ("clock.fit", "")]
            again = await service.client.post("/api/v1/clock/resume", headers=key)
            assert (again.status_code, again.json()["code"]) == (409, "CLOCK_NOT_HELD")

    run(scenario())


def test_the_owner_resumes_over_the_owner_socket(prepared: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with clocked(monkeypatch, prepared.folder, OPERATOR, *GOOD) as service:
            await hold(service)
            path = prepared.folder.owner_socket
            async with await owner.listen(service.keeper.ask, path):
                answers = [await asyncio.to_thread(owner.ask_owner, path, "clock.resume") for _ in "12"]
            assert answers == [{"ok": True}, {"ok": False, "code": "CLOCK_NOT_HELD"}]
            assert await service.stamp() == GRANTED

    run(scenario())


def test_a_restart_is_no_way_round_the_operator(prepared: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with clocked(monkeypatch, prepared.folder, OPERATOR, *GOOD) as service:
            await hold(service)
        async with clocked(monkeypatch, prepared.folder, OPERATOR, *GOOD) as service:
            await service.polls(5)
            assert await service.problems() == ("CLOCK_HELD",)
            assert await service.stamp() == TIME_NOT_AVAILABLE

    run(scenario())


@pytest.mark.parametrize("clock", [SYSTEM, NTP], ids=["system", "ntp"])
def test_after_a_restart_with_the_clock_set_back_nothing_is_issued_until_time_caught_up(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch, clock: dict[str, str]
) -> None:
    machine = tomorrow()

    async def scenario() -> None:
        async with clocked(monkeypatch, prepared.folder, clock, *GOOD, machine=machine) as service:
            await make_fit(service)
        machine.step(-3_600.0)
        async with clocked(monkeypatch, prepared.folder, clock, *GOOD, machine=machine) as service:
            await service.polls(2)
            assert await service.problems() == ("CLOCK_BACKWARDS",)
            assert await service.stamp() == TIME_NOT_AVAILABLE
            await service.polls(200)
            assert await service.stamp() == TIME_NOT_AVAILABLE, "50 minutes are no hour"
            await service.polls(40)
            assert await service.problems() == ()
            assert await service.stamp() == GRANTED

    run(scenario())
    found = audit(prepared.folder.root, {}, workers=1)
    assert found.violations == []
    assert len(found.tokens) == 2


def test_two_polls_are_never_under_way_at_once(prepared: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with clocked(monkeypatch, prepared.folder, NTP, *GOOD) as service:
            inside = most = 0

            def ask() -> tuple[SourceReport, ...]:
                nonlocal inside, most
                inside += 1
                most = max(most, inside)
                time.sleep(0.02)
                inside -= 1
                return GOOD

            service.source.ask = ask  # type: ignore[method-assign]
            await asyncio.gather(*(service.keeper._clock.poll() for _ in range(3)))
            assert most == 1

    run(scenario())
