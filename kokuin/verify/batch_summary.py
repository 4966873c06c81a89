"""What a batch came to: totals by verdict and cause, what did not pass, and until when the rest will."""

from __future__ import annotations

import bisect
import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from kokuin.trust.report import Indication
from kokuin.verify.batch_judge import PassedOver

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMA_VERSION = 1
"""`schema` of the JSON form; it rises when a field changes its meaning or goes."""
LISTED = 1_000
"""Files of one kind that a summary names; the results name all."""

_End: TypeAlias = tuple[str, str, str]
"""A moment, what ends then, and of what: tokens of one unit have it in common."""
_ENCODE = json.JSONEncoder(sort_keys=True).encode
_CAUSE = ("indication", "sub_indication", "check", "reason")


@dataclass(slots=True)
class Tally:
    """Counts judgements as they come; of single files it keeps at most `LISTED` of a kind.

    Attributes:
        kept: judgements that an earlier run of the batch had made.
    """

    kept: int = 0
    _verdicts: Counter[str] = field(default_factory=Counter)
    _causes: Counter[tuple[str | None, ...]] = field(default_factory=Counter)
    _limits: Counter[str] = field(default_factory=Counter)
    _over: Counter[PassedOver] = field(default_factory=Counter)
    _months: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    _ends: dict[_End, dict[str, Any]] = field(default_factory=dict)
    _earliest: list[_End] = field(default_factory=list)
    _not_passed: list[dict[str, Any]] = field(default_factory=list)
    _unexpected: list[dict[str, Any]] = field(default_factory=list)
    _differing: int = 0

    def add(self, line: Mapping[str, Any]) -> None:
        """Count a judgement, as its line has it."""
        self._verdicts[line["indication"]] += 1
        self._limits.update(line["limits"])
        shown = {name: line[name] for name in ("token", *_CAUSE)}
        if line["expected"] not in {None, line["indication"]}:
            self._differing += 1
            _keep(self._unexpected, {**shown, "expected": line["expected"]})
        if line["indication"] == Indication.PASSED:
            self._add_end(line["token"], line["verifiable_until"])
        else:
            self._causes[tuple(line[name] for name in _CAUSE)] += 1
            _keep(self._not_passed, shown)

    def pass_over(self, kind: PassedOver) -> None:
        """Count a file that was not judged."""
        self._over[kind] += 1

    def _add_end(self, token: str, end: dict[str, Any] | None) -> None:
        if end is None:
            return
        self._months[end["time"][:7]][end["cause"]] += 1
        # Without the Z, a second stands before its fractions.
        key = (end["time"].rstrip("Z"), end["cause"], _ENCODE(end["params"]))
        if key in self._ends:
            self._ends[key]["tokens"] += 1
        elif len(self._earliest) < LISTED or key < self._earliest[-1]:
            bisect.insort(self._earliest, key)
            self._ends[key] = {**end, "tokens": 1, "first": token}
            for later in self._earliest[LISTED:]:
                del self._ends[later]
            del self._earliest[LISTED:]

    @property
    def indication(self) -> Indication:
        """The worst verdict; one that a list did not expect has failed, and of no token nothing is known."""
        if self._differing or self._verdicts[Indication.FAILED]:
            return Indication.FAILED
        if self._verdicts[Indication.INDETERMINATE] or not self._verdicts:
            return Indication.INDETERMINATE
        return Indication.PASSED

    def summary(self) -> dict[str, Any]:
        """Return the JSON form; the same judgements give the same, however often the batch was begun."""
        ending = sum(sum(causes.values()) for causes in self._months.values())
        passed, tokens = self._verdicts[Indication.PASSED], sum(self._verdicts.values())
        return {
            "schema": SCHEMA_VERSION,
            "kind": "timestamp-batch",
            "indication": self.indication.value,
            "tokens": tokens,
            "verdicts": {each.value: self._verdicts[each] for each in Indication},
            "causes": [
                {**dict(zip(_CAUSE, cause, strict=True)), "tokens": count}
                for cause, count in sorted(self._causes.items(), key=lambda each: (-each[1], str(each[0])))
            ],
            "limits": dict(sorted(self._limits.items())),
            "passed_over": {each.value: self._over[each] for each in PassedOver},
            "not_passed": self._not_passed,
            "not_passed_total": tokens - passed,
            "unexpected": self._unexpected,
            "unexpected_total": self._differing,
            "calendar": [
                {"month": month, "tokens": sum(causes.values()), "causes": dict(sorted(causes.items()))}
                for month, causes in sorted(self._months.items())
            ],
            "without_end": passed - ending,
            "earliest": [self._ends[key] for key in self._earliest],
        }


def _keep(listed: list[dict[str, Any]], shown: dict[str, Any]) -> None:
    if len(listed) < LISTED:
        listed.append(shown)
