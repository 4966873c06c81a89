"""A worker: holds the units' keys, signs, answers HTTP, and believes only what its keeper tells it."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import os
import time
from typing import TYPE_CHECKING

import structlog
import uvicorn

from kokuin.service.app import make_app
from kokuin.service.http_protocol import TransportLimits, make_protocol
from kokuin.service.issuing import Issuer
from kokuin.service.metrics import WorkerCounters
from kokuin.service.ports import KEEPER_UNAVAILABLE, Readiness, WorkerReport
from kokuin.service.principal import Doorkeeper, read_operator_digest
from kokuin.service.responder import Responder
from kokuin.service.stamp_endpoint import StampEndpoint
from kokuin.service.units import load_unit, read_passphrase
from pqc.profiles import load_shipped
from tsa.clock.reader import ClockReader
from tsa.decide import IssuingRules

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator, Mapping

    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.http_problems import TransportEvent
    from kokuin.service.ports import KeeperPort, Push
    from kokuin.service.units import LoadedUnit
    from pqc.profiles import Profile

REPORT_SECONDS = 1.0
PROBE_SECONDS = 15.0
DRAIN_SECONDS = 10
"""How long open requests may take when the service stops."""

_log = structlog.get_logger()


def issuing_rules(config: Config, profile: Profile) -> IssuingRules:
    """What `profile` grants under this configuration."""
    return IssuingRules(
        policy=profile.policy(config.arc),
        imprints=frozenset(profile.imprints),
        extensions=frozenset(config.requests.extensions),
        critical_extensions=config.requests.critical_extensions,
    )


def load_configured_unit(folder: DataFolder, config: Config) -> LoadedUnit:
    """Load the unit of the configured profile.

    Raises:
        UnitError: it does not fit.
        ProfileError: the profile is unknown.
    """
    profile = load_shipped(config.profile)
    passphrase = read_passphrase(config, dict(os.environ))
    rules = issuing_rules(config, profile)
    return load_unit(folder, config, profile, rules, passphrase, dt.datetime.now(dt.UTC))


class _Server(uvicorn.Server):
    """uvicorn's server without its signal handlers: the process's own main decides when it stops."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Worker:
    """One worker on the running event loop."""

    def __init__(self, folder: DataFolder, config: Config, loaded: LoadedUnit) -> None:
        """Prepare everything that needs no keeper.

        Args:
            folder: the data folder.
            config: the configuration.
            loaded: the unit, checked.
        """
        self._folder, self._config, self._loaded = folder, config, loaded
        profile = load_shipped(config.profile)
        self._accuracy_us = profile.accuracy_us
        self._clock = ClockReader(config.clock_settings(profile.accuracy_us))
        self._issuer = Issuer(profile.name, issuing_rules(config, profile), loaded.unit, self._clock)
        self._readiness = Readiness((KEEPER_UNAVAILABLE,))
        self._counters = WorkerCounters()
        self._probe = ""
        self._probed = float("-inf")
        self._server: _Server | None = None
        self._stopping = False
        self._heard = asyncio.Event()

    def on_push(self, push: Push) -> None:
        """Take the keeper's word: clock verdict, configuration, floors, readiness."""
        self._issuer.activate(push.active)
        self.on_floors(push.floors)
        if push.clock is not None:
            self._issuer.update_clock(push.clock, self._accuracy_us)
        self._readiness = push.readiness
        self._heard.set()

    def on_keeper_gone(self) -> None:
        """Say at `/readyz` that nothing can be recorded now."""
        self._readiness = Readiness((KEEPER_UNAVAILABLE,))

    def on_floors(self, floors: Mapping[str, int]) -> None:
        """Let genTime not fall below what the ledger holds."""
        for unit, gen_us in floors.items():
            self._clock.raise_floor(unit, gen_us)

    async def serve(self, keeper: KeeperPort, sock: socket.socket) -> None:
        """Answer requests on the listening socket from the keeper's first word until `stop`."""
        # Before it a worker knows no clock and could only refuse; the kernel keeps new connections meanwhile.
        await self._heard.wait()
        slow = frozenset({self._issuer.profile} if self._loaded.slow else ())
        responder = Responder({self._issuer.profile: self._issuer}, self._issuer.profile, keeper, slow)
        doorkeeper = Doorkeeper(self._config.access, read_operator_digest(self._folder.operator))
        stamp = StampEndpoint(self._config, responder, doorkeeper, keeper, self._counters)
        app = make_app(self._folder, self._config, stamp, doorkeeper, keeper, lambda: self._readiness)
        self._server = _Server(self._uvicorn_config(app, stamp))
        self._server.should_exit = self._stopping  # told to stop before there was a server
        reporting = asyncio.create_task(self._report(keeper, stamp), name="report")
        try:
            await self._server.serve(sockets=[sock])
        finally:
            reporting.cancel()
            responder.close()
            self._tell(keeper, stamp)

    def stop(self) -> None:
        """Stop accepting, let open requests end, then let `serve` return."""
        self._stopping = True
        self._heard.set()
        if self._server is not None:
            self._server.should_exit = True

    def _uvicorn_config(self, app: object, stamp: StampEndpoint) -> uvicorn.Config:
        server = self._config.server
        limits = TransportLimits(
            header_deadline_s=server.header_seconds,
            body_deadline_s=server.body_seconds,
            idle_s=server.keep_alive_seconds,
            requests=server.requests,
            connections=server.connections,
        )
        return uvicorn.Config(
            app,  # type: ignore[arg-type]
            http=make_protocol(limits, self._transport_event, stamp),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # nobody's word about the client's address is taken, nor needed
            timeout_graceful_shutdown=DRAIN_SECONDS,
        )

    def _transport_event(self, event: TransportEvent) -> None:
        self._counters.transport(event.code.value)

    async def _report(self, keeper: KeeperPort, stamp: StampEndpoint) -> None:
        while True:
            if time.monotonic() - self._probed > PROBE_SECONDS:
                self._probed = time.monotonic()
                self._probe = await asyncio.to_thread(self._issuer.probe)
            self._tell(keeper, stamp)
            await asyncio.sleep(REPORT_SECONDS)

    def _tell(self, keeper: KeeperPort, stamp: StampEndpoint) -> None:
        refusals = tuple((code, profile, count) for (code, profile), count in stamp.refusals.items())
        counters = dict(self._counters.values)
        if keeper.report(WorkerReport(counters, refusals, self._probe, self._loaded.key_ends)):
            # Without a keeper they wait here: what was refused for want of one is to be in the ledger too.
            stamp.refusals.clear()
