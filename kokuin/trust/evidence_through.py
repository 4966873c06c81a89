"""Anything judged by what its evidence records prove, whatever it is."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from kokuin.trust.report import Indication, latest

if TYPE_CHECKING:
    from collections.abc import Callable

    from kokuin.trust.evidenced import Evidenced
    from kokuin.trust.report import End, Report

Through: TypeAlias = "Callable[[tuple[Evidenced, ...]], Report]"
"""Judges a thing by what some records prove, all of which hold; it passes until the first of these ends."""


def judge_through(alone: Report, records: tuple[Evidenced, ...], through: Through) -> Report:
    """Judge a thing for the time for which its records prove it, where it does not pass by itself.

    Args:
        alone: what it comes to by itself.
        records: whether they hold or not.
        through: judges it by some of them.
    """
    proving = tuple(each for each in records if each.report.indication is Indication.PASSED)
    if not proving or alone.indication is Indication.FAILED:
        return alone  # a proof answers what is open, and nothing that is wrong
    then = through(proving)
    if then.indication is not Indication.PASSED:
        # Of a thing that passes by itself, a record may hold the list that takes its certificate back.
        return then
    end = _end_through(proving, then, through)
    if alone.indication is Indication.PASSED:
        return replace(alone, verifiable_until=latest((alone.verifiable_until, end)))
    return replace(then, verifiable_until=end)


def _end_through(records: tuple[Evidenced, ...], whole: Report, through: Through) -> End | None:
    """Return until when something passes through several records, of which one after the other ends.

    Those that are left need not suffice: the longest may prove a time when it was too late.
    """
    left = sorted(records, key=_ending)
    reports = [whole, *(through(tuple(left[number:])) for number in range(1, len(left)))]
    return latest(each.verifiable_until for each in reports if each.indication is Indication.PASSED)


def _ending(record: Evidenced) -> float:
    end = record.report.verifiable_until
    return math.inf if end is None else end.time
