"""Between keeper and worker while a profile is switched: answers that take long, and ends that die."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, cast

from kokuin.service import link
from kokuin.service.access.principal import Principal, Role
from kokuin.service.frames import FrameLink
from kokuin.service.issuing import Draft
from kokuin.service.keeper_link import WorkerLink
from kokuin.service.link import RemotePort
from kokuin.service.ports import KEEPER_UNAVAILABLE
from kokuin.service.responder import Responder
from kokuin.trust.journal import AppendRefusal, Refused
from kokuin.trust.records import Receipt, Record
from tests.service.asking import query
from tests.service.running import PATIENCE_S
from tsa.decide import IssuingRules
from tsa.unit import IssuedToken

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    import pytest

    from kokuin.service.issuing import Issuer
    from kokuin.service.keeper import Keeper
    from kokuin.service.ports import WorkerPort
    from kokuin.service.stamping import Answer
    from kokuin.trust.journal import AppendOutcome


ANYBODY = Principal("public", "anonymous", frozenset({Role.STAMP}))


class Silent:
    """A worker that does nothing."""

    def on_keeper_gone(self) -> None:
        pass


class Bare:
    """A keeper that only knows who is there."""

    @property
    def people(self) -> Bare:
        return self

    def subscribe(self, _: Callable[[Any], None]) -> Callable[[], None]:
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
            async with asyncio.timeout(PATIENCE_S):
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
        async with asyncio.timeout(PATIENCE_S):
            assert await preparing == ""
            await ended.wait()
            # Asked after all, since the list of whom to ask was made a moment before.
            assert await worker.prepare("cfg") == ""

    asyncio.run(run())


class Recording(Bare):
    """A keeper with a ledger that takes everything."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    @property
    def journal(self) -> Recording:
        return self

    def highest_gen(self) -> dict[str, int]:
        return {}

    def append(self, *records: Record) -> Future[AppendOutcome]:
        self.records += records
        future: Future[AppendOutcome] = Future()
        future.set_result(tuple(Receipt(number, 1) for number in range(len(records))))
        return future


class Floored(Silent):
    """A worker that hears of floors."""

    def on_floors(self, floors: dict[str, int]) -> None:
        pass


async def append_to_a_keeper_that_stands_still(stands_s: float) -> tuple[AppendOutcome, list[Record]]:
    """Send an append, let the keeper's end come after some time, and return what became of it."""
    one, other = socket.socketpair()
    worker = RemotePort(cast("WorkerPort", Floored()))
    await worker.attach(one)
    future = worker.append(Record("tst.issued", {}, token=b"t"))
    await asyncio.sleep(stands_s)
    keeper = Recording()
    end = WorkerLink(cast("Keeper", keeper), "worker-1", lambda _: None)
    await end.attach(other)
    async with asyncio.timeout(PATIENCE_S):
        outcome = await asyncio.wrap_future(future)
    end._link.close()
    return outcome, keeper.records


def test_a_keeper_that_stood_still_records_no_token_for_which_nobody_waits_any_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The soak found genTime falling by 15 s: a stalled keeper took up what was refused long ago."""
    monkeypatch.setattr(link, "PATIENCE_SECONDS", 0.2)
    outcome, records = asyncio.run(append_to_a_keeper_that_stands_still(0.4))
    assert isinstance(outcome, Refused)
    assert (outcome.reason, records) == (AppendRefusal.UNAVAILABLE, [])
    monkeypatch.setattr(link, "PATIENCE_SECONDS", 60.0)
    outcome, records = asyncio.run(append_to_a_keeper_that_stands_still(0.4))
    assert not isinstance(outcome, Refused)
    assert len(records) == 1


class OneEpoch:
    """A ledger in whose head an epoch stands: it refuses every append that holds a record of another."""

    def __init__(self) -> None:
        self.epoch = 1
        self.appends: list[list[int | None]] = []

    def append(self, *records: Record) -> Future[AppendOutcome]:
        """See `Journal.append`."""
        self.appends.append([record.cfg_epoch for record in records])
        future: Future[AppendOutcome] = Future()
        stale = any(record.cfg_epoch != self.epoch for record in records)
        refused = Refused(AppendRefusal.STALE_EPOCH)
        future.set_result(refused if stale else tuple(Receipt(at, 1) for at in range(len(records))))
        return future


class EpochIssuer:
    """Signs nothing: its records carry an epoch."""

    profile = "classical"
    evidence = None
    embed = False
    rules = IssuingRules("1.3.6.1.4.1.32473.1", frozenset({"sha256"}))

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def issue(self, *_: object) -> Draft:
        """See `Issuer.issue`."""
        record = Record("tst.issued", token=b"t", cfg_epoch=self.epoch)
        return Draft(IssuedToken(b"\x30\x00", b"", "ab", 1), (record,))


def test_tokens_of_two_epochs_are_not_appended_together() -> None:
    async def run() -> None:
        old, new = (cast("Issuer", EpochIssuer(epoch)) for epoch in (1, 2))
        journal = OneEpoch()
        responder = Responder({"classical": old}, "classical", journal, frozenset())
        taken: asyncio.Queue[Answer] = asyncio.Queue()

        def ask() -> None:
            responder.ask(query(), ANYBODY, None, taken.put_nowait)

        ask()
        # In the same turn: the leaf is durable, the push is here, and another request comes.
        journal.epoch = 2
        responder.install({"classical": new}, "classical", frozenset())
        ask()
        async with asyncio.timeout(PATIENCE_S):
            found = [await taken.get() for _ in range(2)]
        responder.close()
        assert [answer.refusal for answer in found] == [None, None]
        assert sorted(map(tuple, journal.appends), key=str) == [(1,), (2,), (2,)]

    asyncio.run(run())


def test_a_token_of_a_former_epoch_waits_for_the_push_that_is_on_its_way() -> None:
    async def run() -> None:
        journal = OneEpoch()
        journal.epoch = 2
        old, new = (cast("Issuer", EpochIssuer(epoch)) for epoch in (1, 2))
        responder = Responder({"classical": old}, "classical", journal, frozenset())
        asked = asyncio.create_task(responder.answer(query(), ANYBODY))
        while not journal.appends:  # noqa: ASYNC110  # it is the responder that is watched
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        assert not asked.done()
        responder.install({"classical": new}, "classical", frozenset())
        async with asyncio.timeout(PATIENCE_S):
            assert (await asked).refusal is None
        responder.close()
        assert journal.appends == [[1], [2]]

    asyncio.run(run())
