"""Races around a worker's first and last moments, and what it keeps while there is no keeper."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from kokuin.service import parent
from kokuin.service.config import load_config
from kokuin.service.keeper_process import make_keeper
from kokuin.service.lifeline import EXIT_ORPHANED
from kokuin.service.parent import Child, Parent
from kokuin.service.ports import WorkerReport
from kokuin.service.worker import Worker
from tests.service.running import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from kokuin.service.ports import Push
    from tests.service.running import Prepared


class NoKeeper:
    """A port whose keeper is dead."""

    def __init__(self) -> None:
        self.reports: list[WorkerReport] = []
        self.takes = False

    def report(self, report: WorkerReport) -> bool:
        self.reports.append(report)
        return self.takes

    def lag(self) -> float:
        return 0.0


def make_worker(prepared: Prepared) -> Worker:
    config = load_config(prepared.folder.root, {})
    return Worker(prepared.folder, config)


def test_a_worker_told_to_stop_before_it_serves_does_not_serve(
    folder_of: Callable[[str], Prepared],
) -> None:
    async def scenario() -> None:
        worker = make_worker(folder_of("classical"))
        worker.stop()
        port: Any = NoKeeper()
        async with asyncio.timeout(PATIENCE_S):
            await worker.serve(port, socket.create_server(("127.0.0.1", 0)))

    asyncio.run(scenario())


async def refused_without_a_keeper(prepared: Prepared) -> None:
    worker, port = make_worker(prepared), NoKeeper()
    stamp: Any = type("Stamp", (), {"refusals": {("LEDGER_UNAVAILABLE", "classical"): 3}})()
    keeper: Any = port
    worker._tell(keeper, stamp)
    assert stamp.refusals
    port.takes = True
    worker._tell(keeper, stamp)
    assert not stamp.refusals
    assert [report.refusals for report in port.reports] == [(("LEDGER_UNAVAILABLE", "classical", 3),)] * 2


def test_a_worker_that_comes_back_at_once_hears_that_all_is_well_again(
    folder_of: Callable[[str], Prepared],
) -> None:
    async def scenario() -> None:
        folder = folder_of("classical").folder
        keeper = make_keeper(folder, load_config(folder.root, {}))
        await keeper.start()
        pushes: list[Push] = []
        report = WorkerReport({}, (), "", {"unit": 0})
        for _ in range(2):
            unsubscribe = keeper.subscribe(pushes.append)
            keeper.report("worker-1", report)
            assert pushes[-1].readiness == keeper._view.readiness()
            unsubscribe()
            keeper.retire("worker-1")
        await keeper.stop()

    asyncio.run(scenario())


BUSY = """
import sys, time
from kokuin.service import lifeline
lifeline.watch(int(sys.argv[1]))
print("watching", flush=True)
while True:
    time.sleep(0.01) if len(sys.argv) > 2 else sum(range(10_000))
"""


@pytest.mark.parametrize("mood", [[], ["idle"]], ids=["busy", "idle"])
def test_a_child_ends_soon_after_its_parent_whatever_it_is_doing(mood: list[str]) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [sys.executable, "-c", BUSY, str(theirs.fileno()), *mood]
    with (
        ours,
        subprocess.Popen(command, pass_fds=[theirs.fileno()], stdout=subprocess.PIPE) as child,
    ):
        theirs.close()
        assert child.stdout is not None
        assert child.stdout.readline() == b"watching\n"
        ours.send(b"an order is no end")
        time.sleep(0.1)
        assert child.poll() is None
        ours.close()
        assert child.wait(PATIENCE_S) == EXIT_ORPHANED
    assert not os.path.exists(f"/proc/{child.pid}")  # noqa: PTH110  # a process, not a file


def test_refusals_wait_for_a_keeper_that_takes_them(folder_of: Callable[[str], Prepared]) -> None:
    asyncio.run(refused_without_a_keeper(folder_of("classical")))


@dataclass
class Ending:
    """A child that needs so long to end, by a clock of the test's."""

    clock: list[float]
    needs_s: float
    ends: list[str] = field(default_factory=list)

    def terminate(self) -> None:
        self.ends.append("asked")

    def kill(self) -> None:
        self.needs_s = 0.0
        self.ends.append("killed")

    def wait(self, timeout: float = float("inf")) -> int:
        self.clock[0] += min(timeout, self.needs_s)
        if timeout < self.needs_s:
            raise subprocess.TimeoutExpired(["child"], timeout)
        self.ends.append("ended")
        return 0


def test_workers_that_do_not_end_take_no_time_from_the_keeper_to_write_what_is_counted(
    folder_of: Callable[[str], Prepared], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(parent, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    children = {"keeper": Ending(clock, 5.0), "worker-1": Ending(clock, 1e9), "worker-2": Ending(clock, 1e9)}
    stopping = Parent(folder_of("classical").folder, socket.create_server(("127.0.0.1", 0)), 2, {})
    with stopping._signals[0], stopping._signals[1], stopping._selector:
        for name, process in children.items():
            popen: Any = process
            stopping._children[name] = Child(name.partition("-")[0], name, popen, stopping._signals[0])
        stopping._stop_all()
    assert [children[f"worker-{number}"].ends for number in (1, 2)] == [["asked", "killed", "ended"]] * 2
    assert children["keeper"].ends == ["asked", "ended"]
    assert clock[0] < 30, "what compose.yaml grants"
