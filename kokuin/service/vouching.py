"""Who else vouches for the log's checkpoints: its witnesses, and whoever time-stamps them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from kokuin.service.checkpoint_stamps import Stamper
from kokuin.service.witnessing import Witnessing

if TYPE_CHECKING:
    from collections.abc import Callable

    from kokuin.ledger.committer import Committer
    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.publishing import Publisher
    from kokuin.service.recording import Recorder
    from kokuin.service.unit_alone import Present
    from kokuin.service.witness_client import Witnesses


class Vouching:
    """The keeper's witnesses and stamps, where the settings name some."""

    def __init__(  # noqa: PLR0913, PLR0917  # what both read, ask, write and tell
        self,
        folder: DataFolder,
        config: Config,
        journal: Committer,
        publisher: Publisher,
        records: Recorder,
        witnesses: Witnesses | None,
        present: Callable[[], Present],
        *,
        on_problem: Callable[[], None],
    ) -> None:
        """Args: as of `Witnessing` and `Stamper`; `on_problem` is told whenever `problem` changed."""
        shared = (folder, config, journal, publisher)
        self._stamper = Stamper(*shared, records, present)
        self._witnessing = (
            None if witnesses is None else Witnessing(*shared, witnesses, records, on_problem=on_problem)
        )

    @property
    def problem(self) -> str:
        """Code of why nothing is issued; empty when nothing speaks against it."""
        return "" if self._witnessing is None else self._witnessing.problem

    @property
    def unwitnessed_since(self) -> int | None:
        """See `Witnessing.unwitnessed_since`; None without witnesses."""
        return None if self._witnessing is None else self._witnessing.unwitnessed_since

    async def run(self) -> None:
        """Ask for ever."""
        asking = [self._stamper.run()]
        if self._witnessing is not None:
            asking.append(self._witnessing.run())
        await asyncio.gather(*asking)

    def status(self) -> dict[str, Any]:
        """Return what `ledger.status` says of them."""
        if self._witnessing is None:
            witnessed: dict[str, Any] = {"unwitnessed_since": None, "witnesses": []}
        else:
            witnessed = self._witnessing.status()
        return {**witnessed, "stamps": self._stamper.status()}
