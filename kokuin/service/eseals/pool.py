"""The children of a worker that read documents and seal them: few, bounded, killed when late.

A child asks for signatures and time-stamps of the document that it was given; how many it may have is bounded
here, and the keys never come near it. What in a child has read a tenant's document reads no other tenant's.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from eseal.values import Level
from kokuin.service.child_start import end_child, start_child
from kokuin.service.eseals import frames
from kokuin.service.eseals.codes import SealCode, SealRefusedError
from kokuin.service.eseals.spool import PIECE, Spool, pieces
from kokuin.service.eseals.tasks import Document

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Mapping

    from eseal.values import Material

CHILD = "kokuin.service.eseals.child"
START_SECONDS = 60.0
"""How long a child may load its libraries on a busy machine."""
SEAL_SECONDS = 120.0
"""How long a document may take, with its signatures and time-stamps."""
WAIT_SECONDS = 10.0
"""How long a document waits for a child."""
MOST_SIGNED = 16
"""Signatures of one document: two suites, and a new one at each lower level."""
MOST_STAMPED = 16
MOST_ASKED = 4
"""How often one document may ask for material, and for how many octets of certificates."""
MAX_ASKED = 4 << 20
_DYING_SECONDS = 1.0

_log = structlog.get_logger()


class StampRefusedError(Exception):
    """No time-stamp can be had; `code` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class MaterialRefusedError(Exception):
    """What B-LT adds is not there; `code` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Keys(Protocol):
    """Whoever holds the keys."""

    async def sign(self, number: int, octets: bytes) -> bytes:
        """Sign with the key of this number.

        Raises:
            SealRefusedError: it cannot be used now.
        """
        ...

    async def stamp(self, imprint: bytes) -> bytes:
        """Return a TimeStampToken, recorded.

        Raises:
            StampRefusedError: none can be had.
        """
        ...

    async def material(self, certificates: tuple[bytes, ...]) -> Material:
        """Return what B-LT adds for these certificates (DER).

        Raises:
            MaterialRefusedError: it is not there.
        """
        ...


@dataclass(frozen=True, slots=True)
class Made:
    """What a child made: the level that it reached, and the sealed document."""

    level: Level
    sealed: Document


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
        self, tenant: str, header: Mapping[str, Any], parts: Mapping[str, bytes | Document], keys: Keys
    ) -> Made:
        """Return what a child makes of a document.

        Args:
            tenant: whose document it is.
            header: what to do; see `child`.
            parts: octets by name.
            keys: answers the child.

        Raises:
            SealRefusedError: nothing was made.
        """
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self._turns.acquire()
        except TimeoutError:
            raise SealRefusedError(SealCode.BUSY) from None
        try:
            child = await self._take(tenant)
            return await self._bounded(child, _Work(child.process, keys), header, parts)
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
            async with asyncio.timeout(_DYING_SECONDS):
                child.process.stdin.write(frames.encode({"op": "leave"}))
                await child.process.stdin.drain()
                return (await _read(child.process)).op == "left"
        except (TimeoutError, EOFError, ConnectionError, ValueError):
            return False

    async def _started(self) -> Process:
        try:
            process = await start_child(CHILD)
        except OSError:
            raise SealRefusedError(SealCode.BUSY) from None
        try:
            async with asyncio.timeout(START_SECONDS):
                ready = await _read(process)
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
        self, child: _Child, work: _Work, header: Mapping[str, Any], parts: Mapping[str, bytes | Document]
    ) -> Made:
        """Let it work; a late one is killed, for its answer would meet the next document."""
        try:
            async with asyncio.timeout(SEAL_SECONDS):
                return await work.run(header, parts)
        except TimeoutError:
            _log.warning("seal.late", seconds=SEAL_SECONDS)
            raise SealRefusedError(SealCode.TOO_LONG) from None
        except (EOFError, ConnectionError):
            await _ended(child.process)
            raise SealRefusedError(_cause(child.process)) from None
        except (ValueError, TypeError, KeyError):
            _log.exception("seal.child.unreadable")
            raise SealRefusedError(SealCode.FAILED) from None
        finally:
            if work.reader is _Reader.LOST:
                await end_child(child.process)
            else:
                child.tenant = child.tenant if work.reader is _Reader.STAYS else ""
                self._idle.append(child)


class _Reader(Enum):
    """What became of whoever read the document."""

    LOST = "it may still write: its child ends"
    ENDED = "it has ended"
    STAYS = "it takes the tenant's next document"


class _Work:
    """One document in a child."""

    def __init__(self, process: Process, keys: Keys) -> None:
        self._process, self._keys = process, keys
        self._signed = self._stamped = self._asked = 0
        self.reader = _Reader.LOST
        """What became of its reader."""

    async def run(self, header: Mapping[str, Any], parts: Mapping[str, bytes | Document]) -> Made:
        """Return what it made.

        Raises:
            SealRefusedError: it made nothing.
            EOFError, ConnectionError: it ended.
            ValueError: it says what no child says.
        """
        sizes = {name: _size(each) for name, each in parts.items()}
        stdin = self._process.stdin
        assert stdin is not None  # noqa: S101  # a pipe was asked for
        stdin.write(frames.head({**header, "parts": [*sizes.items()]}, sum(sizes.values())))
        for each in parts.values():
            for piece in pieces(each) if isinstance(each, Document) else (each,):
                stdin.write(piece)
                await stdin.drain()
        while True:
            said = await _read(self._process)
            if said.op == "done":
                made = await self._taken(said)
                self._answered(said.header)
                return made
            if said.op == "failed":
                self._raise(said.header)
            answer = await self._answer(said)
            stdin.write(answer)
            await stdin.drain()

    async def _answer(self, said: _Said) -> bytes:
        """Answer a child's question."""
        if said.op == "sign" and said.size <= frames.MAX_SIGNED and self._signed < MOST_SIGNED:
            self._signed += 1
            octets = await said.whole()
            return frames.encode({"op": "signed"}, await self._keys.sign(int(said.header["key"]), octets))
        if said.op == "stamp" and said.size <= 64 and self._stamped < MOST_STAMPED:
            self._stamped += 1
            try:
                token = await self._keys.stamp(await said.whole())
            except StampRefusedError:
                return frames.encode({"op": "unavailable"})
            return frames.encode({"op": "stamped"}, token)
        if said.op == "material" and said.size <= MAX_ASKED and self._asked < MOST_ASKED:
            self._asked += 1
            return await self._material(said)
        # Attack: a document that took over its reader has the key sign for it.
        raise ValueError(said.op[:16])

    async def _material(self, said: _Said) -> bytes:
        octets = await said.whole()
        try:
            found = await self._keys.material(tuple(frames.split(said.header["parts"], octets).values()))
        except MaterialRefusedError as error:
            return frames.encode({"op": "refused", "code": error.code})
        parts = {f"certificate-{number}": each for number, each in enumerate(found.certificates)}
        parts |= {f"crl-{number}": each for number, each in enumerate(found.revocation.lists)}
        parts |= {f"ocsp-{number}": each for number, each in enumerate(found.revocation.answers)}
        lengths, joined = frames.join(parts)
        return frames.encode({"op": "material", "parts": lengths}, joined)

    async def _taken(self, said: _Said) -> Made:
        if said.size > frames.MAX_SEALED:
            raise ValueError
        level = Level(said.header["level"])
        spool = Spool()
        try:
            async for piece in said.pieces():
                await spool.take(piece)
            return Made(level, spool.done())
        except BaseException:
            spool.close()
            raise

    def _answered(self, said: Mapping[str, Any]) -> None:
        self.reader = _Reader.ENDED if said["last"] else _Reader.STAYS

    def _raise(self, said: Mapping[str, Any]) -> None:
        code, field, reason = SealCode(said["code"]), str(said["field"])[:64], str(said["reason"])[:200]
        self._answered(said)
        if code is SealCode.FAILED:
            _log.error("seal.failed", detail=reason)
            reason = ""
        raise SealRefusedError(code, field, reason)


@dataclass(frozen=True, slots=True)
class _Said:
    """A frame of a child, whose octets are still in the pipe."""

    process: Process
    header: Mapping[str, Any]
    size: int

    @property
    def op(self) -> str:
        return str(self.header.get("op"))

    async def whole(self) -> bytes:
        assert self.process.stdout is not None  # noqa: S101  # a pipe was asked for
        return await self.process.stdout.readexactly(self.size)

    async def pieces(self) -> AsyncIterator[bytes]:
        assert self.process.stdout is not None  # noqa: S101  # as above
        left = self.size
        while left:
            piece = await self.process.stdout.readexactly(min(left, PIECE))
            left -= len(piece)
            yield piece


async def _read(process: Process) -> _Said:
    """Return the next frame, but for its octets.

    Raises:
        EOFError: the child has ended.
        ValueError: it is no frame.
    """
    assert process.stdout is not None  # noqa: S101  # a pipe was asked for
    header_size, size = frames.HEAD.unpack(await process.stdout.readexactly(frames.HEAD.size))
    if header_size > frames.MAX_HEADER:
        raise ValueError
    header = json.loads(await process.stdout.readexactly(header_size))
    if not isinstance(header, dict):
        raise ValueError  # noqa: TRY004  # of what a child wrote, not of a type
    return _Said(process, header, size)


def _size(part: bytes | Document) -> int:
    return part.size if isinstance(part, Document) else len(part)


def _cause(process: Process) -> SealCode:
    """Say why a child ended of itself."""
    code = SealCode.TOO_COSTLY if process.returncode == -signal.SIGXCPU else SealCode.FAILED
    tell = _log.error if code is SealCode.FAILED else _log.warning
    tell("seal.child.ended", code=code, status=process.returncode)
    return code


async def _ended(process: Process) -> None:
    """Wait for a child that ends by itself: to kill one that has just died loses how it died."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_DYING_SECONDS):
            await process.wait()
