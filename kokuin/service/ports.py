"""Between a worker and its keeper: what a worker may ask, and what it is told.

With one worker both are objects of one process and `LocalPort` joins them;
with several, frames over a socketpair do (`kokuin.service.link`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Future

    from kokuin.service.access.table import AccessTable
    from kokuin.service.issuing import ActiveConfiguration
    from kokuin.trust.journal import AppendOutcome
    from kokuin.trust.records import Record
    from tsa.clock.verdict import ClockVerdict


PATIENCE_SECONDS = 20.0
"""How long a request waits for its signature and its durable record: less than clients wait for an answer."""
KEEPER_UNAVAILABLE = "KEEPER_UNAVAILABLE"
"""The code of every answer that only the keeper could have given, while it is gone."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether this service should get requests, and every code that speaks against it."""

    problems: tuple[str, ...]

    @property
    def ready(self) -> bool:
        """True when nothing speaks against it."""
        return not self.problems


@dataclass(frozen=True, slots=True)
class Push:
    """What the keeper tells every worker, whole, whenever any of it changes.

    Attributes:
        clock: the monitor's newest verdict, None before the first poll.
        active: the configuration in force.
        floors: highest committed genTime by unit, microseconds since 1970 UTC.
        readiness: what `/readyz` answers.
        stopped: whether an operator has stopped issuing.
        unproven: profiles that make no evidence now, so that what owes it must not be issued.
    """

    clock: ClockVerdict | None
    active: ActiveConfiguration
    floors: Mapping[str, int]
    readiness: Readiness
    stopped: bool = False
    unproven: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """What a worker counted since its start, and the refusals since its last report.

    Attributes:
        counters: by metric name and label values, cumulative.
        refusals: (code, profile, how many) since the last report.
        probe: outcome of the worker's last probe stamp: empty when good, else a code.
        key_ends: end of the key period by unit id, microseconds since 1970 UTC.
        denials: (code, tenant, how many) since the last report.
        used: acts by client since the last report.
    """

    counters: Mapping[str, float]
    refusals: tuple[tuple[str, str, int], ...]
    probe: str
    key_ends: Mapping[str, int]
    denials: tuple[tuple[str, str, int], ...] = ()
    used: Mapping[str, int] = field(default_factory=dict)


class WorkerPort(Protocol):
    """A keeper's way to a worker."""

    def on_push(self, push: Push) -> None:
        """Take the keeper's word."""
        ...

    def on_access(self, table: AccessTable) -> None:
        """Take who there is and what they may, whole; before the first one nobody is let in."""
        ...

    def on_floors(self, floors: Mapping[str, int]) -> None:
        """Take the highest committed genTime by unit, microseconds since 1970 UTC."""
        ...

    def on_keeper_gone(self) -> None:
        """Learn that nothing can be recorded now."""
        ...

    async def prepare(self, digest: str) -> str:
        """Load and try the units of a saved snapshot; empty when ready, else one line that says why not."""
        ...

    def abandon(self, digest: str) -> None:
        """Forget what was prepared."""
        ...


class KeeperPort(Protocol):
    """A worker's way to its keeper; also a `Journal`."""

    def append(self, *records: Record) -> Future[AppendOutcome]:
        """See `kokuin.trust.journal.Journal.append`."""
        ...

    def lag(self) -> float:
        """Seconds that the oldest unanswered append has waited, 0 when there is none."""
        ...

    def report(self, report: WorkerReport) -> bool:
        """Hand over what was counted; False when nobody took it, and it must be kept for the next time."""
        ...

    async def ask(self, operation: str, arguments: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Ask the keeper to do or to tell something; the answer always has `ok` and, when False, `code`."""
        ...


class Desk(Protocol):
    """Whoever answers a group of operations."""

    async def ask(self, operation: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one question; `ok` is False with `code` when it is a no."""
        ...
