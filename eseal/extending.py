"""What is not raised to a higher level: a seal that is wrong, which would only look better for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kokuin.trust.report import Status
from pqc.verifying import SignatureOutcome

if TYPE_CHECKING:
    from eseal.values import Found

_WRONG = frozenset({SignatureOutcome.INVALID, SignatureOutcome.MALFORMED})


def what_is_wrong(found: Found) -> str | None:
    """Name what is wrong with the first seal that is, whoever looks at it; None when none is.

    What is open, as an unknown algorithm or a certificate that nobody vouches for, is not for us to say.
    """
    for seal in found.seals:
        for check in (*found.before, *seal.before):
            if check.status is Status.FAILED:
                return check.id
        if seal.signature is not None and seal.signature.outcome in _WRONG:
            return "signature"
    return None


def open_questions(found: Found) -> frozenset[tuple[str, str | None]]:
    """Return what does not hold, or is not known to, of the form of the seals: checks and their reasons."""
    return frozenset(
        (check.id, check.reason)
        for seal in found.seals
        for check in (*found.before, *seal.before)
        if check.status in {Status.FAILED, Status.INDETERMINATE}
    )
