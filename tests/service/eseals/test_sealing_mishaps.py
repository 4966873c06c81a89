"""Mishaps over real HTTP: a full disk, a child that is killed, a job deleted or lost with its service."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.service.eseals.test_sealing_http import DATA, Sealing, code_of
from tests.service.running import PATIENCE_S, Prepared, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TROUBLE = """\
import errno, os, pathlib, shutil, tempfile, time
os.nice = lambda _: 0
trouble = pathlib.Path(os.environ["TROUBLE"])
def having(name):
    return (trouble / name).exists()
plain, copy, fork = tempfile.TemporaryFile, shutil.copyfileobj, os.fork
def temporary(*words, **named):
    return open("/dev/full", "w+b") if having("spool") else plain(*words, **named)
def copied(source, target, *words):
    copy(source, target, *words)
    if having("keep"):
        raise OSError(errno.ENOSPC, "full")
def forked():
    reader = fork()
    while not reader and having("slow"):
        time.sleep(0.01)
    return reader
tempfile.TemporaryFile, shutil.copyfileobj, os.fork = temporary, copied, forked
"""
"""Files in a folder make the service's disk full, or the readers of documents wait before they begin."""


class Troubled(Sealing):
    """A service that has trouble when it is told to."""

    trouble: Path

    def wait(self, place: str, state: str) -> None:
        """Wait until a job is in a state."""
        late = time.monotonic() + PATIENCE_S
        while self.get(place).json()["state"] != state:
            assert time.monotonic() < late
            time.sleep(0.01)

    def readers(self) -> list[int]:
        """Return the processes that read documents, or have read one and wait for the next."""
        return [each for each in _descendants(self.service.process.pid) if _parent_is_child(each)]

    def reader(self) -> int:
        """Return the process that reads a document, once there is one."""
        late = time.monotonic() + PATIENCE_S
        while not (found := self.readers()):
            assert time.monotonic() < late
            time.sleep(0.01)
        return found[0]

    def slow_down(self) -> None:
        """Have the next document wait until it is read: no reader of an earlier one takes it."""
        children = {_parent(each) for each in self.readers()} - {0}
        while found := self.readers():
            for each in found:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(each, signal.SIGKILL)
            time.sleep(0.01)
        # Each takes its child along; the worker must have seen it, or the next document would go there.
        while any(Path(f"/proc/{each}").exists() for each in children):
            time.sleep(0.01)
        (self.trouble / "slow").touch()


def _children(process: int) -> list[int]:
    try:
        return [int(each) for each in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def _descendants(process: int) -> list[int]:
    found = _children(process)
    return found + [each for child in found for each in _descendants(child)]


def _command(process: int) -> bytes:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def _parent(process: int) -> int:
    """Return the parent's number; 0 when the process has gone."""
    try:
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def _parent_is_child(process: int) -> bool:
    """Say whether a process was forked by a child that seals."""
    parent = _parent(process)
    return bool(parent) and b"eseals.child" in _command(process) and b"eseals.child" in _command(parent)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("troubled")
    (folder / "sitecustomize.py").write_text(TROUBLE)
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {"PYTHONPATH": path, "TROUBLE": str(folder)}


@pytest.fixture(scope="module")
def troubled(folder_of: Callable[[str], Prepared], settings: dict[str, str]) -> Iterator[Troubled]:
    with serving(folder_of("classical"), settings) as service:
        sealing = Troubled(service)
        sealing.trouble = Path(settings["TROUBLE"])
        yield sealing


@pytest.mark.parametrize(
    ("name", "headers"),
    [("spool", {}), ("keep", {"idempotency_key": "one"})],
)
def test_a_full_disk_is_a_problem_with_a_code_and_leaves_nothing(
    troubled: Troubled, name: str, headers: dict[str, str]
) -> None:
    before, large = len(troubled.issued()), bytes(3 << 20)
    jobs = set(troubled.service.folder.jobs.glob("*"))
    (troubled.trouble / name).touch()
    answer = troubled.post("/seals/cades?level=B-B", large, **headers)
    (troubled.trouble / name).unlink()
    assert code_of(answer, 503) == "SEAL_UNWRITTEN"
    assert answer.headers["retry-after"]
    assert len(troubled.issued()) == before
    assert set(troubled.service.folder.jobs.glob("*")) == jobs
    assert troubled.post("/seals/cades?level=B-B", large, **headers).status_code == 200


def test_a_child_that_is_killed_at_work_is_a_problem_and_the_next_document_is_sealed(
    troubled: Troubled,
) -> None:
    troubled.slow_down()
    begun = troubled.post("/seals/cades?level=B-B", DATA, prefer="respond-async")
    os.kill(troubled.reader(), signal.SIGKILL)
    troubled.wait(begun.headers["location"], "failed")
    (troubled.trouble / "slow").unlink()
    assert code_of(troubled.get(f"{begun.headers['location']}/result"), 500) == "SEAL_FAILED"
    assert troubled.post("/seals/cades?level=B-B", DATA).status_code == 200


def test_a_job_that_is_deleted_at_work_is_not_recorded(troubled: Troubled) -> None:
    before = len(troubled.issued())
    stranger = troubled.client(troubled.done("access.tenant.add", name="Ukifune")["tenant"])
    other = troubled.client()
    troubled.slow_down()
    begun = troubled.post("/seals/cades?level=B-B", DATA, prefer="respond-async")
    place = begun.headers["location"]
    troubled.reader()
    for key in (stranger, other):
        assert code_of(troubled.get(place, key=key, method="DELETE"), 404) == "JOB_UNKNOWN"
    assert code_of(troubled.get(f"{place}/result"), 409) == "JOB_NOT_DONE"
    assert troubled.get(place, method="DELETE").status_code == 204
    (troubled.trouble / "slow").unlink()
    troubled.wait(place, "failed")
    assert code_of(troubled.get(f"{place}/result"), 410) == "JOB_CANCELLED"
    assert len(troubled.issued()) == before


@pytest.mark.timeout(300)
def test_a_job_is_lost_with_its_service_and_can_be_asked_for_again(
    folder_of: Callable[[str], Prepared], settings: dict[str, str], at_once: str
) -> None:
    prepared = folder_of("classical")
    slow = Path(settings["TROUBLE"]) / "slow"
    headers = {"prefer": "respond-async", "idempotency_key": "one"}
    with serving(prepared, settings, afresh=True) as service:
        sealing = Troubled(service)
        slow.touch()
        place = sealing.post("/seals/cades?level=B-B", DATA, **headers).headers["location"]
        sealing.reader()
        service.process.send_signal(signal.SIGKILL)
        service.process.wait(PATIENCE_S)
        slow.unlink()
    with serving(prepared, {"PYTHONPATH": at_once}) as service:
        sealing.service = service
        assert sealing.get(place).json()["state"] == "lost"
        assert code_of(sealing.get(f"{place}/result"), 410) == "JOB_LOST"
        again = sealing.post("/seals/cades?level=B-B", DATA, **headers)
        assert again.headers["location"] == place
        sealing.wait(place, "done")
        assert sealing.get(f"{place}/result").status_code == 200
        assert len(sealing.issued()) == 1
