"""The children of a worker that judge: few, bounded, killed when they are late, and replaced."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import structlog

from kokuin.service.child_frames import HEAD, encode
from kokuin.service.child_start import await_end, end_child, start_child, was_costly
from kokuin.service.verify_codes import VerifyCode, VerifyRefusedError
from kokuin.service.verify_question import MAX_HEADER, MAX_REPORT, Answer, Question

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from pathlib import Path

CHILD = "kokuin.service.verify_child"
START_SECONDS = 30.0
"""How long a child may load on a busy machine."""
JUDGE_SECONDS = 10.0
"""How long a judgement may take; it may use half of that of a processor, and gives way to stamping."""
WAIT_SECONDS = 5.0
"""How long a question waits for a child."""

_Mark: TypeAlias = "tuple[tuple[str, int, int, int], ...]"
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Child:
    """A child, and what its trust store looked like before it read that."""

    process: Process
    mark: _Mark


class VerifyPool:
    """Judges questions in children; made and used on one event loop."""

    def __init__(self, trust: Path, children: int) -> None:
        """Start nothing yet.

        Args:
            trust: folder or file of those whom the operator trusts.
            children: at most so many at a time.
        """
        self._trust = trust
        self._turns = asyncio.Semaphore(children)
        self._idle: list[_Child] = []

    async def judge(self, question: Question) -> bytes:
        """Return the report of a question (JSON).

        Raises:
            VerifyRefusedError: there is none.
        """
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self._turns.acquire()
        except TimeoutError:
            raise VerifyRefusedError(VerifyCode.BUSY) from None
        try:
            child = await self._take()
            answer = await self._ask(child, question.encode(), JUDGE_SECONDS)
            if answer.last:
                await end_child(child.process)
            else:
                self._idle.append(child)
        finally:
            self._turns.release()
        if answer.code is None:
            return answer.report
        if not answer.field:
            tell = _log.error if answer.code is VerifyCode.FAILED else _log.warning
            tell("verify.failed", code=answer.code, detail=answer.detail)
        raise VerifyRefusedError(answer.code, answer.field)

    async def close(self) -> None:
        """End the children that wait; one that judges ends with its question."""
        while self._idle:
            await end_child(self._idle.pop().process)

    async def _take(self) -> _Child:
        """Return a child that trusts what the store holds now."""
        mark = await asyncio.to_thread(_look, self._trust)
        while self._idle:
            child = self._idle.pop()
            if child.mark == mark and child.process.returncode is None:
                return child
            await end_child(child.process)
        process = await start_child(CHILD)
        child = _Child(process, mark)
        ready = await self._ask(child, encode({"trust": str(self._trust)}), START_SECONDS)
        if ready.code is not None:
            await end_child(child.process)
            _log.warning("verify.trust.unreadable", detail=ready.detail)
            raise VerifyRefusedError(ready.code)
        return child

    async def _ask(self, child: _Child, frame: bytes, seconds: float) -> Answer:
        """Return what a child answers; a late one is killed: its answer would meet the next question."""
        try:
            async with asyncio.timeout(seconds):
                return await _exchange(child.process, frame)
        except TimeoutError:
            await end_child(child.process)
            _log.warning("verify.late", seconds=seconds)
            raise VerifyRefusedError(VerifyCode.TOO_LONG) from None
        except (EOFError, ConnectionError):
            await await_end(child.process)
            await end_child(child.process)
            raise VerifyRefusedError(_cause(child.process)) from None
        except ValueError:
            await end_child(child.process)
            raise VerifyRefusedError(_cause(child.process)) from None
        except BaseException:
            await end_child(child.process)
            raise


async def _exchange(process: Process, frame: bytes) -> Answer:
    """Send one frame and return the answer to it.

    Raises:
        EOFError, ConnectionError: the child has ended.
        ValueError: what it sent is no answer, or longer than one may be.
    """
    assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018  # pipes were asked for
    process.stdin.write(frame)
    await process.stdin.drain()
    header_size, blob_size = HEAD.unpack(await process.stdout.readexactly(HEAD.size))
    if header_size > MAX_HEADER or blob_size > MAX_REPORT:
        raise ValueError
    header = json.loads(await process.stdout.readexactly(header_size))
    return Answer.decode(header, await process.stdout.readexactly(blob_size))


def _cause(process: Process) -> VerifyCode:
    """Say why a child ended of itself."""
    code = VerifyCode.TOO_COSTLY if was_costly(process) else VerifyCode.FAILED
    tell = _log.error if code is VerifyCode.FAILED else _log.warning
    tell("verify.child.ended", code=code, status=process.returncode)
    return code


def _look(trust: Path) -> _Mark:
    """Return what changes when somebody changes a trust store."""
    try:
        files = sorted(trust.iterdir()) if trust.is_dir() else [trust]
        found = [(file.name, file.stat()) for file in files]
    except OSError:
        return ()
    return tuple((name, stat.st_ino, stat.st_size, stat.st_mtime_ns) for name, stat in found)
