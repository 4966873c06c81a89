"""What the keeper does for the ledger beside appending: its keys, its checkpoints, what is asked of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kokuin.service.log_signing import origin_of
from kokuin.service.publishing import Publisher

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from kokuin.ledger.committer import Committer
    from kokuin.ledger.log_keys import LogSigner
    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.trust.records import LeafValue


class LedgerDesk:
    """The operations `ledger.*` of the keeper, and its publisher; on the keeper's loop."""

    def __init__(  # noqa: PLR0913  # what it reads, writes and tells
        self,
        folder: DataFolder,
        config: Config,
        journal: Committer,
        signer: LogSigner | None,
        record: Callable[[str, Mapping[str, LeafValue]], Awaitable[bool]],
        *,
        on_problem: Callable[[], None],
        on_fatal: Callable[[str], None],
    ) -> None:
        """Args: folder and settings; the ledger's writer; its epoch's keys; what writes a leaf.

        Without keys nothing is published: the next service does that. `on_problem` is told whenever `problem`
        changed, `on_fatal` that this process must end now.
        """
        self._folder, self._config, self._journal, self._record = folder, config, journal, record
        self.publisher = (
            None
            if signer is None
            else Publisher(folder, config, journal, signer, on_problem=on_problem, on_fatal=on_fatal)
        )

    @property
    def problem(self) -> str:
        """Code of what is wrong with the log's publication; empty when nothing is."""
        return "" if self.publisher is None else self.publisher.problem

    async def run(self) -> None:
        """Publish checkpoints for ever."""
        if self.publisher is not None:
            await self.publisher.run()

    async def stop(self) -> None:
        """Publish what the last appends brought."""
        if self.publisher is not None:
            await self.publisher.publish()

    async def ask(self, operation: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one question; `ok` is False with `code` for what nobody knows."""
        del arguments
        if operation == "ledger.status":
            return {"ok": True, **self._status()}
        return {"ok": False, "code": "OPERATION_UNKNOWN"}

    def _status(self) -> dict[str, Any]:
        head = self._journal.head
        published = None if self.publisher is None else self.publisher.published
        return {
            "origin": origin_of(self._config, head.epoch),
            "epoch": head.epoch,
            "size": head.size,
            "root": head.root.hex(),
            "published": None if published is None else {"size": published.size, "at": published.at},
            "problem": self.problem,
        }
