"""A worker's parts in this process, with a clock, a signer and a journal that do as the test says."""

from __future__ import annotations

import contextlib
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import TYPE_CHECKING, Any

import httpx

from kokuin.service.access.doorkeeper import Doorkeeper
from kokuin.service.app import make_app
from kokuin.service.config import load_config
from kokuin.service.installation import issuing_rules
from kokuin.service.issuing import ActiveConfiguration, Issuer
from kokuin.service.metrics import WorkerCounters
from kokuin.service.ports import Readiness
from kokuin.service.responder import Responder
from kokuin.service.stamp_endpoint import StampEndpoint
from kokuin.trust.records import Receipt
from pqc.profiles import load_shipped
from tests.clock.fakes import FakeMachine, good
from tests.clock.fakes import Rig as Clock
from tests.service.running import QUERY
from tests.units import load_configured_unit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from kokuin.service.app import Application
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.ports import WorkerReport
    from kokuin.trust.journal import AppendOutcome, Journal
    from kokuin.trust.records import Record
    from pqc.signing import Signer
    from pqc.suites import Suite


@dataclass
class ScriptedJournal:
    """Answers appends by the script, then with receipts; `None` leaves the future open for the test."""

    script: deque[AppendOutcome | None] = field(default_factory=deque)
    records: list[Record] = field(default_factory=list)
    futures: list[Future[AppendOutcome]] = field(default_factory=list)
    asked: Event = field(default_factory=Event)

    def append(self, *records: Record) -> Future[AppendOutcome]:
        receipts = tuple(Receipt(len(self.records) + at, 0) for at in range(len(records)))
        self.records.extend(records)
        future: Future[AppendOutcome] = Future()
        self.futures.append(future)
        self.asked.set()
        outcome = self.script.popleft() if self.script else receipts
        if outcome is not None:
            future.set_result(outcome)
        return future


@dataclass
class FakeKeeper:
    """The port of a keeper that has nothing but a journal."""

    journal: Journal
    behind_s: float = 0.0

    def append(self, *records: Record) -> Future[AppendOutcome]:
        return self.journal.append(*records)

    def lag(self) -> float:
        return self.behind_s

    def report(self, report: WorkerReport) -> bool:
        raise AssertionError(f"no test reports: {report}")

    async def ask(self, operation: str, arguments: Mapping[str, Any] | None = None) -> dict[str, Any]:
        raise AssertionError(f"no test asks: {operation} {arguments}")


class CountingSigner:
    """Signs as the unit's own signer does, counts, and breaks when told."""

    def __init__(self, signer: Signer) -> None:
        self.suite: Suite = signer.suite
        self.public_key = signer.public_key
        self.provider = signer.provider
        self.experimental = signer.experimental
        self.calls = 0
        self.broken = False
        self._signer = signer

    def sign(self, message: bytes) -> bytes:
        self.calls += 1
        if self.broken:
            raise RuntimeError("the key device has gone")
        return self._signer.sign(message)


@dataclass
class Rig:
    """One worker without processes and sockets."""

    clock: Clock
    signer: CountingSigner
    keeper: FakeKeeper
    issuer: Issuer
    app: Application
    client: httpx.AsyncClient

    async def post(self, body: bytes) -> httpx.Response:
        """Send one request through the application."""
        return await self.client.post("/tsa", content=body, headers={"content-type": QUERY})


@contextlib.asynccontextmanager
async def rigged(
    folder: DataFolder,
    journal: Journal,
    *,
    slow: bool = False,
    ahead_s: float = 0.0,
    settings: Mapping[str, str] | None = None,
) -> AsyncIterator[Rig]:
    """Join the parts as `Worker` does.

    Args:
        folder: a data folder with its unit.
        journal: where records go.
        slow: sign in threads.
        ahead_s: how far the clock, in which everybody believes, is ahead of the machine's.
        settings: `TSA_...` variables.
    """
    config = load_config(folder.root, dict(settings or {}))
    profile, loaded = load_shipped(config.profile), load_configured_unit(folder, config)
    signer = CountingSigner(loaded.unit._signer)
    loaded.unit._signer = signer
    clock = Clock(
        config.clock_settings(profile.accuracy_us),
        good(),
        machine=FakeMachine((datetime.now(UTC) + timedelta(seconds=ahead_s)).isoformat()),
    )
    issuer = Issuer(profile.name, issuing_rules(config, profile), loaded.unit, clock.reader)
    issuer.activate(ActiveConfiguration(0, config.digest()))
    issuer.update_clock(clock.polls(), profile.accuracy_us)
    keeper = FakeKeeper(journal)
    names = frozenset({profile.name}) if slow else frozenset[str]()
    responder = Responder({profile.name: issuer}, profile.name, keeper, names)
    doorkeeper = Doorkeeper(config.access, None)
    stamp = StampEndpoint(config, responder, doorkeeper, keeper, WorkerCounters())
    app = make_app(folder, config, stamp, doorkeeper, keeper, lambda: Readiness(()))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://rig") as client:
        yield Rig(clock, signer, keeper, issuer, app, client)
    responder.close()
