"""The port through which every room writes to the ledger.

The ledger and the time-stamp room do not know each other; the service gives
the one to the other as a `Journal`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from concurrent.futures import Future

    from kokuin.trust.records import Receipt, Record


class AppendRefusal(StrEnum):
    """Why an append was refused; nothing of it is in the ledger."""

    BEHIND = "LEDGER_BEHIND"
    """The queue is full: the caller should answer 503 with Retry-After."""
    FULL = "LEDGER_FULL"
    """No space on the store's volume."""
    UNAVAILABLE = "LEDGER_UNAVAILABLE"
    """The store or the keeper cannot be reached."""
    STALE_EPOCH = "STALE_EPOCH"
    """Made under an older configuration epoch: make it again under the present one."""
    DUPLICATE_SERIAL = "DUPLICATE_SERIAL"
    """The serial number is in the ledger already."""
    LEAF_TOO_LARGE = "LEAF_TOO_LARGE"
    """The leaf would exceed 4,096 octets or holds a value that strict JSON forbids."""
    HEAD_MOVED = "HEAD_MOVED"
    """Another writer moved the head: compare-and-swap refused the batch."""
    STOPPED = "EMERGENCY_STOP"
    """An operator has stopped issuing: no token becomes part of the ledger."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The outcome of an append that left no trace in the ledger."""

    reason: AppendRefusal
    detail: str = ""


AppendOutcome: TypeAlias = "tuple[Receipt, ...] | Refused"


class Journal(Protocol):
    """Atomic, durable append."""

    def append(self, *records: Record) -> Future[AppendOutcome]:
        """Append all records or none.

        The future completes when the outcome is known and durable: with one
        receipt a record in the same order, or with `Refused`. It never carries
        an exception. Synchronous callers wait on it, asynchronous ones bridge
        it into their loop.
        """
        ...
