"""Until when a token that passes would go on passing, and what ends then.

Each check that passes names what it rests on: a certificate's validity, an
algorithm's last day in the policy. The first of these ends need not be the
token's: after a cross certificate has expired, another path may hold. So it is
judged again just after each end.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from kokuin.trust.name import display
from kokuin.trust.report import Check, End, Ending, Indication, conclude, earliest
from kokuin.trust.rules import PATH_ALGORITHMS, REVOCATION
from pqc.policies import Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from kokuin.trust.anchors import TrustPeriod
    from kokuin.trust.certificate import Certificate
    from kokuin.trust.report import ReportValue
    from pqc.policies import Policy, Subject

MAX_STEPS = 64
"""Ends after which a token is judged again; with more of them the last one looked at is named, which is
never too late."""

_OF_CARRIED = frozenset({PATH_ALGORITHMS.id, REVOCATION.id})
"""Checks of signatures on certificates, lists and answers."""
_NO_END = 253_402_300_799_000_000
"""9999-12-31T23:59:59Z: a certificate with this notAfter has no end (RFC 5280 §4.1.2.5), and no report can
say what comes later."""


def find_end(checks: tuple[Check, ...], again: Callable[[int], tuple[Check, ...]]) -> End | None:
    """Return the last moment at which checks that pass now would still pass, and what ends then.

    Args:
        checks: as they passed.
        again: makes them for another moment, microseconds since 1970 UTC.

    Returns:
        None when no end is known.
    """
    end = _first(checks)
    for _ in range(MAX_STEPS):
        # No other certificate can take the unit's place: the signature names it by its digest.
        if end is None or end.cause is Ending.UNIT_EXPIRES:
            return end
        later = again(end.time + 1)
        if conclude(later)[0] is not Indication.PASSED:
            return end
        end = _first(later)
    return end


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


def _first(checks: tuple[Check, ...]) -> End | None:
    return earliest(end for check in checks for end in check.ends if end.time < _NO_END)


def certificate_ends(cause: Ending, *certificates: Certificate) -> Iterator[End]:
    """Yield until when certificates are valid."""
    for certificate in certificates:
        # RFC 5280 §4.1.2.5: the whole last second belongs to the validity.
        yield End(certificate.not_after + 999_999, cause, {"certificate": display(certificate.subject)})


def anchor_ends(period: TrustPeriod, anchor: Certificate) -> Iterator[End]:
    """Yield until when the verifier trusts an anchor; nothing for one that has no end."""
    if period.ends is not None:
        yield End(period.ends, Ending.ANCHOR_ENDS, {"certificate": display(anchor.subject)})


@functools.lru_cache(maxsize=1024)
def algorithm_ends(policy: Policy, subject: Subject, until: int | None) -> tuple[End, ...]:
    """Return until when a policy that accepts a subject goes on accepting it; nothing when it has no end.

    Args:
        policy: by which it is fit.
        subject: the algorithm in its role.
        until: of the policy's judgement: the last moment at which the same row speaks.
    """
    while until is not None and until < _NO_END:
        found = policy.judge(subject, Usage.VERIFY, until + 1)
        if not found.status.fit:
            named: dict[str, ReportValue] = {"algorithm": found.subject.name, "policy": policy.name}
            return (End(until, Ending.ALGORITHM_ENDS, named),)
        until = found.until_us  # another row accepts it from then on, with a weakness say
    return ()
