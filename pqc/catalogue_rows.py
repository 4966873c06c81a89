"""A catalogue's evaluations joined to rows of a policy: usages, lengths of keys, ECDSA with its curves."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from pqc.catalogue_table import Entry, Kind
from pqc.policies import Pattern, Role, Row, Suitability, Usage, Weakness
from pqc.policy_rows import MAX_BITS
from pqc.subjects import HASH_ROLES, KEY_ROLES

if TYPE_CHECKING:
    from collections.abc import Iterator

_WEAKNESS = {"md5": Weakness.BROKEN, "sha1": Weakness.COLLISIONS}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One evaluation as we can judge by it.

    Attributes:
        usage: what it is limited to; None where it says nothing of usages.
        status: how fit the algorithm is.
        until: the last day; None: no end is known.
        least: bits of the shortest key that it speaks of.
        most: of the longest.
    """

    usage: Usage | None
    status: Suitability
    until: dt.date | None
    least: int
    most: int


Evaluated: TypeAlias = "dict[Entry, list[Evaluation]]"
"""What a catalogue says of each algorithm that was taken."""


def rows_of(evaluated: Evaluated, source: str, edition: str) -> Iterator[Row]:
    """Yield the rows of a policy: for each algorithm and usage what is fit until which day.

    Args:
        evaluated: every algorithm that the catalogue names, once.
        source: the catalogue's title.
        edition: which of its editions it is.
    """
    curves = {entry: found for entry, found in evaluated.items() if entry.kind is Kind.CURVE}
    for entry, found in evaluated.items():
        if entry.kind is Kind.CURVE:
            continue
        for usage in Usage:
            fitting = _of_usage(found, usage)
            if entry.kind is Kind.ECDSA and curves:
                pairs = _on_curves(entry, fitting, curves, usage)
            else:
                pairs = [(_pattern(entry, each), each) for each in fitting]
            last: dict[Pattern, dt.date] = {}
            for pattern, each in pairs:
                until = each.until or dt.date.max
                if until > last.get(pattern, dt.date.min):
                    last[pattern] = until
                    weakness = _WEAKNESS.get(entry.algorithm)
                    yield Row(pattern, usage, each.status, each.until, source, edition, entry.name, weakness)


def _of_usage(evaluations: list[Evaluation], usage: Usage) -> list[Evaluation]:
    """Return those for `usage`, the longest keys first, each length by date.

    Verifying falls back on what is said of signing, and both on what is said without a usage.
    """
    order = (Usage.VERIFY, Usage.ISSUE, None) if usage is Usage.VERIFY else (Usage.ISSUE, None)
    for wanted in order:
        found = [each for each in evaluations if each.usage is wanted]
        if found:
            return sorted(found, key=lambda each: (-each.least, each.most, each.until or dt.date.max))
    return []


def _on_curves(
    entry: Entry,
    evaluations: list[Evaluation],
    curves: dict[Entry, list[Evaluation]],
    usage: Usage,
) -> list[tuple[Pattern, Evaluation]]:
    """Join ECDSA with a hash and each curve that the catalogue evaluates: both must be fit."""
    pairs = []
    for curve, found in curves.items():
        fitting = [each for each in evaluations if each.least <= curve.bits <= each.most]
        longest = max((each.least for each in fitting), default=0)
        joined = [
            _both(one, other)
            for one in fitting
            if one.least == longest
            for other in _of_usage(found, usage)
            if other.least <= curve.bits <= other.most
        ]
        pattern = Pattern(
            frozenset({Role.SIGNATURE}),
            frozenset({entry.algorithm}),
            frozenset({curve.key}),
            frozenset({entry.digest}),
        )
        pairs += [(pattern, each) for each in sorted(joined, key=lambda each: each.until or dt.date.max)]
    return pairs


def _both(one: Evaluation, other: Evaluation) -> Evaluation:
    order = list(Suitability)
    until = min(one.until or dt.date.max, other.until or dt.date.max)
    status = max(one.status, other.status, key=order.index)
    return Evaluation(None, status, None if until == dt.date.max else until, 0, MAX_BITS)


def _pattern(entry: Entry, evaluation: Evaluation) -> Pattern:
    roles = {Kind.HASH: HASH_ROLES, Kind.KEM: KEY_ROLES}.get(entry.kind, frozenset({Role.SIGNATURE}))
    return Pattern(
        roles,
        frozenset({entry.algorithm}),
        frozenset({entry.key} if entry.key else ()),
        frozenset({entry.digest} if entry.digest else ()),
        evaluation.least,
        evaluation.most,
    )
