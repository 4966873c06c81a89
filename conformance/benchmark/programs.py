"""Other programs: `openssl ts -reply` token by token, the wall time of commands, the volume's fsync."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import time
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

RUNS = 15
_CONFIGURATION = """
[tsa]
serial = {folder}/serial
crypto_device = builtin
default_policy = 1.3.6.1.4.1.32473.1
digests = sha256
signer_digest = sha256
ess_cert_id_alg = sha256
accuracy = secs:1
"""


class OpenSSL:
    """`openssl ts -reply` with a unit's key and certificate."""

    def __init__(self, folder: Path, body: bytes) -> None:
        """Args: a data folder made with its keys inside; the TimeStampReq to answer."""
        work = folder.with_suffix(".openssl")
        work.mkdir(exist_ok=True)
        (key,) = (folder / "keys").glob("unit-*.pem")
        signer, *_ = x509.load_pem_x509_certificates((folder / "trust" / "units.pem").read_bytes())
        (work / "signer.pem").write_bytes(signer.public_bytes(Encoding.PEM))
        (work / "serial").write_text("01\n")
        (work / "query.tsq").write_bytes(body)
        (work / "openssl.cnf").write_text(_CONFIGURATION.format(folder=work))
        files = {
            "-queryfile": work / "query.tsq",
            "-inkey": key,
            "-signer": work / "signer.pem",
            "-config": work / "openssl.cnf",
            "-out": work / "reply.tsr",
        }
        options = [str(part) for pair in files.items() for part in pair]
        self._command = ["openssl", "ts", "-reply", "-section", "tsa", *options]

    def rate(self, seconds: float) -> float:
        """Return tokens a second, one process after the other."""
        start = time.monotonic()
        count = 0
        while time.monotonic() < start + seconds:
            subprocess.run(self._command, check=True, capture_output=True)
            count += 1
        return count / (time.monotonic() - start)


def has_openssl() -> bool:
    """Say whether there is an OpenSSL to compare with."""
    return shutil.which("openssl") is not None


def wall_seconds(command: Sequence[str]) -> float:
    """Return the median wall time of a command that must succeed, in seconds."""
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def fsync_ms(folder: Path, count: int = 200) -> tuple[float, float]:
    """Return median and 99th percentile of writing 4 KiB durably on the folder's volume, milliseconds."""
    path = folder / "fsync"
    times = []
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        for _ in range(count):
            start = time.perf_counter()
            os.write(descriptor, bytes(4096))
            os.fdatasync(descriptor)
            times.append((time.perf_counter() - start) * 1e3)
    finally:
        os.close(descriptor)
        path.unlink()
    times.sort()
    return times[count // 2], times[count * 99 // 100]
