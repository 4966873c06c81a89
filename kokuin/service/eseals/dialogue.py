"""One document in a child: it is told what to do, asks for signatures and time-stamps, and says what it made.

How many it may have, and of what, is bounded here: whoever took over the reader of a document gets no more.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from eseal.values import Level
from kokuin.service import child_frames
from kokuin.service.eseals import frames
from kokuin.service.eseals.codes import SealCode, SealRefusedError
from kokuin.service.eseals.spool import PIECE, Spool, pieces
from kokuin.service.eseals.tasks import Document

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Mapping

    from eseal.values import Material

MOST_SIGNED = 16
"""Signatures of one document: two suites, and a new one at each lower level."""
MOST_STAMPED = 16
MOST_ASKED = 4
"""How often one document may ask for material, and for how many octets of certificates."""
MAX_ASKED = 4 << 20

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


class Reader(Enum):
    """What became of whoever read the document."""

    LOST = "it may still write: its child ends"
    ENDED = "it has ended"
    STAYS = "it takes the tenant's next document"


class Dialogue:
    """One document in a child."""

    def __init__(self, process: Process, keys: Keys) -> None:
        self._process, self._keys = process, keys
        self._signed = self._stamped = self._asked = 0
        self.reader = Reader.LOST
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
        stdin.write(child_frames.head({**header, "parts": [*sizes.items()]}, sum(sizes.values())))
        for each in parts.values():
            for piece in pieces(each) if isinstance(each, Document) else (each,):
                stdin.write(piece)
                await stdin.drain()
        while True:
            said = await read_frame(self._process)
            if said.op == "done":
                made = await self._taken(said)
                self._answered(said.header)
                return made
            if said.op == "failed":
                self._raise(said.header)
            answer = await self._answer(said)
            stdin.write(answer)
            await stdin.drain()

    async def _answer(self, said: Said) -> bytes:
        """Answer a child's question."""
        if said.op == "sign" and said.size <= frames.MAX_SIGNED and self._signed < MOST_SIGNED:
            self._signed += 1
            octets = await said.whole()
            return child_frames.encode(
                {"op": "signed"}, await self._keys.sign(int(said.header["key"]), octets)
            )
        if said.op == "stamp" and said.size <= 64 and self._stamped < MOST_STAMPED:
            self._stamped += 1
            try:
                token = await self._keys.stamp(await said.whole())
            except StampRefusedError:
                return child_frames.encode({"op": "unavailable"})
            return child_frames.encode({"op": "stamped"}, token)
        if said.op == "material" and said.size <= MAX_ASKED and self._asked < MOST_ASKED:
            self._asked += 1
            return await self._material(said)
        # Attack: a document that took over its reader has the key sign for it.
        raise ValueError(said.op[:16])

    async def _material(self, said: Said) -> bytes:
        octets = await said.whole()
        try:
            found = await self._keys.material(tuple(frames.split(said.header["parts"], octets).values()))
        except MaterialRefusedError as error:
            return child_frames.encode({"op": "refused", "code": error.code})
        parts = {f"certificate-{number}": each for number, each in enumerate(found.certificates)}
        parts |= {f"crl-{number}": each for number, each in enumerate(found.revocation.lists)}
        parts |= {f"ocsp-{number}": each for number, each in enumerate(found.revocation.answers)}
        lengths, joined = frames.join(parts)
        return child_frames.encode({"op": "material", "parts": lengths}, joined)

    async def _taken(self, said: Said) -> Made:
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
        self.reader = Reader.ENDED if said["last"] else Reader.STAYS

    def _raise(self, said: Mapping[str, Any]) -> None:
        code, field, reason = SealCode(said["code"]), str(said["field"])[:64], str(said["reason"])[:200]
        self._answered(said)
        if code is SealCode.FAILED:
            _log.error("seal.failed", detail=reason)
            reason = ""
        raise SealRefusedError(code, field, reason)


@dataclass(frozen=True, slots=True)
class Said:
    """A frame of a child, whose octets are still in the pipe."""

    process: Process
    header: Mapping[str, Any]
    size: int

    @property
    def op(self) -> str:
        """What it is about."""
        return str(self.header.get("op"))

    async def whole(self) -> bytes:
        """Return its octets."""
        assert self.process.stdout is not None  # noqa: S101  # a pipe was asked for
        return await self.process.stdout.readexactly(self.size)

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield its octets."""
        assert self.process.stdout is not None  # noqa: S101  # as above
        left = self.size
        while left:
            piece = await self.process.stdout.readexactly(min(left, PIECE))
            left -= len(piece)
            yield piece


async def read_frame(process: Process) -> Said:
    """Return the next frame, but for its octets.

    Raises:
        EOFError: the child has ended.
        ValueError: it is no frame.
    """
    assert process.stdout is not None  # noqa: S101  # a pipe was asked for
    header_size, size = child_frames.HEAD.unpack(await process.stdout.readexactly(child_frames.HEAD.size))
    if header_size > frames.MAX_HEADER:
        raise ValueError
    try:
        header = json.loads(await process.stdout.readexactly(header_size))
    except RecursionError:
        raise ValueError from None
    if not isinstance(header, dict):
        raise ValueError  # noqa: TRY004  # of what a child wrote, not of a type
    return Said(process, header, size)


def _size(part: bytes | Document) -> int:
    return part.size if isinstance(part, Document) else len(part)
