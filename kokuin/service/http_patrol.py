"""One timer of the process walks over all connections: a deadline costs none on the path of a request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import asyncio


class Watched(Protocol):
    """A connection with deadlines."""

    loop: asyncio.AbstractEventLoop

    def forgive(self, seconds: float, now: float) -> None:
        """Count the last `seconds` before `now` for nobody's delay."""
        ...

    def keep_deadlines(self, now: float) -> None:
        """End the connection when what it waits for is late."""
        ...


class Patrol:
    """The only timer: walks over all connections of the process, and rests when there are none."""

    def __init__(self, interval_s: float) -> None:
        self.connections: set[Watched] = set()
        self._interval_s = interval_s
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0

    def watch(self, connection: Watched) -> None:
        """Keep the deadlines of `connection` until it takes itself out of `connections`."""
        self.connections.add(connection)
        if self._timer is None:
            self._walk_later(connection.loop)

    def _walk_later(self, loop: asyncio.AbstractEventLoop) -> None:
        self._due = loop.time() + self._interval_s
        self._timer = loop.call_later(self._interval_s, self._walk, loop)

    def _walk(self, loop: asyncio.AbstractEventLoop) -> None:
        now, self._timer = loop.time(), None
        late = now - self._due
        if self.connections:
            self._walk_later(loop)
        for connection in tuple(self.connections):
            # We stood still, with the machine or alone: what came meanwhile is read after this timer.
            connection.forgive(late, now)
            connection.keep_deadlines(now)
