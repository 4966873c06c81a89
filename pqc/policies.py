"""Policies: until when an algorithm may be used for what, as dated rows with their sources.

A judgement is about a subject, a usage and a moment, never about now alone.
The last day of a row is its own, whole, in UTC. Shipped policies come with the
product; an operator's own are TOML files of the same form.
"""

from __future__ import annotations

import datetime as dt
import functools
import tomllib
from dataclasses import dataclass
from pathlib import Path

from pqc.policy_rows import MAX_ROWS, Pattern, Row, Suitability, Usage, Weakness, read_rows, read_text
from pqc.subjects import Role, Subject

__all__ = [
    "BASELINE",
    "NEVER",
    "Judgement",
    "Pattern",
    "Policy",
    "PolicyError",
    "Role",
    "Row",
    "Subject",
    "Suitability",
    "Usage",
    "Weakness",
    "day_end_us",
    "load_policy",
    "parse_policy",
    "shipped_policies",
]

BASELINE = "baseline"
"""The policy without dates: what is broken is refused, what is weak is named."""
MAX_OCTETS = 1 << 20
"""Octets of a policy's file."""
_MAX_DOTS = 100
"""In one line."""
NEVER = dt.date.min
"""`Policy.last_fit` of what the policy does not accept on any day, or does not know."""

_EPOCH = dt.date(1970, 1, 1).toordinal()
_DAY_US = 86_400 * 1_000_000


class PolicyError(ValueError):
    """A policy that cannot be used; the message names the place."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a policy says of a subject at a moment.

    Attributes:
        status: the statement.
        until_us: last microsecond (since 1970 UTC) at which the same is said; None: no end is known.
        row: the row that decided; of what is past its date, the last one that held; None when no row
            speaks of the subject.
        subject: the part that decided (the hash under a signature, say), else the subject itself.
    """

    status: Suitability
    until_us: int | None
    row: Row | None
    subject: Subject

    @property
    def broken(self) -> bool:
        """Whether the subject is refused for good."""
        return (
            self.status is Suitability.FORBIDDEN
            and self.row is not None
            and self.row.weakness is Weakness.BROKEN
        )


_SEVERITY = {status: rank for rank, status in enumerate(Suitability)}


@dataclass(frozen=True, slots=True)
class Policy:
    """A named set of rows.

    Attributes:
        name: `baseline`, `eu-ts119312`, or what a file calls itself.
        edition: which version of the set.
        source: whom it follows.
        rows: the first row whose pattern matches decides which pattern speaks; rows of one pattern follow
            each other by date.
    """

    name: str
    edition: str
    source: str
    rows: tuple[Row, ...]

    def __hash__(self) -> int:
        # Of the rows nothing: there are dozens, and a judgement begins with a look-up by policy.
        return hash((self.name, self.edition))

    def judge(self, subject: Subject, usage: Usage, at_us: int) -> Judgement:
        """Judge `subject` at a moment, microseconds since 1970 UTC.

        A signature is as fit as the less fit of its key and its hash. A composite is judged by rows of its
        own, else as fit as its least fit component: each of them must hold (draft composite signatures).
        """
        found = self._own(subject, usage, at_us)
        if found is None and subject.components:
            found = _least([self.judge(component, usage, at_us) for component in subject.components])
        found = found or Judgement(Suitability.UNKNOWN, None, None, subject)
        if subject.digest is None:
            return found
        digest = Subject.of_hash(subject.digest, Role.SIGNATURE_DIGEST)
        return _least([found, self.judge(digest, usage, at_us)])

    def last_fit(self, subject: Subject, usage: Usage) -> dt.date | None:
        """Return the last day on which `subject` is fit; None: no end is known; `NEVER`: on none."""
        last = self._last(subject, usage)
        return None if last == dt.date.max else last

    def spoken(self, subject: Subject, usage: Usage) -> tuple[Row, ...]:
        """Return the rows that speak of `subject` itself, its hash and components apart, by date."""
        return _group(self, subject, usage)

    def _last(self, subject: Subject, usage: Usage) -> dt.date:
        group = _group(self, subject, usage)
        if group:
            last = max((row.until or dt.date.max for row in group if row.status.fit), default=NEVER)
        else:
            last = min((self._last(each, usage) for each in subject.components), default=NEVER)
        if subject.digest is None:
            return last
        return min(last, self._last(Subject.of_hash(subject.digest, Role.SIGNATURE_DIGEST), usage))

    def _own(self, subject: Subject, usage: Usage, at_us: int) -> Judgement | None:
        group = _group(self, subject, usage)
        for row in group:
            end = None if row.until is None else day_end_us(row.until)
            if end is None or at_us <= end:
                return Judgement(row.status, end, row, subject)
        return Judgement(Suitability.FORBIDDEN, None, group[-1], subject) if group else None


@functools.lru_cache(maxsize=1024)
def _group(policy: Policy, subject: Subject, usage: Usage) -> tuple[Row, ...]:
    """Return the rows that speak of `subject`: those of the first pattern that matches."""
    rows = [row for row in policy.rows if row.usage is usage]
    first = next((row for row in rows if row.subject.matches(subject)), None)
    return () if first is None else tuple(row for row in rows if row.subject == first.subject)


def _least(judgements: list[Judgement]) -> Judgement:
    """Return the least fit; it holds until any of them changes."""
    worst = max(judgements, key=lambda each: (each.broken, _SEVERITY[each.status]))
    ends = [each.until_us for each in judgements if each.until_us is not None]
    return Judgement(worst.status, min(ends, default=None), worst.row, worst.subject)


def day_end_us(day: dt.date) -> int:
    """Return the last microsecond of a day in UTC, since 1970."""
    return (day.toordinal() - _EPOCH + 1) * _DAY_US - 1


def shipped_policies() -> tuple[str, ...]:
    """Names of the policies that come with the product."""
    return ("baseline", "eu-ts119312", "jp-cryptrec", "us")


@functools.cache
def _shipped(name: str) -> Policy:
    path = Path(__file__).with_name("policies") / f"{name}.toml"
    return parse_policy(name, path.read_text(encoding="utf-8"))


def load_policy(name_or_path: str | Path) -> Policy:
    """Load a shipped policy by its name, else the file at a path.

    Raises:
        PolicyError: there is none, or it cannot be read.
    """
    if name_or_path in shipped_policies():
        return _shipped(str(name_or_path))
    path = Path(name_or_path)
    try:
        with path.open("rb") as file:
            octets = file.read(MAX_OCTETS + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        shipped = ", ".join(shipped_policies())
        raise PolicyError(f"{path}: {reason}; policies by name: {shipped}") from None
    if len(octets) > MAX_OCTETS:
        raise PolicyError(f"{path}: longer than {MAX_OCTETS} octets")
    try:
        return parse_policy(path.stem, octets.decode())
    except UnicodeDecodeError:
        raise PolicyError(f"{path}: no UTF-8") from None


def parse_policy(name: str, text: str) -> Policy:
    """Read a policy from TOML: `edition`, `source`, `[sources.KEY]` tables, and `[[rows]]`.

    Raises:
        PolicyError: a field is missing, unknown or out of range; the message names the row.
    """
    place = name
    if any(line.count(".") > _MAX_DOTS for line in text.split("\n")):
        # Attack: tomllib takes time with the square of a dotted key's parts, half a minute for 60 kB.
        raise PolicyError(f"{name}: a line has more than {_MAX_DOTS} dots")
    try:
        table = tomllib.loads(text)
        sources = {key: (str(each["title"]), str(each["edition"])) for key, each in table["sources"].items()}
        rows: list[Row] = []
        for number, fields in enumerate(table["rows"], start=1):
            place = f"{name}: row {number}"
            rows.extend(read_rows(dict(fields), sources))
        place = name
        policy = Policy(name, read_text(table["edition"]), read_text(table["source"]), tuple(rows))
        _check(policy, set(table) - {"edition", "source", "sources", "rows"})
    except KeyError as error:
        raise PolicyError(f"{place}: {error} is missing or unknown") from None
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise PolicyError(f"{place}: {error}") from None
    return policy


def _check(policy: Policy, unknown: set[str]) -> None:
    if unknown:
        raise ValueError(f"unknown fields {', '.join(sorted(unknown))}")
    if not 0 < len(policy.rows) <= MAX_ROWS:
        raise ValueError(f"{len(policy.rows)} rows; there are 1 to {MAX_ROWS}")
    last: dict[tuple[Pattern, Usage], dt.date] = {}
    for row in policy.rows:
        # After an open row, or one that ends later, it would never speak: its author meant something else.
        key, until = (row.subject, row.usage), row.until or dt.date.max
        if key in last and until <= last[key]:
            raise ValueError(f"rows of {', '.join(sorted(row.subject.algorithms))} are not in order of date")
        last[key] = until
