"""Totals of a day: added up over workers, kept over restarts, begun anew at midnight, and given once."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from kokuin.service.access import access_desk
from kokuin.service.access.state import StateStore
from kokuin.service.access.state_faults import StateFault, StateRefusedError
from kokuin.service.access.table import AccessTable, Client
from kokuin.service.access.usage import DAY_US, DayTotals
from kokuin.service.config import load_config
from kokuin.service.keeper_process import make_keeper
from kokuin.service.ports import WorkerReport
from tests.service.access.desks import person
from tests.service.keepers import keeping

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kokuin.service.datafolder import DataFolder
    from tests.service.running import Prepared

NOON_US = 20_000 * DAY_US + DAY_US // 2


@pytest.fixture(autouse=True)
def _at_noon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no day begin while a keeper counts."""
    monkeypatch.setattr(access_desk, "time", SimpleNamespace(time_ns=lambda: NOON_US * 1_000))


@pytest.fixture
def folder(folder_of: Callable[[str], Prepared]) -> DataFolder:
    return folder_of("classical").folder


@pytest.fixture
def client(folder: DataFolder) -> str:
    with keeping(folder) as ask:
        return person(ask, "one", "stamp", person=False)


def table(**per_day: int | None) -> AccessTable:
    """Return clients with their quotas, by id with `_` for `-`."""
    names = {name.replace("_", "-"): most for name, most in per_day.items()}
    return AccessTable({name: Client(name, "t-a", frozenset(), per_day=most) for name, most in names.items()})


def report(**used: int) -> WorkerReport:
    return WorkerReport({}, (), "", {}, used={name.replace("_", "-"): count for name, count in used.items()})


def kept(folder: DataFolder, used: Mapping[str, int], now_us: int = NOON_US) -> None:
    """Count something, and keep it."""
    store = StateStore(folder.state)
    totals = DayTotals(store)
    asyncio.run(totals.load(now_us))
    totals.add(used, now_us)
    asyncio.run(totals.keep())
    store.close()


def test_totals_survive_a_restart_and_workers_share_them(folder: DataFolder, client: str) -> None:
    with keeping(folder) as ask:
        assert ask("access.client.change", "owner", client=client, per_day=10)["ok"]

    async def run(*counts: int) -> list[bool]:
        keeper = make_keeper(folder, load_config(folder.root, {}))
        await keeper.start()
        said = []
        for number, count in enumerate(counts):
            keeper.report(f"worker-{number}", report(**{client.replace("-", "_"): count}))
            said.append(client in keeper.people.table().exhausted)
        await keeper.stop()
        return said

    assert asyncio.run(run(3, 3)) == [False, False]
    assert asyncio.run(run(3)) == [False]
    assert asyncio.run(run(1)) == [True]
    assert asyncio.run(run(0)) == [True], "from its first table"


def test_a_client_that_is_granted_more_may_go_on(folder: DataFolder, client: str) -> None:
    async def run() -> None:
        keeper = make_keeper(folder, load_config(folder.root, {}))
        await keeper.start()
        try:
            keeper.report("one", report(**{client.replace("-", "_"): 5}))
            for most, exhausted in ((5, True), (6, False), (0, True), (None, False)):
                change = {"client": client, "per_day": most, "actor": "owner"}
                assert (await keeper.ask("access.client.change", change))["ok"]
                assert (client in keeper.people.table().exhausted) is exhausted, most
        finally:
            await keeper.stop()

    asyncio.run(run())


def test_a_day_begins_anew_at_midnight_and_a_clock_that_goes_back_gives_none_twice(
    folder: DataFolder, client: str
) -> None:
    store = StateStore(folder.state)
    totals, known = DayTotals(store), table(**{client.replace("-", "_"): 5})
    asyncio.run(totals.load(NOON_US))
    totals.add({client: 5}, NOON_US)
    assert totals.exhausted(known, NOON_US) == {client}
    assert totals.exhausted(known, NOON_US + DAY_US // 2) == frozenset()
    totals.add({client: 5}, NOON_US)
    assert totals.exhausted(known, NOON_US) == {client}, "yesterday's clock counts for today"
    asyncio.run(totals.keep())
    store.close()


def test_what_could_not_be_written_is_written_the_next_time(folder: DataFolder, client: str) -> None:
    store = StateStore(folder.state)
    totals, real = DayTotals(store), store.awrite
    asyncio.run(totals.load(NOON_US))
    totals.add({client: 2}, NOON_US)

    async def full(_: object) -> None:
        raise StateRefusedError(StateFault.UNWRITABLE, "full")

    store.awrite = full  # type: ignore[method-assign, assignment]  # as a full disk
    with pytest.raises(StateRefusedError):
        asyncio.run(totals.keep())
    totals.add({client: 1}, NOON_US)
    store.awrite = real  # type: ignore[method-assign]  # as it was
    asyncio.run(totals.keep())
    again = DayTotals(store)
    asyncio.run(again.load(NOON_US))
    known = table(**{client.replace("-", "_"): 3})
    assert again.exhausted(known, NOON_US) == {client}
    store.close()


def test_who_is_no_client_has_no_total_and_old_days_are_forgotten(folder: DataFolder, client: str) -> None:
    kept(folder, {"operator-key": 7, client: 1})
    kept(folder, {client: 1}, NOON_US + 401 * DAY_US)
    store = StateStore(folder.state)
    rows = store.read(lambda session: session.connection().exec_driver_sql("SELECT * FROM usage").fetchall())
    assert [tuple(row) for row in rows] == [(client, NOON_US // DAY_US + 401, 1)]
    store.close()
