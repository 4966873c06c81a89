"""A worker's side of a switch: prepares snapshots, and issues with the one that the keeper says is active."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from kokuin.service.activation import load_installation
from kokuin.service.installation import strictest_accuracy_us
from kokuin.service.snapshot import SnapshotError, SnapshotFolder
from kokuin.service.unit_errors import KeyOutOfReachError, UnitError
from pqc.profiles import ProfileError
from tsa.clock.reader import ClockReader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.installation import Installation
    from kokuin.service.ports import Push

UNFIT = (SnapshotError, UnitError, ProfileError)
"""Why a snapshot cannot be loaded."""

UNFIT_CODE = "CONFIGURATION_UNFIT"
"""What `/readyz` says while a worker cannot load what is active."""
RETRY_SECONDS = 5.0

_log = structlog.get_logger()


class Installer:
    """Runs on the event loop; loads keys in threads."""

    def __init__(
        self, folder: DataFolder, config: Config, on_installed: Callable[[Installation], None]
    ) -> None:
        """Args: `on_installed` is told, in the loop, what to issue with from now on."""
        self._folder, self._config, self._on_installed = folder, config, on_installed
        self._snapshots = SnapshotFolder(folder.active)
        self._clock: ClockReader | None = None
        self._loading = asyncio.Lock()
        self._prepared: dict[str, Installation] = {}
        self._installed: tuple[str, Installation] | None = None
        self._push: Push | None = None
        self._catching_up: asyncio.Task[None] | None = None
        self._retry: asyncio.TimerHandle | None = None
        self.first: asyncio.Future[Installation] = asyncio.get_running_loop().create_future()
        """Done with the first installation, or with why there cannot be one."""
        self.problem = ""
        """Code of why this worker does not issue with what is active."""

    async def prepare(self, digest: str) -> str:
        """Load and try a snapshot's units, to be installed once it is activated: first phase of a switch.

        Returns:
            Empty when all is ready, else one line that says what is not.
        """
        try:
            self._prepared[digest] = await self._loaded(digest)
        except UNFIT as error:
            return str(error)
        except Exception as error:  # noqa: BLE001  # a key device may raise anything; it stops the switch, not us
            _log.exception("configuration.unfit", cfg=digest)
            return repr(error)
        return ""

    def abandon(self, digest: str) -> None:
        """Forget what was prepared: the switch did not come."""
        self._prepared.pop(digest, None)

    def on_push(self, push: Push) -> None:
        """Follow the keeper: install what it activated, and let the units know clock, floors and epoch."""
        self._push = push
        digest = push.active.digest
        if digest in self._prepared:
            self._install(digest, self._prepared.pop(digest))
        elif self._installed is not None and self._installed[0] == digest:
            self._follow(push, self._installed[1])
        elif self._catching_up is None:
            # Started, or joined to a new keeper, when the others had prepared it already.
            self._catching_up = asyncio.get_running_loop().create_task(self._catch_up(digest))

    def on_floors(self, floors: Mapping[str, int]) -> None:
        """Let genTime not fall below what the ledger holds."""
        if self._clock is not None:
            for unit, gen_us in floors.items():
                self._clock.raise_floor(unit, gen_us)

    async def _loaded(self, digest: str) -> Installation:
        # One after the other: all installations share one clock, which the first one makes.
        async with self._loading:
            return await asyncio.to_thread(self._load, digest)

    def _load(self, digest: str) -> Installation:
        snapshot = self._snapshots.load(digest)
        if self._clock is None:
            self._clock = ClockReader(self._config.clock_settings(strictest_accuracy_us(snapshot)))
        return load_installation(self._folder, self._config, snapshot, self._clock)

    async def _catch_up(self, digest: str) -> None:
        try:
            installation = await self._loaded(digest)
        except UNFIT as error:
            _log.error("configuration.unfit", cfg=digest, reason=str(error))  # its text says all
            self._fail(error)
            return
        except Exception as error:  # noqa: BLE001  # a key device may raise anything; nobody must wait for ever
            _log.exception("configuration.unfit", cfg=digest)
            self._fail(UnitError(repr(error)))
            return
        finally:
            self._catching_up = None
        if self._push is not None and self._push.active.digest != digest:
            self.on_push(self._push)  # another switch came meanwhile
        else:
            self._install(digest, installation)

    def _fail(self, error: Exception) -> None:
        """End a worker that never issued, unless its key is only out of reach; else try again and say so."""
        self.problem = UNFIT_CODE
        if self.first.done() or isinstance(error, KeyOutOfReachError):
            # One timer: each push tries too, and with timers of their own attempts would multiply for ever.
            self._retry = self._retry or asyncio.get_running_loop().call_later(RETRY_SECONDS, self._try_again)
        else:
            self.first.set_exception(error)

    def _try_again(self) -> None:
        self._retry = None
        if self._push is not None and not self.first.cancelled():
            self.on_push(self._push)

    def _install(self, digest: str, installation: Installation) -> None:
        self._installed = (digest, installation)
        self.problem = ""
        self._prepared.clear()
        if self._push is not None:
            self._follow(self._push, installation)
        self._on_installed(installation)
        if not self.first.done():
            self.first.set_result(installation)

    def _follow(self, push: Push, installation: Installation) -> None:
        self.on_floors(push.floors)
        if push.clock is not None:
            installation.update_clock(push.clock)
        installation.activate(push.active)
