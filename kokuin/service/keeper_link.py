"""The keeper's ends: a frame link for each worker process, and in-process the same port without frames."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from kokuin.service.frames import FrameLink
from kokuin.service.link import is_awaited, pack_access, pack_outcome, pack_push, unpack_appends
from kokuin.service.loopqueue import LoopQueue
from kokuin.service.ports import WorkerReport
from kokuin.trust.journal import AppendRefusal, Refused

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping
    from concurrent.futures import Future

    from kokuin.service.access.table import AccessTable
    from kokuin.service.keeper import Keeper
    from kokuin.trust.journal import AppendOutcome
    from kokuin.trust.records import Record

_UNAWAITED = Refused(AppendRefusal.UNAVAILABLE, "nobody waits for it")


class LocalPort:
    """`KeeperPort` of the one worker that lives in the keeper's own process."""

    def __init__(self, keeper: Keeper, name: str) -> None:
        self._keeper, self._name = keeper, name

    def append(self, *records: Record) -> Future[AppendOutcome]:
        """See `Journal.append`."""
        return self._keeper.journal.append(*records)

    def lag(self) -> float:
        """See `KeeperPort.lag`."""
        return self._keeper.journal.lag()

    def report(self, report: WorkerReport) -> bool:
        """See `KeeperPort.report`."""
        self._keeper.report(self._name, report)
        return True

    async def ask(self, operation: str, arguments: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """See `KeeperPort.ask`."""
        return await self._keeper.ask(operation, arguments or {})


class WorkerLink:
    """The keeper's end of the link to one worker process."""

    def __init__(self, keeper: Keeper, name: str, on_lost: Callable[[WorkerLink], None]) -> None:
        self._keeper, self._name, self._on_lost = keeper, name, on_lost
        self._loop = asyncio.get_running_loop()
        self._link = FrameLink(self._on_frame, self._lost)
        self._done = LoopQueue(self._loop, self._send_outcomes)
        self._forget: Callable[[], None] | None = None
        self._unsubscribe: Callable[[], None] | None = None
        self._leave: Callable[[], None] | None = None
        self._number = 0
        self._preparing: dict[int, asyncio.Future[str]] = {}
        self._hearing: dict[int, asyncio.Future[None]] = {}
        """By number, tables of which the worker has not said that it knows them."""
        self._answers: set[asyncio.Task[None]] = set()

    async def attach(self, sock: socket.socket) -> None:
        """Serve the worker at the other end of this socket."""
        await self._loop.create_connection(lambda: self._link, sock=sock)
        # Who may come in, first: with the first push the worker begins to answer.
        self._forget = self._keeper.people.subscribe(self._tell)
        self._unsubscribe = self._keeper.subscribe(lambda push: self._send(pack_push(push)))
        self._leave = self._keeper.enlist(self._name, self)

    async def prepare(self, digest: str) -> str:
        """Let the worker load a snapshot's units; see `WorkerPort.prepare`."""
        number = self._number = self._number + 1
        if not self._link.send({"op": "prepare", "id": number, "cfg": digest}):
            return ""  # gone, see `_lost`
        answer: asyncio.Future[str] = self._loop.create_future()
        self._preparing[number] = answer
        try:
            return await answer
        finally:
            del self._preparing[number]

    def abandon(self, digest: str) -> None:
        """See `WorkerPort.abandon`."""
        self._send({"op": "abandon", "cfg": digest})

    def _tell(self, table: AccessTable) -> asyncio.Future[None] | None:
        """Send who may do what; what it returns is done when the worker goes by it, or is gone."""
        number = self._number = self._number + 1
        if not self._link.send({**pack_access(table), "id": number}):
            return None
        self._hearing[number] = self._loop.create_future()
        return self._hearing[number]

    def _send(self, header: dict[str, Any]) -> None:
        self._link.send(header)

    def _on_frame(self, header: dict[str, Any], blob: bytes) -> None:
        match header["op"]:
            case "append":
                appends = unpack_appends(header, blob)
                if is_awaited(header):
                    for number, records in appends:
                        self._append(number, records)
                else:
                    self._send_outcomes([(number, _UNAWAITED) for number, _ in appends])
            case "report":
                refusals = tuple((code, profile, count) for code, profile, count in header["refusals"])
                report = WorkerReport(
                    header["counters"],
                    refusals,
                    header["probe"],
                    header["key_ends"],
                    tuple((code, tenant, count) for code, tenant, count in header["denials"]),
                    header["used"],
                )
                self._keeper.report(self._name, report)
            case "known":
                self._hearing.pop(header["id"]).set_result(None)
            case "prepared":
                answer = self._preparing.get(header["id"])
                if answer is not None and not answer.done():
                    answer.set_result(header["problem"])
            case "ask":
                task = self._loop.create_task(self._answer(header))
                self._answers.add(task)
                task.add_done_callback(self._answers.discard)

    def _append(self, number: int, records: tuple[Record, ...]) -> None:
        self._keeper.journal.append(*records).add_done_callback(
            lambda future: self._done.put((number, future.result()))
        )

    def _send_outcomes(self, done: list[tuple[int, AppendOutcome]]) -> None:
        outcomes = [[number, pack_outcome(outcome)] for number, outcome in done]
        floors = dict(self._keeper.journal.highest_gen())
        self._send({"op": "done", "outcomes": outcomes, "floors": floors})

    async def _answer(self, header: dict[str, Any]) -> None:
        answer = await self._keeper.ask(header["operation"], header["arguments"])
        self._send({"op": "answer", "id": header["id"], "answer": answer})

    def _lost(self) -> None:
        for end in (self._forget, self._unsubscribe, self._leave):
            if end is not None:
                end()
        for answer in self._preparing.values():
            if not answer.done():
                # A worker that died has nothing to prepare: the next one starts with what is active then.
                answer.set_result("")
        while self._hearing:
            self._hearing.popitem()[1].set_result(None)
        self._keeper.retire(self._name)
        self._on_lost(self)
