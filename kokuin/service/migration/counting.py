"""Counts of tokens by what protects them, read from the ledger beside its writer.

Memory stays flat: leaves are read a page at a time and only sums are kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.service.migration.leaf_fields import UNKNOWN, gen_of, leaf_fields, names_of, text_of
from kokuin.trust.records import TST_ISSUED

if TYPE_CHECKING:
    from kokuin.ledger.reader import StoreReader

MAX_GROUPS = 4096
"""Combinations that are kept apart; a service has some dozens in its life."""


@dataclass(frozen=True, slots=True)
class TokenGroup:
    """Tokens that stand and fall together.

    Attributes:
        profile: the profile that issued them, `UNKNOWN` where the leaf names none.
        suites: of their signatures.
        imprint: name of the hash in their messageImprint.
        signer: SHA-256 (hex) of the unit's certificate.
        count: how many.
        first_us: earliest genTime, microseconds since 1970 UTC.
        last_us: latest genTime.
    """

    profile: str
    suites: tuple[str, ...]
    imprint: str
    signer: str
    count: int
    first_us: int
    last_us: int


@dataclass(frozen=True, slots=True)
class TokenCounts:
    """What a walk over the ledger found.

    Attributes:
        leaves: size of the ledger when it began; later leaves are not counted.
        tokens: leaves that record a token.
        groups: in order of their counts, the greatest first.
        apart: tokens in more than `MAX_GROUPS` combinations, counted together.
        unreadable: leaves that are no JSON object.
    """

    leaves: int
    tokens: int
    groups: tuple[TokenGroup, ...]
    apart: int
    unreadable: int


def count_tokens(reader: StoreReader) -> TokenCounts:
    """Walk over the ledger in short read transactions and count."""
    size = reader.size()
    sums: dict[tuple[str, tuple[str, ...], str, str], list[int]] = {}
    tokens = apart = unreadable = 0
    for stored in reader.walk(0, size, tokens=False):
        if not stored.leaf:
            continue  # its retention is over
        leaf = leaf_fields(stored.leaf)
        if leaf is None:
            unreadable += 1
            continue
        if leaf.get("kind") != TST_ISSUED:
            continue
        tokens += 1
        key = (
            text_of(leaf, "profile"),
            names_of(leaf, "suites") or (UNKNOWN,),
            text_of(leaf, "imp_alg"),
            text_of(leaf, "signer"),
        )
        moment = gen_of(leaf)
        known = sums.get(key)
        if known is not None:
            known[0] += 1
            known[1], known[2] = min(known[1], moment), max(known[2], moment)
        elif len(sums) < MAX_GROUPS:
            sums[key] = [1, moment, moment]
        else:
            apart += 1
    groups = [TokenGroup(*key, *each) for key, each in sums.items()]
    groups.sort(key=lambda group: (-group.count, group.profile, group.suites, group.imprint, group.signer))
    return TokenCounts(size, tokens, tuple(groups), apart, unreadable)
