"""Servers under measurement: ours as an operator runs it, and the reference; each in a process group."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from conformance.benchmark.load import Load

if TYPE_CHECKING:
    from collections.abc import Iterator

START_SECONDS = 30.0
TSA = str(Path(sys.executable).with_name("tsa"))
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers `POST /tsa` on a port of the loopback; `group` is its process group."""

    port: int
    group: int

    def load(self, connections: int, seconds: float, body: bytes) -> Load:
        """Load it from a process of its own."""
        words = [str(self.port), str(connections), str(seconds), body.hex()]
        out = subprocess.run(
            [sys.executable, "-m", "conformance.benchmark.load", *words],
            check=True,
            capture_output=True,
            cwd=_ROOT,
            timeout=seconds + 60,
        ).stdout
        return Load(**json.loads(out))

    def resident_mib(self) -> float:
        """Memory that its processes have resident, shared pages counted by their share (Linux: Pss)."""
        kib = 0
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError, ValueError):
                if os.getpgid(int(process.name)) == self.group:
                    lines = (process / "smaps_rollup").read_text().splitlines()
                    kib += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        return kib / 1024


@contextlib.contextmanager
def reference(workers: int) -> Iterator[Server]:
    """Run the reference."""
    words = [sys.executable, "-m", "conformance.benchmark.reference", str(workers)]
    with subprocess.Popen(
        words, cwd=_ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        try:
            yield Server(int(process.stdout.readline()), process.pid)
        finally:
            os.killpg(process.pid, signal.SIGTERM)


@contextlib.contextmanager
def authority(folder: Path, workers: int) -> Iterator[Server]:
    """Run `tsa serve` over a data folder, its log in a file beside."""
    log = folder.with_suffix(".log")
    words = [TSA, "serve", "--dir", str(folder), "--port", "0", "--workers", str(workers)]
    with (
        log.open("wb") as file,
        subprocess.Popen(words, stderr=file, start_new_session=True) as process,
    ):
        try:
            yield Server(_port(process, log), process.pid)
        finally:
            process.terminate()


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        for line in log.read_bytes().splitlines():
            if b'"event":"serving"' in line:
                return int(json.loads(line)["port"])
        time.sleep(0.05)
    raise RuntimeError(f"`tsa serve` does not start: {log.read_text()}")
