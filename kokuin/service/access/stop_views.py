"""The emergency stop that stands: as the ledger has it, as `state.db` has it, and as it is shown."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlmodel import select

from kokuin.service.access.approvers import UNNAMED
from kokuin.service.access.state_models import Stop
from kokuin.service.activation import read_act
from kokuin.trust.records import STOP_RELEASED, STOP_SET

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sqlmodel import Session

    from kokuin.ledger.reader import StoreReader


@dataclass(frozen=True, slots=True)
class Stopped:
    """A stop that stands.

    Attributes:
        since_us: when, microseconds since 1970 UTC: `at` of its leaf once there is one.
        actor: who set it.
        reason: why, in their words.
        people: the persons of the operator's tenant that could approve then.
        recorded: whether the ledger has its leaf.
    """

    since_us: int
    actor: str
    reason: str
    people: tuple[str, ...]
    recorded: bool = False

    def releasers(self, able: Iterable[str]) -> frozenset[str]:
        """Return who may release it: nobody who was made a person with role approve after it was set.

        Args:
            able: who could approve now. Where fewer than two of the people are left, their time being over,
                owner and operator key count as where there never were two: no stop is for ever.
        """
        people = frozenset(self.people)
        return people if len(people.intersection(able)) > 1 else people | UNNAMED


@dataclass(frozen=True, slots=True)
class Found:
    """What the ledger says last of stops: where, when, and the stop; None: it was released."""

    index: int
    at_us: int
    stop: Stopped | None

    def outranks(self, stop: Stopped | None) -> bool:
        """Say whether it counts before what is known: `state.db` alone may know of a newer stop."""
        return stop is None or stop.recorded or self.at_us >= stop.since_us


def kept_stop(session: Session) -> Stopped | None:
    """Return the stop that `state.db` has a row of."""
    row = session.exec(select(Stop)).first()
    return None if row is None else Stopped(row.since_us, row.actor, row.reason, tuple(row.people))


def newest_stop(reader: StoreReader) -> Found | None:
    """Return what the ledger says last of stops; None: nothing.

    Raises:
        ActivationError: the leaf cannot be read.
    """
    stored = reader.newest_of_all(STOP_SET, STOP_RELEASED)
    if stored is None:
        return None
    leaf = read_act(stored)
    at_us, people = int(str(leaf["at"])), leaf.get("people")
    if leaf["kind"] == STOP_RELEASED:
        return Found(stored.index, at_us, None)
    named = tuple(people) if isinstance(people, list) else ()
    stop = Stopped(at_us, str(leaf["actor"]), str(leaf["reason"]), named, recorded=True)
    return Found(stored.index, at_us, stop)


class StopReader:
    """Asks the ledger for its newest stop once a second, over one connection that is kept. Thread-safe."""

    def __init__(self, open_reader: Callable[[], StoreReader]) -> None:
        """Args: opens the ledger for reading, when it is first asked."""
        self._open = open_reader
        self._reader: StoreReader | None = None
        self._asking, self._closed = threading.Lock(), False

    def newest(self) -> Found | None:
        """Return what the ledger says last of stops; None: nothing, or it was let go.

        Raises:
            OpenRefusedError, ActivationError: it cannot be read.
        """
        with self._asking:
            if self._closed:
                return None
            if self._reader is None:
                self._reader = self._open()
            return newest_stop(self._reader)

    def close(self) -> None:
        """Let the ledger go, once who asks meanwhile has its answer.

        A thread outlives the task that was cancelled over it, and a reader whose connection is closed under
        it connects anew: that connection would be nobody's.
        """
        with self._asking:
            self._closed = True
            if self._reader is not None:
                self._reader.close()


def show_stop(stop: Stopped | None, able: Iterable[str]) -> dict[str, Any]:
    """Return what is shown of a stop, or that there is none.

    Args:
        stop: that stands.
        able: which persons of the operator's tenant may approve now.
    """
    if stop is None:
        return {"stopped": False}
    return {
        "stopped": True,
        "since_us": stop.since_us,
        "actor": stop.actor,
        "reason": stop.reason,
        "recorded": stop.recorded,
        "releasers": sorted(stop.releasers(able)),
    }
