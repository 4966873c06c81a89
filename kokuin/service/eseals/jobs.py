"""Requests to seal that are answered later, or once more: jobs and idempotency keys.

Both are one thing: an entry (`entries`) with a name. A job's name is random; that of an idempotency key is
made of tenant, client and key, so that the same request finds it again, in any worker and after a restart.
Both are their client's alone: what another client of the tenant may have made is for its own rights to say.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import structlog

from eseal.values import Level
from kokuin.ledger.faults import OpenRefusedError
from kokuin.service.activation import read_act
from kokuin.service.activation_error import ActivationError
from kokuin.service.eseals.codes import SealCode, SealRefusedError
from kokuin.service.eseals.entries import Entries, Entry, Seen
from kokuin.service.eseals.sealed import Sealed
from kokuin.service.eseals.spool import writing
from kokuin.service.eseals.tasks import Document
from kokuin.service.eseals.turns import Turns
from kokuin.service.published_log import LogFault
from kokuin.trust.records import SEAL_ISSUED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kokuin.ledger.reader import StoreReader
    from kokuin.service.access.principal import Principal
    from kokuin.service.eseals.asked import Asked
    from kokuin.service.eseals.desk import SealDesk

_SLACK_US = 60_000_000
"""By how much clocks of the machine and of the ledger may differ, microseconds."""

_log = structlog.get_logger()


class Jobs:
    """Runs requests, and knows what became of them; on the worker's event loop."""

    def __init__(self, desk: SealDesk, entries: Entries, reader: Callable[[], StoreReader]) -> None:
        """Args: where seals are made; where requests are kept; opens the ledger for reading."""
        self._desk, self._entries, self._reader = desk, entries, reader
        self._running: set[asyncio.Task[None]] = set()
        self.turns = Turns()
        """Places and turns of jobs: `start` wants a place."""

    async def claim(self, request: Asked, *, anew: bool) -> tuple[str, Entry | Seen]:
        """Begin an entry, or return the one of the same idempotency key.

        Args:
            request: that is to be kept.
            anew: whether one that failed or was lost is begun anew.

        Raises:
            SealRefusedError: the key came with another request, there is no room, or it cannot be written.
        """
        name = f"j-{request.key_digest[:32] or secrets.token_hex(16)}"
        header = {
            "tenant": request.principal.tenant,
            "actor": request.principal.actor,
            "request": request.task.digest(request.document, request.data),
            "format": request.task.format,
            "act": request.task.act,
            "form": request.task.how,
            "since": time.time(),
        }
        while True:
            with writing():
                found = await asyncio.to_thread(self._entries.claim, name, header)
            if isinstance(found, Entry):
                return name, found
            if found.head["request"] != header["request"]:
                raise SealRefusedError(SealCode.KEY_REUSED)
            found = await self._settled(name, found)
            over = found.outcome is None or not found.outcome["ok"]
            if found.running or not over or not anew:
                return name, found
            await asyncio.to_thread(self._entries.drop, name)

    async def opened(self, request: Asked) -> Asked:
        """Return a request with its seal profile.

        Raises:
            SealRefusedError: there is none that this caller may use for this, or not at this level.
        """
        return replace(request, opened=await self._desk.open(request.task, request.principal))

    async def run(self, request: Asked, entry: Entry | None) -> Sealed:
        """Make the seal of a request; with an entry, which is closed, what came of it is kept.

        Raises:
            SealRefusedError: nothing was made.
        """
        drop = True
        try:
            sealed = await self._run(request, entry)
            drop = False
        except SealRefusedError as error:
            # Whether the record became durable may be unknown: who asks again has the ledger looked at.
            drop = error.code is not SealCode.NOT_RECORDED
            raise
        finally:
            if entry is not None:
                entry.close(drop=drop)
        return sealed

    async def _run(self, request: Asked, entry: Entry | None, *, patient: bool = False) -> Sealed:
        async def keep(sealed: Sealed) -> None:
            assert entry is not None  # noqa: S101  # else nobody asks to keep
            if entry.cancelled:
                raise SealRefusedError(SealCode.JOB_CANCELLED)
            made = {**sealed.facts(), "sha256": sealed.document.sha256, "size": sealed.document.size}
            with writing():
                await asyncio.to_thread(entry.keep, made, sealed.document.file)

        sealed = await self._desk.make(
            request.task,
            request.document,
            request.data,
            request.principal,
            request.opened,
            key_digest=request.key_digest,
            keep=None if entry is None else keep,
            patient=patient,
        )
        # A crash before this line, or a full disk: the record stands, and who asks again finds what was made.
        if entry is not None:
            await _end(entry, {"ok": True})
        return sealed

    def start(self, request: Asked, entry: Entry) -> None:
        """Let a request that has a place run on its own when its turn comes; its outcome is in its entry."""
        running = asyncio.get_running_loop().create_task(self._run_alone(request, entry))
        self._running.add(running)
        running.add_done_callback(self._running.discard)

    async def look(self, name: str, principal: Principal) -> Seen:
        """Return the entry of a job of the caller.

        Raises:
            SealRefusedError: JOB_UNKNOWN.
        """
        found = await asyncio.to_thread(self._entries.look, name)
        if found is None or (found.head["tenant"], found.head["actor"]) != (
            principal.tenant,
            principal.actor,
        ):
            raise SealRefusedError(SealCode.JOB_UNKNOWN)
        return await self._settled(name, found)

    async def result(self, name: str, seen: Seen) -> Sealed:
        """Return what an entry holds.

        Raises:
            SealRefusedError: it holds nothing, or nothing yet.
        """
        if seen.outcome is None:
            raise SealRefusedError(SealCode.JOB_NOT_DONE if seen.running else SealCode.JOB_LOST)
        if not seen.outcome["ok"] or seen.made is None:
            raise _refusal(seen.outcome)
        made = seen.made
        try:
            file = await asyncio.to_thread(self._entries.open_sealed, name)
        except OSError:
            raise SealRefusedError(SealCode.JOB_UNKNOWN) from None
        document = Document(file, int(made["size"]), str(made["sha256"]))  # type: ignore[arg-type]  # IO[bytes] reads as BinaryIO does
        return Sealed(
            document,
            Level(made["level"]),
            Level(made["asked"]),
            made["lowered"],
            made["profile"],
            made["record"],
            made.get("evidence", ""),
        )

    async def end(self, name: str, seen: Seen) -> None:
        """Forget a job; one at work is not recorded any more, unless it was already."""
        if seen.running:
            await asyncio.to_thread(self._entries.cancel, name)
        else:
            await asyncio.to_thread(self._entries.drop, name)

    async def close(self) -> None:
        """End what runs: who asks is told that it was lost."""
        for running in tuple(self._running):
            running.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._desk.close()

    async def _run_alone(self, request: Asked, entry: Entry) -> None:
        try:
            async with self.turns.turn:
                outcome = await self._outcome(request, entry)
            if outcome is not None:
                await _end(entry, outcome)
        finally:
            self.turns.leave(request.principal.tenant)
            request.close()
            entry.close()

    async def _outcome(self, request: Asked, entry: Entry) -> dict[str, Any] | None:
        """Return why there is no seal; None: there is one, or it will be known later."""
        try:
            if entry.cancelled:
                raise SealRefusedError(SealCode.JOB_CANCELLED)  # noqa: TRY301  # before anything is spent on it
            # What a profile allows, and its keys, may have changed while the job waited.
            sealed = await self._run(await self.opened(request), entry, patient=True)
        except SealRefusedError as error:
            _log.info("seal.refused", code=error.code, reason=error.reason)
            if error.code is SealCode.NOT_RECORDED:
                return None
            return {"ok": False, "code": error.code, "field": error.field, "reason": error.reason}
        except Exception:  # noqa: BLE001  # nobody else would hear of it
            _log.exception("seal.failed")
            return {"ok": False, "code": SealCode.FAILED, "field": "", "reason": ""}
        sealed.document.file.close()
        return None

    async def _settled(self, name: str, seen: Seen) -> Seen:
        """Return the same; work that was lost between its record and its release counts as done."""
        if seen.running or seen.outcome is not None or seen.made is None:
            return seen
        if not await asyncio.to_thread(self._is_recorded, seen):
            return seen
        entry = await asyncio.to_thread(self._entries.take_over, name)
        if entry is not None:
            try:
                with writing():
                    await asyncio.to_thread(entry.end, {"ok": True})
            finally:
                entry.close()
        return await asyncio.to_thread(self._entries.look, name) or seen

    def _is_recorded(self, seen: Seen) -> bool:
        """Say whether the ledger has the record of what was made.

        Raises:
            SealRefusedError: nobody can say now.
        """
        assert seen.made is not None  # noqa: S101  # else nobody asks
        oldest = int(float(seen.head["since"]) * 1e6) - _SLACK_US
        try:
            with self._reader() as reader:
                for stored in reader.backwards(SEAL_ISSUED):
                    leaf = read_act(stored)
                    if leaf["id"] == seen.made["record"]:
                        return True
                    if int(str(leaf["at"])) < oldest:
                        return False
        except (OpenRefusedError, ActivationError):
            raise SealRefusedError(SealCode.NOT_RECORDED, reason=LogFault.UNREADABLE) from None
        return False


async def _end(entry: Entry, outcome: Mapping[str, Any]) -> None:
    """Say how a request ended; unwritten, it looks lost, and the ledger knows better if it is not."""
    try:
        await asyncio.to_thread(entry.end, outcome)
    except FileNotFoundError:
        return  # whoever asked saw that it ended before the disk had it for good, and wanted it no more
    except OSError:
        _log.exception("seal.outcome.unwritten")


def _refusal(outcome: Mapping[str, Any]) -> SealRefusedError:
    return SealRefusedError(SealCode(outcome["code"]), outcome["field"], outcome["reason"])
