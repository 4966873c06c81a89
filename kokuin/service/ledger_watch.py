"""The keeper's watch over the ledger: asks it to commit nothing, to know before a client does."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import structlog

from kokuin.trust.journal import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from kokuin.ledger.committer import Committer

PROBE_SECONDS = 15.0
"""How often a ledger that commits is asked."""
RETRY_SECONDS = 1.0
"""How often one that does not."""

_log = structlog.get_logger()


class LedgerWatch:
    """Asks at its interval, and at once when a worker was refused; on the keeper's loop."""

    def __init__(self, journal: Committer, on_answer: Callable[[], None]) -> None:
        """Args: the ledger's writer; who is told after each answer, whether or not `problem` changed."""
        self._journal, self._tell = journal, on_answer
        self._doubted = asyncio.Event()
        self.problem = ""
        """Code of why the ledger commits nothing; empty while it does."""

    def doubt(self) -> None:
        """Ask at once."""
        self._doubted.set()

    async def run(self) -> None:
        """Ask for ever."""
        while True:
            self._doubted.clear()
            # An append of nothing goes through the same transaction and fsync, and adds no leaf.
            outcome = await asyncio.wrap_future(self._journal.append())
            problem = outcome.reason.value if isinstance(outcome, Refused) else ""
            if problem != self.problem:
                self.problem = problem
                _log.warning("ledger.unfit" if problem else "ledger.fit", reason=problem)
            self._tell()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RETRY_SECONDS if problem else PROBE_SECONDS):
                    await self._doubted.wait()
