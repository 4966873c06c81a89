"""A real `tsa serve` that can be killed part by part, and what /proc says of it.

Shared by `test_survival*.py` and `conformance/soak.py`.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from enum import StrEnum
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from kokuin.service.datafolder import DataFolder
from kokuin.service.initialising import InitRequest, initialise
from kokuin.service.owner import OwnerUnavailableError, ask_owner
from tests.ports import free_port
from tests.service.starting import start_service
from tests.service.survival_clients import Outcome, Stamped, ask

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.service.starting import Process

T = TypeVar("T")

START_SECONDS = 90.0
"""A service that is not ready by then will not be; generous, since the machine may be busy."""
ORPHAN_SECONDS = 15.0
"""How long children may outlive their parent on a busy machine: less than their open requests may take."""
HOST = "127.0.0.1"
AFRESH = ("-m", "kokuin.cli.main")
"""With these words a service is started as an operator starts it."""


class Part(StrEnum):
    """A process of the service."""

    PARENT = "parent"
    KEEPER = "keeper"
    WORKER = "worker"


class SurvivalError(AssertionError):
    """The service did not behave as promised."""


def make_folder(root: Path) -> Path:
    """Make a development data folder under `root` and return it."""
    folder = root / "data"
    initialise(InitRequest(folder, profile="classical"))
    return folder


def wait_until(what: str, look: Callable[[], T | None], seconds: float = START_SECONDS) -> T:
    """Return the first result of `look` that is not None (nor False).

    Raises:
        SurvivalError: none came in time.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found is not None and found is not False:
            return found
        time.sleep(0.02)
    raise SurvivalError(f"{what}: not within {seconds:.0f} s")


@dataclass(slots=True)
class Service:
    """One `tsa serve` after the other, on one data folder and one port."""

    folder: Path
    workers: int
    port: int = field(default_factory=free_port)
    program: tuple[str, ...] = ()
    """Words with which Python starts it; none: it is a copy of a process that has loaded it."""
    _process: Process | None = None

    @property
    def log(self) -> Path:
        """Standard error of every run."""
        return self.folder.with_name("serve.log")

    @property
    def process(self) -> Process:
        """The process that the operator started."""
        assert self._process is not None
        return self._process

    def runs(self) -> bool:
        """Say whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it and wait until it is ready and every part runs."""
        with self.log.open("ab") as log:
            words = ["serve", "--dir", str(self.folder)]
            words += ["--host", HOST, "--port", str(self.port), "--workers", str(self.workers)]
            if self.program:
                command = [sys.executable, *self.program, *words]
                self._process = subprocess.Popen(command, stderr=log, stdin=subprocess.DEVNULL)
            else:
                self._process = start_service(["tsa", *words], os.environ, log)
        self.wait_ready()

    def wait_ready(self) -> None:
        """Wait until all parts run, `/readyz` is 200, and a stamp is granted."""
        wait_until("ready", self._ready)

    def _ready(self) -> bool:
        if self.process.poll() is not None:
            # Answers of workers, which there are many of, say nothing of why it ended.
            told = self.log.read_text(encoding="utf-8").splitlines()
            last = [line for line in told if '"level":"info"' not in line and '"append.refused"' not in line]
            raise SurvivalError(f"`tsa serve` ended with {self.process.returncode}: {last[-8:]}")
        alive = len(self.pids(Part.WORKER)) == self.workers and len(self.pids(Part.KEEPER)) == 1
        ready = alive and self.readiness()[0] == 200 and self.stamp().outcome is Outcome.GRANTED
        return ready and self._all_work()

    def _all_work(self) -> bool:
        """Say whether the keeper has heard of every worker: one alone answers as if all were there."""
        try:
            status = ask_owner(DataFolder(self.folder).owner_socket, "status")
        except OwnerUnavailableError:
            return False
        return len(status["workers"]) == self.workers

    def stamp(self) -> Stamped:
        """Send one request on a connection of its own."""
        return ask(self.port)

    def readiness(self) -> tuple[int, tuple[str, ...]]:
        """Return status (0: nobody answers) and problems of `/readyz`."""
        connection = HTTPConnection(HOST, self.port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            answer = connection.getresponse()
            return answer.status, tuple(json.loads(answer.read())["problems"])
        except (OSError, HTTPException):
            return 0, ()
        finally:
            connection.close()

    def pids(self, part: Part) -> list[int]:
        """Return the living processes of a part; with one worker all parts are one process."""
        top = self.process.pid
        if self.workers == 1 or part is Part.PARENT:
            return [top] if is_alive(top) else []
        return [pid for pid in children(top) if part.value in command_line(pid)[1:6]]

    def kill(self, part: Part) -> int:
        """`kill -9` one process of a part and return its id."""
        pid = self.pids(part)[-1]
        os.kill(pid, signal.SIGKILL)
        wait_until(f"{part} {pid} is dead", lambda: not is_alive(pid))
        return pid

    def outlived(self, orphans: list[int]) -> None:
        """Wait until no child of a dead parent lives and nobody holds the port.

        Raises:
            SurvivalError: one outlived its parent by more than `ORPHAN_SECONDS`.
        """
        self.process.wait()
        wait_until("children end", lambda: not any(map(is_alive, orphans)), ORPHAN_SECONDS)
        wait_until("the port is free", lambda: not listens(self.port), ORPHAN_SECONDS)

    def recover(self, part: Part, killed: int, orphans: list[int]) -> None:
        """See to it that the service answers again: by its own parent, or by starting it again."""
        if self.workers == 1 or part is Part.PARENT:
            self.outlived(orphans)
            self.start()
            return
        wait_until(f"another {part}", lambda: any(pid != killed for pid in self.pids(part)))
        self.wait_ready()

    def stop(self) -> int:
        """SIGTERM; return the exit code."""
        self.process.terminate()
        code = self.process.wait(START_SECONDS)
        wait_until("the port is free", lambda: not listens(self.port), ORPHAN_SECONDS)
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave nothing running, whatever went wrong."""
        if self._process is None:
            return
        family = [self._process.pid, *children(self._process.pid)]
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the log lines of one event."""
        lines = self.log.read_bytes().split(b"\n")[:-1]  # the last one may be half written
        found = [json.loads(line) for line in lines if line.startswith(b"{")]
        return [line for line in found if line.get("event") == name]


def is_alive(pid: int) -> bool:
    """Say whether a process runs; a zombie that nobody has collected does not."""
    return _stat(pid) is not None


def _stat(pid: int) -> list[str] | None:
    """Return the fields of /proc/PID/stat from the state on (proc(5)), None when the process is dead."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else fields


def children(parent: int) -> list[int]:
    """Return the living children of a process, oldest first."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            fields = _stat(int(entry.name))
            if fields is not None and int(fields[1]) == parent:
                found.append(int(entry.name))
    return sorted(found)


def command_line(pid: int) -> list[str]:
    """Return a process's arguments; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return []


def listens(port: int) -> bool:
    """Say whether any process of this machine listens on an IPv4 port (state 0A in /proc/net/tcp)."""
    rows = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    return any(
        fields[3] == "0A" and int(fields[1].partition(":")[2], 16) == port for fields in map(str.split, rows)
    )
