"""A worker: holds the units' keys, signs, answers HTTP, and believes only what its keeper tells it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from kokuin.service.access.admin_door import admin_door
from kokuin.service.access.bearer_tokens import read_issuers
from kokuin.service.access.doorkeeper import Doorkeeper, read_operator_digest
from kokuin.service.app import make_app
from kokuin.service.http_protocol import TransportLimits, make_protocol
from kokuin.service.http_server import make_server
from kokuin.service.installer import Installer
from kokuin.service.metrics import WorkerCounters
from kokuin.service.ports import KEEPER_UNAVAILABLE, Readiness, WorkerReport
from kokuin.service.responder import Responder
from kokuin.service.stamp_endpoint import StampEndpoint
from kokuin.service.tls import server_context

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

    from kokuin.service.access.table import AccessTable
    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.http_problems import TransportEvent
    from kokuin.service.http_protocol import GuardedProtocol
    from kokuin.service.http_server import Server
    from kokuin.service.installation import Installation
    from kokuin.service.ports import KeeperPort, Push

REPORT_SECONDS = 1.0
PROBE_SECONDS = 15.0


class Worker:
    """One worker on the running event loop."""

    def __init__(self, folder: DataFolder, config: Config) -> None:
        """Prepare everything that needs no keeper.

        Raises:
            StartError: a file of keys or certificates that the configuration names cannot be used.
        """
        self._folder, self._config = folder, config
        digest = read_operator_digest(folder.operator)
        self._doorkeeper = Doorkeeper(config.access, digest, read_issuers(config.access))
        self._tls = server_context(config.server)
        self._installer = Installer(folder, config, self._on_installed)
        self._installation: Installation | None = None
        self._table: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._responder: Responder | None = None
        self._readiness = Readiness((KEEPER_UNAVAILABLE,))
        self._stopped = False
        self._unproven: tuple[str, ...] = ()
        self._counters = WorkerCounters()
        self._probe = ""
        self._probed = float("-inf")
        self._servers: list[Server] = []
        self._stopping = False

    async def prepare(self, digest: str) -> str:
        """See `Installer.prepare`."""
        return await self._installer.prepare(digest)

    def abandon(self, digest: str) -> None:
        """See `Installer.abandon`."""
        self._installer.abandon(digest)

    def on_push(self, push: Push) -> None:
        """Take the keeper's word: clock verdict, configuration, floors, readiness."""
        self._readiness = push.readiness
        self._stopped = push.stopped
        self._unproven = push.unproven
        if self._responder is not None:
            self._responder.stopped, self._responder.unproven = push.stopped, push.unproven
        self._installer.on_push(push)

    def on_access(self, table: AccessTable) -> None:
        """Know who there is and what they may."""
        self._doorkeeper.install(table)
        if not self._table.done():
            self._table.set_result(None)

    def on_floors(self, floors: Mapping[str, int]) -> None:
        """Let genTime not fall below what the ledger holds."""
        self._installer.on_floors(floors)

    def _on_installed(self, installation: Installation) -> None:
        self._installation = installation
        self._probed = float("-inf")
        if self._responder is not None:
            self._responder.install(
                installation.issuers, installation.default, installation.slow, installation.archives
            )

    def on_keeper_gone(self) -> None:
        """Say at `/readyz` that nothing can be recorded now."""
        self._readiness = Readiness((KEEPER_UNAVAILABLE,))

    async def serve(
        self, keeper: KeeperPort, sock: socket.socket, admin: socket.socket | None = None
    ) -> None:
        """Answer requests on the listening socket from the keeper's first word until `stop`.

        Args:
            keeper: the way to the keeper.
            sock: the listening socket.
            admin: the listening socket of administration, None: it has none of its own.

        Raises:
            SnapshotError, UnitError, ProfileError: what is in force cannot be loaded.
        """
        # Before it a worker knows neither clock nor units nor clients and could only refuse; the kernel keeps
        # new connections meanwhile.
        try:
            installation, _ = await asyncio.gather(self._installer.first, self._table)
        except asyncio.CancelledError:
            if self._stopping:
                for each in filter(None, (sock, admin)):
                    each.close()  # as the server would have done
                return
            raise
        self._responder = responder = Responder(
            installation.issuers, installation.default, keeper, installation.slow, installation.archives
        )
        responder.stopped, responder.unproven = self._stopped, self._unproven
        doorkeeper = self._doorkeeper
        stamp = StampEndpoint(self._config, responder, doorkeeper, keeper, self._counters)
        app = make_app(self._folder, self._config, stamp, doorkeeper, keeper, lambda: self._readiness)
        doors = [(sock, make_server(app, self._protocol(stamp), self._tls))]
        if admin is not None:
            doors.append((admin, make_server(admin_door(app), self._protocol(None), self._tls)))
        self._servers = [server for _, server in doors]
        for server in self._servers:
            server.should_exit = self._stopping  # told to stop before there was a server
        reporting = asyncio.create_task(self._report(keeper, stamp), name="report")
        try:
            await asyncio.gather(*(server.serve(sockets=[bound]) for bound, server in doors))
        finally:
            reporting.cancel()
            responder.close()
            self._tell(keeper, stamp)
            await app.verify.close()
            await app.seals.jobs.close()

    def stop(self) -> None:
        """Stop accepting, let open requests end, then let `serve` return."""
        self._stopping = True
        self._installer.first.cancel()
        for server in self._servers:
            server.should_exit = True

    def _protocol(self, stamp: StampEndpoint | None) -> type[GuardedProtocol]:
        server = self._config.server
        limits = TransportLimits(
            header_deadline_s=server.header_seconds,
            body_deadline_s=server.body_seconds,
            idle_s=server.keep_alive_seconds,
            requests=server.requests,
            connections=server.connections,
        )
        return make_protocol(limits, self._transport_event, stamp)

    def _installed(self) -> Installation:
        assert self._installation is not None  # noqa: S101  # served only after the first installation
        return self._installation

    def _transport_event(self, event: TransportEvent) -> None:
        self._counters.transport(event.code.value)

    async def _report(self, keeper: KeeperPort, stamp: StampEndpoint) -> None:
        while True:
            if time.monotonic() - self._probed > PROBE_SECONDS:
                self._probed = time.monotonic()
                self._probe = await asyncio.to_thread(self._installed().probe)
            self._tell(keeper, stamp)
            await asyncio.sleep(REPORT_SECONDS)

    def _tell(self, keeper: KeeperPort, stamp: StampEndpoint) -> None:
        refusals = tuple((code, profile, count) for (code, profile), count in stamp.refusals.items())
        counters: dict[str, float] = dict(self._counters.values)
        if self._responder is not None:
            counters |= self._responder.counters
        key_ends = {} if self._installation is None else self._installation.key_ends
        denials, used = self._doorkeeper.drain_denials(), self._doorkeeper.drain_used()
        problem = self._installer.problem or self._probe
        if keeper.report(WorkerReport(counters, refusals, problem, key_ends, denials, used)):
            stamp.refusals.clear()
        else:
            # Without a keeper they wait here: what was refused for want of one is to be in the ledger too.
            self._doorkeeper.put_back(denials, used)
