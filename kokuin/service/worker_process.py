"""A worker as a process of its own."""

from __future__ import annotations

import asyncio
import signal
import socket
from typing import TYPE_CHECKING, Any

from kokuin.service.control import Control
from kokuin.service.link import RemotePort
from kokuin.service.worker import Worker

if TYPE_CHECKING:
    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder


class WorkerChild:
    """A worker as a process of its own: it waits for the listening sockets and for each new link."""

    def __init__(self, folder: DataFolder, config: Config) -> None:
        worker = self._worker = Worker(folder, config)
        self._port = RemotePort(worker)
        self._listening: asyncio.Future[list[socket.socket]] = asyncio.get_running_loop().create_future()
        self._attaching: set[asyncio.Task[None]] = set()

    async def run(self, control_sock: socket.socket) -> None:
        """Answer HTTP until the parent says stop or is gone."""
        control = Control(control_sock, self._on_order)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._stop)
        socks = await self._listening
        control.tell("ready")
        await self._worker.serve(self._port, *socks)

    def _on_order(self, order: dict[str, Any], descriptors: list[int]) -> None:
        match order.get("op"):
            case "listen":
                self._listening.set_result([socket.socket(fileno=each) for each in descriptors])
            case "link":
                task = asyncio.ensure_future(self._port.attach(socket.socket(fileno=descriptors[0])))
                self._attaching.add(task)
                task.add_done_callback(self._attaching.discard)
            case _:
                self._stop()

    def _stop(self) -> None:
        self._listening.cancel()
        self._worker.stop()
