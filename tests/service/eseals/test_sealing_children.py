"""Children that seal: libraries are loaded once, and no reader sees the documents of two tenants."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import pytest

from kokuin.service import child_frames
from kokuin.service.child_start import start_child
from kokuin.service.eseals import pool
from kokuin.service.eseals.codes import SealRefusedError
from kokuin.service.eseals.pool import SealPool
from tests.service.running import PATIENCE_S

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Callable

    from eseal.values import Material

HEADER = {
    "act": "extend",
    "format": "cades",
    "level": "B-T",
    "least": "B-T",
    "digest": "sha512",
    "token": 0,
    "keys": [],
    "options": {},
    "profile": "",
    "toml": "",
}


class NoKeys:
    """Holds nothing: what is not sealed asks for nothing."""

    async def sign(self, _: int, __: bytes) -> bytes:
        raise AssertionError

    async def stamp(self, _: bytes) -> bytes:
        raise AssertionError

    async def material(self, _: tuple[bytes, ...]) -> Material:
        raise AssertionError


def readers(process: Process) -> set[int]:
    """Return the processes that a child has forked and that have not ended."""
    told = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return {int(each) for each in told.split()}


def ends(process: int) -> bool:
    """Say whether a process ends soon; an entry that nobody has collected yet is none."""
    told = Path(f"/proc/{process}/stat")
    late = time.monotonic() + PATIENCE_S
    while time.monotonic() < late:
        try:
            if told.read_text().rpartition(")")[2].split()[0] in {"Z", "X"}:
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.01)
    return False


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, at_once: str) -> list[Process]:
    """Give the children that were started."""
    monkeypatch.setenv("PYTHONPATH", at_once)
    found: list[Process] = []

    async def start(module: str) -> Process:
        found.append(await start_child(module))
        return found[-1]

    monkeypatch.setattr(pool, "start_child", start)
    return found


async def read(children: SealPool, tenant: str) -> None:
    with pytest.raises(SealRefusedError):
        await children.run(tenant, HEADER, {"document": b"no seal"}, NoKeys())


def test_tenants_take_turns_in_one_child_and_never_in_one_reader(
    started: list[Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attack: a document takes over its reader and waits there for those of others."""
    monkeypatch.setattr(pool, "_LEAVING_SECONDS", PATIENCE_S)

    async def act() -> list[set[int]]:
        children = SealPool(1)
        seen = []
        try:
            for tenant in ("t-one", "t-one", "t-two", "t-one"):
                await read(children, tenant)
                seen.append(readers(started[0]))
        finally:
            await children.close()
        return seen

    first, again, other, back = asyncio.run(act())
    assert len(started) == 1
    assert first == again
    assert len(first | other | back) == 3


def test_what_a_reader_of_two_tenants_would_say_is_not_waited_for(started: list[Process]) -> None:
    """Attack: a reader that was taken over does not leave when it is told to."""

    async def act() -> None:
        children = SealPool(1)
        try:
            await read(children, "t-one")
            (reader,) = readers(started[0])
            os.kill(reader, signal.SIGSTOP)
            await read(children, "t-two")
            assert ends(reader)
        finally:
            await children.close()

    asyncio.run(act())
    assert len(started) == 2


def test_no_reader_outlives_its_child(started: list[Process]) -> None:
    async def act() -> set[int]:
        children = SealPool(1)
        try:
            await read(children, "t-one")
            left = readers(started[0])
        finally:
            await children.close()
        return left

    (reader,) = asyncio.run(act())
    assert started[0].returncode is not None
    assert ends(reader)


@pytest.mark.parametrize("way", [socket.socketpair, os.pipe])
def test_a_child_ends_when_whoever_asks_has_gone(way: Callable[[], tuple[Any, Any]], at_once: str) -> None:
    """A worker that was killed ends nobody: its children must see it for themselves, by socket or pipe."""
    theirs, ours = way()
    command = [sys.executable, "-m", pool.CHILD]
    environment = {**os.environ, "PYTHONPATH": at_once}
    with subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, env=environment) as child:
        assert child_frames.read(cast("BinaryIO", child.stdout)) == child_frames.Frame({"op": "ready"})
        for each in (theirs, ours):
            each.close() if isinstance(each, socket.socket) else os.close(each)
        try:
            assert child.wait(PATIENCE_S) == 0
        finally:
            child.kill()


def test_a_reader_that_is_killed_takes_its_child_along(started: list[Process]) -> None:
    """What it left in the pipes is nobody's: the next document meets a child of its own."""

    async def act() -> None:
        children = SealPool(1)
        try:
            await read(children, "t-one")
            (reader,) = readers(started[0])
            os.kill(reader, signal.SIGKILL)
            async with asyncio.timeout(PATIENCE_S):
                await started[0].wait()
            await read(children, "t-one")
        finally:
            await children.close()

    asyncio.run(act())
    assert len(started) == 2
    assert started[0].returncode == -signal.SIGKILL


def test_a_child_is_loaded_before_the_first_document_comes(started: list[Process]) -> None:
    async def act() -> None:
        children = SealPool(1, warm=True)
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not started:  # noqa: ASYNC110  # no event tells
                    await asyncio.sleep(0.01)
            await read(children, "t-one")
        finally:
            await children.close()

    asyncio.run(act())
    assert len(started) == 1
