"""What an evidence record came to: its report, what it proves since when, and what it brings along."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kokuin.trust.context import RevocationData

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kokuin.trust.certificate import Certificate
    from kokuin.trust.report import Check, Report
    from kokuin.trust.signing_worlds import World

_NOTHING = RevocationData()


@dataclass(frozen=True, slots=True)
class Evidenced:
    """What an evidence record came to.

    Attributes:
        report: it passes only when it covers the first object, and every renewal came in time.
        proven: of one that passed, since when what it covers existed, microseconds since 1970 UTC; else None.
        bound_by: of each object what binds it now, with what that rests on; None where nothing does.
        certificates: what the record brings along and covers; nobody is trusted for standing there.
        revocation: likewise, and what its time-stamps carry.
        known: since when each of these (DER) is known to have existed, microseconds since 1970 UTC.
        worlds: what kind of signature its proof rests on now, that of the newest archive time-stamp, and
            whether that could be relied on alone.
    """

    report: Report
    proven: int | None = None
    bound_by: tuple[Check | None, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    revocation: RevocationData = _NOTHING
    known: tuple[tuple[bytes, int], ...] = ()
    worlds: Mapping[World, bool] = field(default_factory=dict)

    @property
    def covers(self) -> tuple[bool, ...]:
        """Of each object whether the record binds it now."""
        return tuple(each is not None for each in self.bound_by)
