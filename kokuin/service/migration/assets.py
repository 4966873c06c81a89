"""One thing in use that rests on cryptography, how long it serves, and how urgent its replacement is."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from kokuin.service.migration.limits import DAYS_A_YEAR, governing, limits_of, to_moment, years_until
from pqc.policies import NEVER, Suitability

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kokuin.service.migration.limits import Limit
    from kokuin.service.migration.mechanisms import Mechanism
    from pqc.policies import Policy
    from pqc.subjects import Subject


class AssetKind(StrEnum):
    """What sort of thing."""

    SUITE = "signature-suite"
    KEY = "key"
    CERTIFICATE = "certificate"
    HASH = "hash"
    ENVELOPE = "envelope"
    TLS = "tls"
    DEVICE = "device-mechanism"


class State(StrEnum):
    """Whether it works at present."""

    IN_USE = "in-use"
    POSSIBLE = "possible"
    """It could be turned on: a profile that is off, a key that no profile in force uses."""
    KEPT = "kept"
    """Nothing new is made with it; tokens from before rest on it."""
    UNKNOWN = "unknown"
    """It cannot be seen from here."""


class Decided(StrEnum):
    """What sets an asset's end, besides the name of a policy."""

    CERTIFICATE = "certificate"
    """Its certificate ends before every policy's date."""
    OPEN = "open"
    """No end is known."""
    UNKNOWN = "unknown"
    """No policy speaks of it."""


class Note(StrEnum):
    """What a reader must know and no field says."""

    CERTIFICATE_UNKNOWN = "CERTIFICATE_UNKNOWN"
    """Which certificate belongs to the key was not seen: inventories open no private key."""
    ISSUER_UNKNOWN = "ISSUER_UNKNOWN"
    """The issuer's certificate is not at hand: its key could not be judged."""
    DEVICE_NOT_ASKED = "DEVICE_NOT_ASKED"
    """What else the device can do was not asked."""
    PROXY_UNKNOWN = "PROXY_UNKNOWN"
    """The TLS of the proxy before the service cannot be seen from here."""
    NO_HYBRID = "NO_HYBRID"
    """This process's OpenSSL offers no post-quantum group."""
    NOT_A_UNIT_KEY = "NOT_A_UNIT_KEY"
    """A file beside the units' keys, which was not opened."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found, before any policy is asked.

    Attributes:
        id: stable, unique in the inventory (`key:unit-classical`).
        kind: what sort of thing.
        name: for people.
        state: whether it works at present.
        mechanisms: what it rests on.
        subjects: what policies judge; empty: no policy can speak of it.
        uses: what uses it, as `profile:classical`, `token-imprint`, `ledger-leaf`.
        provider: where a key is used (`software`, `pkcs11`, `liboqs`); empty where there is no key.
        experimental: the implementation is one that nobody vouches for in production.
        since_us: beginning of the key's or certificate's period, microseconds since 1970 UTC; None: has none.
        until_us: its end.
        ends_use: at `until_us` what rests on it needs newer proof, as with a certificate.
        tokens: tokens in the ledger that rest on it.
        details: further facts, as text.
        notes: what a reader must know.
    """

    id: str
    kind: AssetKind
    name: str
    state: State
    mechanisms: tuple[Mechanism, ...] = ()
    subjects: tuple[Subject, ...] = ()
    uses: tuple[str, ...] = ()
    provider: str = ""
    experimental: bool = False
    since_us: int | None = None
    until_us: int | None = None
    ends_use: bool = False
    tokens: int = 0
    details: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class Asset:
    """What was found, and how long it serves.

    Attributes:
        facts: what was found.
        limits: what each policy says.
        decided_by: the policy whose date comes first, or a `Decided`.
        years_left: until it may not be relied on; negative when that is over; None where `decided_by` is
            `OPEN` or `UNKNOWN`.
        urgency: years needed less years left: above 0, what it protects outlives it. None as `years_left`.
    """

    facts: Facts
    limits: tuple[Limit, ...]
    decided_by: str
    years_left: float | None
    urgency: float | None

    @property
    def classical_bits(self) -> int | None:
        """Strength of its weakest mechanism against classical attack; None: not known."""
        return _least([each.classical_bits for each in self.facts.mechanisms])

    @property
    def quantum_category(self) -> int | None:
        """NIST category of its weakest mechanism, 0 for none; None: not known."""
        return _least([each.quantum_category for each in self.facts.mechanisms])

    @property
    def draft(self) -> bool:
        """Whether the standard of one of its mechanisms is not published yet."""
        return any(each.draft for each in self.facts.mechanisms)


def _least(numbers: Sequence[int | None]) -> int | None:
    known = [number for number in numbers if number is not None]
    return min(known) if known and len(known) == len(numbers) else None


def judge(facts: Facts, policies: Sequence[Policy], now: dt.datetime, years_needed: float) -> Asset:
    """Ask the policies how long something serves; the one whose day comes first decides."""
    limits = limits_of(facts.subjects, policies, now)
    usage = governing(facts.subjects)
    ends: list[tuple[float, str]] = []
    known = False
    for limit in limits:
        if limit.usage is not usage or limit.status is Suitability.UNKNOWN:
            continue
        known = True
        if limit.last == NEVER:
            ends.append((0.0, limit.policy))
        elif limit.last is not None:
            ends.append((years_until(limit.last, now), limit.policy))
    if facts.ends_use and facts.until_us is not None:
        known = True
        left = (to_moment(facts.until_us) - now) / dt.timedelta(days=DAYS_A_YEAR)
        ends.append((left, Decided.CERTIFICATE.value))
    if not ends:
        return Asset(facts, limits, (Decided.OPEN if known else Decided.UNKNOWN).value, None, None)
    years_left, decided_by = min(ends)
    return Asset(facts, limits, decided_by, years_left, years_needed - years_left)


def rank(assets: Sequence[Asset], years_needed: float) -> tuple[Asset, ...]:
    """Order by urgency, the most urgent first.

    What nobody knows stands where it would stand with no year left; what has no known end comes last.
    """

    def key(asset: Asset) -> tuple[float, str, str]:
        urgency = asset.urgency
        if urgency is None:
            urgency = float("-inf") if asset.decided_by == Decided.OPEN else years_needed
        return -urgency, asset.facts.kind.value, asset.facts.id

    return tuple(sorted(assets, key=key))
