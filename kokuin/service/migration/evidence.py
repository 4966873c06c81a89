"""Stored evidence in an inventory: on whose signatures it rests, and by when it is to be renewed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.ledger.leaf import LeafError
from kokuin.service.evidence.ages import EvidenceAges
from kokuin.service.evidence.records import EvidenceFault, EvidenceRecords
from kokuin.service.evidence.standing import Standing, terms
from kokuin.service.migration.leaf_fields import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kokuin.ledger.reader import StoreReader
    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.migration.counting import TokenCounts
    from kokuin.verify.renewal.planning import Plan
    from pqc.policies import Policy


@dataclass(frozen=True, slots=True)
class StoredEvidence:
    """Batches that end together.

    Attributes:
        unit: the profile whose unit made their newest archive time-stamps.
        suites: of these.
        signer: SHA-256 (hex) of that unit's certificate.
        batches: how many.
        tokens: in them.
        stamps: archive time-stamps over each: one, and one a renewal.
        until: the last moment at which they hold by the strictest policy, microseconds since 1970 UTC; None:
            no end is known, or they hold no more.
        cause: what ends then; where they hold no more, the code of what speaks against them.
        policy: which says so.
    """

    unit: str
    suites: tuple[str, ...]
    signer: str
    batches: int
    tokens: int
    stamps: int
    until: int | None
    cause: str
    policy: str


def stored_evidence(
    folder: DataFolder, config: Config, reader: StoreReader, policies: Sequence[Policy], counts: TokenCounts
) -> tuple[StoredEvidence, ...]:
    """Return all evidence of a ledger, what ends first standing first.

    Raises:
        UnitError: a file of certificates or lists cannot be used.
        OpenRefusedError, sqlite3.Error: the ledger cannot be read.
    """
    ages = EvidenceAges()
    units = {group.signer: (group.profile, group.suites) for group in counts.groups}
    found = []
    try:
        while not ages.look(reader):
            pass
        # A folder that waits for its first certificates has no evidence, and nothing to judge it by.
        judges = {} if not ages.held else _judges(folder, config, reader, policies)
        for signers, held in ages.held.items():
            unit, suites = units.get(signers[-1], (UNKNOWN, ()))
            ends = [(standing.batch(reader, held.example), name) for name, standing in judges.items()]
            plan, policy = min(ends, key=_order)
            until = None if plan.until is None else plan.until.time
            cause = (plan.reason or "") if plan.until is None else plan.until.cause.value
            counted = (held.batches, held.tokens, len(signers))
            said_by = policy if cause else ""
            found.append(StoredEvidence(unit, suites, signers[-1], *counted, until, cause, said_by))
    except (LeafError, KeyError):
        # An inventory goes on; what is damaged is for the ledger's own check to show.
        found.append(StoredEvidence(UNKNOWN, (), "", 0, 0, 0, None, EvidenceFault.DAMAGED.value, ""))
    return tuple(sorted(found, key=lambda each: (each.until or 0, each.cause == "", each.signer)))


def _judges(
    folder: DataFolder, config: Config, reader: StoreReader, policies: Sequence[Policy]
) -> Mapping[str, Standing]:
    """Return one judge for each policy, by its name."""
    records, judges = EvidenceRecords(folder, config), {}
    for policy in policies:
        judges[policy.name] = standing = Standing(terms(folder, config, 0, policy), records, "")
        standing.renewals.look(reader)
    return judges


def _order(judged: tuple[Plan, str]) -> tuple[int, int]:
    """What holds no more comes before what ends, and that before what has no known end."""
    plan, _ = judged
    if plan.until is None:
        return (0, 0) if plan.reason else (2, 0)
    return 1, plan.until.time
