"""By what an object is judged: the moment, whom the verifier trusts, and what was brought along."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from pqc.policies import BASELINE, load_policy

if TYPE_CHECKING:
    from collections.abc import Callable

    from kokuin.trust.anchors import TrustStore
    from kokuin.wire.tsp import TimeStampReq
    from pqc.policies import Policy


def _baseline() -> Policy:
    return load_policy(BASELINE)


class RevocationMode(StrEnum):
    """What becomes of a certificate of which nobody says whether it was taken back."""

    IF_AVAILABLE = "if-available"
    """It passes, and is listed among what was not looked at."""
    REQUIRED = "required"
    """It is INDETERMINATE."""


@dataclass(frozen=True, slots=True)
class RevocationData:
    """What is at hand of revocations; each element is as it was found, and trusted for nothing.

    Attributes:
        lists: CertificateList (DER).
        answers: OCSPResponse, or the BasicOCSPResponse in it (DER).
    """

    lists: tuple[bytes, ...] = ()
    answers: tuple[bytes, ...] = ()

    def with_more(self, other: RevocationData) -> RevocationData:
        """Return both, each element once."""
        return RevocationData(
            tuple(dict.fromkeys((*self.lists, *other.lists))),
            tuple(dict.fromkeys((*self.answers, *other.answers))),
        )


@dataclass(frozen=True, slots=True)
class Context:
    """What a token is judged by.

    Attributes:
        at: validation time, microseconds since 1970 UTC; a token proves its own existence only then.
        trust: anchors and helpers.
        content: digest of the stamped data by the name of the algorithm; None when it is not at hand.
        policy: which algorithms are fit, and until when.
        proven: an earlier time at which something else proves that the token existed, microseconds since
            1970 UTC; None: nothing does.
        revocation: lists and answers beside those that the token carries.
        revocation_mode: what becomes of a certificate of which they say nothing.
        request: the TimeStampReq that the token must answer; None when it is not at hand.
        bound: an earlier time since which something else than the token's imprint proves the data itself, as
            `proven`; None: nothing does. What proves that a token existed does not prove the data: once
            somebody can make two documents of one digest, the imprint no longer says which of them it was.
        evidence: evidence records (RFC 4998) that came with the token, as they were found.
        known_later: certificates, lists and answers (DER) that are known to have existed only from a later
            time on than the token, likewise; of all others its time is taken.
        beside: what later time-stamps over the token carry of revocations: apart, since `revocation` is the
            same for all of them and may be large.
    """

    at: int
    trust: TrustStore
    content: Callable[[str], bytes] | None = None
    policy: Policy = field(default_factory=_baseline)
    proven: int | None = None
    revocation: RevocationData = RevocationData()
    revocation_mode: RevocationMode = RevocationMode.IF_AVAILABLE
    request: TimeStampReq | None = None
    bound: int | None = None
    evidence: tuple[bytes, ...] = ()
    known_later: tuple[tuple[bytes, int], ...] = ()
    beside: RevocationData = RevocationData()

    @property
    def existence(self) -> int:
        """The earliest time at which the token is known to have existed (EN 319 102-1 §5.6.2)."""
        return self.at if self.proven is None else min(self.proven, self.at)

    @property
    def binding(self) -> int:
        """The time for which the digest in the token must bind the data: while nothing else does."""
        return self.at if self.bound is None else min(self.bound, self.at)

    def with_content(self, content: Callable[[str], bytes]) -> Context:
        """Return the same for a token whose data is at hand."""
        # As `replace` does, at a third of its cost: a batch has one for each token.
        by, revocation, mode = self.policy, self.revocation, self.revocation_mode
        known = (self.at, self.trust, content, by, self.proven, revocation, mode, self.request)
        return Context(*known, self.bound, self.evidence, self.known_later, self.beside)
