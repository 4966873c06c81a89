"""What every store of the ledger is, whatever database lies under it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kokuin.ledger.plan import Append, Head
    from kokuin.ledger.published import Rows
    from kokuin.trust.journal import AppendOutcome

T = TypeVar("T")


class LedgerStore(Protocol):
    """One writer of a ledger. Used by one thread at a time; `head` and `highest_gen` may be read by any."""

    @property
    def head(self) -> Head:
        """Where the ledger ends, as far as this writer knows; replaced as a whole."""
        ...

    @property
    def highest_gen(self) -> Mapping[str, int]:
        """Highest committed genTime by unit, microseconds since 1970 UTC; replaced as a whole."""
        ...

    @property
    def wal_octets(self) -> int:
        """About how much is waiting for `tidy`."""
        ...

    def commit(self, batch: Sequence[Append], now_us: int) -> list[AppendOutcome]:
        """Write a batch in one durable transaction.

        Args:
            batch: appends in the order of arrival; one that is refused takes nobody with it.
            now_us: the wall clock, microseconds since 1970 UTC.

        Returns:
            One outcome for each append. Receipts are given only for what is durable.

        Raises:
            StoreLostError: what is durable cannot be known; the process must end.
        """
        ...

    def transact(self, work: Callable[[Rows], T]) -> T:
        """Do other work than appending in one durable transaction; what `work` raises takes everything back.

        Raises:
            WorkRefusedError: nothing was written, or it is not known; the work must bear being done again.
            StoreLostError: the device failed.
        """
        ...

    def know(self, size: int, root: bytes) -> None:
        """Remember a tree that this process knows of the ledger; any thread may call it.

        Whenever the store is opened anew, it must begin with the longest tree known: an idle node that
        showed what another appended would else go on over a replica that never had it.
        """
        ...

    def tidy(self) -> None:
        """Do in a quiet moment what the database wants done from time to time.

        Raises:
            StoreLostError: the device failed.
        """
        ...

    def reopen(self) -> None:
        """Connect anew and go on from what the store says.

        Raises:
            OpenRefusedError: it holds less than this process saw, or something else (a restored copy).
        """
        ...

    def close(self) -> None:
        """Close the connection."""
        ...
