"""What a dry run reads of the real ledger: one walk beside its writer, sums and a sample, never a change."""

from __future__ import annotations

import bisect
from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kokuin.service.migration.leaf_fields import UNKNOWN, gen_of, leaf_fields, names_of, text_of
from kokuin.trust.records import BACKUP_MADE, CFG_ACTIVATED, TST_ISSUED
from kokuin.trust.token import TokenFacts, read_token

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kokuin.ledger.reader import Stored, StoreReader

MINUTE_US = 60_000_000
_STEP = 512


@dataclass(frozen=True, slots=True)
class Kind:
    """What tokens have in common that age together.

    Attributes:
        profile: that issued them.
        suite: of their signatures.
        imprint: name of the hash of their data.
        signer: SHA-256 (hex) of the unit's certificate.
        era: how many of the policy's ends had passed at their genTime.
    """

    profile: str
    suite: str
    imprint: str
    signer: str
    era: int


@dataclass(slots=True)
class Cohort:
    """The tokens of one kind.

    Attributes:
        kind: what they have in common.
        tokens: how many.
        octets: of all of them.
        specimen: the newest one's octets.
        specimen_gen: its genTime, microseconds since 1970 UTC.
    """

    kind: Kind
    tokens: int = 0
    octets: int = 0
    specimen: bytes = b""
    specimen_gen: int = -1


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that the ledger remembers: the hash, and whether it asked for certificates."""

    digest: str
    certificates: bool


@dataclass(slots=True)
class Survey:
    """The ledger's tokens.

    Attributes:
        leaves: size of the ledger when the walk began.
        tokens: leaves that record a token.
        cohorts: by kind.
        unreadable: leaves that are no JSON object.
        by_default: tokens by the profile that was the default when they were issued.
        period_tokens: tokens in the period that was asked for.
        period_requests: requests that made them; a request to a profile with a twin makes two.
        first_us: earliest genTime in the period; None: there is none.
        last_us: latest genTime in the period.
        busiest_minute: most tokens in a minute of the clock, in the period.
        places: indexes of the period's tokens.
        backed_up: names of keys that a recorded backup holds.
    """

    leaves: int
    tokens: int = 0
    cohorts: dict[Kind, Cohort] = field(default_factory=dict)
    unreadable: int = 0
    by_default: int = 0
    period_tokens: int = 0
    period_requests: int = 0
    first_us: int | None = None
    last_us: int = 0
    busiest_minute: int = 0
    places: array[int] = field(default_factory=lambda: array("Q"))
    backed_up: set[str] = field(default_factory=set)


def survey(
    reader: StoreReader,
    ends: Sequence[int],
    since_us: int | None,
    progress: Callable[[int, int], None],
) -> Survey:
    """Walk over the ledger once.

    Args:
        reader: of the real ledger; its writer may be at work.
        ends: moments at which the judging policy changes its mind, in order.
        since_us: beginning of the period whose load counts; None: all of it.
        progress: told how many leaves of how many were read.
    """
    found = Survey(reader.size())
    minutes: Counter[int] = Counter()
    twins = 0
    defaults: dict[str, str] = {}
    for stored in reader.walk(0, found.leaves):
        if stored.index % _STEP == 0:
            progress(stored.index, found.leaves)
        if not stored.leaf:
            continue  # its retention is over
        leaf = leaf_fields(stored.leaf)
        if leaf is None:
            found.unreadable += 1
        elif leaf.get("kind") == CFG_ACTIVATED:
            defaults[text_of(leaf, "cfg")] = text_of(leaf, "profile")
        elif leaf.get("kind") == BACKUP_MADE:
            found.backed_up.update(names_of(leaf, "keys"))
        elif leaf.get("kind") == TST_ISSUED:
            _count(found, leaf, stored, ends)
            found.by_default += defaults.get(text_of(leaf, "cfg")) == leaf.get("profile")
            gen = gen_of(leaf)
            if since_us is None or gen >= since_us:
                found.places.append(stored.index)
                found.first_us = gen if found.first_us is None else min(found.first_us, gen)
                found.last_us = max(found.last_us, gen)
                minutes[gen // MINUTE_US] += 1
                twins += "twin" in leaf
    found.period_tokens = len(found.places)
    found.period_requests = found.period_tokens - twins // 2
    found.busiest_minute = max(minutes.values(), default=0)
    progress(found.leaves, found.leaves)
    return found


def sample(reader: StoreReader, places: Sequence[int], most: int) -> list[Asked]:
    """Return at most `most` of the requests behind these tokens, evenly spread, so that the mix stays."""
    count = min(most, len(places))
    asked = []
    for number in range(count):
        stored = reader.by_index(places[number * len(places) // count])
        leaf = None if stored is None else leaf_fields(stored.leaf)
        if stored is None or leaf is None or stored.token is None:
            continue
        facts = read_token(stored.token)
        certificates = isinstance(facts, TokenFacts) and bool(facts.signed_data.certificates)
        asked.append(Asked(text_of(leaf, "imp_alg"), certificates))
    return asked


def _count(found: Survey, leaf: Mapping[str, Any], stored: Stored, ends: Sequence[int]) -> None:
    gen = gen_of(leaf)
    kind = Kind(
        text_of(leaf, "profile"),
        "+".join(names_of(leaf, "suites")) or UNKNOWN,
        text_of(leaf, "imp_alg"),
        text_of(leaf, "signer"),
        bisect.bisect_left(ends, gen),
    )
    cohort = found.cohorts.get(kind)
    if cohort is None:
        cohort = found.cohorts[kind] = Cohort(kind)
    token = stored.token or b""
    found.tokens += 1
    cohort.tokens += 1
    cohort.octets += len(token)
    if token and gen > cohort.specimen_gen:
        cohort.specimen, cohort.specimen_gen = token, gen
