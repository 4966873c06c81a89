"""A real chronyd on loopback ports that leaves this machine's clock alone."""

from __future__ import annotations

import os
import pwd
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from socket import SOCK_DGRAM
from typing import TYPE_CHECKING

import pytest

from tests.peers import need
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PATIENCE_S = 60.0
"""How long a daemon or an answer may take on a busy machine; nothing waits for it to pass."""


@dataclass(frozen=True)
class Chronyd:
    """Where a running chronyd answers."""

    ntp_port: int
    command_port: int
    command_socket: Path
    chronyc: str

    @property
    def server(self) -> str:
        return f"127.0.0.1:{self.ntp_port}"


@contextmanager
def chronyd(folder: Path, *directives: str) -> Iterator[Chronyd]:
    """Run chronyd with `directives` until the block ends."""
    program, chronyc = need("chronyd"), need("chronyc")
    folder.mkdir(mode=0o700)
    daemon = Chronyd(free_port(SOCK_DGRAM), free_port(SOCK_DGRAM), folder / "c.sock", chronyc)
    config = folder / "chrony.conf"
    fixed = (
        f"port {daemon.ntp_port}",
        f"cmdport {daemon.command_port}",
        "bindaddress 127.0.0.1",
        "bindcmdaddress 127.0.0.1",
        f"bindcmdaddress {daemon.command_socket}",
        "allow 127.0.0.1",
        f"pidfile {folder / 'pid'}",
    )
    config.write_text("\n".join((*fixed, *directives)) + "\n")
    user = pwd.getpwuid(os.getuid()).pw_name
    log = (folder / "log").open("wb")
    # -x: never touch the clock; -U -u: run as whoever runs the tests.
    command = [program, "-U", "-u", user, "-d", "-x", "-f", str(config)]
    with log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            wait_for(lambda: _answers(daemon), (folder / "log").read_text)
            yield daemon
        finally:
            process.terminate()


def wait_for(ready: Callable[[], bool], story: Callable[[], str] = str) -> None:
    """Wait until `ready()` holds; its absence when patience ends fails the test with `story()`."""
    patience = time.monotonic() + PATIENCE_S
    while not ready():
        if time.monotonic() > patience:
            pytest.fail(f"chronyd does not come to it: {story()}")
        time.sleep(0.02)


def _answers(daemon: Chronyd) -> bool:
    where = ["-h", "127.0.0.1", "-p", str(daemon.command_port)]
    return (
        subprocess.run(
            [daemon.chronyc, *where, "-n", "tracking"], capture_output=True, check=False
        ).returncode
        == 0
    )
