"""What a dry run says of the tokens that exist: inventory, verdicts to come, renewal (parts 2 to 4)."""

from __future__ import annotations

from dataclasses import dataclass


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
        name: for people.
        kind: key, certificate, TLS and so on.
        last_fit: last day on which the judging policy lets it be used; empty: no end is known.
        years_left: until then, None where no end is known.
    """

    id: str
    name: str
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
        tokens: that need renewal while they must stay provable.
        lost: that no renewal can save under this policy, or that it is too late for.
        batch: tokens under one archive time-stamp.
        steps: the earliest first.
    """

    tokens: int
    lost: int
    batch: int
    steps: tuple[RenewalStep, ...]
