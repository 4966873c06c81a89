"""Threads for slow signatures, and drafts that are appended together.

One ML-DSA signature takes about a millisecond, and a transaction of its own
would cost half of that again. While more requests wait for a thread, drafts
are therefore held for a moment; when none does, nothing waits.
"""

from __future__ import annotations

import time
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
D = TypeVar("D")

HOLD_SECONDS = 0.02
"""How long a draft may wait for others while more are being signed."""


class SigningThreads(Generic[T, D]):
    """Issue requests in their order, and deliver the drafts in batches."""

    def __init__(
        self,
        issue: Callable[[T], D | None],
        deliver: Callable[[list[tuple[T, D]]], None],
        threads: int,
    ) -> None:
        """Start the threads.

        Args:
            issue: makes the draft of a request, None when there is none; called in several threads at a
                time; must not raise.
            deliver: takes drafts with their requests; likewise.
            threads: how many sign at a time.
        """
        self._issue, self._deliver = issue, deliver
        self._queue: SimpleQueue[T | None] = SimpleQueue()
        self._held: list[tuple[T, D]] = []
        self._held_since = 0.0
        self._holding = Lock()
        self._threads = threads
        for number in range(threads):
            Thread(target=self._run, name=f"sign-{number}", daemon=True).start()

    def put(self, request: T) -> None:
        """Let a thread issue this request; callable from any thread."""
        self._queue.put(request)

    def close(self) -> None:
        """Let every thread end after its present signature; what waits is dropped."""
        with suppress(Empty):
            while True:
                self._queue.get_nowait()
        for _ in range(self._threads):
            self._queue.put(None)

    def _run(self) -> None:
        while (request := self._queue.get()) is not None:
            started = time.monotonic()
            draft = self._issue(request)
            ended = time.monotonic()
            if draft is not None:
                self._hold((request, draft), ended)
            # The next draft, if any, comes about as late as this one did.
            self._release(ended + (ended - started))

    def _hold(self, item: tuple[T, D], now: float) -> None:
        with self._holding:
            if not self._held:
                self._held_since = now
            self._held.append(item)

    def _release(self, next_at: float) -> None:
        """Deliver what is held, unless a draft that comes soon enough can go along."""
        with self._holding:
            wait = not self._queue.empty() and next_at - self._held_since < HOLD_SECONDS
            if wait or not self._held:
                return
            ready, self._held = self._held, []
        self._deliver(ready)
