"""A watch over stored evidence: when the first of it ends, and whether that came nearer.

It says, and does nothing: a renewal takes signatures and is for an operator to ask for. Nor does it speak
against issuing, since what is issued meanwhile has evidence of its own.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
import structlog

from kokuin.ledger.faults import OpenRefusedError
from kokuin.ledger.leaf import LeafError
from kokuin.service.evidence.ages import EvidenceAges
from kokuin.service.evidence.records import EvidenceRecords
from kokuin.service.evidence.standing import GONE, Standing, terms
from kokuin.service.ledger_store import open_reader
from kokuin.service.unit_errors import UnitError
from kokuin.trust.report import iso_time
from kokuin.verify.renewal.planning import Act
from pqc.newfile import write_durably

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.evidence.ages import Held
    from kokuin.verify.renewal.planning import Plan

RENEWAL_DUE = "EVIDENCE_RENEWAL_DUE"
"""Warning: stored evidence ends within a year, or has ended."""
ENDS_SOONER = "EVIDENCE_ENDS_SOONER"
"""Warning: a policy, a list or a certificate has brought the end of stored evidence nearer."""
WARNING_US = 366 * 86_400_000_000
LOOK_SECONDS = 5.0
JUDGE_SECONDS = 3600.0
_SLACK_US = 86_400_000_000

_ERRORS = (OpenRefusedError, LeafError, UnitError, sqlite3.Error, OSError)

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Ends:
    """When the first of all stored evidence ends.

    Attributes:
        until: microseconds since 1970 UTC; 0: it has ended.
        act: what is due.
        cause: what ends then; of what has ended, the code of what speaks against it.
        batches: how many batches end then.
        tokens: in them.
        policy: by which, with its edition.
    """

    until: int
    act: str
    cause: str
    batches: int
    tokens: int
    policy: str

    @property
    def due(self) -> bool:
        """Whether it is time to renew."""
        return self.act != Act.NOT_YET.value

    def document(self) -> dict[str, Any]:
        """Return it as a status shows it."""
        until = iso_time(self.until) if self.until else None
        told = {"act": self.act, "cause": self.cause, "batches": self.batches, "tokens": self.tokens}
        return {"until": until, **told, "policy": self.policy}


class RenewalWatch:
    """On the keeper's loop; the work itself in a thread, a step at a time."""

    def __init__(self, folder: DataFolder, config: Config) -> None:
        """Args: folder and settings."""
        self._folder, self._config = folder, config
        self._ages, self._judged = EvidenceAges(), 0.0
        self._kept = folder.ledger.with_name("evidence-ends.json")
        self.first: Ends | None = None
        """What ends first; None: nothing has a known end, or it is not known yet."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """Codes of what an operator should know."""
        return (RENEWAL_DUE,) if self.first is not None and self.first.due else ()

    async def run(self) -> None:
        """Watch for ever."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Read a step further; once everything is read, judge it anew every hour."""
        try:
            await asyncio.to_thread(self._look)
        except _ERRORS as error:
            _log.warning("evidence.unwatched", reason=str(error))
            self._judged = time.monotonic()

    def _look(self) -> None:
        with open_reader(self._folder, self._config) as reader:
            if not self._ages.look(reader) or (
                self._judged and time.monotonic() < self._judged + JUDGE_SECONDS
            ):
                return
            under = terms(self._folder, self._config, WARNING_US)
            standing = Standing(under, EvidenceRecords(self._folder, self._config), "")
            standing.renewals.look(reader)
            plans = [(held, standing.batch(reader, held.example)) for held in self._ages.held.values()]
        policy = under.context.policy
        self.first, self._judged = first_end(plans, f"{policy.name} ({policy.edition})"), time.monotonic()
        self._tell()

    def _tell(self) -> None:
        """Warn of what is due, and of an end that is nearer than when it was looked at last."""
        if self.first is None:
            return
        if self.first.due:
            _log.warning(RENEWAL_DUE, **self.first.document())
        before = self._before()
        if before is not None and self.first.until < before - _SLACK_US:
            _log.warning(ENDS_SOONER, before=iso_time(before), **self.first.document())
        if before != self.first.until:
            # Lost, it costs one warning.
            write_durably(self._kept, orjson.dumps({"until": self.first.until}))

    def _before(self) -> int | None:
        try:
            until = orjson.loads(self._kept.read_bytes())["until"]
        except (OSError, orjson.JSONDecodeError, KeyError, TypeError):
            return None
        return until if isinstance(until, int) else None


def first_end(plans: Iterable[tuple[Held, Plan]], policy: str) -> Ends | None:
    """Return what ends first; None: nothing has a known end.

    Args:
        plans: of all kinds of batches.
        policy: by which they were judged, with its edition.
    """
    found = [
        Ends(
            0 if plan.until is None else plan.until.time,
            plan.act.value,
            (plan.reason or "") if plan.until is None else plan.until.cause.value,
            held.batches,
            held.tokens,
            policy,
        )
        for held, plan in plans
        if plan.until is not None or (plan.act is Act.TOO_LATE and plan != GONE)
    ]
    return min(found, key=lambda each: each.until, default=None)
