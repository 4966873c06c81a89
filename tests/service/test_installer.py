"""A worker that cannot load what is active: it ends when it never could, and else says so and tries again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from kokuin.service import installer
from kokuin.service.activation import first_snapshot, load_installation
from kokuin.service.config import load_config
from kokuin.service.installer import Installer
from kokuin.service.issuing import ActiveConfiguration
from kokuin.service.ports import Push, Readiness
from kokuin.service.snapshot import SnapshotFolder
from kokuin.service.unit_errors import KeyOutOfReachError, UnitError
from tests.service.running import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from kokuin.service.installation import Installation
    from tests.service.running import Prepared


def follow(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch, *errors: Exception
) -> tuple[list[str], list[Installation]]:
    """Let a worker follow one push while loading fails with `errors`; return what it said, and installed."""
    folder, left = prepared.folder, list(errors)
    config = load_config(folder.root, {})
    said: list[str] = []
    installed: list[Installation] = []

    def load(*arguments: Any) -> Installation:
        if left:
            raise left.pop(0)
        return load_installation(*arguments)

    async def run() -> None:
        worker = Installer(folder, config, installed.append)
        digest = SnapshotFolder(folder.active).save(first_snapshot(folder, config))
        worker.on_push(Push(None, ActiveConfiguration(1, digest), {}, Readiness(())))
        while not worker.first.done():
            said.append(worker.problem)
            await asyncio.sleep(0.001)
        said.append(worker.problem)
        await worker.first

    monkeypatch.setattr(installer, "load_installation", load)
    monkeypatch.setattr(installer, "RETRY_SECONDS", 0.02)
    asyncio.run(asyncio.wait_for(run(), PATIENCE_S))
    return said, installed


def test_a_worker_waits_for_a_device_that_is_away(
    folder_of: Callable[[str], Prepared], monkeypatch: pytest.MonkeyPatch
) -> None:
    away = KeyOutOfReachError("the token is not there")
    said, installed = follow(folder_of("classical"), monkeypatch, away, away)
    assert "CONFIGURATION_UNFIT" in said
    assert (said[-1], len(installed)) == ("", 1)


@pytest.mark.parametrize("error", [UnitError("another key"), RuntimeError("the device is upset")])
def test_a_worker_that_can_never_issue_ends(
    folder_of: Callable[[str], Prepared], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    with pytest.raises(UnitError, match=str(error)):
        follow(folder_of("classical"), monkeypatch, error)


def test_pushes_to_a_worker_without_its_key_do_not_multiply_its_attempts(
    folder_of: Callable[[str], Prepared], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of("classical").folder
    config = load_config(folder.root, {})
    timers: list[asyncio.TimerHandle] = []

    def load(*_: Any) -> Installation:
        raise KeyOutOfReachError("the token is not there")

    async def run() -> None:
        loop = asyncio.get_running_loop()
        call_later = loop.call_later

        def count(*words: Any) -> asyncio.TimerHandle:
            timers.append(call_later(*words))
            return timers[-1]

        monkeypatch.setattr(loop, "call_later", count)
        worker = Installer(folder, config, lambda _: None)
        digest = SnapshotFolder(folder.active).save(first_snapshot(folder, config))
        for _ in range(4):
            worker.on_push(Push(None, ActiveConfiguration(1, digest), {}, Readiness(())))
            assert worker._catching_up is not None
            await worker._catching_up

    monkeypatch.setattr(installer, "load_installation", load)
    monkeypatch.setattr(installer, "RETRY_SECONDS", 3_600.0)  # it must not come while the pushes do
    asyncio.run(run())
    assert len(timers) == 1
