"""Every worker knows who may do what: before it answers anybody, and at every change."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from typing import TYPE_CHECKING, Any

import httpx

from kokuin.service.access import people
from kokuin.service.config import load_config
from kokuin.service.keeper_link import WorkerLink
from kokuin.service.keeper_process import make_keeper
from kokuin.service.link import RemotePort
from kokuin.service.owner import ask_owner
from kokuin.service.ports import WorkerReport
from kokuin.service.worker import Worker
from tests.service.running import PATIENCE_S, PLAIN, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    import pytest

    from kokuin.service.access.table import AccessTable
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.frames import FrameLink
    from kokuin.service.keeper import Keeper
    from kokuin.service.ports import Push
    from tests.service.running import Prepared


class Listening:
    """A worker that only hears."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.tables: list[AccessTable] = []
        self.changed = asyncio.Event()

    def on_access(self, table: AccessTable) -> None:
        """Take a table."""
        self.heard.append("access")
        self.tables.append(table)
        self.changed.set()

    def on_push(self, push: Push) -> None:
        """Take a push."""
        self.heard.append("push" if push.active.digest else "")
        self.changed.set()

    def on_floors(self, floors: Mapping[str, int]) -> None:
        """Take floors."""

    def on_keeper_gone(self) -> None:
        """Take the end."""

    async def prepare(self, digest: str) -> str:
        """Be ready."""
        return digest[:0]

    def abandon(self, digest: str) -> None:
        """Forget."""

    async def until(self, fits: Callable[[], bool]) -> None:
        """Wait for what must come."""
        async with asyncio.timeout(PATIENCE_S):
            while not fits():
                self.changed.clear()
                await self.changed.wait()

    async def knows(self, fits: Callable[[AccessTable], bool]) -> None:
        """Wait for a table."""
        await self.until(lambda: bool(self.tables) and fits(self.tables[-1]))


@contextlib.asynccontextmanager
async def joined(keeper: Keeper, name: str) -> AsyncIterator[tuple[Listening, RemotePort]]:
    """Join a worker to a keeper as the parent does."""
    ours, theirs = socket.socketpair()
    worker, lost = Listening(), asyncio.Event()
    port = RemotePort(worker)
    await port.attach(theirs)
    await WorkerLink(keeper, name, lambda _: lost.set()).attach(ours)
    try:
        yield worker, port
    finally:
        assert port._link is not None
        port._link.close()
        await lost.wait()
        await asyncio.sleep(0)  # for the transports to end


def test_two_workers_know_every_client_at_once_and_before_all_else(
    folder_of: Callable[[str], Prepared],
) -> None:
    folder = folder_of("classical").folder

    async def scenario() -> None:
        keeper = make_keeper(folder, load_config(folder.root, {}))
        await keeper.start()
        async with joined(keeper, "worker-1") as (one, _):
            await one.until(lambda: "push" in one.heard)
            assert one.heard[0] == "access"
            added = {"tenant": "operator", "name": "Genji", "roles": ["stamp"], "actor": "owner"}
            client = (await keeper.ask("access.client.add", added))["client"]
            async with joined(keeper, "worker-2") as (two, port):
                for worker in (one, two):
                    await worker.knows(lambda table: client in table.clients)
                assert two.heard[0] == "access"
                key = (await keeper.ask("access.key.create", {"client": client, "actor": "owner"}))["key"]
                await keeper.ask("access.key.revoke", {"key": key, "actor": "owner"})
                for worker in (one, two):
                    await worker.knows(lambda table: key in table.keys and table.keys[key].revoked)
                assert one.tables[-1] == two.tables[-1] == keeper.people.table()
                await reported(keeper, port)
        await keeper.stop()

    asyncio.run(scenario())


@contextlib.asynccontextmanager
async def one_that_reads_nothing(
    folder: DataFolder,
) -> AsyncIterator[tuple[Keeper, str, Listening, FrameLink]]:
    """Give a keeper, a key, and a worker that has heard of it and then reads no more."""
    keeper = make_keeper(folder, load_config(folder.root, {}))
    await keeper.start()
    async with joined(keeper, "worker-1") as (worker, port):
        added = {"tenant": "operator", "name": "Genji", "roles": ["stamp"], "actor": "owner"}
        client = (await keeper.ask("access.client.add", added))["client"]
        key = str((await keeper.ask("access.key.create", {"client": client, "actor": "owner"}))["key"])
        await worker.knows(lambda table: key in table.keys)
        assert port._link is not None
        assert port._link._transport is not None
        port._link._transport.pause_reading()
        yield keeper, key, worker, port._link
    await keeper.stop()


def test_whoever_revoked_a_key_is_answered_when_every_worker_knows(
    folder_of: Callable[[str], Prepared], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attack: the thief's request meets the one worker that has not heard yet."""
    monkeypatch.setattr(people, "HEARD_SECONDS", PATIENCE_S)

    async def scenario() -> None:
        async with one_that_reads_nothing(folder_of("classical").folder) as (keeper, key, worker, link):
            asking = asyncio.create_task(keeper.ask("access.key.revoke", {"key": key, "actor": "owner"}))
            while not keeper.people.table().keys[key].revoked:  # noqa: ASYNC110  # no event tells
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)
            assert not asking.done()
            assert link._transport is not None
            link._transport.resume_reading()
            assert (await asking)["ok"]
            assert worker.tables[-1].keys[key].revoked

    asyncio.run(scenario())


def test_a_worker_that_stands_still_keeps_no_change_from_being_answered(
    folder_of: Callable[[str], Prepared], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people, "HEARD_SECONDS", 0.01)

    async def scenario() -> None:
        async with one_that_reads_nothing(folder_of("classical").folder) as (keeper, key, worker, _):
            assert (await keeper.ask("access.key.revoke", {"key": key, "actor": "owner"}))["ok"]
            assert not worker.tables[-1].keys[key].revoked

    asyncio.run(scenario())


async def reported(keeper: Keeper, port: RemotePort) -> None:
    """See that what a worker counted arrives as it was sent."""
    sent = WorkerReport({}, (("A", "b", 1),), "", {"u": 2}, (("KEY_EXPIRED", "t-a", 3),), {"c-a": 4})
    found: asyncio.Future[WorkerReport] = asyncio.get_running_loop().create_future()

    def take(worker: str, report: WorkerReport) -> None:
        assert worker == "worker-2"
        found.set_result(report)

    keeper.report = take  # type: ignore[method-assign]
    assert port.report(sent)
    async with asyncio.timeout(PATIENCE_S):
        assert await found == sent


def test_a_worker_serves_nobody_before_it_knows_who_there_is(
    folder_of: Callable[[str], Prepared], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of("classical").folder
    made: list[object] = []
    monkeypatch.setattr("kokuin.service.worker.make_server", lambda *words: made.append(words))

    async def scenario() -> None:
        worker = Worker(folder, load_config(folder.root, {}))
        worker._installer.first.set_result(None)  # type: ignore[arg-type]  # as if there were units
        with socket.create_server(("127.0.0.1", 0)) as sock:
            serving_it = asyncio.create_task(worker.serve(None, sock))  # type: ignore[arg-type]  # it gets no so far
            await asyncio.sleep(0.05)
            assert not serving_it.done()
            assert made == []
            serving_it.cancel()
            await asyncio.gather(serving_it, return_exceptions=True)

    asyncio.run(scenario())


def test_a_revoked_key_is_refused_by_every_worker(folder_of: Callable[[str], Prepared]) -> None:
    prepared = folder_of("classical")
    with serving(prepared, {"TSA_ACCESS__TIMESTAMPS": "keyed"}, workers=2) as service:

        def ask(operation: str, **arguments: object) -> dict[str, Any]:
            answer = ask_owner(prepared.folder.owner_socket, f"access.{operation}", arguments, PATIENCE_S)
            assert answer["ok"], answer
            return answer

        def answers(key: str) -> set[str]:
            found = set()
            for _ in range(12):  # each connection may be another worker's
                headers = {"authorization": f"Bearer {key}"}
                base = service.url.removesuffix("/tsa")
                with httpx.Client(base_url=base, timeout=PATIENCE_S, trust_env=False, verify=PLAIN) as client:
                    answer = client.get("/api/v1/ledger/records?limit=1", headers=headers)
                found.add(f"{answer.status_code} {_code(answer)}")
            return found

        client = ask("client.add", tenant="operator", name="Genji", roles=["audit"])["client"]
        made = ask("key.create", client=client)
        before = answers(made["text"])
        assert len(before) == 1, before
        assert not before.pop().startswith("401")
        ask("key.revoke", key=made["key"])
        assert answers(made["text"]) == {"401 KEY_REVOKED"}


def _code(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["code"])
    except (json.JSONDecodeError, KeyError, TypeError):
        return ""
