"""One worker: keeper, worker and listener in one process on one loop, with the same parts as many."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import structlog
import uvloop

from kokuin.service import owner
from kokuin.service.control import places
from kokuin.service.datafolder import LOCK_PATIENCE_SECONDS, FolderLock
from kokuin.service.keeper_link import LocalPort
from kokuin.service.keeper_process import make_keeper
from kokuin.service.worker import Worker

if TYPE_CHECKING:
    import socket

    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.keeper import Keeper

NAME = "worker-1"
"""Of the one worker."""

_log = structlog.get_logger()


def run_single(folder: DataFolder, config: Config, sock: socket.socket, admin: socket.socket | None) -> None:
    """Serve until SIGTERM or SIGINT; `admin` is the socket of administration, None: it has none of its own.

    Raises:
        UnitError, ProfileError: key, certificate or profile do not fit.
        ActivationError: what was in force cannot be read, or the ledger refused the configuration.
        FolderError: another process owns the folder.
        OpenRefusedError: the ledger cannot be opened.
    """
    with FolderLock(folder, patience_s=LOCK_PATIENCE_SECONDS):
        uvloop.run(_serve(folder, config, sock, admin))


async def _serve(
    folder: DataFolder, config: Config, sock: socket.socket, admin: socket.socket | None
) -> None:
    keeper = make_keeper(folder, config)
    await keeper.start()
    try:
        await _answer(folder, config, keeper, sock, admin)
    finally:
        await keeper.stop()


async def _answer(
    folder: DataFolder, config: Config, keeper: Keeper, sock: socket.socket, admin: socket.socket | None
) -> None:
    worker, loop = Worker(folder, config), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, worker.stop)
    server = await owner.listen(keeper.ask, folder.owner_socket)
    forget = keeper.people.subscribe(worker.on_access)
    unsubscribe, leave = keeper.subscribe(worker.on_push), keeper.enlist(NAME, worker)
    _log.info("serving", **places(sock, admin), workers=1)
    try:
        await worker.serve(LocalPort(keeper, NAME), sock, admin)
    finally:
        for end in (forget, unsubscribe, leave):
            end()
        server.close()
        folder.owner_socket.unlink(missing_ok=True)
