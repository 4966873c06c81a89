"""Units of evidence: each one's batches are its own, whether another is broken, off, older or elsewhere."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING

import pytest

from kokuin.service.evidence import batcher, watch
from kokuin.service.evidence.stamping import EvidenceUnit
from kokuin.service.unit_errors import UnitError
from pqc.profiles import load_shipped
from tests.service.evidence.evidencing import issuer_of, leaves_of, living
from tests.service.evidence.kept import proves
from tests.service.running import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from kokuin.service.datafolder import DataFolder
    from tests.service.evidence.evidencing import Life
    from tests.service.running import Prepared


@pytest.fixture
def folder(folder_of: Callable[[str], Prepared]) -> DataFolder:
    return folder_of("hybrid").folder


def add_second_unit(folder: DataFolder) -> None:
    """Write the profile `mine`, whose evidence the unit of `archive` makes."""

    def own(name: str, arc: int) -> str:
        text = load_shipped(name).text
        return text.replace(f"arc = {load_shipped(name).arc}", f"arc = {arc}")

    folder.profiles.mkdir()
    (folder.profiles / "archive.toml").write_text(own("evidence", 91))
    mine = own("hybrid", 92).replace('evidence = "evidence"', 'evidence = "archive"')
    (folder.profiles / "mine.toml").write_text(mine)


def unable(unit_of: str) -> Callable[..., Any]:
    """Return how units stamp when the key device of one has gone."""
    stamp = EvidenceUnit.stamp

    def made(unit: EvidenceUnit, *words: Any) -> Any:
        if unit._name == unit_of:
            raise UnitError("the key device has gone")
        return stamp(unit, *words)

    return made


def test_what_two_units_owe_goes_into_batches_of_their_own(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_second_unit(folder)

    async def live() -> list[str]:
        async with living(folder, monkeypatch) as life:
            serials = await life.issue(2)
            assert (await life.keeper.ask("profile.use", {"name": "mine", "actor": "owner"}))["ok"]
            life.issuer = issuer_of(folder, life.keeper)
            serials += await life.issue(3)
            await life.batcher.look()
        return serials

    serials = asyncio.run(live())
    made = leaves_of(folder, "evidence.stamped")
    assert sorted((leaf["unit_of"], leaf["count"]) for leaf in made) == [("archive", 3), ("evidence", 2)]
    for serial in serials:
        proves(folder, serial)


def test_a_unit_that_cannot_sign_holds_up_no_other_however_much_waits_for_it(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "MOST_WAITING", 3)
    add_second_unit(folder)

    async def live() -> list[str]:
        async with living(folder, monkeypatch) as life:
            serials = await life.issue(5)
            assert (await life.keeper.ask("profile.use", {"name": "mine", "actor": "owner"}))["ok"]
            life.issuer = issuer_of(folder, life.keeper)
            serials += await life.issue(2)
            with monkeypatch.context() as patch:
                patch.setattr(EvidenceUnit, "stamp", unable("evidence"))
                await life.batcher.look()
            assert life.batcher.problems == {"evidence": batcher.UNIT_UNFIT}
            assert [leaf["unit_of"] for leaf in leaves_of(folder, "evidence.stamped")] == ["archive"]
            monkeypatch.setattr(life.batcher._turns["evidence"], "due", 0.0)
            for _ in range(3):
                await life.batcher.look()
            assert life.batcher.backlog_s == 0
        return serials

    serials = asyncio.run(live())
    made = leaves_of(folder, "evidence.stamped")
    assert [(leaf["unit_of"], leaf["count"]) for leaf in made] == [
        ("archive", 2),
        ("evidence", 3),
        ("evidence", 2),
    ]
    for serial in serials:
        proves(folder, serial)


def test_a_device_that_hangs_holds_up_no_other_unit_and_is_left_when_the_service_stops(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_second_unit(folder)
    free, stamp = threading.Event(), EvidenceUnit.stamp

    def hangs(unit: EvidenceUnit, *words: Any) -> Any:
        if unit._name == "archive":  # the first of both
            free.wait(2 * PATIENCE_S)
        return stamp(unit, *words)

    run = batcher.Batcher.run

    async def live() -> list[str]:
        async with living(folder, monkeypatch) as life:
            serials = await life.issue(2)
            assert (await life.keeper.ask("profile.use", {"name": "mine", "actor": "owner"}))["ok"]
            life.issuer = issuer_of(folder, life.keeper)
            serials += await life.issue(3)
            with monkeypatch.context() as patch:
                patch.setattr(EvidenceUnit, "stamp", hangs)
                running = asyncio.create_task(run(life.batcher))
                try:
                    deadline = time.monotonic() + PATIENCE_S
                    while not life.leaves("evidence.stamped"):
                        assert time.monotonic() < deadline
                        await asyncio.sleep(0.05)
                    assert [leaf["unit_of"] for leaf in life.leaves("evidence.stamped")] == ["evidence"]
                finally:
                    running.cancel()
                    free.set()
                works = [turn.work for turn in life.batcher._turns.values() if turn.work is not None]
                await asyncio.gather(running, *works, return_exceptions=True)
            await life.batcher.look()
        return serials

    serials = asyncio.run(live())
    made = leaves_of(folder, "evidence.stamped")
    assert [(leaf["unit_of"], leaf["count"]) for leaf in made] == [("evidence", 2), ("archive", 3)]
    for serial in serials:
        proves(folder, serial)


def test_a_start_does_not_read_all_that_came_since_a_unit_was_turned_off(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a long ledger would keep what waits now unknown for minutes, and nothing would be issued."""
    add_second_unit(folder)
    begun: list[int] = []
    beginning = watch.EvidenceWatch._beginning

    def seen(*words: Any) -> int:
        begun.append(beginning(*words))
        return begun[-1]

    async def act(life: Life, operation: str, name: str) -> None:
        assert (await life.keeper.ask(operation, {"name": name, "actor": "owner"}))["ok"]
        life.issuer = issuer_of(folder, life.keeper)

    async def first(*, stamped: bool) -> list[str]:
        async with living(folder, monkeypatch) as life:
            await act(life, "profile.use", "mine")
            serials = await life.issue(2)
            if stamped:
                await life.batcher.look()
            await act(life, "profile.use", "hybrid")
            await act(life, "profile.disable", "mine")
            if not stamped:
                return serials
            serials += await life.issue(3)
            await life.batcher.look()
        return serials

    async def again() -> None:
        async with living(folder, monkeypatch) as life:
            await life.batcher.look()
            assert life.batcher.backlog_s == 0

    serials = asyncio.run(first(stamped=True))
    newest = leaves_of(folder, "evidence.stamped")[-1]
    assert newest["unit_of"] == "evidence"
    monkeypatch.setattr(watch.EvidenceWatch, "_beginning", seen)
    asyncio.run(again())
    assert begun == [newest["stop"]]
    serials += asyncio.run(first(stamped=False))
    asyncio.run(again())
    for serial in serials:
        proves(folder, serial)


def test_a_unit_whose_profiles_are_off_keeps_nobody_away_when_it_cannot_sign(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever leaves a broken device for another unit would else have a service that says it is not ready."""
    add_second_unit(folder)

    async def live() -> list[str]:
        async with living(folder, monkeypatch) as life:
            serials = await life.issue(2)
            with monkeypatch.context() as patch:
                patch.setattr(EvidenceUnit, "stamp", unable("evidence"))
                await life.batcher.look()
                assert life.batcher.problems == {"evidence": batcher.UNIT_UNFIT}
                for act, name in (("use", "mine"), ("disable", "hybrid")):
                    assert (await life.keeper.ask(f"profile.{act}", {"name": name, "actor": "owner"}))["ok"]
                await life.batcher.look()
                assert life.batcher.problems == {}
                push = life.keeper._view.push()
                assert not push.unproven
                assert batcher.UNIT_UNFIT not in push.readiness.problems
                assert (await life.keeper.ask("status", {}))["warnings"] == [batcher.UNIT_UNFIT]
            # The unit gets a newer key, and covers what waits.
            assert (await life.keeper.ask("keys.rotate", {"name": "evidence", "actor": "owner"}))["ok"]
            monkeypatch.setattr(life.batcher._turns["evidence"], "due", 0.0)
            await life.batcher.look()
            assert (await life.keeper.ask("status", {}))["warnings"] == []
        return serials

    for serial in asyncio.run(live()):
        proves(folder, serial)


def test_what_another_nodes_unit_owes_holds_up_nothing_here(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "MOST_WAITING", 3)

    async def live() -> list[str]:
        async with living(folder, monkeypatch) as life:
            own = life.issuer._known
            life.issuer._known = {**own, "evidence": "elsewhere"}
            await life.issue(5)
            life.issuer._known = own
            serials = await life.issue(2)
            await life.batcher.look()
            assert life.batcher.problems == {}
        return serials

    for serial in asyncio.run(live()):
        proves(folder, serial)


def test_a_key_of_evidence_is_rotated_and_the_records_of_the_former_one_stay(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def live() -> list[str]:
        async with living(folder, monkeypatch) as life:
            serials = await life.issue(2)
            await life.batcher.look()
            assert (await life.keeper.ask("keys.rotate", {"name": "evidence", "actor": "owner"}))["ok"]
            life.issuer = issuer_of(folder, life.keeper)
            serials += await life.issue(2)
            await life.batcher.look()
        return serials

    serials = asyncio.run(live())
    signers = [leaf["signer"] for leaf in leaves_of(folder, "tst.issued") if leaf["self"]]
    assert len(set(signers)) == 2
    for serial in serials:
        proves(folder, serial)
