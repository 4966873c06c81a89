"""Findings while they are gathered, and the queries of a store that may be damaged anywhere."""

from __future__ import annotations

import sqlite3
from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING, Any, Protocol

from kokuin.ledger.faults import OpenRefusedError
from kokuin.ledger.findings import Finding, LedgerFault
from kokuin.ledger.store_faults import StoreFault

if TYPE_CHECKING:
    from collections.abc import Container, Sequence
    from enum import StrEnum

    from kokuin.ledger.plan import Value

MOST_FINDINGS = 100
"""Findings of one name that are listed; of the others the number is told."""

OF_THE_TREE = frozenset({LedgerFault.RECORD_CHANGED, LedgerFault.RECORD_MISSING, StoreFault.RECORD_REPLACED})
"""Findings after which no root above them can be expected to fit."""

# Where octets were flipped or a record was replaced, all else that is wrong there follows from it.
_CAUSES = (LedgerFault.RECORD_CHANGED, StoreFault.RECORD_REPLACED)
_RANK = {code: rank for rank, code in reversed(list(enumerate(chain(_CAUSES, LedgerFault, StoreFault))))}


class Rows(Protocol):
    """What a check needs of a store's reader; every query is a transaction of its own."""

    def execute(self, statement: str, values: Sequence[Value] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of one query; `?` stands for a value."""
        ...


class Findings:
    """Gathers findings, of each name the first `MOST_FINDINGS`: one cause may have effects without end.

    Attributes:
        count: how many there are.
    """

    def __init__(self) -> None:
        self._found: list[Finding] = []
        self._of: Counter[StrEnum] = Counter()
        self.count = 0

    def add(self, code: StrEnum, index: int | None = None, detail: str = "") -> None:
        """Note one."""
        self.take(Finding(code, index, detail))

    def take(self, *found: Finding) -> None:
        """Note some."""
        for each in found:
            self.count += 1
            self._of[each.code] += 1
            if self._of[each.code] <= MOST_FINDINGS:
                self._found.append(each)

    def first_within(self, start: int, stop: int, codes: Container[StrEnum] | None = None) -> int | None:
        """Return the lowest index from `start` to before `stop` that a finding (of these codes) names."""
        within = (
            each.index
            for each in self._found
            if each.index is not None and start <= each.index < stop and (codes is None or each.code in codes)
        )
        return min(within, default=None)

    def ordered(self) -> tuple[Finding, ...]:
        """Return the findings by index, of one index the likelier cause first; last what has no index.

        That the store is behind comes before all: much else follows from it.
        """

        def place(finding: Finding) -> tuple[bool, bool, int, int]:
            behind = finding.code is StoreFault.STORE_BEHIND
            return not behind, finding.index is None, finding.index or 0, _RANK[finding.code]

        return tuple(sorted(self._found, key=place))


class Questions:
    """Asks a store that may be damaged: what cannot be read becomes a finding, and the check goes on."""

    def __init__(self, rows: Rows, findings: Findings) -> None:
        """Args: the store's reader; where an answer that did not come is noted."""
        self._rows = rows
        self._findings = findings
        self._failed: set[str] = set()

    def ask(
        self, statement: str, values: Sequence[Value] = (), index: int | None = None
    ) -> list[tuple[Any, ...]] | None:
        """Return the rows of one query, None when the database cannot tell; noted once for each statement."""
        try:
            return self._rows.execute(statement, values)
        except (sqlite3.Error, OpenRefusedError) as error:
            if statement not in self._failed:
                self._failed.add(statement)
                self._findings.add(StoreFault.DATABASE_UNREADABLE, index, str(error))
            return None

    def one(self, statement: str, values: Sequence[Value] = ()) -> Any:
        """Return the only value of a query, None when there is none."""
        rows = self.ask(statement, values)
        return rows[0][0] if rows else None
