"""From any thread into one event loop, waking the loop once for many items."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

T = TypeVar("T")


class LoopQueue(Generic[T]):
    """A queue whose items are consumed together in the loop's own thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, consume: Callable[[list[T]], None]) -> None:
        self._loop = loop
        self._consume = consume
        self._items: deque[T] = deque()
        self._awake = False

    def put(self, item: T) -> None:
        """Add an item; callable from any thread."""
        self._items.append(item)
        if not self._awake:
            self._awake = True
            with suppress(RuntimeError):  # the loop is closed, and nobody waits any more
                self._loop.call_soon_threadsafe(self._drain)

    def _drain(self) -> None:
        # Lowered before the queue is emptied: an item that comes meanwhile wakes the loop again.
        self._awake = False
        items = []
        while self._items:
            items.append(self._items.popleft())
        if items:
            self._consume(items)
