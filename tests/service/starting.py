"""`tsa serve` from a process that has loaded its libraries once: loading them is most of what a start costs.

The stem loads what a service of one worker loads, and nothing else: it reads no setting, opens no file and
starts no thread. A service is a copy of it that gets words, environment and folder as a new program gets
them, and from there on runs what the script `tsa` runs. Services of several workers, and whoever tests the
start itself, start the script.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]
MESSAGE = 128 * 1024
"""Octets of the longest order: words and environment."""
AT_START = ("PYTHON", "LD_", "COVERAGE", "MALLOC_")
"""Variables that say how a program is loaded: with others than the stem has, a program is started afresh."""


class Process(Protocol):
    """What tests ask of a service's process, as of a `subprocess.Popen`."""

    pid: int
    returncode: int | None

    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, sig: int) -> None: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...


@dataclass(slots=True)
class Copy:
    """A copy of the stem; the descriptor tells its end, the stem its exit code."""

    pid: int
    descriptor: int
    stem: Stem
    returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit code (or the negative signal) when it has ended."""
        return self._end(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the exit code.

        Raises:
            subprocess.TimeoutExpired: it did not end within `timeout` seconds.
        """
        code = self._end(None if timeout is None else timeout * 1_000)
        if code is None:
            raise subprocess.TimeoutExpired(["tsa", "serve"], timeout or 0)
        return code

    def send_signal(self, sig: int) -> None:
        """Send a signal, unless it is known to have ended."""
        if self.poll() is None:
            signal.pidfd_send_signal(self.descriptor, sig)

    def terminate(self) -> None:
        """Ask it to stop."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)

    def _end(self, milliseconds: float | None) -> int | None:
        if self.returncode is None:
            poller = select.poll()
            poller.register(self.descriptor, select.POLLIN)
            if poller.poll(milliseconds):
                self.returncode = self.stem.ask({"wait": self.pid})
                os.close(self.descriptor)
        return self.returncode


@dataclass(frozen=True, slots=True)
class Stem:
    """The process of which services are copies."""

    process: subprocess.Popen[bytes]
    sock: socket.socket

    def ask(self, order: Mapping[str, object], *descriptors: int) -> int:
        """Return the number that it answers."""
        socket.send_fds(self.sock, [json.dumps(order).encode()], descriptors)
        return int(self.sock.recv(MESSAGE))

    def start(self, words: list[str], environment: Mapping[str, str], log: IO[bytes]) -> Copy:
        """Start a copy as `tsa` with these words after its name."""
        order = {"words": words, "environment": dict(environment), "folder": str(Path.cwd())}
        pid = self.ask(order, log.fileno())
        return Copy(pid, os.pidfd_open(pid), self)


_STEMS: list[Stem] = []


def start_service(words: list[str], environment: Mapping[str, str], log: IO[bytes]) -> Process:
    """Start `tsa` with words, environment (whole) and a log for its standard error; its input is empty.

    Where the environment changes how a program is loaded, it is started afresh.
    """
    if _at_start(environment) != _at_start(os.environ) or not hasattr(os, "pidfd_open"):
        return subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=log, env=environment)
    if not _STEMS or _STEMS[0].process.poll() is not None:
        _STEMS[:] = [_make_stem()]
    return _STEMS[0].start(words, environment, log)


def _at_start(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(AT_START)}


def _make_stem() -> Stem:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-P", str(Path(__file__)), str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            env={name: value for name, value in os.environ.items() if not name.startswith("TSA_")},
            pass_fds=[theirs.fileno()],
            cwd=ROOT,
        )
    stem = Stem(process, ours)
    atexit.register(_end, stem)
    return stem


def _end(stem: Stem) -> None:
    stem.sock.close()
    stem.process.wait()


def be_stem(sock: socket.socket) -> int:
    """Start copies and wait for them as ordered, until nobody is there to order."""
    import kokuin.cli.serve  # noqa: PLC0415  # what every copy needs, of the stem alone
    import kokuin.service.serving  # noqa: PLC0415
    import kokuin.service.single  # noqa: F401, PLC0415

    while True:
        message, descriptors, _, _ = socket.recv_fds(sock, MESSAGE, 1)
        if not message:
            return 0
        order = json.loads(message)
        if "wait" in order:
            answer = os.waitstatus_to_exitcode(os.waitpid(order["wait"], 0)[1])
        else:
            answer = os.fork()
            if not answer:
                sock.close()
                return _become(order, *descriptors)
            os.close(descriptors[0])
        sock.send(str(answer).encode())


def _become(order: dict[str, object], log: int) -> int:
    """Be the service that the order describes, and return its exit code."""
    from kokuin.cli.main import main  # noqa: PLC0415  # loaded with the stem

    words, environment = order["words"], order["environment"]
    assert isinstance(words, list)
    assert isinstance(environment, dict)
    os.dup2(log, 2)
    os.close(log)
    os.chdir(str(order["folder"]))
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = words
    return main()


if __name__ == "__main__":
    sys.exit(be_stem(socket.socket(fileno=int(sys.argv[1]))))
