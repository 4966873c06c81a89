"""Everything in use that rests on cryptography, ranked by how soon it must be replaced."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kokuin.service.migration.assets import judge, rank
from kokuin.service.migration.certificates import certificates_of
from kokuin.service.migration.collecting import collect
from kokuin.service.migration.counting import count_tokens
from kokuin.service.migration.evidence import stored_evidence
from kokuin.service.migration.limits import DAYS_A_YEAR, moment_text, to_moment
from kokuin.service.migration.mechanisms import closure, of_part
from kokuin.service.migration.seals import seals_of
from kokuin.service.migration.sources import Source
from kokuin.service.migration.tls import tls_facts
from kokuin.service.units import issuing_policy
from pqc.policies import NEVER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kokuin.ledger.reader import StoreReader
    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.migration.assets import Asset
    from kokuin.service.migration.evidence import StoredEvidence
    from kokuin.service.migration.limits import Limit
    from kokuin.service.migration.mechanisms import Mechanism
    from kokuin.service.snapshot import Snapshot
    from pqc.policies import Policy

VERSION = 1
"""`v` of the JSON form."""


@dataclass(frozen=True, slots=True)
class Inventory:
    """What one service rests on, at one moment.

    Attributes:
        made: when.
        years_needed: how long a token must stay verifiable.
        policies: by what it is judged.
        source: what was found.
        unreadable: files that could not be read: names in `trust/`, and `seals/TENANT/PROFILE.toml`.
        assets: the most urgent first.
        mechanisms: every algorithm that an asset or a token rests on, and what it is made of, by id.
        evidence: evidence of the ledger's tokens, what ends first standing first.
    """

    made: dt.datetime
    years_needed: float
    policies: tuple[Policy, ...]
    source: Source
    unreadable: tuple[str, ...]
    assets: tuple[Asset, ...]
    mechanisms: tuple[Mechanism, ...]
    evidence: tuple[StoredEvidence, ...] = ()

    @property
    def needed_until(self) -> dt.date:
        """Until when what is made today must stay verifiable."""
        return self.made.date() + dt.timedelta(days=math.ceil(self.years_needed * DAYS_A_YEAR))


def inventory(  # noqa: PLR0913, PLR0917  # all that an inventory depends on, named once
    folder: DataFolder,
    config: Config,
    snapshot: Snapshot,
    reader: StoreReader,
    policies: Sequence[Policy],
    now: dt.datetime,
    years_needed: float,
) -> Inventory:
    """Find what is in use and ask the policies how long each thing serves.

    Reads the folder and the ledger, and opens no private key and no device.

    Args:
        folder: the data folder, whose service may be running.
        config: its configuration.
        snapshot: what is in force.
        reader: the ledger; read in short transactions, all of it.
        policies: whose dates count; the earliest decides.
        now: the moment to judge at, with its zone.
        years_needed: how long a token must stay verifiable.

    Raises:
        ProfileError: a profile in force cannot be used by this release.
        UnitError: the issuing policy cannot be read.
    """
    certificates, unreadable = certificates_of(folder)
    issuing = issuing_policy(config)
    counts = count_tokens(reader)
    seals, unfit = seals_of(folder, config, certificates, now)
    source = Source(folder, config, snapshot, certificates, seals, counts, tls_facts(), issuing, now)
    assets = rank([judge(facts, policies, now, years_needed) for facts in collect(source)], years_needed)
    found = [mechanism for asset in assets for mechanism in asset.facts.mechanisms]
    mechanisms = closure((*found, *map(of_part, source.tls.groups)))
    return Inventory(
        now.astimezone(dt.UTC),
        years_needed,
        tuple(policies),
        source,
        (*unreadable, *unfit),
        assets,
        mechanisms,
        stored_evidence(folder, config, reader, policies, counts),
    )


def document(made: Inventory) -> dict[str, Any]:
    """Return the JSON form of an inventory; `as_of` says when it was true."""
    counts, snapshot = made.source.counts, made.source.snapshot
    return {
        "v": VERSION,
        "as_of": moment_text(made.made),
        "cfg": snapshot.digest(),
        "default": snapshot.default,
        "enabled": sorted(snapshot.enabled),
        "years_needed": made.years_needed,
        "policies": [
            {"name": each.name, "edition": each.edition, "source": each.source} for each in made.policies
        ],
        "tokens": {
            "leaves": counts.leaves,
            "tokens": counts.tokens,
            "unreadable_leaves": counts.unreadable,
            "not_kept_apart": counts.apart,
            "groups": [
                {
                    "profile": group.profile,
                    "suites": list(group.suites),
                    "imprint": group.imprint,
                    "signer": group.signer,
                    "count": group.count,
                    "first": moment_text(to_moment(group.first_us)),
                    "last": moment_text(to_moment(group.last_us)),
                }
                for group in counts.groups
            ],
        },
        "evidence": [_evidence(each) for each in made.evidence],
        "unreadable_files": list(made.unreadable),
        "assets": [_asset(asset) for asset in made.assets],
        "mechanisms": [_mechanism(mechanism) for mechanism in made.mechanisms],
    }


def _evidence(found: StoredEvidence) -> dict[str, Any]:
    return {
        "unit": found.unit,
        "suites": list(found.suites),
        "signer": found.signer,
        "batches": found.batches,
        "tokens": found.tokens,
        "stamps": found.stamps,
        "until": None if found.until is None else moment_text(to_moment(found.until)),
        "cause": found.cause,
        "policy": found.policy,
    }


def _asset(asset: Asset) -> dict[str, Any]:
    facts = asset.facts
    return {
        "id": facts.id,
        "kind": facts.kind.value,
        "name": facts.name,
        "state": facts.state.value,
        "mechanisms": [each.id for each in facts.mechanisms],
        "uses": list(facts.uses),
        "provider": facts.provider,
        "experimental": facts.experimental,
        "draft": asset.draft,
        "classical_bits": asset.classical_bits,
        "quantum_category": asset.quantum_category,
        "since": None if facts.since_us is None else moment_text(to_moment(facts.since_us)),
        "until": None if facts.until_us is None else moment_text(to_moment(facts.until_us)),
        "tokens": facts.tokens,
        "limits": [_limit(limit) for limit in asset.limits],
        "decided_by": asset.decided_by,
        "years_left": _rounded(asset.years_left),
        "urgency": _rounded(asset.urgency),
        "details": dict(facts.details),
        "notes": [note.value for note in facts.notes],
    }


def _limit(limit: Limit) -> dict[str, Any]:
    """`last` is null both for no known end and for never; `status` tells them apart."""
    return {
        "policy": limit.policy,
        "usage": limit.usage.value,
        "status": limit.status.value,
        "last": None if limit.last in {None, NEVER} else str(limit.last),
        "source": limit.source,
        "draft": limit.draft,
    }


def _mechanism(mechanism: Mechanism) -> dict[str, Any]:
    return {
        "id": mechanism.id,
        "kind": mechanism.kind.value,
        "family": mechanism.family,
        "key": mechanism.key,
        "oid": mechanism.oid,
        "classical_bits": mechanism.classical_bits,
        "quantum_category": mechanism.quantum_category,
        "draft": mechanism.draft,
        "components": list(mechanism.components),
    }


def _rounded(years: float | None) -> float | None:
    return None if years is None else round(years, 2)
