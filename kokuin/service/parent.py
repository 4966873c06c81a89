"""The parent of `tsa serve` with several workers: binds the port, starts children, restarts them.

It signs nothing and writes nothing. Children are separate programs started
afresh, joined by sockets that the parent makes and hands over.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import orjson
import structlog

from kokuin.service.control import EXIT_CANNOT_START, EXIT_UNREACHABLE, SNAPSHOT, places
from kokuin.service.errors import StartError

if TYPE_CHECKING:
    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder

RESTARTS = 10
RESTART_WINDOW_SECONDS = 60.0
"""More than RESTARTS within this time: something is broken for good, and the parent gives up."""
STOP_SECONDS = {"worker": 15.0, "keeper": 10.0}
"""How long children of a role may take to drain before they are killed; the keeper, last, has its own time:
workers that are held up do not cost it what it has counted and not yet written."""

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)
_log = structlog.get_logger()


@dataclass(slots=True)
class Child:
    """A running child and the parent's end of its control socket."""

    role: str
    name: str
    process: subprocess.Popen[bytes]
    control: socket.socket
    ready: bool = False


@dataclass(slots=True)
class Parent:
    """The supervisor of one `tsa serve`.

    Attributes:
        folder: the data folder.
        sock: the listening socket.
        workers: how many workers.
        environment: environment of the children, with the configuration in it.
        admin: the listening socket of administration, None: it has none of its own.
    """

    folder: DataFolder
    sock: socket.socket
    workers: int
    environment: dict[str, str]
    admin: socket.socket | None = None
    _children: dict[str, Child] = field(default_factory=dict)
    _restarts: deque[float] = field(default_factory=deque)
    _served: bool = False
    _selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    _signals: tuple[socket.socket, socket.socket] = field(default_factory=socket.socketpair)

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT; return the exit code.

        Raises:
            StartError: a child said that it cannot start.
        """
        self._catch_signals()
        try:
            self._start("keeper", "keeper")
            for number in range(1, self.workers + 1):
                self._start("worker", f"worker-{number}")
            return self._watch()
        finally:
            self._stop_all()

    def _catch_signals(self) -> None:
        """Turn signals into octets on a socket, so that one wait serves signals and children."""
        ear, mouth = self._signals
        mouth.setblocking(False)
        signal.set_wakeup_fd(mouth.fileno())
        for number in _SIGNALS:
            signal.signal(number, lambda *_: None)
        self._selector.register(ear, selectors.EVENT_READ)

    def _start(self, role: str, name: str) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-m", "kokuin.service.child_program", role, name, str(theirs.fileno())]
        process = subprocess.Popen(
            [*command, str(self.folder.root)], pass_fds=[theirs.fileno()], env=self.environment
        )
        theirs.close()
        child = Child(role, name, process, ours)
        self._children[name] = child
        self._selector.register(ours, selectors.EVENT_READ, child)
        if role == "worker":
            _order(child, {"op": "listen"}, *self._listening())
            self._join(child)
        else:
            for other in self._children.values():
                if other.role == "worker":
                    self._join(other)

    def _listening(self) -> tuple[socket.socket, ...]:
        return (self.sock,) if self.admin is None else (self.sock, self.admin)

    def _join(self, worker: Child) -> None:
        """Give keeper and worker the two ends of a fresh link; an older one ends by itself."""
        keeper = self._children.get("keeper")
        if keeper is None:
            return
        one, other = socket.socketpair()
        with one, other:
            _order(keeper, {"op": "link", "worker": worker.name}, one)
            _order(worker, {"op": "link"}, other)

    def _watch(self) -> int:
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._signals[0]:
                    numbers = self._signals[0].recv(64)
                    if signal.SIGTERM in numbers or signal.SIGINT in numbers:
                        return 0
                elif isinstance(key.data, Child):
                    self._hear(key.data)
            for child in [item for item in self._children.values() if item.process.poll() is not None]:
                if not self._replace(child):
                    return 1

    def _hear(self, child: Child) -> None:
        try:
            word = child.control.recv(64)
        except OSError:
            word = b""
        if not word:
            self._selector.unregister(child.control)
            return
        child.ready = True
        if all(item.ready for item in self._children.values()):
            self._served = True
            _log.info("serving", **places(self.sock, self.admin), workers=self.workers)

    def _replace(self, dead: Child) -> bool:
        """Start a dead child again; False when too many have died.

        Raises:
            StartError: it said itself that it cannot start.
        """
        code = dead.process.returncode
        _log.error("child.ended", child=dead.name, code=code)
        self._forget(dead)
        now = time.monotonic()
        self._restarts.append(now)
        while now - self._restarts[0] > RESTART_WINDOW_SECONDS:
            self._restarts.popleft()
        # Who has served once stays, and refuses, until the ledger's server is back.
        if code == EXIT_CANNOT_START or (code == EXIT_UNREACHABLE and not self._served):
            raise StartError(f"{dead.name} cannot start; its reason stands above")
        if len(self._restarts) > RESTARTS:
            return False
        self._start(dead.role, dead.name)
        return True

    def _forget(self, child: Child) -> None:
        del self._children[child.name]
        if child.control.fileno() in self._selector.get_map():
            self._selector.unregister(child.control)
        child.control.close()

    def _stop_all(self) -> None:
        """Workers first, so that their last records find the keeper; the keeper last."""
        for sock in self._listening():
            sock.close()
        for role, seconds in STOP_SECONDS.items():
            deadline = time.monotonic() + seconds
            children = [child for child in self._children.values() if child.role == role]
            for child in children:
                child.process.terminate()
            for child in children:
                try:
                    child.process.wait(max(0.1, deadline - time.monotonic()))
                except subprocess.TimeoutExpired:
                    child.process.kill()
                    child.process.wait()


def _order(child: Child, order: dict[str, str], *socks: socket.socket) -> None:
    try:
        socket.send_fds(child.control, [orjson.dumps(order)], [sock.fileno() for sock in socks])
    except OSError:
        # The child died between two looks; its end is noticed at the next one.
        _log.warning("child.deaf", child=child.name)


def run_parent(folder: DataFolder, config: Config, sock: socket.socket, admin: socket.socket | None) -> int:
    """Serve with several workers until SIGTERM or SIGINT; return the exit code.

    Every child, also one that is started later, gets this configuration and not what the files say by then.

    Raises:
        StartError: a child said that it cannot start.
    """
    environment = {**os.environ, SNAPSHOT: config.model_dump_json()}
    return Parent(folder, sock, config.server.workers, environment, admin).run()
