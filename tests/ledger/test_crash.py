from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kokuin.ledger.leaf import read_leaf
from kokuin.ledger.plan import Append
from kokuin.ledger.store import SqliteStore
from kokuin.trust.journal import AppendRefusal
from tests import peers
from tests.ledger.samples import check_whole, issued

ROOT = Path(__file__).resolve().parents[2]
WRITER = Path(__file__).with_name("writer.py")
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
KILL_ROUNDS = 3


def writer(
    path: Path, first: int, callers: int, count: int, *faults: str, under: tuple[str, ...] = ()
) -> subprocess.Popen[str]:
    arguments = [
        *under,
        sys.executable,
        str(WRITER),
        str(path),
        str(first),
        str(callers),
        str(count),
        *faults,
    ]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)


def acknowledged(lines: list[str]) -> dict[int, str]:
    return {
        int(index): serial for index, serial in (line[1:].split() for line in lines if line.startswith("+"))
    }


def check_acknowledged(path: Path, told: dict[int, str]) -> int:
    stored = check_whole(path)
    for index, serial in told.items():
        assert read_leaf(stored[index].leaf)["serial"] == serial
    return len(stored)


def test_a_writer_killed_at_any_moment_has_lost_nothing_that_it_acknowledged(path: Path) -> None:
    told: dict[int, str] = {}
    for turn in range(KILL_ROUNDS):
        with writer(path, turn * 1_000_000, callers=8, count=100_000) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n", "opens without repair"
            # The moment of the crash: once perhaps before anything was acknowledged, then certainly after.
            heard = random.randrange(1, 60) if turn else 0  # noqa: S311
            lines = [process.stdout.readline() for _ in range(heard)]
            time.sleep(random.uniform(0.0, 0.15))  # noqa: S311
            process.send_signal(signal.SIGKILL)
            news = acknowledged(lines + process.stdout.readlines())
        assert not news.keys() & told.keys(), "an index given twice"
        told |= news
        assert check_acknowledged(path, told) >= len(told)
    assert told


def test_a_writer_killed_between_commit_and_acknowledgement_keeps_the_record(path: Path) -> None:
    with writer(path, 0, 1, 1, "die-before-acknowledging") as process:
        assert process.stdout is not None
        lines = process.stdout.read().split()
    assert process.returncode == -signal.SIGKILL
    assert lines == ["ready"]
    assert len(check_whole(path)) == 1


def strace(*injections: str) -> tuple[str, ...]:
    program = peers.need("strace")
    if subprocess.run(
        [program, "-qq", "-e", "trace=none", "true"], check=False, capture_output=True
    ).returncode:
        peers.absent("strace may not trace here")
    return (
        program,
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        *[part for each in injections for part in ("-e", f"inject={each}")],
    )


# Not the second: that is the folder's, whose failure SQLite does not tell.
@pytest.mark.parametrize("nth", [1, 5])
def test_a_failing_fsync_ends_the_process_and_loses_nothing(path: Path, nth: int) -> None:
    under = strace(f"fdatasync,fsync:error=EIO:when={nth}")
    with writer(path, 0, 1, 10, under=under) as process:
        assert process.stdout is not None
        lines = process.stdout.read().split("\n")[1:-1]
    assert process.returncode == 70
    told = acknowledged(lines)
    assert len(told) < nth
    assert lines[-1] == f"-{AppendRefusal.UNAVAILABLE}"
    # What failed may be on the disk all the same; it was promised to nobody.
    assert check_acknowledged(path, told) - len(told) in (0, 1)
    store = SqliteStore(path)
    [outcome] = store.commit([Append((issued(999),))], 1)
    store.close()
    assert isinstance(outcome, tuple)
    check_acknowledged(path, told)


@pytest.mark.parametrize("fault", ["ENOSPC", "EDQUOT"])
def test_a_volume_or_quota_that_is_full_for_a_while_refuses_and_recovers(path: Path, fault: str) -> None:
    # Even in number: a write of SQLite's and, for the quota, the probe after it fail in turn.
    under = strace(f"pwrite64:error={fault}:when=41..60")
    with writer(path, 0, 1, 60, under=under) as process:
        assert process.stdout is not None
        lines = process.stdout.read().split("\n")[1:-1]
    assert process.returncode == 0
    full = [number for number, line in enumerate(lines) if line == f"-{AppendRefusal.FULL}"]
    assert full
    assert full == list(range(full[0], full[-1] + 1))
    assert lines[0][0] == lines[-1][0] == "+"
    assert check_acknowledged(path, acknowledged(lines)) == len(lines) - len(full)


@pytest.mark.parametrize("nth", [30])
def test_a_device_that_refuses_a_write_ends_the_process(path: Path, nth: int) -> None:
    with writer(path, 0, 1, 30, under=strace(f"pwrite64:error=EIO:when={nth}")) as process:
        assert process.stdout is not None
        lines = process.stdout.read().split("\n")[1:-1]
    assert process.returncode == 70
    check_acknowledged(path, acknowledged(lines))
