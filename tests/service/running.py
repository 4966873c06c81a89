"""The service as an operator runs it: a data folder, and `tsa serve` as a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import httpx
import pytest

from kokuin.ledger.leaf import read_leaf
from kokuin.ledger.reader import LedgerReader
from kokuin.service.datafolder import DataFolder
from kokuin.service.initialising import InitRequest, initialise
from tests.service.starting import start_service

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from kokuin.ledger.reader import Stored
    from tests.service.starting import Process

TSA = Path(sys.executable).with_name("tsa")
QUERY = "application/timestamp-query"
PATIENCE_S = 60.0
"""How long a start may take on a busy machine; nothing waits for it to pass."""
NEVER_BEHIND = {"TSA_LEDGER__BEHIND_SECONDS": "60"}
"""For services that many ask at a time: a machine that stands still for a moment turns nobody away."""
PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For HTTP clients, which need no certificate: each would read all of the system's first."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A data folder, and the operator key that `tsa init` showed once."""

    folder: DataFolder
    operator_key: str

    def copy(self, root: Path) -> Prepared:
        """Copy keys, certificates and an empty ledger: quicker than making them."""
        shutil.copytree(self.folder.root, root)
        return Prepared(DataFolder(root), self.operator_key)


def prepare(root: Path, profile: str) -> Prepared:
    """Make a data folder as `tsa init` does, with no setting of a service in the environment.

    Others are served copies of it: whoever asked first may have set a passphrase, which is not theirs.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("TSA_")]:
            patch.delenv(name)
        done = initialise(InitRequest(root, profile=profile))
    (key,) = (params["operator"] for note, params in done.notes if note == "init.operator_key")
    return Prepared(DataFolder(root), str(key))


@dataclass(frozen=True, slots=True)
class Service:
    """A running `tsa serve`."""

    folder: DataFolder
    operator_key: str
    process: Process
    port: int
    log: Path
    client: httpx.Client

    @property
    def url(self) -> str:
        """Where it takes requests."""
        return f"http://127.0.0.1:{self.port}/tsa"

    def post(self, body: bytes, path: str = "/tsa", **headers: str) -> httpx.Response:
        """Send one request body."""
        names = {"content-type": QUERY, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return self.client.post(path, content=body, headers=names)

    def events(self) -> list[dict[str, Any]]:
        """Return what was logged so far; a line that is no JSON is a traceback, and an error here."""
        return read_log(self.log)

    def event(self, **wanted: object) -> dict[str, Any]:
        """Return the first event with these fields; lines are written a moment after what they tell."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            for event in self.events():
                if wanted.items() <= event.items():
                    return event
            time.sleep(0.02)
        raise AssertionError(f"nothing was logged with {wanted}")

    def leaves(self) -> list[Mapping[str, Any]]:
        """Return every leaf of the ledger, read strictly."""
        return leaves(self.folder)

    def stored(self, serial: str) -> Stored | None:
        """Return what the ledger has under a serial number."""
        with LedgerReader(self.folder.ledger) as reader:
            return reader.by_serial(serial)

    def stop(self) -> int:
        """Ask it to stop and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)


def leaves(folder: DataFolder) -> list[Mapping[str, Any]]:
    """Return every leaf of a folder's ledger, read strictly."""
    with LedgerReader(folder.ledger) as reader:
        return [read_leaf(stored.leaf) for stored in reader.walk()]


def read_log(path: Path) -> list[dict[str, Any]]:
    """Return the events of a log of whole lines."""
    return [json.loads(line) for line in path.read_text().split("\n")[:-1]]


def unserved(
    folder: DataFolder, settings: Mapping[str, str] | None = None, *, workers: int = 1
) -> tuple[int, str]:
    """Start a service that cannot start; return its exit code and its complaint."""
    (ended,) = all_unserved(folder, settings, (workers,))
    return ended


def all_unserved(
    folder: DataFolder, settings: Mapping[str, str] | None, workers: Sequence[int]
) -> list[tuple[int, str]]:
    """Start services at the same time, of so many workers each; none of them can start."""
    started: list[tuple[Process, Path]] = []
    with contextlib.ExitStack() as stack:
        for count in workers:
            log = folder.root.with_name(f"{folder.root.name}-{time.monotonic_ns()}.log")
            words = [str(TSA), "serve", "--dir", str(folder.root), "--port", "0", "--workers", str(count)]
            file = stack.enter_context(log.open("wb"))
            process = start_service(words, _environment(settings or {}), file)
            stack.callback(process.wait)
            stack.callback(process.kill)
            started.append((process, log))
        return [(process.wait(PATIENCE_S), log.read_text()) for process, log in started]


@contextlib.contextmanager
def serving(
    prepared: Prepared,
    settings: Mapping[str, str] | None = None,
    *,
    workers: int = 1,
    ready: bool = True,
    afresh: bool = False,
) -> Iterator[Service]:
    """Run `tsa serve` on a free port until the block ends.

    Args:
        prepared: the folder to serve.
        settings: `TSA_...` variables.
        workers: how many.
        ready: wait for `/readyz`; else only for the port.
        afresh: start the script `tsa`, as an operator does, and no copy of a process that has loaded it.
    """
    folder = prepared.folder
    log = folder.root.with_name(f"{folder.root.name}-{time.monotonic_ns()}.log")
    words = [str(TSA), "serve", "--dir", str(folder.root), "--port", "0", "--workers", str(workers)]
    with log.open("wb") as file, _started(words, file, settings or {}, afresh=afresh) as process:
        port = _port(process, log)
        base = f"http://127.0.0.1:{port}"
        with httpx.Client(base_url=base, timeout=PATIENCE_S, trust_env=False, verify=PLAIN) as client:
            service = Service(folder, prepared.operator_key, process, port, log, client)
            if ready:
                _await_readiness(service)
            yield service


@contextlib.contextmanager
def _started(
    words: list[str], log: IO[bytes], settings: Mapping[str, str], *, afresh: bool
) -> Iterator[Process]:
    environment = _environment(settings)
    process: Process
    if afresh:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=log, env=environment)
    else:
        process = start_service(words, environment, log)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return ours with these settings, and no other of a service."""
    return {**{name: value for name, value in os.environ.items() if not name.startswith("TSA_")}, **settings}


def _port(process: Process, log: Path) -> int:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        for line in log.read_text().split("\n")[:-1]:  # the last one may be half written
            if '"event":"serving"' in line:
                port: int = json.loads(line)["port"]
                return port
        assert process.poll() is None, log.read_text()
        time.sleep(0.02)
    raise AssertionError(log.read_text())


def _await_readiness(service: Service) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while (answer := service.client.get("/readyz")).status_code != 200:
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.02)
