"""Keeper and worker as the service joins them, over real HTTP, on a machine whose clocks are set by hand."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import socket
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import httpx
import pytest

from kokuin.ledger.reader import LedgerReader
from kokuin.service import clock_watch, installer, worker_reports
from kokuin.service import keeper as keeper_module
from kokuin.service.clock_watch import ClockWatch
from kokuin.service.config import load_config
from kokuin.service.keeper import Keeper
from kokuin.service.keeper_link import LocalPort
from kokuin.service.worker import Worker
from kokuin.wire.tsp import read_timestamp_response
from tests.clock.fakes import SECOND_NS, FakeMachine, FakeSource
from tests.service.running import PATIENCE_S, PLAIN
from tests.service.survival_clients import make_request
from tsa.clock.guard import ClockMonitor
from tsa.clock.reader import ClockReader

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from kokuin.service.datafolder import DataFolder
    from tsa.clock.sample import SourceReport

ACCURACY_US = 1_000_000
GRANTED: frozenset[int] = frozenset()
TIME_NOT_AVAILABLE = frozenset({14})
NTP = {"KIND": '"ntp"', "SERVERS": '["ntp1", "ntp2", "ntp3"]'}
SYSTEM = {"KIND": '"system"'}


def tomorrow() -> FakeMachine:
    """Return a machine inside the validity of certificates that were made a moment ago."""
    machine = FakeMachine()
    machine.wall = time.time_ns() + 86_400 * SECOND_NS
    return machine


class PolledByHand(ClockWatch):
    """Polls when the test does and when a worker doubts, however long a busy machine takes for it."""

    async def run(self) -> None:
        """Poll when somebody doubts."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            await self.poll()


@dataclass(slots=True)
class Clocked:
    """A running service and the strings on which its clock hangs."""

    folder: DataFolder
    machine: FakeMachine
    source: FakeSource
    keeper: Keeper
    client: httpx.AsyncClient

    async def stamp(self) -> frozenset[int]:
        """Stamp something; return failInfo, which is empty when a token was granted."""
        body = make_request(secrets.token_bytes(32), secrets.randbits(63))
        answer = await self.client.post("/tsa", content=body)
        assert answer.status_code == 200
        response = read_timestamp_response(answer.content)
        assert (response.token is None) == (response.status == 2) == bool(response.fail_info)
        return response.fail_info

    async def problems(self) -> tuple[str, ...]:
        """Return what `/readyz` says against this service; 200 goes with nothing, 503 with something."""
        answer = await self.client.get("/readyz")
        problems = tuple(answer.json()["problems"])
        assert answer.status_code == (503 if problems else 200)
        return problems

    async def until(self, wanted: Callable[[tuple[str, ...]], bool]) -> None:
        """Wait until `/readyz` says what is wanted."""
        while not wanted(await self.problems()):  # noqa: ASYNC110  # asked as a load balancer asks
            await asyncio.sleep(0.01)

    async def polls(self, count: int = 1) -> None:
        """Let `count` poll intervals pass on the machine, polling at the end of each."""
        for _ in range(count):
            self.machine.run(self.keeper._clock._settings.poll_s)
            await self.keeper._clock.poll()

    async def leaves(self, area: str = "clock.") -> list[tuple[str, str]]:
        """Return kind and reason of the committed leaves of an area, in order."""
        await asyncio.wrap_future(self.keeper.journal.append())  # behind everything that is queued
        with LedgerReader(self.folder.ledger) as reader:
            leaves = [json.loads(stored.leaf) for stored in reader.walk()]
        return [(leaf["kind"], leaf.get("reason", "")) for leaf in leaves if leaf["kind"].startswith(area)]


@contextlib.asynccontextmanager
async def clocked(
    monkeypatch: pytest.MonkeyPatch,
    folder: DataFolder,
    clock: dict[str, str],
    *reports: SourceReport,
    machine: FakeMachine | None = None,
) -> AsyncIterator[Clocked]:
    """Run keeper and worker on a data folder, with `[clock]` as given and sources that report `reports`."""
    machine = machine or tomorrow()
    config = load_config(folder.root, {f"TSA_CLOCK__{name}": value for name, value in clock.items()})
    settings = config.clock_settings(ACCURACY_US)
    source = FakeSource(*reports, kind=settings.kind)
    monitor = partial(ClockMonitor, wall_ns=machine.wall_ns, boot_ns=machine.boot_ns)
    monkeypatch.setattr(clock_watch, "ClockMonitor", monitor)
    monkeypatch.setattr(clock_watch, "make_source", lambda _: source)
    monkeypatch.setattr(keeper_module, "ClockWatch", PolledByHand)
    # Workers may report once, and a busy machine take a minute for the rest.
    monkeypatch.setattr(worker_reports, "REPORT_LIFE_SECONDS", 3_600.0)
    reader = partial(ClockReader, wall_ns=machine.wall_ns, boot_ns=machine.boot_ns)
    monkeypatch.setattr(installer, "ClockReader", reader)
    keeper = Keeper(folder, config, on_fatal=pytest.fail)
    worker = Worker(folder, config)
    await keeper.start()
    forget = keeper.people.subscribe(worker.on_access)
    unsubscribe = keeper.subscribe(worker.on_push)
    sock = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{sock.getsockname()[1]}"
    serving = asyncio.create_task(worker.serve(LocalPort(keeper, "worker-1"), sock))
    try:
        async with httpx.AsyncClient(
            base_url=url, timeout=PATIENCE_S, trust_env=False, verify=PLAIN
        ) as client:
            service = Clocked(folder, machine, source, keeper, client)
            await service.until(lambda problems: "WORKER_NONE" not in problems)
            yield service
    finally:
        worker.stop()
        await serving
        forget()
        unsubscribe()
        await keeper.stop()
