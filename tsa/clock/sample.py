"""What a source of time reports at one poll."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Leap(StrEnum):
    """The leap indicator of RFC 5905 §7.3, as far as a synchronised source can say it."""

    NONE = "none"
    INSERT = "insert"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class SourceReport:
    """One source's answer, or the reason why there is none.

    Attributes:
        name: the source as the configuration or its daemon names it.
        synchronised: False when the source did not answer, answered nonsense, or says that it has no time.
        detail: English text for the log, mostly the reason of `synchronised=False`.
        offset_us: the wall clock minus the source's time, microseconds.
        uncertainty_us: bound of that offset's error (RFC 5905 root distance), microseconds.
        host: the configured host name or address, in lower case, of a server that we ask ourselves.
        refid: what the source itself follows: four letters or an address (RFC 5905 §7.3).
        address: the numeric address that answered, when there is one.
        stratum: distance from a reference clock, 0 when unknown.
        leap: the leap second that the source announces.
        age_s: seconds since the source last measured its own reference.
        upstream: a source that a local daemon follows; it is judged for smearing only,
            the daemon's own report decides the rest.
    """

    name: str
    synchronised: bool
    detail: str = ""
    offset_us: int = 0
    uncertainty_us: int = 0
    host: str = ""
    refid: str = ""
    address: str = ""
    stratum: int = 0
    leap: Leap = Leap.NONE
    age_s: float = 0.0
    upstream: bool = False


def unheard(name: str, why: str) -> SourceReport:
    """Return the report of a source that gives no time."""
    return SourceReport(name=name, synchronised=False, detail=why)


@dataclass(frozen=True, slots=True)
class Sample:
    """All reports of one poll, and the machine's clocks just before it.

    The clocks are read before the sources are asked: a step in between then
    shows against this reading, and cannot hide behind it.

    Attributes:
        reports: one report a source, in the order of the configuration.
        wall_ns: the wall clock, nanoseconds since 1970 UTC.
        boot_ns: CLOCK_BOOTTIME at the same moment, nanoseconds.
    """

    reports: tuple[SourceReport, ...]
    wall_ns: int
    boot_ns: int


class Source(Protocol):
    """A source of time that can be asked."""

    @property
    def kind(self) -> str:
        """The word of `ClockSettings.kind` that names this source."""
        ...

    def ask(self) -> tuple[SourceReport, ...]:
        """Ask once, within a bounded time; failures are reports, never exceptions."""
        ...
