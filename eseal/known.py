"""Since when each thing that a seal carries is known to have existed (EN 319 102-1 §5.6.2).

Anybody can put certificates, lists and answers beside a seal that is there already. A time-stamp proves those
that it covers, and nothing of what came later: of that it is only known that it is here now.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from eseal.proofs import JudgedStamp
    from kokuin.trust.certificate import Certificate
    from kokuin.trust.context import Context, RevocationData


@dataclass(frozen=True, slots=True)
class Known:
    """Since when each certificate, list and answer (DER) is known to have existed.

    Attributes:
        times: microseconds since 1970 UTC.
        trusted: certificates that the verifier has of his own: they need no proof.
    """

    times: Mapping[bytes, int]
    trusted: frozenset[bytes] = frozenset()

    def proven_by(self, judged: JudgedStamp) -> Known:
        """Return the same with what a time-stamp shows of the things that it covers."""
        if not judged.proves or judged.gen_time is None:
            return self
        shown = {
            each: min(self.times[each], judged.gen_time)
            for each in judged.stamp.covered
            if each in self.times
        }
        return replace(self, times={**self.times, **shown})

    def moved(self, now: int, at: int) -> Known:
        """Return the same for another validation time: what nothing proves is known from then on."""
        return replace(self, times={each: at if time == now else time for each, time in self.times.items()})

    def later_than(self, proven: int, but: Collection[bytes] = ()) -> tuple[tuple[bytes, int], ...]:
        """Return what may be known only from a later time on, as `Constraints.known_later`.

        Who proves an earlier time for what is judged proves nothing of the rest: that stays as old as it is.

        Args:
            proven: since when what is judged is known to have existed, microseconds since 1970 UTC.
            but: what it holds itself, and so is as old.
        """
        return tuple(
            (each, max(time, proven))
            for each, time in self.times.items()
            if each not in self.trusted and each not in but
        )


def known_now(certificates: Iterable[Certificate], revocation: RevocationData, context: Context) -> Known:
    """Return what is known before any time-stamp was judged.

    Args:
        certificates: carried.
        revocation: carried.
        context: by what the seal is judged; the verifier's lists and answers are no older than that either.
    """
    carried = (*(each.der for each in certificates), *revocation.lists, *revocation.answers)
    data, later, trust = context.revocation, dict(context.known_later), context.trust
    known = dict.fromkeys((*data.lists, *data.answers), context.existence)
    trusted = frozenset(each.der for each in (*trust.anchors, *trust.helpers))
    times = {**known, **later, **dict.fromkeys(carried, context.existence)}
    return Known(times, trusted.difference(later))
