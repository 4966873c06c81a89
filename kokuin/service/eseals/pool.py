"""The children of a worker that read documents and seal them: few, bounded, killed when late.

A child asks for signatures and time-stamps of the document that it was given; how many it may have is bounded
here, and the keys never come near it. What in a child has read a tenant's document reads no other tenant's.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog

from kokuin.service import child_frames
from kokuin.service.child_start import await_end, end_child, start_child, was_costly
from kokuin.service.eseals.codes import SealCode, SealRefusedError
from kokuin.service.eseals.dialogue import Dialogue, Reader, read_frame

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Mapping

    from kokuin.service.eseals.dialogue import Keys, Made
    from kokuin.service.eseals.tasks import Document

CHILD = "kokuin.service.eseals.child"
START_SECONDS = 60.0
"""How long a child may load its libraries on a busy machine."""
SEAL_SECONDS = 120.0
"""How long a document may take, with its signatures and time-stamps."""
WAIT_SECONDS = 10.0
"""How long a document waits for a child."""
_LEAVING_SECONDS = 1.0

_log = structlog.get_logger()


@dataclass(slots=True)
class _Child:
    """A child, and the tenant whose documents its reader has seen; empty: it has none."""

    process: Process
    tenant: str = ""


class SealPool:
    """Lets children work; made and used on one event loop."""

    def __init__(self, children: int, *, warm: bool = False) -> None:
        """Start nothing yet, or one child.

        Args:
            children: at most so many at a time.
            warm: have one load its libraries now, so that the first document need not wait for it.
        """
        self._turns = asyncio.Semaphore(children)
        self._idle: list[_Child] = []
        self._warming = asyncio.create_task(self._warm()) if warm else None

    async def _warm(self) -> None:
        # If it fails, the first document will tell.
        with contextlib.suppress(SealRefusedError):
            async with self._turns:
                self._idle.append(_Child(await self._started()))

    async def run(
        self,
        tenant: str,
        header: Mapping[str, Any],
        parts: Mapping[str, bytes | Document],
        keys: Keys,
        *,
        patient: bool = False,
    ) -> Made:
        """Return what a child makes of a document.

        Args:
            tenant: whose document it is.
            header: what to do; see `child`.
            parts: octets by name.
            keys: answers the child.
            patient: whether to wait for a child longer than `WAIT_SECONDS`.

        Raises:
            SealRefusedError: nothing was made.
        """
        try:
            async with asyncio.timeout(None if patient else WAIT_SECONDS):
                await self._turns.acquire()
        except TimeoutError:
            raise SealRefusedError(SealCode.BUSY) from None
        try:
            child = await self._take(tenant)
            return await self._bounded(child, Dialogue(child.process, keys), header, parts)
        finally:
            self._turns.release()

    async def close(self) -> None:
        """End the children that wait."""
        if self._warming is not None:
            self._warming.cancel()
            await asyncio.gather(self._warming, return_exceptions=True)
        while self._idle:
            await end_child(self._idle.pop().process)

    async def _take(self, tenant: str) -> _Child:
        """Return a child whose reader has seen this tenant's documents alone, or none."""
        fitting = next((each for each in self._idle if each.tenant == tenant), None)
        while self._idle:
            child = fitting or self._idle[0]
            fitting = None
            self._idle.remove(child)
            if child.process.returncode is None and (child.tenant == tenant or await self._left(child)):
                child.tenant = tenant
                return child
            await end_child(child.process)
        return _Child(await self._started(), tenant)

    async def _left(self, child: _Child) -> bool:
        """Have the reader of another tenant's documents end; True when it has said so."""
        if not child.tenant:
            return True
        assert child.process.stdin is not None  # noqa: S101  # a pipe was asked for
        try:
            async with asyncio.timeout(_LEAVING_SECONDS):
                child.process.stdin.write(child_frames.encode({"op": "leave"}))
                await child.process.stdin.drain()
                return (await read_frame(child.process)).op == "left"
        except (TimeoutError, EOFError, ConnectionError, ValueError):
            return False

    async def _started(self) -> Process:
        try:
            process = await start_child(CHILD)
        except OSError:
            raise SealRefusedError(SealCode.BUSY) from None
        try:
            async with asyncio.timeout(START_SECONDS):
                ready = await read_frame(process)
        except (TimeoutError, EOFError, ValueError):
            await end_child(process)
            raise SealRefusedError(_cause(process)) from None
        except BaseException:
            await end_child(process)
            raise
        if ready.op != "ready":
            await end_child(process)
            raise SealRefusedError(SealCode.FAILED)
        return process

    async def _bounded(
        self, child: _Child, work: Dialogue, header: Mapping[str, Any], parts: Mapping[str, bytes | Document]
    ) -> Made:
        """Let it work; a late one is killed, for its answer would meet the next document."""
        try:
            async with asyncio.timeout(SEAL_SECONDS):
                return await work.run(header, parts)
        except TimeoutError:
            _log.warning("seal.late", seconds=SEAL_SECONDS)
            raise SealRefusedError(SealCode.TOO_LONG) from None
        except (EOFError, ConnectionError):
            await await_end(child.process)
            raise SealRefusedError(_cause(child.process)) from None
        except (ValueError, TypeError, KeyError):
            _log.exception("seal.child.unreadable")
            raise SealRefusedError(SealCode.FAILED) from None
        finally:
            if work.reader is Reader.LOST:
                await end_child(child.process)
            else:
                child.tenant = child.tenant if work.reader is Reader.STAYS else ""
                self._idle.append(child)


def _cause(process: Process) -> SealCode:
    """Say why a child ended of itself."""
    code = SealCode.TOO_COSTLY if was_costly(process) else SealCode.FAILED
    tell = _log.error if code is SealCode.FAILED else _log.warning
    tell("seal.child.ended", code=code, status=process.returncode)
    return code
