"""The keeper made for this machine, and the keeper as a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from typing import TYPE_CHECKING, Any

import structlog

from kokuin.service import owner
from kokuin.service.control import Control
from kokuin.service.keeper import Keeper
from kokuin.service.keeper_link import WorkerLink

if TYPE_CHECKING:
    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder

EXIT_LEDGER_LOST = 70
ALONE_SECONDS = 2.0
"""How long a keeper that ends waits for its workers to let go; below what `lifeline` grants an orphan."""

_log = structlog.get_logger()


def end_now(detail: str) -> None:
    """End this process at once: what the ledger holds can no longer be known from inside it."""
    _log.critical("ledger.lost", detail=detail)
    os._exit(EXIT_LEDGER_LOST)


def make_keeper(folder: DataFolder, config: Config) -> Keeper:
    """Return a keeper for this configuration; nothing is opened yet."""
    return Keeper(folder, config, on_fatal=end_now)


class KeeperChild:
    """The keeper as a process of its own: a frame link to each worker, the owner socket, and a quiet end."""

    def __init__(self, folder: DataFolder, config: Config) -> None:
        self._folder = folder
        self._keeper = make_keeper(folder, config)
        self._links: set[WorkerLink] = set()
        self._attaching: set[asyncio.Task[None]] = set()
        self._ended, self._alone = asyncio.Event(), asyncio.Event()

    async def run(self, control_sock: socket.socket) -> None:
        """Own the data folder until the parent says stop or is gone."""
        await self._keeper.start()
        control = Control(control_sock, self._on_order)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._ended.set)
        server = await owner.listen(self._keeper.ask, self._folder.owner_socket)
        self._alone.set()
        control.tell("ready")
        await self._ended.wait()
        server.close()
        # Workers drain first: their last records must find the ledger open.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ALONE_SECONDS):
                await self._alone.wait()
        await self._keeper.stop()
        self._folder.owner_socket.unlink(missing_ok=True)

    def _on_order(self, order: dict[str, Any], descriptors: list[int]) -> None:
        if order.get("op") != "link":
            self._ended.set()
            return
        link = WorkerLink(self._keeper, order["worker"], self._on_lost)
        self._links.add(link)
        self._alone.clear()
        task = asyncio.ensure_future(link.attach(socket.socket(fileno=descriptors[0])))
        self._attaching.add(task)
        task.add_done_callback(self._attaching.discard)

    def _on_lost(self, link: WorkerLink) -> None:
        self._links.discard(link)
        if not self._links:
            self._alone.set()
