"""What the keeper does for the ledger beside appending: its keys, its checkpoints, what is asked of it."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, Any

import structlog

from kokuin.service.ledger_acts import act
from kokuin.service.ledger_scene import Scene
from kokuin.service.ledger_status import STATUS
from kokuin.service.log_signing import open_log_signer, origin_of
from kokuin.service.publishing import Publisher
from kokuin.service.sealing import SEAL_ERRORS, Sealer
from kokuin.service.units import read_passphrase

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kokuin.ledger.committer import Committer
    from kokuin.ledger.log_keys import LogSigner
    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.recording import Recorder
    from kokuin.service.vouching import Vouching

SEAL_SECONDS = 300.0
"""How often it is looked whether an epoch is to be sealed."""

_log = structlog.get_logger()


class LedgerDesk:
    """The operations `ledger.*` of the keeper, and its publisher; on the keeper's loop."""

    def __init__(  # noqa: PLR0913  # what it reads, writes and tells
        self,
        folder: DataFolder,
        config: Config,
        journal: Committer,
        signer: LogSigner | None,
        records: Recorder,
        *,
        on_problem: Callable[[], None],
        on_fatal: Callable[[str], None],
        vouching: Callable[[Publisher], Vouching] | None = None,
    ) -> None:
        """Args: folder and settings; the ledger's writer; its epoch's keys; what makes and writes leaves.

        Without keys nothing is published until an act wants it: the next service does that. `on_problem` is
        told whenever `problem` changed, `on_fatal` that this process must end now. `vouching` makes those
        who ask others to vouch for what a publisher shows.
        """
        self._folder, self._config, self._journal = folder, config, journal
        self._on_problem, self._on_fatal = on_problem, on_fatal
        self.publisher = None if signer is None else self._new_publisher(signer)
        self._vouching = None if self.publisher is None or vouching is None else vouching(self.publisher)
        self._sealer = Sealer(folder, config, journal, records, self._publisher)
        self._scene = Scene(folder, config, journal, records, self._sealer)

    @property
    def problems(self) -> tuple[str, ...]:
        """Codes of what is wrong with the log: its publication, and what its witnesses say."""
        publishing = "" if self.publisher is None else self.publisher.problem
        vouching = "" if self._vouching is None else self._vouching.problem
        return tuple(code for code in (publishing, vouching) if code)

    @property
    def unwitnessed_since(self) -> int | None:
        """See `Witnessing.unwitnessed_since`."""
        return None if self._vouching is None else self._vouching.unwitnessed_since

    async def run(self) -> None:
        """Publish checkpoints, have them vouched for, seal epochs, for ever; nothing where nobody serves."""
        if self.publisher is None:
            await asyncio.Event().wait()
        else:
            asked = [] if self._vouching is None else [self._vouching.run()]
            await asyncio.gather(self.publisher.run(), self._seal_when_due(), *asked)

    async def stop(self) -> None:
        """Publish what the last appends brought."""
        if self.publisher is not None:
            await self.publisher.publish()

    async def ask(self, operation: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one question; `ok` is False with `code` for what nobody knows."""
        if operation == STATUS:
            return {"ok": True, **self._status()}
        return await act(self._scene, operation, arguments)

    def _publisher(self) -> Publisher:
        """Return who publishes; where nobody serves, keys are opened only for an act that signs.

        Raises:
            UnitError: the keys are unfit.
        """
        if self.publisher is None:
            passphrase = read_passphrase(self._config, dict(os.environ))
            epoch = self._journal.head.epoch
            self.publisher = self._new_publisher(
                open_log_signer(self._folder, self._config, epoch, passphrase)
            )
        return self.publisher

    def _new_publisher(self, signer: LogSigner) -> Publisher:
        return Publisher(
            self._folder,
            self._config,
            self._journal,
            signer,
            on_problem=self._on_problem,
            on_fatal=self._on_fatal,
        )

    async def _seal_when_due(self) -> None:
        """Finish a seal that a crash left, and seal what has the age or the length."""
        # Nodes that share a log get the next epoch's keys by hand: whoever does that asks for the seal.
        while self._config.ledger.postgres is None:
            try:
                if self._sealer.is_due(time.time_ns() // 1_000):
                    await self._sealer.seal("keeper")
            except SEAL_ERRORS as error:
                _log.warning("epoch.unsealed", reason=str(error))
            await asyncio.sleep(SEAL_SECONDS)

    def _status(self) -> dict[str, Any]:
        head = self._journal.head
        published = None if self.publisher is None else self.publisher.published
        return {
            "served": True,
            "origin": origin_of(self._config, head.epoch),
            "epoch": head.epoch,
            "size": head.size,
            "root": head.root.hex(),
            "published": None if published is None else {"size": published.size, "at": published.at},
            "problems": list(self.problems),
            **({} if self._vouching is None else self._vouching.status()),
        }
