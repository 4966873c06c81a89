"""Disks that are full, that fail to sync, and deaths on either side of the commit."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kokuin.service.logs import LineWriter
from tests.peers import absent, need
from tests.service.survival import Part, Service, is_alive, make_folder, wait_until
from tests.service.survival_audit import audit
from tests.service.survival_clients import Clients, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

# Several starts, and the machine may be busy.
pytestmark = [pytest.mark.timeout(300), pytest.mark.usefixtures("patient")]

VOLUME_OCTETS = 4 * 1024 * 1024


@contextlib.contextmanager
def traced(pid: int, *faults: str) -> Iterator[None]:
    """Let system calls of a running process fail while the block runs (strace(1), tampering)."""
    command = [need("strace"), "-f", "-qq", "-p", str(pid), "-o", os.devnull, *faults]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as tracer:
        try:
            wait_until("strace is attached", lambda: _is_traced(pid, tracer.pid))
            yield
        finally:
            # Either lets the process go on by itself. strace may wait for ever for a thread that was just
            # dying when it attached; the kernel detaches a tracer that is killed.
            tracer.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                tracer.wait(5)
            tracer.kill()


def _is_traced(pid: int, tracer: int) -> bool:
    """Say whether strace has taken hold, or did and the process is dead of it already."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return True
    return f"TracerPid:\t{tracer}\n" in status


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Path]:
    """A small file system of its own."""
    folder = tmp_path / "volume"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={VOLUME_OCTETS}", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(command, check=False, capture_output=True).returncode:
        absent("only a privileged user can mount a volume and fill it")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(volume: Path) -> Path:
    """Take all space of a volume."""
    filler = volume / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass
    return filler


def _says(service: Service, problem: str) -> bool:
    status, problems = service.readiness()
    return status == 503 and problem in problems


def _outcomes(service: Service, count: int) -> set[Outcome]:
    return {service.stamp().outcome for _ in range(count)}


def refuses_for_want_of_space(service: Service) -> None:
    """Wait until nothing is granted any more and `/readyz` says why."""
    # What the log's file already holds may still take a token or two, and so may a page that a file of the
    # publication gives back, which makes way for its successor while the volume fills up.
    wait_until("system failure", lambda: _outcomes(service, 6) == {Outcome.SYSTEM_FAILURE})
    # Checkpoints cannot be written either, which may be found first.
    wait_until("not ready", lambda: _says(service, "LEDGER_FULL"))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_volume_refuses_in_the_protocols_words_and_recovers_without_a_restart(
    volume: Path, workers: int
) -> None:
    with Service(make_folder(volume), workers) as service:
        service.start()
        parts = service.pids(Part.KEEPER) + service.pids(Part.WORKER)
        filler = fill(volume)
        refuses_for_want_of_space(service)
        filler.unlink()
        wait_until("ready again", lambda: service.readiness()[0] == 200)
        with Clients(service.port, 4) as clients:
            clients.wait_granted(20)
        assert service.pids(Part.KEEPER) + service.pids(Part.WORKER) == parts, "nobody was started again"
        assert service.stop() == 0
        assert audit(service.folder, clients.received, workers=workers).violations + clients.wrong == []


def test_a_log_without_space_loses_lines_and_stops_nobody() -> None:
    with Path("/dev/full").open("wb", buffering=0) as full:
        LineWriter(full).warning(b"a line\n")


def test_a_write_without_space_refuses_and_the_next_with_space_is_granted(tmp_path: Path) -> None:
    with Service(make_folder(tmp_path), 1) as service:
        service.start()
        no_space = ("-e", "trace=pwrite64", "-e", "inject=pwrite64:error=ENOSPC")
        with traced(service.process.pid, *no_space):
            refuses_for_want_of_space(service)
        wait_until("ready again", lambda: service.readiness()[0] == 200)
        stamped = service.stamp()
        assert stamped.outcome is Outcome.GRANTED
        assert audit(service.folder, {stamped.serial: stamped.token}, workers=1).violations == []


def test_a_failed_sync_ends_the_keeper_and_releases_no_token_of_unknown_fate(tmp_path: Path) -> None:
    with Service(make_folder(tmp_path), 2) as service:
        service.start()
        (keeper,) = service.pids(Part.KEEPER)
        with Clients(service.port, 4) as clients:
            clients.wait_granted(20)
            sync = ("-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:error=EIO")
            with traced(keeper, *sync):
                wait_until("the keeper ends", lambda: not is_alive(keeper))
            service.wait_ready()
            clients.wait_granted(20)
        assert [event["code"] for event in service.events("child.ended")] == [70]
        assert clients.outcomes.keys() <= {Outcome.GRANTED, Outcome.SYSTEM_FAILURE}
        assert service.stop() == 0
        assert audit(service.folder, clients.received, workers=2).violations + clients.wrong == []


PATCHED = """
import os, signal, sys
from kokuin.ledger import committer, store
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
def holds_token(batch):
    return any(record.token for append in batch for record in append.records)
{patch}
from kokuin.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
BEFORE = """
write, commit = store.SqliteStore._write, store.SqliteStore._commit
plans = []
def write_noted(self, plan):
    plans[:] = [plan]
    return write(self, plan)
def commit_or_die(self, new):
    if plans[0].serials:
        die()
    return commit(self, new)
store.SqliteStore._write, store.SqliteStore._commit = write_noted, commit_or_die
"""
AFTER = """
original = committer._complete
def complete(batch, outcomes):
    if holds_token([waiting.append for waiting in batch]):
        die()
    original(batch, outcomes)
committer._complete = complete
"""


@pytest.mark.parametrize(("patch", "recorded"), [(BEFORE, 0), (AFTER, 1)], ids=["before", "after"])
def test_a_death_beside_the_commit_leaves_record_and_token_together_and_nobody_holds_either(
    tmp_path: Path, patch: str, recorded: int
) -> None:
    folder = make_folder(tmp_path)
    with Service(folder, 1, program=("-c", PATCHED.format(patch=patch))) as service:
        with pytest.raises(AssertionError, match="ended with -9"):
            service.start()  # which stamps once
        found = audit(folder, {}, workers=1)
        assert found.violations == []
        assert len(found.tokens) == recorded
    with Service(folder, 1) as service:
        service.start()
        stamped = service.stamp()
        again = audit(folder, {stamped.serial: stamped.token, **found.tokens}, workers=1)
        assert again.violations == []
