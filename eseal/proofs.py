"""What a judged time-stamp proves: that something existed at its time (EN 319 102-1 §5.6.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.trust.report import Indication, Status
from kokuin.trust.rules import IMPRINT

if TYPE_CHECKING:
    from eseal.values import Stamp
    from kokuin.trust.report import End, Report


@dataclass(frozen=True, slots=True)
class JudgedStamp:
    """A time-stamp and its judgement.

    Attributes:
        stamp: as the format found it.
        report: of the token.
        gen_time: microseconds since 1970 UTC; None where the token cannot be read.
        slack: microseconds by which it may be wrong by its own word.
        end: until when this judgement holds, through the proofs that it rests on; None: no end is known.
    """

    stamp: Stamp
    report: Report
    gen_time: int | None
    slack: int
    end: End | None

    @property
    def covers(self) -> bool:
        """Whether its imprint was held against what it covers, and fits."""
        return any(check.id == IMPRINT.id and check.status is Status.OK for check in self.report.checks)

    @property
    def proves(self) -> bool:
        """Whether what it covers existed at its time."""
        return self.report.indication is Indication.PASSED and self.covers


@dataclass(frozen=True, slots=True)
class Proof:
    """The earliest time for which something is known to have existed, and until when that can be shown.

    Attributes:
        time: microseconds since 1970 UTC.
        stamp: what shows it; None: that it is here now, or the word of whoever asks.
    """

    time: int
    stamp: JudgedStamp | None = None

    def or_by(self, judged: JudgedStamp) -> Proof:
        """Return the earlier of this one and a time-stamp's."""
        if judged.gen_time is None or not judged.proves or judged.gen_time >= self.time:
            return self
        return Proof(judged.gen_time, judged)
