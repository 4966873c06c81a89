"""What a dry run found, as one frozen value: nine parts, codes and numbers, never sentences.

Its JSON is the same in every language, and is read back into the same value.
Moments are ISO 8601 in UTC; names of suites, hashes and profiles are ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

SCHEMA = 1
"""`schema` of the JSON form; it rises when a field changes its meaning or goes."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One purpose of a profile: what serves it now, and what would; empty where nothing does."""

    purpose: str
    before: str
    after: str

    @property
    def changed(self) -> bool:
        """Whether the switch changes it."""
        return self.before != self.after


@dataclass(frozen=True, slots=True)
class PolicyDiff:
    """Part 1: the profile in force against the one rehearsed.

    Attributes:
        before: the default profile.
        after: the profile rehearsed.
        before_digest: SHA-256 (hex) of the former's TOML.
        after_digest: of the latter's; empty where it cannot be read.
        configuration: digest of the snapshot in force, which the ledger's newest `cfg.activated` leaf names;
            empty where the ledger has none.
        issuing: the policy that decides what is issued at present.
        judged_by: the policy by which this dry run judges.
        edition: of the latter.
        rows: by purpose.
    """

    before: str
    after: str
    before_digest: str
    after_digest: str
    configuration: str
    issuing: str
    judged_by: str
    edition: str
    rows: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class InventoryRow:
    """Tokens by what protects them.

    Attributes:
        profile: that issued them.
        suite: of their signatures.
        signer: SHA-256 (hex) of the unit's certificate.
        key: name of the key's type; empty where the certificate is not at hand.
        expires: end of the certificate; empty where it is not at hand.
        tokens: how many.
        octets: of all these tokens.
    """

    profile: str
    suite: str
    signer: str
    key: str
    expires: str
    tokens: int
    octets: int


@dataclass(frozen=True, slots=True)
class Asset:
    """A key, certificate or mechanism in use, as the inventory names it.

    Attributes:
        id: stable name.
        kind: key, certificate, TLS and so on.
        last_fit: last day on which the judging policy lets it be used; empty: no end is known.
        years_left: until then, None where no end is known.
    """

    id: str
    kind: str
    last_fit: str
    years_left: float | None


@dataclass(frozen=True, slots=True)
class Count:
    """How many tokens have what `name` says."""

    name: str
    tokens: int


@dataclass(frozen=True, slots=True)
class Unknown:
    """Something that this release cannot place: `what` is a code, `value` what was found."""

    what: str
    value: str
    tokens: int


@dataclass(frozen=True, slots=True)
class Inventory:
    """Part 2: what the ledger and the folder hold."""

    leaves: int
    tokens: int
    octets: int
    rows: tuple[InventoryRow, ...]
    imprints: tuple[Count, ...]
    unknown: tuple[Unknown, ...]
    assets: tuple[Asset, ...]


@dataclass(frozen=True, slots=True)
class StatusChange:
    """Tokens whose verdict changes at a moment.

    Attributes:
        at: the first moment of the new state.
        before: a `dryrun_status.State`.
        after: another.
        cause: id of the check that makes the new state; empty where it is a passing one.
        reason: code of what that check finds.
        suite: of the tokens' signatures.
        imprint: the hash of their data.
        tokens: how many.
    """

    at: str
    before: str
    after: str
    cause: str
    reason: str
    suite: str
    imprint: str
    tokens: int


@dataclass(frozen=True, slots=True)
class Artefacts:
    """Part 3: the tokens' verdicts today, and each change to come, the earliest first."""

    today: tuple[Count, ...]
    changes: tuple[StatusChange, ...]


@dataclass(frozen=True, slots=True)
class RenewalStep:
    """Tokens that need a new archive time-stamp before a moment.

    Attributes:
        before: from this moment on it is too late.
        tokens: how many.
        hash_tree: a hash fails, so that the data must be hashed anew (RFC 4998 §5.3); else the new
            archive time-stamp alone suffices (§5.2).
        batches: archive time-stamps.
        minutes: of this host's work.
        octets: of archive time-stamps and hash trees that are added.
    """

    before: str
    tokens: int
    hash_tree: bool
    batches: int
    minutes: float
    octets: int


@dataclass(frozen=True, slots=True)
class Renewal:
    """Part 4: how many tokens are to be renewed, by when, at what cost.

    Attributes:
        tokens: that need renewal at any time that the policy knows.
        lost: that no renewal can save under this policy, or that it is too late for.
        batch: tokens under one archive time-stamp.
        steps: the earliest first.
    """

    tokens: int
    lost: int
    batch: int
    steps: tuple[RenewalStep, ...]


@dataclass(frozen=True, slots=True)
class Readiness:
    """Part 5: one link of the chain.

    Attributes:
        item: `ca`, `unit-certificate`, `revocation`, `device`, `key`, `key-backup`.
        subject: the profile whose unit it belongs to.
        state: `ready`, `made-at-switch`, `missing`, `unknown`, `unfit`.
        value: the suite, a date, a mechanism.
    """

    item: str
    subject: str
    state: str
    value: str


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
        token_octets: mean of the octets of all tokens that one request makes.
        largest: octets of the largest response.
        leaf_octets: mean of the octets of all leaves that one request makes.
        verify_ms: mean time of judging one token, milliseconds.
        octets_a_year: tokens and leaves at the observed rate; None where none was observed.
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


@dataclass(frozen=True, slots=True)
class Finding:
    """A code, what it is about, and one line of English that says more."""

    code: str
    subject: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Consequences:
    """Part 8: what stands in the way, what cannot be undone, and the way back."""

    blockers: tuple[Finding, ...]
    irreversible: tuple[Finding, ...]
    rollback: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Bills:
    """Part 9: the cryptography bill of materials (CycloneDX) before and after, and the difference.

    Attributes:
        before: the document as of today.
        after: the document as it would be.
        added: references of components that only the latter has.
        removed: of those that only the former has.
        changed: of those that are described otherwise, as by another state or use.
    """

    before: dict[str, Any]
    after: dict[str, Any]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DryRunReport:
    """All of it.

    Attributes:
        schema: `SCHEMA`.
        kind: always `dry-run`.
        product: name and version of what made it.
        profile: what was rehearsed.
        made: when.
        seconds: how long it took.
        diff: part 1. `inventory` part 2, `artefacts` part 3, `renewal` part 4, `chain` part 5, `measured`
            part 6, `clients` part 7, `consequences` part 8, `bills` part 9.
    """

    schema: int
    kind: str
    product: str
    profile: str
    made: str
    seconds: float
    diff: PolicyDiff
    inventory: Inventory
    artefacts: Artefacts
    renewal: Renewal
    chain: tuple[Readiness, ...]
    measured: Measured
    clients: Clients
    consequences: Consequences
    bills: Bills

    @property
    def possible(self) -> bool:
        """Whether no blocker stands in the way."""
        return not self.consequences.blockers

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        document: dict[str, Any] = _adapter().dump_python(self, mode="json")
        return document


def read_report(document: dict[str, Any]) -> DryRunReport:
    """Read what `DryRunReport.to_dict` made.

    Raises:
        ValueError: it is something else.
    """
    try:
        return _adapter().validate_python(document)
    except ValidationError as error:
        raise ValueError(f"no report of a dry run: {error.error_count()} fields") from None


@cache
def _adapter() -> TypeAdapter[DryRunReport]:
    return TypeAdapter(DryRunReport)
