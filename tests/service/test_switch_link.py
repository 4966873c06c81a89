"""Between keeper and worker while a profile is switched: answers that take long, and ends that die."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Any, cast

from kokuin.service import link
from kokuin.service.frames import FrameLink
from kokuin.service.keeper_link import WorkerLink
from kokuin.service.link import RemotePort
from kokuin.service.ports import KEEPER_UNAVAILABLE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    import pytest

    from kokuin.service.keeper import Keeper
    from kokuin.service.ports import Push, WorkerPort


class Silent:
    """A worker that does nothing."""

    def on_keeper_gone(self) -> None:
        pass


class Bare:
    """A keeper that only knows who is there."""

    def subscribe(self, _: Callable[[Push], None]) -> Callable[[], None]:
        return lambda: None

    def enlist(self, *_: object) -> Callable[[], None]:
        return lambda: None

    def retire(self, name: str) -> None:
        self.retired = name


@contextlib.asynccontextmanager
async def port(
    answer: Callable[[FrameLink, dict[str, Any]], None],
) -> AsyncIterator[RemotePort]:
    """Join a worker's end to a keeper's that answers questions thus."""
    one, other = socket.socketpair()
    worker = RemotePort(cast("WorkerPort", Silent()))
    await worker.attach(one)
    keeper = FrameLink(lambda header, _: answer(keeper, header), lambda: None)
    await asyncio.get_running_loop().create_connection(lambda: keeper, sock=other)
    yield worker
    keeper.close()


def test_an_operator_waits_for_a_switch_longer_than_for_other_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(link, "ASK_SECONDS", 0.05)

    def late(keeper: FrameLink, header: dict[str, Any]) -> None:
        answer = {"op": "answer", "id": header["id"], "answer": {"ok": True}}
        asyncio.get_running_loop().call_later(0.3, keeper.send, answer)

    async def run() -> None:
        async with port(late) as worker:
            assert await worker.ask("status") == {"ok": False, "code": KEEPER_UNAVAILABLE}
            assert await worker.ask("profile.use", {"name": "pq"}) == {"ok": True}

    asyncio.run(run())


def test_whoever_waits_for_a_keeper_that_dies_hears_it_at_once() -> None:
    async def run() -> None:
        async with port(lambda keeper, _: keeper.close()) as worker:
            async with asyncio.timeout(5):
                answer = await worker.ask("profile.use", {"name": "pq"})
            assert answer == {"ok": False, "code": KEEPER_UNAVAILABLE}

    asyncio.run(run())


def test_a_worker_that_is_gone_or_goes_has_nothing_to_prepare() -> None:
    async def run() -> None:
        one, other = socket.socketpair()
        ended = asyncio.Event()
        worker = WorkerLink(cast("Keeper", Bare()), "worker-1", lambda _: ended.set())
        await worker.attach(one)
        preparing = asyncio.create_task(worker.prepare("cfg"))
        await asyncio.sleep(0)
        other.close()
        async with asyncio.timeout(5):
            assert await preparing == ""
            await ended.wait()
            # Asked after all, since the list of whom to ask was made a moment before.
            assert await worker.prepare("cfg") == ""

    asyncio.run(run())
