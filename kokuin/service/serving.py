"""Starting the service: checks that need no key, the port, and then one process or several."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pqc
from kokuin.service.config import load_config
from kokuin.service.datafolder import DataFolder
from kokuin.service.errors import START_ERRORS, StartError
from kokuin.service.logs import configure_logs
from kokuin.service.parent import run_parent
from kokuin.service.tls import server_context

if TYPE_CHECKING:
    from kokuin.service.config import Config

__all__ = ["START_ERRORS", "serve"]

BIND_PATIENCE_SECONDS = 3.0
"""A service that was just killed may hold the port for a moment longer."""
BACKLOG = 2048


def serve(root: Path, settings: dict[str, str]) -> int:
    """Serve a data folder until SIGTERM or SIGINT; return the exit code.

    Args:
        root: the data folder.
        settings: `TSA_*` variables that the command line sets, above the environment's own.

    Raises:
        ConfigError, FolderError, UnitError, ProfileError, OpenRefusedError, ActivationError, StartError:
            the service cannot start; each message says what to do.
    """
    check_own_package()
    folder = DataFolder(root)
    folder.check_format()
    config = load_config(root, {**os.environ, **settings})
    configure_logs("serve")
    check_files(config)
    with contextlib.ExitStack() as bound:
        sock = bound.enter_context(bind(config.server.host, config.server.port))
        admin = None
        if config.server.admin_port is not None:
            admin = bound.enter_context(bind(config.server.host, config.server.admin_port))
        if config.server.workers == 1:
            from kokuin.service.single import run_single  # noqa: PLC0415  # libraries that a parent has no use for

            run_single(folder, config, sock, admin)
            return 0
        return run_parent(folder, config, sock, admin)


def check_files(config: Config) -> None:
    """Read what each worker will read, so that a file that is unfit is told once and before anything listens.

    Raises:
        StartError: a file of keys or certificates cannot be used.
    """
    server_context(config.server)
    if config.access.issuers:
        from kokuin.service.access.bearer_tokens import read_issuers  # noqa: PLC0415  # of no other use here

        read_issuers(config.access)


def check_own_package() -> None:
    """Refuse to run when another distribution's `pqc` is found before ours.

    Raises:
        StartError: the package is not the one beside this file.
    """
    ours = Path(__file__).resolve().parents[2] / "pqc"
    found = Path(pqc.__file__ or "").resolve().parent
    if found != ours:
        raise StartError(f"the package `pqc` at {found} is not kokuin's; uninstall it")


def bind(host: str, port: int) -> socket.socket:
    """Bind and listen; port 0 takes a free one.

    Raises:
        StartError: the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    deadline = time.monotonic() + BIND_PATIENCE_SECONDS
    while True:
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host, port))
            sock.listen(BACKLOG)
        except OSError as error:
            sock.close()
            if error.errno != errno.EADDRINUSE or time.monotonic() >= deadline:
                raise StartError(f"cannot listen on {host}:{port}: {error.strerror}") from None
            time.sleep(0.1)
        else:
            return sock
