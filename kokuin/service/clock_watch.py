"""The keeper's watch over the clock: polls the monitor at its interval, and sooner when somebody doubts."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tsa.clock.guard import ClockMonitor
from tsa.clock.sources import make_source

if TYPE_CHECKING:
    from collections.abc import Callable

    from tsa.clock.settings import ClockSettings
    from tsa.clock.verdict import ClockFault, ClockVerdict


class ClockWatch:
    """Runs a `ClockMonitor` on the event loop without ever making the loop wait for a source."""

    def __init__(
        self,
        settings: ClockSettings,
        on_verdict: Callable[[ClockVerdict, bool], None],
        *,
        stopped_before: bool,
    ) -> None:
        """Bind to the running event loop.

        Args:
            settings: settings of the guard.
            on_verdict: told in the loop each verdict, and whether its fault differs from the one before.
            stopped_before: the last `clock.*` leaf is a stop.
        """
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._tell = on_verdict
        self._monitor = ClockMonitor(
            make_source(settings), settings, on_verdict=self._on_verdict, stopped_before=stopped_before
        )
        self._polling = asyncio.Lock()
        self._wanted = asyncio.Event()
        self._hurried = False

    @property
    def verdict(self) -> ClockVerdict | None:
        """The last verdict, None before the first poll."""
        return self._monitor.verdict

    def fault(self, highest_gen_us: int) -> ClockFault | None:
        """Why no time-stamp may be issued now; see `ClockMonitor.fault`."""
        return self._monitor.fault(highest_gen_us)

    async def poll(self) -> None:
        """Ask the source now."""
        # In a thread: a source may take seconds to answer, and appends must not wait for it.
        async with self._polling:
            await asyncio.to_thread(self._monitor.poll)

    def resume(self) -> bool:
        """Take the operator's word, which the next poll acts upon; False when issuing was not held."""
        return self._monitor.resume()

    def doubt(self) -> None:
        """Poll soon, since a worker may have seen the clock step: but once an interval.

        Clients decide how often they ask, and the sources may be other people's servers.
        """
        if not self._hurried:
            self._hurried = True
            self._wanted.set()

    async def run(self) -> None:
        """Poll for ever."""
        while True:
            try:
                async with asyncio.timeout(self._settings.poll_s):
                    await self._wanted.wait()
            except TimeoutError:
                self._hurried = False
            self._wanted.clear()
            await self.poll()

    def _on_verdict(self, verdict: ClockVerdict, changed: bool) -> None:  # noqa: FBT001  # the monitor's callback
        self._loop.call_soon_threadsafe(self._tell, verdict, changed)
