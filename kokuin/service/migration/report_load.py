"""What a dry run says of issuing: measured cost, observed load, and what clients notice (parts 6 and 7)."""

from __future__ import annotations

from dataclasses import dataclass

from kokuin.service.migration.report_tokens import Count  # noqa: TC001  # pydantic reads the fields' types


@dataclass(frozen=True, slots=True)
class Cost:
    """What issuing by one profile costs on this host.

    Attributes:
        profile: its name.
        asked: requests made.
        granted: durable and verified tokens' requests.
        refused: requests that the profile refuses, by their failInfo code.
        per_second: granted requests in a second, by one process of low priority.
        p50_ms: median of the time from a request to its durable token, milliseconds.
        p99_ms: 99th percentile of the same.
        token_octets: mean of the octets of all tokens that one request makes, as they leave: with their
            evidence where that is within.
        largest: octets of the largest response.
        leaf_octets: mean of the octets of all leaves that one request makes.
        verify_ms: mean time of judging one token, milliseconds.
        octets_a_year: tokens, leaves, and archive time-stamps over the tokens, at the observed rate spread
            evenly; None where none was observed.
        shortened: the time for trials ended before all requests were made.
    """

    profile: str
    asked: int
    granted: int
    refused: tuple[Count, ...]
    per_second: float
    p50_ms: float
    p99_ms: float
    token_octets: float
    largest: int
    leaf_octets: float
    verify_ms: float
    octets_a_year: int | None
    shortened: bool


@dataclass(frozen=True, slots=True)
class Observed:
    """What the ledger says of the load.

    Attributes:
        tokens: in the period.
        requests: that made them; one to a profile with a twin makes two tokens.
        since: first genTime; empty where there is none.
        until: last genTime.
        per_second: mean rate of requests between the two; None where no time lies between.
        busiest_minute: most tokens in a minute of the clock.
    """

    tokens: int
    requests: int
    since: str
    until: str
    per_second: float | None
    busiest_minute: int


@dataclass(frozen=True, slots=True)
class Measured:
    """Part 6: the trial against the profile in force, measured in turns in the same run.

    Attributes:
        source: `ledger` where the mix of requests is the ledger's, else `profile`.
        observed: the ledger's load.
        candidate: the profile rehearsed; None where it cannot be tried.
        in_force: the default profile; None likewise.
        verified: trial tokens that were judged.
        passed: of these, PASSED.
        device: a device holds the real keys, and its speed was not measured.
    """

    source: str
    observed: Observed
    candidate: Cost | None
    in_force: Cost | None
    verified: int
    passed: int
    device: bool

    def ratio(self, name: str) -> float | None:
        """Return the candidate's `name` (a field of `Cost`) by that of the profile in force."""
        if self.candidate is None or self.in_force is None:
            return None
        before = float(getattr(self.in_force, name))
        return float(getattr(self.candidate, name)) / before if before else None


@dataclass(frozen=True, slots=True)
class Verifier:
    """Whether some program can verify tokens of the candidate's suites: `yes`, `no` or `partly`."""

    program: str
    reads: str


@dataclass(frozen=True, slots=True)
class Clients:
    """Part 7: what clients would notice.

    Attributes:
        tokens: in the ledger.
        by_default: of these, by the profile that was the default then: at most so many requests named no
            policy. A ledger does not say whether a client named the default's OID.
        named: tokens of other profiles: their clients named a policy or a path, and notice nothing.
        old_policy: OID that requests without one get today.
        new_policy: OID that they would get; empty where the profile cannot be read.
        fallbacks: how a client stays with the former profile: a path, a reqPolicy.
        refused_hashes: hashes in the ledger that the candidate refuses with badAlg.
        verifiers: who can read the new tokens.
        largest: octets of the largest trial response.
        limits: size limits in the way, as (name, octets), smallest first.
    """

    tokens: int
    by_default: int
    named: int
    old_policy: str
    new_policy: str
    fallbacks: tuple[str, ...]
    refused_hashes: tuple[Count, ...]
    verifiers: tuple[Verifier, ...]
    largest: int
    limits: tuple[tuple[str, int], ...]
