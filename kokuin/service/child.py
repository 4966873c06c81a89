"""A child of `tsa serve`: keeper or worker, each loading only the libraries of its role."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from pathlib import Path

import uvloop

from kokuin.ledger.faults import OpenFault, OpenRefusedError
from kokuin.service.config import Config
from kokuin.service.control import EXIT_CANNOT_START, EXIT_UNREACHABLE, SNAPSHOT
from kokuin.service.datafolder import LOCK_PATIENCE_SECONDS, DataFolder, FolderLock
from kokuin.service.errors import START_ERRORS
from kokuin.service.logs import configure_logs


async def _keep(folder: DataFolder, config: Config, control: socket.socket) -> None:
    from kokuin.service.keeper_process import KeeperChild  # noqa: PLC0415  # the ledger's libraries

    await KeeperChild(folder, config).run(control)


async def _work(folder: DataFolder, config: Config, control: socket.socket) -> None:
    from kokuin.service.worker_process import WorkerChild  # noqa: PLC0415  # the web libraries

    await WorkerChild(folder, config).run(control)


def main(arguments: list[str]) -> int:
    """Be the child that `ROLE NAME DESCRIPTOR FOLDER` describe; called by `child_program` alone."""
    role, name, descriptor, root = arguments
    # The terminal sends SIGINT to the whole group; the parent alone decides who stops and when.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    configure_logs(name)
    folder, control = DataFolder(Path(root)), socket.socket(fileno=int(descriptor))
    config = Config.model_validate_json(os.environ[SNAPSHOT])
    try:
        with contextlib.suppress(asyncio.CancelledError):
            if role == "keeper":
                with FolderLock(folder, patience_s=LOCK_PATIENCE_SECONDS):
                    uvloop.run(_keep(folder, config, control))
            else:
                uvloop.run(_work(folder, config, control))
    except START_ERRORS as error:
        print(f"tsa serve: {error}", file=sys.stderr)  # noqa: T201  # a person reads why the start failed
        later = isinstance(error, OpenRefusedError) and error.fault is OpenFault.UNREACHABLE
        return EXIT_UNREACHABLE if later else EXIT_CANNOT_START
    return 0
