"""Places of jobs in a worker's queue, and whose turn it is: a burst of them waits, and is bounded."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from typing import TYPE_CHECKING

from kokuin.service.eseals.codes import SealCode, SealRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_QUEUED = 32
"""Jobs of one worker that wait for their turn or are at work; each holds its document on the disk."""
MOST_OF_TENANT = 16
"""Of them, of one tenant."""


class Turns:
    """The queue of one worker; on its event loop.

    Attributes:
        turn: held by the job that is at work; the other children are left to who waits for an answer.
    """

    def __init__(self) -> None:
        self.turn = asyncio.Lock()
        self._places: Counter[str] = Counter()

    @contextlib.contextmanager
    def place(self, tenant: str) -> Iterator[None]:
        """Take a place, before anything is spent on a job; whoever does the job leaves it (`leave`).

        Raises:
            SealRefusedError: QUEUE_FULL.
        """
        if self._places.total() >= MOST_QUEUED or self._places[tenant] >= MOST_OF_TENANT:
            raise SealRefusedError(SealCode.QUEUE_FULL)
        self._places[tenant] += 1
        try:
            yield
        except BaseException:
            self.leave(tenant)
            raise

    def leave(self, tenant: str) -> None:
        """Give a place back."""
        self._places[tenant] -= 1
        self._places += Counter()  # forgets who has none
