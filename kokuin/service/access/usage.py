"""How many acts each client did on a day (UTC): counted in the workers, added up here, kept in `state.db`.

A crash loses the counts of the last seconds: a quota is a bound on use, not an account.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmodel import col, delete, select

from kokuin.service.access.state_models import Client, Usage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlmodel import Session

    from kokuin.service.access.state import StateStore
    from kokuin.service.access.table import AccessTable
    from kokuin.service.access.table import Client as ClientOfTable

DAY_US = 24 * 3600 * 1_000_000
KEEP_SECONDS = 5.0
"""How often totals are written."""
MAX_DAYS = 400
"""For how many days they are kept."""


class DayTotals:
    """The totals of today; on the keeper's loop."""

    def __init__(self, store: StateStore) -> None:
        """Args: of `state.db`."""
        self._store = store
        self._day = 0
        self._totals: dict[str, int] = {}
        self._unkept: dict[tuple[str, int], int] = {}

    async def load(self, now_us: int) -> None:
        """Go on from what was kept, and forget what is old.

        Raises:
            StateRefusedError: it cannot be read or written.
        """
        self._day = now_us // DAY_US

        def take(session: Session) -> dict[str, int]:
            """Forget old days, and return the totals of this one."""
            session.exec(delete(Usage).where(col(Usage.day) < self._day - MAX_DAYS))
            return {
                row.client: row.count for row in session.exec(select(Usage).where(Usage.day == self._day))
            }

        self._totals = await self._store.awrite(take)

    def add(self, used: Mapping[str, int], now_us: int) -> None:
        """Add what a worker counted since its last report."""
        self._turn(now_us)
        for client, count in used.items():
            self._totals[client] = self._totals.get(client, 0) + count
            key = (client, self._day)
            self._unkept[key] = self._unkept.get(key, 0) + count

    def exhausted(self, table: AccessTable, now_us: int) -> frozenset[str]:
        """Return the clients that have done today what they may."""
        self._turn(now_us)
        return frozenset(client.id for client in table.clients.values() if self.is_exhausted(client))

    def is_exhausted(self, client: ClientOfTable | None) -> bool:
        """Say whether a client has done today what it may; whoever is no client has no quota."""
        most = None if client is None else client.per_day
        return client is not None and most is not None and self._totals.get(client.id, 0) >= most

    async def keep(self) -> None:
        """Write what was added since.

        Raises:
            StateRefusedError: it could not be written, and is kept for the next time.
        """
        unkept, self._unkept = self._unkept, {}
        if not unkept:
            return

        def write(session: Session) -> None:
            """Add what was counted to the rows of clients."""
            for (client, day), count in unkept.items():
                if session.get(Client, client) is None:  # owner and operator key have no quota
                    continue
                row = session.get(Usage, (client, day)) or Usage(client=client, day=day, count=0)
                row.count += count
                session.add(row)

        try:
            await self._store.awrite(write)
        except BaseException:
            for key, count in unkept.items():
                self._unkept[key] = self._unkept.get(key, 0) + count
            raise

    def _turn(self, now_us: int) -> None:
        """Begin anew when a day has begun; a clock that goes back does not give a day twice."""
        day = now_us // DAY_US
        if day > self._day:
            self._day = day
            self._totals = {}
