"""`tsa serve` from a process that has loaded its libraries once: loading them is most of what a start costs.

The stem loads what a service loads, and nothing else: it reads no setting, opens no file and starts no
thread. A service is a copy of it that gets words, environment and folder as a new program gets them, and
from there on runs what the script `tsa` runs. Where that starts keeper and workers as programs, each is a
copy in the same way: of its parent, with the environment and the one descriptor that it is handed. Whoever
tests the start itself starts the script.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import importlib
import itertools
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import IO, TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).parents[2]
MESSAGE = 128 * 1024
"""Octets of the longest order: words and environment."""
AT_START = ("PYTHON", "LD_", "COVERAGE", "MALLOC_")
"""Variables that say how a program is loaded: with others than the stem has, a program is started afresh."""
SITE = "PYTHONPATH"
"""The one of them that a copy heeds too, and the `sitecustomize` in it."""
ROOM = 4096
"""Octets that a copy has for its command line, as /proc shows it."""
CAUGHT = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)
"""Signals that a parent catches, and that a program started by it does not."""


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
    return {name: value for name, value in environment.items() if name.startswith(AT_START) and name != SITE}


def _make_stem() -> Stem:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-P", str(Path(__file__)), str(theirs.fileno()), "." * ROOM],
            stdin=subprocess.DEVNULL,
            # Nor what one test has every program load: each copy heeds its own.
            env={
                name: value
                for name, value in os.environ.items()
                if not name.startswith("TSA_") and name != SITE
            },
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
    import kokuin.ledger.postgres  # noqa: PLC0415
    import kokuin.service.child  # noqa: PLC0415
    import kokuin.service.keeper_process  # noqa: PLC0415
    import kokuin.service.serving  # noqa: PLC0415
    import kokuin.service.single  # noqa: PLC0415
    import kokuin.service.worker_process  # noqa: F401, PLC0415

    # What is loaded stays: no copy looks through it, which would make the pages its own.
    gc.collect()
    gc.freeze()
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


def _become(order: dict[str, Any], log: int) -> int:
    """Be the service that the order describes, and return its exit code."""
    from kokuin.cli.main import main  # noqa: PLC0415  # loaded with the stem
    from kokuin.service import parent  # noqa: PLC0415  # likewise

    os.dup2(log, 2)
    os.close(log)
    os.chdir(order["folder"])
    parent.subprocess = SimpleNamespace(  # type: ignore[assignment, attr-defined]  # all that a parent uses of it
        Popen=_Child, TimeoutExpired=subprocess.TimeoutExpired
    )
    sys.argv = order["words"]
    _load_as([sys.executable, *sys.argv], order["environment"])
    return main()


class _Child(subprocess.Popen[bytes]):
    """`python -m MODULE WORDS` as a copy of who starts it; everything else is as with a program."""

    def _execute_child(  # what a `Popen` asks the system for a process with, and nothing else
        self,
        words: Sequence[str],
        _executable: object,
        _preexec: object,
        _close: object,
        descriptors: Sequence[int],
        _folder: object,
        environment: Mapping[str, str],
        *_: object,
    ) -> None:
        self.pid = os.fork()
        self._child_created = True
        if self.pid:
            return
        try:
            _become_child(words, descriptors, environment)
        except BaseException:  # noqa: BLE001  # it never returns to what its parent was doing
            traceback.print_exc()
        finally:
            os._exit(1)


def _become_child(words: Sequence[str], descriptors: Sequence[int], environment: Mapping[str, str]) -> None:
    """Run a module of our parent's choice with what a program would have of the parent's, and no more."""
    signal.set_wakeup_fd(-1)
    for number in CAUGHT:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    kept = [2, *sorted(descriptors), os.sysconf("SC_OPEN_MAX")]
    for before, after in itertools.pairwise(kept):
        os.closerange(before + 1, after)
    _load_as(words, environment)
    _, _, module, *sys.argv[1:] = words
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _load_as(words: Sequence[str], environment: Mapping[str, str]) -> None:
    """Show these words as our command line, take this environment, and heed its `PYTHONPATH`."""
    sys.orig_argv = list(words)
    stat = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    start, end = int(stat[45]), int(stat[46])  # arg_start and arg_end, proc(5)
    shown = "\0".join(words).encode()[: end - start - 1]
    ctypes.memmove(start, shown.ljust(end - start, b"\0"), end - start)
    os.environ.clear()
    os.environ.update(environment)
    if folders := environment.get(SITE):
        sys.path[:0] = folders.split(os.pathsep)
        sys.modules.pop("sitecustomize", None)
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module("sitecustomize")


if __name__ == "__main__":
    sys.exit(be_stem(socket.socket(fileno=int(sys.argv[1]))))
