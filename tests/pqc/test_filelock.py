"""A file that one holds at a time."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pqc.filelock import LockHeldError, lock

if TYPE_CHECKING:
    from pathlib import Path

_HOLDER = (
    "import sys\n"
    "from pathlib import Path\n"
    "from pqc.filelock import lock\n"
    "held = lock(Path(sys.argv[1]), 0.0)\n"
    "print('held', flush=True)\n"
    "sys.stdin.read()\n"
)


def test_one_holds_it_until_it_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with lock(path, 0.0), pytest.raises(LockHeldError):
        lock(path, 0.0)
    lock(path, 0.0).close()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_killed_process_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(LockHeldError):
            lock(path, 0.0)
        holder.kill()
        lock(path, 60.0).close()


def test_what_cannot_be_opened_is_not_called_held(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        lock(tmp_path / "absent" / "lock", 0.0)
