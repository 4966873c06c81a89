"""Switches that come at their time, and switches that two must want."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

import pytest

from kokuin.service import keeper as keeping_time
from kokuin.service import profile_operations
from kokuin.service.config import load_config
from kokuin.service.keeper_process import make_keeper
from kokuin.trust.journal import AppendRefusal, Refused
from kokuin.trust.records import CFG_UNSCHEDULED
from tests.service.running import PATIENCE_S
from tests.service.switching_load import activations, do, entries

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

    from kokuin.service.datafolder import DataFolder
    from kokuin.service.keeper import Keeper
    from tests.service.running import Prepared

AHEAD_US = 3600 * 1_000_000
TWO = {"TSA_SWITCH__APPROVALS": "2"}


@pytest.fixture
def folder(folder_of: Callable[[str], Prepared]) -> DataFolder:
    return folder_of("classical").folder


class Clock:
    """What schedules are kept by: it stands an hour before what is to come, until a test moves it."""

    moved_us = 0

    def time_ns(self) -> int:
        return time.time_ns() + self.moved_us * 1_000

    def soon(self) -> int:
        return time.time_ns() // 1_000 + AHEAD_US

    def move(self) -> None:
        self.moved_us = AHEAD_US


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    for module in (keeping_time, profile_operations):
        monkeypatch.setattr(module, "time", found)
    return found


@contextlib.asynccontextmanager
async def keeping(folder: DataFolder, settings: Mapping[str, str] | None = None) -> AsyncIterator[Keeper]:
    """Run a keeper without workers, as a service does."""
    keeper = make_keeper(folder, load_config(folder.root, dict(settings or {})))
    await keeper.start()
    try:
        yield keeper
    finally:
        await keeper.stop()


async def ask(keeper: Keeper, act: str, actor: str = "owner", **arguments: object) -> dict[str, Any]:
    return await keeper.ask(f"profile.{act}", {**arguments, "actor": actor})


async def becomes(keeper: Keeper, default: str) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while keeper.switchboard.snapshot.default != default:  # noqa: ASYNC110  # it is the service that is watched, from outside
            await asyncio.sleep(0.05)


async def nothing_to_come(keeper: Keeper) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while (await ask(keeper, "list"))["scheduled"]:  # noqa: ASYNC110  # likewise
            await asyncio.sleep(0.05)


def kinds(root: Path) -> list[str]:
    return [entry.leaf["kind"] for entry in entries(root) if entry.leaf["kind"].startswith("cfg.")]


def test_a_scheduled_switch_comes_by_itself_and_in_time(folder: DataFolder, clock: Clock) -> None:
    async def run() -> None:
        async with keeping(folder) as keeper:
            at_us = clock.soon()
            assert (await ask(keeper, "use", name="pq", at_us=at_us))["state"] == "scheduled"
            listed = await ask(keeper, "list")
            assert listed["scheduled"].items() >= {"profile": "pq", "at_us": at_us, "actor": "owner"}.items()
            assert keeper.switchboard.snapshot.default == "classical"
            clock.move()
            await becomes(keeper, "pq")
            await nothing_to_come(keeper)

    asyncio.run(run())
    found = kinds(folder.root)
    assert found == ["cfg.activated", "cfg.scheduled", "cfg.activated", "cfg.unscheduled"]
    assert activations(entries(folder.root))[-1]["actor"] == "owner"


def test_a_scheduled_switch_survives_a_restart_and_comes_late_rather_than_never(
    folder: DataFolder, clock: Clock
) -> None:
    async def schedule() -> None:
        async with keeping(folder) as keeper:
            assert (await ask(keeper, "use", name="pq", at_us=clock.soon()))["ok"]

    async def wait() -> None:
        async with keeping(folder) as keeper:
            await becomes(keeper, "pq")
            await nothing_to_come(keeper)

    asyncio.run(schedule())
    assert do(folder.root, "list")["scheduled"]["profile"] == "pq"
    clock.move()
    asyncio.run(wait())
    assert do(folder.root, "list")["scheduled"] is None


def test_a_scheduled_switch_that_is_refused_is_dropped_and_says_so(folder: DataFolder, clock: Clock) -> None:
    own = folder.profiles / "mine.toml"
    folder.profiles.mkdir()
    own.write_text("arc = 9\n")

    async def run() -> None:
        async with keeping(folder) as keeper:
            refused = await ask(keeper, "use", name="mine", at_us=clock.soon())
            assert [item["code"] for item in refused["blockers"]] == ["PROFILE_UNFIT"]
            shipped = (await ask(keeper, "show", name="pq"))["toml"]
            own.write_text(shipped.replace("arc = 3", "arc = 9"))
            assert (await ask(keeper, "use", name="mine", at_us=clock.soon()))["ok"]
            own.write_text('unit = "mine"\n')
            clock.move()
            await nothing_to_come(keeper)
            assert keeper.switchboard.snapshot.default == "classical"

    asyncio.run(run())
    found = kinds(folder.root)
    assert found == ["cfg.activated", "cfg.refused", "cfg.scheduled", "cfg.refused", "cfg.unscheduled"]


@pytest.mark.parametrize("offset_us", [-1, 0, 367 * 86_400_000_000, 2**70])
def test_a_time_that_is_past_or_too_far_is_refused(folder: DataFolder, offset_us: int) -> None:
    answer = do(folder.root, "use", name="pq", at_us=time.time_ns() // 1_000 + offset_us)
    assert (answer["ok"], answer["code"]) == (False, "SCHEDULE_OUT_OF_RANGE")
    assert "cfg.scheduled" not in kinds(folder.root)


def test_what_is_to_come_can_be_dropped_once(folder: DataFolder) -> None:
    assert do(folder.root, "use", name="pq", at_us=time.time_ns() // 1_000 + 10**9)["ok"]
    assert do(folder.root, "unschedule") == {"ok": True, "state": "unscheduled"}
    assert do(folder.root, "unschedule")["code"] == "SCHEDULE_NONE"
    assert kinds(folder.root)[-1] == "cfg.unscheduled"
    (dropped,) = [each.leaf for each in entries(folder.root) if each.leaf["kind"] == CFG_UNSCHEDULED]
    assert (dropped["act"], dropped["profile"]) == ("use", "pq")


def test_while_the_ledger_refuses_a_scheduled_switch_is_kept_and_tried_again(
    folder: DataFolder, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        async with keeping(folder) as keeper:
            real, full = keeper.journal.append_epoch, asyncio.Event()

            def refuse(*_: object) -> Any:
                full.set()
                future = keeper.journal.append()
                monkeypatch.setattr(future, "result", lambda *_: Refused(AppendRefusal.FULL))
                return future

            monkeypatch.setattr(keeper.journal, "append_epoch", refuse)
            assert (await ask(keeper, "use", name="pq", at_us=clock.soon()))["ok"]
            clock.move()
            async with asyncio.timeout(PATIENCE_S):
                await full.wait()
            assert keeper.switchboard.snapshot.default == "classical"
            monkeypatch.setattr(keeper.journal, "append_epoch", real)
            await becomes(keeper, "pq")
            await nothing_to_come(keeper)

    asyncio.run(run())


@pytest.mark.parametrize("restarted", [False, True])
def test_a_scheduled_rotation_whose_end_could_not_be_recorded_is_not_made_twice(
    folder: DataFolder, clock: Clock, monkeypatch: pytest.MonkeyPatch, *, restarted: bool
) -> None:
    def key(keeper: Keeper) -> str:
        return keeper.switchboard.snapshot.units["classical"].key

    async def run() -> None:
        async with keeping(folder) as keeper:
            operations = keeper._desks.profiles
            assert operations is not None
            real, tries = operations._record, 0

            async def refuse(kind: str, fields: Mapping[str, Any]) -> bool:
                nonlocal tries
                tries += kind == CFG_UNSCHEDULED
                return kind != CFG_UNSCHEDULED and await real(kind, fields)

            monkeypatch.setattr(operations, "_record", refuse)
            rotate = {"name": "classical", "at_us": clock.soon(), "actor": "owner"}
            assert (await keeper.ask("keys.rotate", rotate))["ok"]
            clock.move()
            async with asyncio.timeout(PATIENCE_S):
                while tries < 3:  # noqa: ASYNC110  # it is the service that is watched, from outside
                    await asyncio.sleep(0.05)
            assert key(keeper) == "unit-classical.2"
            if not restarted:
                monkeypatch.setattr(operations, "_record", real)
                await nothing_to_come(keeper)
                assert key(keeper) == "unit-classical.2"
        if restarted:
            async with keeping(folder) as keeper:
                await nothing_to_come(keeper)
                assert key(keeper) == "unit-classical.2"

    asyncio.run(run())


# Two approvals.


def proposal_of(answer: Mapping[str, Any]) -> str:
    assert (answer["ok"], answer["state"]) == (True, "proposed"), answer
    return str(answer["approval"])


async def approve(keeper: Keeper, proposal: str) -> dict[str, Any]:
    return await keeper.ask("approval.approve", {"approval": proposal, "actor": "operator-key"})


@pytest.mark.parametrize("act", ["disable", "rollback", "unschedule"])
def test_every_act_that_changes_something_needs_both(folder: DataFolder, clock: Clock, act: str) -> None:
    async def run() -> None:
        async with keeping(folder) as keeper:
            assert (await ask(keeper, "use", name="pq"))["ok"]
            assert (await ask(keeper, "use", name="bundle", at_us=clock.soon()))["ok"]
        async with keeping(folder, TWO) as keeper:
            before = keeper.switchboard.snapshot
            proposal = proposal_of(await ask(keeper, act, name="classical"))
            assert keeper.switchboard.snapshot == before
            assert (await ask(keeper, "list"))["scheduled"]
            assert (await approve(keeper, proposal))["ok"]

    asyncio.run(run())


def test_a_refused_act_that_two_wanted_names_both(folder: DataFolder) -> None:
    async def run() -> None:
        async with keeping(folder, TWO) as keeper:
            proposal = proposal_of(await ask(keeper, "rollback"))
            assert (await approve(keeper, proposal))["code"] == "SWITCH_BLOCKED"

    asyncio.run(run())
    (refused,) = [entry.leaf for entry in entries(folder.root) if entry.leaf["kind"] == "cfg.refused"]
    assert refused["actor"] == "owner+operator-key"
