"""A keeper that is killed at a point of a change. Words: folder, point, operation, arguments as JSON."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlmodel import Session

from kokuin.service.access import people
from kokuin.service.config import load_config
from kokuin.service.datafolder import DataFolder, FolderLock
from kokuin.service.keeper_process import make_keeper

if TYPE_CHECKING:
    from collections.abc import Mapping


def _die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _arm(point: str) -> None:
    """Let the process die before the leaf, between the leaf and the commit, or after the commit."""
    commit = Session.commit

    def committed(session: Session) -> None:
        commit(session)
        _die()

    if point == "before-leaf":
        people._leaf = _die  # type: ignore[assignment]
    else:
        Session.commit = _die if point == "before-commit" else committed  # type: ignore[method-assign, assignment]


async def _change(folder: DataFolder, point: str, operation: str, arguments: Mapping[str, Any]) -> None:
    keeper = make_keeper(folder, load_config(folder.root, {}))
    await keeper.start()
    _arm(point)
    print(await keeper.ask(operation, {**arguments, "actor": "owner"}))  # noqa: T201  # a test that gets here fails


if __name__ == "__main__":
    root, at, asked, said = sys.argv[1:]
    with FolderLock(DataFolder(Path(root))):
        asyncio.run(_change(DataFolder(Path(root)), at, asked, json.loads(said)))
