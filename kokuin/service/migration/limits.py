"""Until when policies let a mechanism be used, which row says so, and what changes on the way."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pqc.policies import NEVER, Suitability, Usage, day_end_us
from pqc.subjects import KEY_ROLES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pqc.policies import Policy, Row
    from pqc.subjects import Subject

DAYS_A_YEAR = 365.25
_SEVERITY = {status: rank for rank, status in enumerate(Suitability)}
_MICROSECOND = dt.timedelta(microseconds=1)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class Limit:
    """What one policy says of one thing for one usage.

    Attributes:
        policy: its name.
        edition: its edition.
        usage: `issue`: new things may be made until `last`; `verify`: what provably existed until `last` may
            be relied on.
        status: on the day of the inventory.
        last: last day on which it is fit; None: no end is known; `NEVER`: on no day, or nobody knows.
        source: document, edition and clause of the row that ends first; empty when no row speaks of it.
        draft: that document is a draft.
    """

    policy: str
    edition: str
    usage: Usage
    status: Suitability
    last: dt.date | None
    source: str
    draft: bool


@dataclass(frozen=True, slots=True)
class Change:
    """A day after which a policy says something else.

    Attributes:
        policy: its name.
        usage: for what.
        last: last day of `before`.
        before: what it says until then.
        after: what it says from the next day on.
        source: document, edition and clause of the row that ends.
        draft: that document is a draft.
    """

    policy: str
    usage: Usage
    last: dt.date
    before: Suitability
    after: Suitability
    source: str
    draft: bool


def to_us(moment: dt.datetime) -> int:
    """Return a moment as microseconds since 1970 UTC."""
    return (moment - _EPOCH) // _MICROSECOND


def to_moment(microseconds: int) -> dt.datetime:
    """Return microseconds since 1970 UTC as a moment; what lies beyond the calendar is its first or last."""
    try:
        return _EPOCH + dt.timedelta(microseconds=microseconds)
    except OverflowError:
        if microseconds > 0:
            return dt.datetime.max.replace(tzinfo=dt.UTC)
        return dt.datetime.min.replace(tzinfo=dt.UTC)


def moment_text(moment: dt.datetime) -> str:
    """Return a moment as ISO 8601 in UTC, to the second."""
    return moment.astimezone(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def limits_of(subjects: Sequence[Subject], policies: Sequence[Policy], now: dt.datetime) -> tuple[Limit, ...]:
    """Return what each policy says of things that are only fit together, for both usages."""
    if not subjects:
        return ()
    return tuple(_limit(subjects, policy, usage, now) for policy in policies for usage in Usage)


def _limit(subjects: Sequence[Subject], policy: Policy, usage: Usage, now: dt.datetime) -> Limit:
    judged = [policy.judge(subject, usage, to_us(now)) for subject in subjects]
    worst = max(judged, key=lambda each: _SEVERITY[each.status])
    lasts = [(policy.last_fit(subject, usage) or dt.date.max, subject) for subject in subjects]
    last, subject = min(lasts, key=lambda each: each[0])
    row = worst.row
    if last not in {NEVER, dt.date.max}:
        row = policy.judge(subject, usage, day_end_us(last)).row
    return Limit(
        policy.name,
        policy.edition,
        usage,
        worst.status,
        None if last == dt.date.max else last,
        "" if row is None else row.cited,
        is_draft(row),
    )


def changes_of(
    subjects: Sequence[Subject], policy: Policy, usage: Usage, now: dt.datetime
) -> Iterator[Change]:
    """Yield every change that a policy announces for any of the subjects, each subject's in order of date."""
    for subject in subjects:
        at = to_us(now)
        while (judged := policy.judge(subject, usage, at)).until_us is not None:
            at = judged.until_us + 1
            after = policy.judge(subject, usage, at)
            if after.status is not judged.status:
                yield Change(
                    policy.name,
                    usage,
                    to_moment(judged.until_us).date(),
                    judged.status,
                    after.status,
                    "" if judged.row is None else judged.row.cited,
                    is_draft(judged.row),
                )


def is_draft(row: Row | None) -> bool:
    """Whether the row's document says of itself that it is a draft."""
    return row is not None and "draft" in f"{row.source} {row.edition}".lower()


def governing(subjects: Sequence[Subject]) -> Usage:
    """Which usage decides how long something serves.

    A signature serves as long as it may be relied on. A stored secret has no proof of existence to help it:
    what may not be made today was unfit when it was copied.
    """
    return Usage.ISSUE if any(subject.role in KEY_ROLES for subject in subjects) else Usage.VERIFY


def years_until(day: dt.date, now: dt.datetime) -> float:
    """Return the years from now to the end of a day, negative when it is over."""
    return (day_end_us(day) - to_us(now)) / 86_400e6 / DAYS_A_YEAR
