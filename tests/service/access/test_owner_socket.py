"""The owner socket is its owner's alone from its first moment, and what others make is as ever."""

from __future__ import annotations

import asyncio
import stat
from typing import TYPE_CHECKING, Any

import pytest
import uvloop

from kokuin.service.owner import ask_owner, listen
from tests.service.running import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


async def ask(operation: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {"ok": True, "operation": operation, **arguments}


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_nobody_else_may_open_it_and_what_others_make_meanwhile_is_as_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Callable[[Any], None]
) -> None:
    """The ledger's writer makes folders in a thread while the socket comes into being."""
    path = tmp_path / "owner.sock"
    (tmp_path / "before").mkdir()
    start = asyncio.start_unix_server

    async def starting(*words: Any, **named: Any) -> asyncio.Server:
        (tmp_path / "meanwhile").mkdir()
        return await start(*words, **named)

    monkeypatch.setattr(asyncio, "start_unix_server", starting)

    async def scenario() -> None:
        async with await listen(ask, path):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            answer = await asyncio.to_thread(ask_owner, path, "hear", {"word": 7}, PATIENCE_S)
            assert answer == {"ok": True, "operation": "hear", "word": 7, "actor": "owner"}

    run(scenario())
    modes = {name: stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("before", "meanwhile")}
    assert modes["meanwhile"] == modes["before"]


def test_a_socket_that_a_dead_owner_left_is_taken_over_and_one_that_has_no_place_is_told(
    tmp_path: Path,
) -> None:
    path = tmp_path / "owner.sock"

    async def scenario() -> None:
        for _ in range(2):
            server = await listen(ask, path)
            server.close()
            await server.wait_closed()
        with pytest.raises(OSError, match="No such file"):
            await listen(ask, tmp_path / "nowhere" / "owner.sock")

    asyncio.run(scenario())
