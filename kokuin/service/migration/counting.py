"""Counts of tokens by what protects them, read from the ledger beside its writer.

Memory stays flat: leaves are read a page at a time and only sums are kept.
Leaves are taken as they are; whether they are genuine is for the ledger's own
check to say.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from kokuin.trust.records import TST_ISSUED

if TYPE_CHECKING:
    from kokuin.ledger.reader import LedgerReader

MAX_GROUPS = 4096
"""Combinations that are kept apart; a service has some dozens in its life."""
UNKNOWN = "unknown"
"""Stands for a field that a leaf lacks."""


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


def count_tokens(reader: LedgerReader) -> TokenCounts:
    """Walk over the ledger in short read transactions and count."""
    size = reader.size()
    sums: dict[tuple[str, tuple[str, ...], str, str], list[int]] = {}
    tokens = apart = unreadable = 0
    for stored in reader.walk(0, size, tokens=False):
        leaf = _read(stored.leaf)
        if leaf is None:
            unreadable += 1
            continue
        if leaf.get("kind") != TST_ISSUED:
            continue
        tokens += 1
        key = (_text(leaf, "profile"), _names(leaf), _text(leaf, "imp_alg"), _text(leaf, "signer"))
        gen = leaf.get("gen")
        moment = gen if isinstance(gen, int) else 0
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


def _read(octets: bytes) -> dict[str, Any] | None:
    try:
        leaf = orjson.loads(octets)
    except orjson.JSONDecodeError:
        return None
    return leaf if isinstance(leaf, dict) else None


def _text(leaf: dict[str, Any], name: str) -> str:
    return _printable(leaf.get(name))


def _names(leaf: dict[str, Any]) -> tuple[str, ...]:
    value = leaf.get("suites")
    if not isinstance(value, list) or not value:
        return (UNKNOWN,)
    return tuple(map(_printable, value))


def _printable(value: object) -> str:
    if not isinstance(value, str) or not value:
        return UNKNOWN
    if value.isprintable():
        return value
    # Control characters out of a leaf must not reach a terminal or a table.
    return "".join(character if character.isprintable() else "\ufffd" for character in value)
