"""What a renewal comes to: what is due and when, what it takes, and what became of it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from kokuin.verify.renewal.planning import MOST_GROUPS, Act, trees_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kokuin.verify.renewal.entries import Entry

ARCHIVE_OCTETS = 20 * 1024
"""Of an archive time-stamp with path and lists, about: ML-DSA-65 under one root. Each record has it whole."""
_NODE = 70
"""Octets of a hash and its frame in the path through a tree."""
_NAMED = 100
"""Tokens that are named of those that cannot be renewed."""
_MOST_CAUSES = 1_000


class Tally:
    """Counts entries as they are found."""

    def __init__(self) -> None:
        self.acts: Counter[Act] = Counter()
        self._due: dict[tuple[str, str | None, str | None, str | None], int] = {}
        self._refused: list[dict[str, Any]] = []
        self._digests: Counter[str] = Counter()
        self._octets = self._bound = self._incomplete = self._passed_over = 0

    def add(self, entry: Entry) -> None:
        """Count an entry."""
        self.acts[entry.act] += 1
        until = entry.until or {}
        params: Mapping[str, Any] = until.get("params", {})
        what = params.get("algorithm", params.get("certificate"))
        key = (entry.act.value, until.get("time"), until.get("cause"), what)
        if key in self._due or len(self._due) < _MOST_CAUSES:
            self._due[key] = self._due.get(key, 0) + 1
        if entry.act in {Act.MISSING, Act.TOO_LATE} and len(self._refused) < _NAMED:
            self._refused.append({"token": entry.token, "act": entry.act.value, "reason": entry.reason})
        self._bound += entry.bound is not None
        self._incomplete += not entry.complete
        if entry.digest is not None:
            self._digests[entry.digest] += 1
            self._octets += entry.octets + ARCHIVE_OCTETS + _NODE * len(entry.group)

    def pass_over(self, count: int) -> None:
        """Count files that are no token and no record by themselves."""
        self._passed_over += count

    @property
    def refused(self) -> int:
        """How many cannot be renewed."""
        return self.acts[Act.MISSING] + self.acts[Act.TOO_LATE]

    @property
    def signatures(self) -> int:
        """How many archive time-stamps it takes."""
        return sum(trees_of(count) for count in self._digests.values())

    def summary(self) -> dict[str, Any]:
        """Return it for JSON; `octets` is about."""
        depth = sum(
            count * (min(count, MOST_GROUPS) - 1).bit_length() * _NODE for count in self._digests.values()
        )
        due = [
            {"act": act, "until": until, "cause": cause, "what": what, "count": count}
            for (act, until, cause, what), count in sorted(
                self._due.items(), key=lambda each: (each[0][1] or "9999", each[0][0])
            )
        ]
        return {
            "acts": {act.value: self.acts[act] for act in Act},
            "due": due,
            "signatures": self.signatures,
            "octets": self._octets + depth,
            "bound_earlier": self._bound,
            "revocation_left_out": self._incomplete,
            "refused": self._refused,
            "passed_over": self._passed_over,
        }
