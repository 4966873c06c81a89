"""Rows of a policy: whom each speaks of, for what, until which day, and the document that says so."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from pqc.subjects import Role
from pqc.suites import SUITES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pqc.subjects import Subject

MAX_ROWS = 2000
"""Rows of one policy."""
MAX_BITS = 1 << 20
"""Longest key that a row can name."""


class Usage(StrEnum):
    """What the subject is judged for."""

    ISSUE = "issue"
    """To make something new with it."""
    VERIFY = "verify"
    """To rely on something that provably existed at the moment asked for."""


class Suitability(StrEnum):
    """What a policy says of a subject at a moment; the first four are fit."""

    RECOMMENDED = "recommended"
    ALLOWED = "allowed"
    LEGACY = "legacy"
    """Fit, and on its way out."""
    WEAK = "weak"
    """Fit, with a weakness that is named."""
    UNKNOWN = "unknown"
    """No row speaks of it."""
    FORBIDDEN = "forbidden"

    @property
    def fit(self) -> bool:
        """Whether it may be used or relied on."""
        return self not in {Suitability.UNKNOWN, Suitability.FORBIDDEN}


class Weakness(StrEnum):
    """What is wrong with a subject, whatever the date."""

    BROKEN = "broken"
    """Forgeries were shown: no proof of existence makes it right."""
    COLLISIONS = "collisions"
    """Who makes the data can make a second one with the same hash."""
    SHORT = "short"
    """The key is short enough to be within reach."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """The subjects that a row speaks of; an empty set stands for all.

    Attributes:
        roles: what they are used for.
        algorithms: families, hashes or mechanisms; `rsa` stands for both paddings, `suites` for every family
            in the table of suites.
        keys: names of key types.
        digests: hashes that stand with a signature.
        least: shortest key, bits.
        most: longest key, bits.
    """

    roles: frozenset[Role]
    algorithms: frozenset[str]
    keys: frozenset[str] = frozenset()
    digests: frozenset[str] = frozenset()
    least: int = 0
    most: int = MAX_BITS

    def matches(self, subject: Subject) -> bool:
        """Whether `subject` is one of them."""
        return (
            subject.role in self.roles
            and self._names(subject.algorithm)
            and (not self.keys or subject.key in self.keys)
            and (not self.digests or subject.digest in self.digests)
            and self.least <= subject.bits <= self.most
        )

    def _names(self, algorithm: str) -> bool:
        return (
            algorithm in self.algorithms
            or (algorithm in {"rsa-pkcs1", "rsa-pss"} and "rsa" in self.algorithms)
            or ("suites" in self.algorithms and any(each.family == algorithm for each in SUITES.values()))
        )


@dataclass(frozen=True, slots=True)
class Row:
    """One statement of a policy.

    Attributes:
        subject: whom it speaks of.
        usage: for what.
        status: what it says.
        until: last day on which it says so, UTC, inclusive; None: no end is known.
        source: the document it was taken from.
        edition: that document's edition.
        clause: where in the document; empty where the whole says it.
        weakness: what is wrong whatever the date; None: nothing is.
    """

    subject: Pattern
    usage: Usage
    status: Suitability
    until: dt.date | None
    source: str
    edition: str
    clause: str = ""
    weakness: Weakness | None = None

    @property
    def cited(self) -> str:
        """Source, edition and clause in one line."""
        return " ".join(part for part in (self.source, self.edition, self.clause) if part)


def read_rows(fields: dict[str, Any], sources: dict[str, tuple[str, str]]) -> Iterator[Row]:
    """Yield a row for each usage that one `[[rows]]` table names.

    Args:
        fields: the table; it is emptied.
        sources: title and edition by key.

    Raises:
        KeyError: a field or a source is missing.
        ValueError: a field is unknown or out of range.
        TypeError: a field is of another type.
    """
    bits = fields.pop("bits", [0, MAX_BITS])
    least, most = (_whole(each) for each in bits)
    pattern = Pattern(
        frozenset(Role(each) for each in _names(fields.pop("roles"))),
        frozenset(_names(fields.pop("algorithms"))),
        frozenset(_names(fields.pop("keys", []))),
        frozenset(_names(fields.pop("digests", []))),
        least,
        most,
    )
    usages = [Usage(each) for each in _names(fields.pop("usages"))]
    status = Suitability(fields.pop("status"))
    until = fields.pop("until", None)
    source, edition = sources[fields.pop("source")]
    clause = read_text(fields.pop("clause", "-"))
    weakness = fields.pop("weakness", None)
    if fields:
        raise ValueError(f"unknown fields {', '.join(sorted(fields))}")
    if not (pattern.roles and pattern.algorithms and usages and source and edition and least <= most):
        raise ValueError("roles, algorithms, usages, source and bits must not be empty")
    if until is not None and type(until) is not dt.date:
        raise ValueError(f"until = {until} is no day")
    if status is Suitability.UNKNOWN or (status is Suitability.FORBIDDEN and until is not None):
        raise ValueError(f"status {status} cannot be said{' until a day' * (until is not None)}")
    for usage in usages:
        yield Row(
            pattern,
            usage,
            status,
            until,
            source,
            edition,
            clause.removeprefix("-"),
            None if weakness is None else Weakness(weakness),
        )


def read_text(value: object) -> str:
    """Return a printable text of one line; raise ValueError otherwise."""
    if not isinstance(value, str) or not value.isprintable() or not 0 < len(value) <= 500:
        raise ValueError(f"{value!r:.80} is no text of one line")
    return value


def _names(value: object) -> list[str]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r:.80} is no list of names")
    return [read_text(each) for each in value]


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_BITS:
        raise ValueError(f"{value!r:.80} is no length in bits")
    return value
