"""A dry run in a child of its own: niced, bounded in memory and time, and gone when its parent is.

The child reads one job (JSON) from its standard input, which stays open: its
end is the parent's. It answers in lines of JSON: `progress`, then `report` or
`error`. One dry run at a time a folder: its lock is on the folder of the
ledger, where nothing has to be made for it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import orjson

from kokuin.service.config import Config
from kokuin.service.datafolder import DataFolder
from kokuin.service.errors import START_ERRORS
from kokuin.service.lifeline import watch
from kokuin.service.migration import dryrun_codes as codes
from kokuin.service.migration.dryrun import DryRunRequest, rehearse
from kokuin.service.migration.report import read_report
from pqc.os_errors import explain
from pqc.policies import PolicyError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kokuin.service.migration.dryrun import Progress
    from kokuin.service.migration.report import DryRunReport

NICENESS = 15
MEMORY_OCTETS = 2 << 30
SECONDS = 900.0
"""How long a dry run may take, and how many seconds of a processor it may use."""


class DryRunError(Exception):
    """There is no report.

    Attributes:
        code: why, stable.
        detail: one line of English; empty where the code says all.
    """

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code} {detail}".rstrip())
        self.code, self.detail = code, detail


class DryRunChild:
    """One dry run in a child."""

    def __init__(self, folder: DataFolder, config: Config, request: DryRunRequest) -> None:
        self._folder, self._config, self._request = folder, config, request
        self._process: subprocess.Popen[bytes] | None = None
        self._why = ""
        self._lock = threading.Lock()

    @property
    def pid(self) -> int | None:
        """The child's process id while it lives."""
        return None if self._process is None else self._process.pid

    def run(self, progress: Progress) -> DryRunReport:
        """Start the child and wait for its report.

        Args:
            progress: told, in this thread, a phase and how far it is.

        Raises:
            DryRunError: with the code of what ended it.
        """
        with _locked(self._folder) as descriptor, _scratch(self._folder) as scratch:
            timer = threading.Timer(SECONDS, self._kill, [codes.DRY_RUN_TOO_LONG])
            timer.daemon = True
            with self._start(descriptor) as process:
                timer.start()
                try:
                    return self._converse(process, scratch, progress)
                finally:
                    timer.cancel()
                    # Whatever happened: before the scratch folder goes, nobody writes there.
                    process.kill()

    def stop(self) -> None:
        """End it, from any thread; `run` raises `DRY_RUN_STOPPED`."""
        self._kill(codes.DRY_RUN_STOPPED)

    def _start(self, descriptor: int) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._why:
                raise DryRunError(self._why)
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                # The lock lives as long as either of the two.
                pass_fds=(descriptor,),
            )
            return self._process

    def _kill(self, why: str) -> None:
        with self._lock:
            self._why = self._why or why
            if self._process is not None:
                self._process.kill()

    def _converse(self, process: subprocess.Popen[bytes], scratch: Path, progress: Progress) -> DryRunReport:
        assert process.stdin is not None  # noqa: S101  # both are pipes
        assert process.stdout is not None  # noqa: S101
        job = {
            "root": str(self._folder.root),
            "scratch": str(scratch),
            "config": self._config.model_dump(mode="json"),
            "request": asdict(self._request),
        }
        try:
            process.stdin.write(orjson.dumps(job) + b"\n")
            process.stdin.flush()
        except BrokenPipeError:  # a child that has ended says so below; what is left goes nowhere
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
        for line in process.stdout:
            try:
                said: dict[str, Any] = orjson.loads(line)
            except orjson.JSONDecodeError:
                break  # cut short when the child was killed
            if "progress" in said:
                progress(*said["progress"])
            elif "error" in said:
                raise DryRunError(said["error"], said["detail"])
            else:
                return read_report(said["report"])
        raise DryRunError(self._why or codes.DRY_RUN_ENDED, _last_words(process.wait()))


def _last_words(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


@contextlib.contextmanager
def _locked(folder: DataFolder) -> Iterator[int]:
    try:
        descriptor = os.open(folder.ledger.parent, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise DryRunError(
            codes.DRY_RUN_FOLDER_UNUSABLE, f"{folder.ledger.parent}: {error.strerror}"
        ) from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DryRunError(codes.DRY_RUN_BUSY) from None
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _scratch(folder: DataFolder) -> Iterator[Path]:
    """Give an empty folder on the ledger's volume, so that commits cost there what they cost here."""
    path = folder.ledger.parent / "dry-run"
    try:
        # What a killed one left: it holds trial keys and nothing else.
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(mode=0o700)
    except OSError as error:
        raise DryRunError(codes.DRY_RUN_SCRATCH_UNUSABLE, f"{path}: {error.strerror}") from None
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _rehearsed(
    folder: DataFolder, config: Config, request: DryRunRequest, scratch: Path, progress: Progress
) -> DryRunReport:
    try:
        return rehearse(folder, config, request, scratch, progress)
    except PolicyError as error:
        raise DryRunError(codes.DRY_RUN_POLICY_UNUSABLE, str(error)) from None
    except START_ERRORS as error:
        raise DryRunError(codes.DRY_RUN_FOLDER_UNUSABLE, str(error)) from None
    except OSError as error:
        raise DryRunError(codes.DRY_RUN_SCRATCH_UNUSABLE, explain(error)) from None


def main() -> int:
    """Be the child of a `DryRunChild`."""
    # The terminal sends SIGINT to the whole group; the parent alone decides when to stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_OCTETS, MEMORY_OCTETS))
    resource.setrlimit(resource.RLIMIT_CPU, (int(SECONDS), int(SECONDS) + 5))
    with os.fdopen(os.dup(1), "wb") as answers:
        # What a library prints must not stand among the answers.
        os.dup2(2, 1)
        job = orjson.loads(sys.stdin.buffer.readline())
        watch(0)
        _answer(job, answers)
    return 0


def _answer(job: dict[str, Any], answers: BinaryIO) -> None:
    def say(**said: object) -> None:
        answers.write(orjson.dumps(said) + b"\n")
        answers.flush()

    folder, config = DataFolder(Path(job["root"])), Config.model_validate(job["config"])
    try:
        report = _rehearsed(
            folder,
            config,
            DryRunRequest(**job["request"]),
            Path(job["scratch"]),
            lambda *at: say(progress=at),
        )
    except DryRunError as error:
        say(error=error.code, detail=error.detail)
    else:
        say(report=report.to_dict())


if __name__ == "__main__":
    sys.exit(main())
