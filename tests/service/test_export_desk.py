"""Bundles one at a time: when the next may be asked for. What they hold: tests/cli/test_ledger_fetch.py."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from kokuin.service.config import Config
from kokuin.service.datafolder import DataFolder
from kokuin.service.export_api import ExportDesk
from kokuin.service.exporting import Asked

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from starlette.types import Message


class _Child:
    """A child that makes a short bundle."""

    def __init__(self) -> None:
        self.stdin, self.stdout, self.returncode = self, asyncio.StreamReader(), 0
        self.stdout.feed_data(b'{"ok":true,"head":"00"}\nbundle')
        self.stdout.feed_eof()

    def write(self, _: bytes) -> None: ...

    async def drain(self) -> None: ...

    def close(self) -> None: ...

    async def wait(self) -> int:
        return 0

    async def communicate(self) -> tuple[bytes, bytes]:
        return b"", b""


def a_desk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> ExportDesk:
    async def start(_: str) -> _Child:
        return _Child()

    monkeypatch.setattr("kokuin.service.export_api.start_child", start)
    return ExportDesk(DataFolder(folder), Config())


async def never() -> Message:
    """The one who asked stays."""
    return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return] # it never comes


async def statuses(desk: ExportDesk, *, ask_at_end: bool) -> list[int]:
    """Ask for a bundle, then for another when the first has begun or as soon as its last octet is out."""
    found: list[int] = []

    async def send(message: Message) -> None:
        begun, ended = message["type"] == "http.response.start", message.get("more_body") is False
        if ended if ask_at_end else begun:
            second = await desk.send(Asked(), 0, "", only_headers=True)
            found.append(second.status_code)

    first = await desk.send(Asked(), 0, "", only_headers=False)
    scope: dict[str, Any] = {"type": "http", "method": "GET"}
    await first(scope, never, send)
    return [first.status_code, *found]


def test_whoever_has_the_last_octet_may_ask_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert asyncio.run(statuses(a_desk(tmp_path, monkeypatch), ask_at_end=True)) == [200, 200]


def test_whoever_asks_meanwhile_comes_back_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert asyncio.run(statuses(a_desk(tmp_path, monkeypatch), ask_at_end=False)) == [200, 503]


def test_the_end_of_one_bundle_is_not_the_end_of_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first response is put away while the second is made: a third must wait."""

    async def run() -> list[int]:
        desk = a_desk(tmp_path, monkeypatch)
        found = []

        async def send(message: Message) -> None:
            if message.get("more_body") is False:
                found.append((await desk.send(Asked(), 0, "", only_headers=False)).status_code)

        first = await desk.send(Asked(), 0, "", only_headers=False)
        await first({"type": "http", "method": "GET"}, never, send)
        return [*found, (await desk.send(Asked(), 0, "", only_headers=True)).status_code]

    assert asyncio.run(run()) == [200, 503]
