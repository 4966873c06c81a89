"""Our verdict against theirs, case by case."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING

from conformance.interop.bouncycastle.java import bouncy_castle
from conformance.interop.checks import Check
from conformance.interop.differential.cases import all_cases
from conformance.interop.differential.differences import DIFFERENCES
from conformance.interop.differential.judges import by_bouncy_castle, by_openssl
from conformance.interop.openssl.program import of_this_machine, post_quantum

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conformance.interop.differential.cases import Case
    from conformance.interop.differential.differences import Difference
    from conformance.interop.differential.judges import Opinion
    from conformance.interop.place import Place


def checks(place: Place) -> Iterator[Check]:
    """A check for each judge and each group of cases, and one of the table itself."""
    folder = place.own("differential")
    cases = list(all_cases())
    judges: dict[str, Callable[[], list[Opinion]]] = {
        "openssl": functools.cache(lambda: by_openssl(of_this_machine(), folder, cases)),
        "openssl-pq": functools.cache(lambda: by_openssl(post_quantum(), folder, cases)),
        "bouncycastle": functools.cache(
            lambda: by_bouncy_castle(bouncy_castle(place.own("classes")), folder, cases)
        ),
    }
    ledger = Ledger()
    for peer, judge in judges.items():
        for group, members in groupby(range(len(cases)), lambda at: cases[at].name.partition("/")[0]):
            chosen = list(members)
            label = f"{peer}: {len(chosen)} of {group}, every difference is known"
            yield Check(label, partial(_compare, peer, judge, cases, chosen, ledger))
    yield Check("the table of differences has no row too many", partial(_no_idle_row, cases, ledger))


@dataclass(slots=True)
class Ledger:
    """Who was asked, and which rows of the table were needed for whom."""

    asked: set[str] = field(default_factory=set)
    needed: set[tuple[Difference, str]] = field(default_factory=set)


def _compare(
    peer: str, judge: Callable[[], list[Opinion]], cases: list[Case], chosen: list[int], ledger: Ledger
) -> None:
    """Hold the judge's opinions of the chosen cases against our verdicts."""
    opinions, unknown = judge(), []
    ledger.asked.add(peer)
    for case, opinion in ((cases[at], opinions[at]) for at in chosen):
        report = case.report()
        passed = report.indication == "PASSED"
        if passed == opinion.accepted:
            continue
        rows = [row for row in DIFFERENCES if row.covers(case.name, peer, opinion.reason, passed=passed)]
        ledger.needed.update((row, peer) for row in rows)
        if not rows:
            ours = f"{report.indication} {report.sub_indication or ''}".rstrip()
            theirs = "accepted" if opinion.accepted else f"refused: {opinion.reason}"
            unknown.append(f"{case.name}: ours {ours}; {theirs}")
    assert not unknown, "\n".join(unknown)


def _no_idle_row(cases: list[Case], ledger: Ledger) -> None:
    """A row whose cases were judged and that nobody needed speaks of a difference that is gone."""
    idle = [
        (row.cases, peer)
        for row in DIFFERENCES
        for peer in sorted(row.peers & ledger.asked)
        if (row, peer) not in ledger.needed
        and any(row.covers(case.name, peer, row.said, passed=row.passed) for case in cases)
    ]
    assert not idle, idle
