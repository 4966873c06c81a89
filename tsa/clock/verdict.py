"""What the clock guard tells the rest of the service.

`ClockVerdict` is a value with an expiry: a worker that hears nothing more from
the monitor stops issuing by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ClockFault(StrEnum):
    """Why no time-stamp may be issued now."""

    NOT_YET = "CLOCK_NOT_YET"
    """No good sample since the start."""
    STEP = "CLOCK_STEP"
    """The wall clock jumped against CLOCK_BOOTTIME."""
    DRIFT = "CLOCK_DRIFT"
    """Offset plus uncertainty exceed what the declared accuracy covers."""
    LOST = "CLOCK_SOURCE_LOST"
    """Fewer sources than needed answer, or they say that they are not synchronised."""
    STALE = "CLOCK_STALE"
    """The source answers with old measurements, or the verdict's expiry has passed."""
    DISAGREE = "CLOCK_DISAGREE"
    """No quorum of sources agrees."""
    SMEAR = "CLOCK_SMEAR"
    """A source spreads leap seconds over hours (EN 319 421 TIS-7.7.2-08 wants them in the last minute)."""
    LEAP = "CLOCK_LEAP"
    """Within a second of an announced leap second."""
    BACKWARDS = "CLOCK_BACKWARDS"
    """The wall clock is below a genTime that was issued already."""
    HELD = "CLOCK_HELD"
    """Sources are good again, but the configuration wants an operator to resume."""


@dataclass(frozen=True, slots=True)
class ClockVerdict:
    """The monitor's opinion after one poll.

    Attributes:
        fault: None when time-stamps may be issued.
        detail: English text for the log; never shown to a client.
        source: the kind of source (`kernel`, `chrony`, `ntp`, `system`) and its names.
        offset_us: estimated offset of the wall clock from UTC, microseconds, signed.
        uncertainty_us: bound of the error of that estimate, microseconds.
        wall_ns: the wall clock when the sample was taken, nanoseconds since 1970 UTC.
        boot_ns: CLOCK_BOOTTIME at the same moment, nanoseconds.
        expires_boot_ns: CLOCK_BOOTTIME after which the verdict no longer holds.
        leap: a leap second is announced for the end of this UTC month.
    """

    fault: ClockFault | None
    detail: str
    source: str
    offset_us: int
    uncertainty_us: int
    wall_ns: int
    boot_ns: int
    expires_boot_ns: int
    leap: bool = False
