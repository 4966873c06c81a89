"""Witnesses for tests: `tsa ledger witness` as a process, and the same application on a thread."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

from kokuin.service.http_protocol import TransportLimits, make_protocol
from kokuin.service.http_server import make_server
from kokuin.service.serving import bind
from kokuin.service.witness_server import OpenedWitness, make_witness_app, open_witness
from tests.service.running import PATIENCE_S, PLAIN, TSA, read_log

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class WitnessProcess:
    """A running `tsa ledger witness`."""

    process: subprocess.Popen[str]
    url: str
    log: Path

    def ask(self, body: bytes) -> httpx.Response:
        """Ask for a cosignature."""
        return httpx.post(
            f"{self.url}/add-checkpoint", content=body, timeout=PATIENCE_S, trust_env=False, verify=PLAIN
        )

    def events(self) -> list[dict[str, Any]]:
        """Return what was logged so far."""
        return read_log(self.log)

    def kill(self) -> None:
        """End it without a word."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE_S)


@contextlib.contextmanager
def witness_process(folder: Path, name: str, log_file: Path) -> Iterator[WitnessProcess]:
    """Run a witness until the block ends."""
    log = folder.with_name(f"{folder.name}-{time.monotonic_ns()}.log")
    words = [str(TSA), "ledger", "witness", "--dir", str(folder), "--listen", "127.0.0.1:0"]
    words += ["--name", name, "--log", str(log_file)]
    with (
        log.open("wb") as file,
        subprocess.Popen(words, stdout=subprocess.PIPE, stderr=file, text=True) as process,
    ):
        try:
            yield WitnessProcess(process, f"http://127.0.0.1:{_port(process, log)}", log)
        finally:
            process.terminate()
            process.wait(PATIENCE_S)


def _port(process: subprocess.Popen[str], log: Path) -> int:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        for line in log.read_text().split("\n")[:-1]:  # the last one may be half written
            if '"event":"witnessing"' in line:
                port: int = json.loads(line)["port"]
                return port
        assert process.poll() is None, log.read_text()
        time.sleep(0.02)
    raise AssertionError(log.read_text())


@dataclass(frozen=True, slots=True)
class LocalWitness:
    """A witness on a port of this process."""

    opened: OpenedWitness
    url: str

    def lines(self, name: str) -> str:
        """Return the lines of a policy for it, and a group `NAME` that either of its keys satisfies."""
        ml_dsa, ed25519 = self.opened.vkeys
        return (
            f"witness {name}-m {ml_dsa} {self.url}\n"
            f"witness {name}-e {ed25519} {self.url}\n"
            f"group {name} any {name}-m {name}-e\n"
        )


@contextlib.contextmanager
def local_witness(folder: Path, name: str, log_file: Path) -> Iterator[LocalWitness]:
    """Serve a witness from a thread until the block ends."""
    opened = open_witness(folder, name, [log_file])
    with served(make_witness_app(opened.witness)) as url:
        yield LocalWitness(opened, url)


@contextlib.contextmanager
def served(app: Any) -> Iterator[str]:
    """Serve any ASGI application from a thread until the block ends; the value is its URL."""
    sock = bind("127.0.0.1", 0)
    port = sock.getsockname()[1]
    server = make_server(app, make_protocol(TransportLimits(), lambda _event: None))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[sock])), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(PATIENCE_S)
