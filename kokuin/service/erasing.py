"""Deleting from the ledger what may be deleted, so that it stands in no file any more."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from kokuin.ledger.faults import WorkRefusedError
from kokuin.ledger.store import SqliteStore
from kokuin.trust.journal import AppendRefusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from kokuin.ledger.committer import Committer
    from kokuin.ledger.port import LedgerStore
    from kokuin.ledger.published import Rows

TRIES = 50
_PAUSE_SECONDS = 0.1


async def erase(journal: Committer, work: Callable[[Rows], None]) -> None:
    """Delete by the ledger's one writer; readers that stand in the way are waited for, some seconds.

    Raises:
        WorkRefusedError: the writer refused it, or a reader stays; what was deleted is deleted, and is out of
            every file after another attempt.
        StoreLostError: the device failed.
    """
    for attempt in range(TRIES):
        try:
            await asyncio.wrap_future(journal.work(partial(_erase, work)))
        except WorkRefusedError:
            if attempt == TRIES - 1:
                raise
            await asyncio.sleep(_PAUSE_SECONDS)
        else:
            return


def _erase(work: Callable[[Rows], None], store: LedgerStore) -> None:
    if not isinstance(store, SqliteStore):
        raise WorkRefusedError(AppendRefusal.UNAVAILABLE, "the ledger's role may only insert")
    store.erase(work)
