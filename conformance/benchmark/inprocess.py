"""The path of a token without HTTP: the worker's responder and the keeper's durable ledger in one process."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING

import structlog
import uvloop

from conformance.benchmark.load import Load
from kokuin.service.access.doorkeeper import Doorkeeper
from kokuin.service.config import load_config
from kokuin.service.datafolder import DataFolder
from kokuin.service.installer import Installer
from kokuin.service.keeper_link import LocalPort
from kokuin.service.keeper_process import make_keeper
from kokuin.service.responder import Responder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kokuin.service.access.principal import Principal
    from kokuin.service.config import Config
    from kokuin.service.installation import Installation
    from kokuin.service.keeper import Keeper


class InProcess:
    """Callers that ask one responder, each one request after the other."""

    def __init__(self, runner: asyncio.Runner, responder: Responder, principal: Principal) -> None:
        self._runner, self._responder, self._principal = runner, responder, principal

    def load(self, callers: int, seconds: float, body: bytes) -> Load:
        """Ask for durable tokens.

        Raises:
            RuntimeError: a request was not granted.
        """
        return self._runner.run(self._load(callers, seconds, body))

    async def _load(self, callers: int, seconds: float, body: bytes) -> Load:
        times: list[float] = []
        start = time.perf_counter()

        async def call() -> None:
            asked = start
            while asked < start + seconds:
                answer = await self._responder.answer(body, self._principal)
                if answer.refusal is not None:
                    raise RuntimeError(answer.refusal.code)
                answered = time.perf_counter()
                times.append(answered - asked)
                asked = answered

        await asyncio.gather(*(call() for _ in range(callers)))
        rate = len(times) / (time.perf_counter() - start)
        times.sort()
        return Load(rate, times[len(times) // 2] * 1e3, times[len(times) * 99 // 100] * 1e3)


@contextlib.contextmanager
def in_process(root: Path) -> Iterator[InProcess]:
    """Open a data folder as `tsa serve` does, but for the listener."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    folder, config = DataFolder(root), load_config(root, {})
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        keeper = make_keeper(folder, config)
        runner.run(keeper.start())
        responder = runner.run(_responder(folder, config, keeper))
        try:
            yield InProcess(runner, responder, Doorkeeper(config.access, None).anonymous)
        finally:
            responder.close()
            runner.run(keeper.stop())


async def _responder(folder: DataFolder, config: Config, keeper: Keeper) -> Responder:
    installed: asyncio.Future[Installation] = asyncio.get_running_loop().create_future()
    installer = Installer(folder, config, installed.set_result)
    keeper.subscribe(installer.on_push)
    units = await installed
    return Responder(units.issuers, units.default, LocalPort(keeper, "bench"), units.slow)
