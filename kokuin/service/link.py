"""A worker's port when its keeper is another process: appends, reports and questions as frames.

Both ends live here, so that what one writes the other reads. When the keeper
dies, every append that it had not answered is refused: whether it became
durable is unknown to the worker, so its token never leaves.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import Future
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from kokuin.service.access.table import pack_table, unpack_table
from kokuin.service.frames import FrameLink
from kokuin.service.issuing import ActiveConfiguration
from kokuin.service.loopqueue import LoopQueue
from kokuin.service.ports import KEEPER_UNAVAILABLE, PATIENCE_SECONDS, Push, Readiness, WorkerReport
from kokuin.trust.journal import AppendRefusal, Refused
from kokuin.trust.records import Receipt, Record
from tsa.clock.verdict import ClockFault, ClockVerdict

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

    from kokuin.service.access.table import AccessTable
    from kokuin.service.ports import WorkerPort
    from kokuin.trust.journal import AppendOutcome

ASK_SECONDS = 5.0
"""How long a worker waits for the keeper's answer to a question."""
SWITCH_SECONDS = 120.0
"""The same for profiles, and for what was approved: keys are made, and every worker loads them."""
PATIENT = ("profile.", "approval.", "stop.")
"""Operations for which a worker waits that long; a stop waits for its leaf before it says how it is kept."""


class RemotePort:
    """The worker's end. `append` may be called from any thread, the rest from the loop's own."""

    def __init__(self, worker: WorkerPort) -> None:
        self._worker = worker
        self._preparing: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._link: FrameLink | None = None
        self._number = 0
        self._waiting: dict[int, tuple[Future[AppendOutcome], float]] = {}
        self._questions: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._outbox = LoopQueue(self._loop, self._send_appends)

    async def attach(self, sock: socket.socket) -> None:
        """Use this socket, the parent's newest link to the keeper, from now on."""
        link = FrameLink(
            lambda header, _: self._on_frame(link, header),
            lambda: self._on_lost(link),
        )
        await self._loop.create_connection(lambda: link, sock=sock)
        old, self._link = self._link, link
        if old is not None:
            # The new keeper knows nothing of what the old one was sent.
            old.close()
            self._refuse_all()

    def append(self, *records: Record) -> Future[AppendOutcome]:
        """See `Journal.append`; what is appended in one turn of the loop travels in one frame."""
        future: Future[AppendOutcome] = Future()
        self._outbox.put((records, future))
        return future

    def lag(self) -> float:
        """Seconds since the oldest unanswered append was sent."""
        for _, sent in self._waiting.values():
            return time.monotonic() - sent
        return 0.0

    def report(self, report: WorkerReport) -> bool:
        """See `KeeperPort.report`."""
        return self._link is not None and self._link.send({"op": "report", **asdict(report)})

    async def ask(self, operation: str, arguments: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """See `KeeperPort.ask`."""
        self._number += 1
        number = self._number
        header = {"op": "ask", "id": number, "operation": operation, "arguments": dict(arguments or {})}
        if self._link is None or not self._link.send(header):
            return {"ok": False, "code": KEEPER_UNAVAILABLE}
        question: asyncio.Future[dict[str, Any]] = self._loop.create_future()
        self._questions[number] = question
        try:
            async with asyncio.timeout(SWITCH_SECONDS if operation.startswith(PATIENT) else ASK_SECONDS):
                return await question
        except TimeoutError:
            return {"ok": False, "code": KEEPER_UNAVAILABLE}
        finally:
            del self._questions[number]

    def _send_appends(self, outbox: list[tuple[tuple[Record, ...], Future[AppendOutcome]]]) -> None:
        now = time.monotonic()
        appends: list[list[Any]] = []
        tokens: list[bytes] = []
        for records, future in outbox:
            self._number += 1
            self._waiting[self._number] = (future, now)
            appends.append([self._number, [_pack(record) for record in records]])
            tokens.extend(record.token for record in records if record.token is not None)
        if self._link is None or not self._link.send(pack_appends(appends, now), b"".join(tokens)):
            self._refuse_all()

    def _on_frame(self, link: FrameLink, header: dict[str, Any]) -> None:
        match header["op"]:
            case "done":
                self._worker.on_floors(header["floors"])
                for number, outcome in header["outcomes"]:
                    waiting = self._waiting.pop(number, None)
                    if waiting is not None:
                        waiting[0].set_result(_unpack_outcome(outcome))
            case "access":
                self._worker.on_access(unpack_table(header["table"]))
                link.send({"op": "known", "id": header["id"]})
            case "push":
                self._worker.on_push(unpack_push(header))
            case "prepare":
                task = self._loop.create_task(self._prepare(header["id"], header["cfg"]))
                self._preparing.add(task)
                task.add_done_callback(self._preparing.discard)
            case "abandon":
                self._worker.abandon(header["cfg"])
            case "answer":
                question = self._questions.get(header["id"])
                if question is not None and not question.done():
                    question.set_result(header["answer"])

    async def _prepare(self, number: int, digest: str) -> None:
        problem = await self._worker.prepare(digest)
        if self._link is not None:
            self._link.send({"op": "prepared", "id": number, "problem": problem})

    def _on_lost(self, link: FrameLink) -> None:
        if link is self._link:
            self._link = None
            self._worker.on_keeper_gone()
            self._refuse_all()

    def _refuse_all(self) -> None:
        for question in self._questions.values():
            if not question.done():
                question.set_result({"ok": False, "code": KEEPER_UNAVAILABLE})
        waiting, self._waiting = self._waiting, {}
        for future, _ in waiting.values():
            future.set_result(Refused(AppendRefusal.UNAVAILABLE, "the keeper is gone"))


def pack_appends(appends: list[list[Any]], now: float) -> dict[str, Any]:
    """The appends of one turn of the loop as the header of a frame; `now` is of the monotonic clock."""
    return {"op": "append", "appends": appends, "sent": now}


def is_awaited(header: dict[str, Any]) -> bool:
    """Whether somebody may still wait for the appends of a frame.

    A keeper that stood still finds frames whose requests were refused long ago: their tokens never leave, and
    a record of them would stand among those of a later time.
    """
    return time.monotonic() - float(header["sent"]) <= PATIENCE_SECONDS


def _pack(record: Record) -> list[Any]:
    size = len(record.token) if record.token is not None else None
    return [
        record.kind,
        record.fields,
        record.serial,
        size,
        record.unit,
        record.gen,
        record.cfg_epoch,
        record.self_caused,
    ]


def unpack_appends(header: dict[str, Any], blob: bytes) -> list[tuple[int, tuple[Record, ...]]]:
    """Read the appends of one frame: their numbers and records, tokens cut from the blob in order."""
    at = 0
    appends = []
    for number, packed in header["appends"]:
        records = []
        for kind, fields, serial, size, *rest in packed:
            token = None if size is None else blob[at : at + size]
            at += size or 0
            records.append(Record(kind, fields, serial, token, *rest))
        appends.append((number, tuple(records)))
    return appends


def pack_outcome(outcome: AppendOutcome) -> list[Any]:
    """An outcome as JSON: the code and detail of a refusal, or a list of [index, at]."""
    if isinstance(outcome, Refused):
        return [outcome.reason.value, outcome.detail]
    return [[receipt.index, receipt.at] for receipt in outcome]


def _unpack_outcome(packed: list[Any]) -> AppendOutcome:
    if packed and isinstance(packed[0], str):
        return Refused(AppendRefusal(packed[0]), packed[1])
    return tuple(Receipt(index, at) for index, at in packed)


def pack_access(table: AccessTable) -> dict[str, Any]:
    """The table of clients as the header of a frame."""
    return {"op": "access", "table": pack_table(table)}


def pack_push(push: Push) -> dict[str, Any]:
    """A push as the header of a frame."""
    return {"op": "push", **asdict(push)}


def unpack_push(header: dict[str, Any]) -> Push:
    """Read what `pack_push` wrote."""
    clock = header["clock"]
    if clock is not None:
        fault = clock.pop("fault")
        clock = ClockVerdict(fault=ClockFault(fault) if fault else None, **clock)
    return Push(
        clock=clock,
        active=ActiveConfiguration(**header["active"]),
        floors=header["floors"],
        readiness=Readiness(tuple(header["readiness"]["problems"])),
        stopped=header["stopped"],
        unproven=tuple(header["unproven"]),
    )
