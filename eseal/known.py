"""Since when each thing that a seal carries is known to have existed (EN 319 102-1 §5.6.2).

Anybody can put certificates, lists and answers beside a seal that is there already. A time-stamp proves those
that it covers, and nothing of what came later: of that it is only known that it is here now.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kokuin.trust.horizon import MAX_STEPS
from kokuin.trust.report import Indication, conclude
from kokuin.trust.rules import PATH_ALGORITHMS, REVOCATION

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from eseal.stamps import JudgedStamp
    from kokuin.trust.certificate import Certificate
    from kokuin.trust.context import Context, RevocationData
    from kokuin.trust.report import Check, End

_OF_CARRIED = frozenset({PATH_ALGORITHMS.id, REVOCATION.id})
"""Checks of signatures on certificates, lists and answers."""


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
        """Return what is known only from a later time on, as `Constraints.known_later`.

        Args:
            proven: since when what is judged is known to have existed, microseconds since 1970 UTC.
            but: what it holds itself, and so is as old.
        """
        return tuple(
            (each, time)
            for each, time in self.times.items()
            if time > proven and each not in self.trusted and each not in but
        )


def end_of_unproven(
    checks: Iterable[Check], now: int, proof: End | None, again: Callable[[int], tuple[Check, ...]]
) -> End | None:
    """Return until when checks pass that rest on a proof, and beside it on things that nothing proves.

    Args:
        checks: as they passed.
        now: validation time, microseconds since 1970 UTC.
        proof: until when the proof holds; None: no end is known.
        again: makes the checks for another validation time, by the same proof.
    """
    ends = (end for check in checks if check.id in _OF_CARRIED for end in check.ends)
    by_time = {end.time: end for end in ends if end.time >= now}
    for _, end in sorted(by_time.items())[:MAX_STEPS]:
        if proof is not None and end.time >= proof.time:
            break
        if conclude(again(end.time + 1))[0] is not Indication.PASSED:
            return end
    return proof


def known_now(certificates: Iterable[Certificate], revocation: RevocationData, context: Context) -> Known:
    """Return what is known before any time-stamp was judged.

    Args:
        certificates: carried.
        revocation: carried.
        context: by what the seal is judged; the verifier's lists and answers are no older than that either.
    """
    data = context.revocation.with_more(revocation)
    items = (*(each.der for each in certificates), *data.lists, *data.answers)
    trust = context.trust
    trusted = frozenset(each.der for each in (*trust.anchors, *trust.helpers))
    return Known(dict.fromkeys(items, context.existence), trusted)
