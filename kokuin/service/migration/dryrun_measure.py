"""From what a trial summed up to what issuing and renewing cost on this host."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING

from kokuin.service.evidence.batcher import LOOK_SECONDS
from kokuin.service.migration.dryrun_status import RenewalCost
from kokuin.service.migration.report_load import Cost
from kokuin.service.migration.report_tokens import Count

if TYPE_CHECKING:
    from kokuin.service.migration.trial_sums import Sums

YEAR_SECONDS = 31_557_600
"""A Julian year."""
_HASHES = 2_000


def cost_of(profile: str, sums: Sums, rate: float | None) -> Cost:
    """Return what one profile costs.

    Args:
        profile: its name.
        sums: of its trial.
        rate: observed requests in a second; None: none was observed.
    """
    granted = len(sums.latencies)
    latencies = sorted(sums.latencies) or [0.0]
    token_octets = sums.token_octets / granted if granted else 0.0
    leaf_octets = sums.leaf_octets / granted if granted else 0.0
    return Cost(
        profile=profile,
        asked=sums.asked,
        granted=granted,
        refused=tuple(Count(*item) for item in sorted(sums.refused.items())),
        per_second=granted / sums.seconds if sums.seconds else 0.0,
        p50_ms=latencies[len(latencies) // 2] * 1e3,
        p99_ms=latencies[len(latencies) * 99 // 100] * 1e3,
        token_octets=token_octets,
        largest=sums.largest,
        leaf_octets=leaf_octets,
        verify_ms=sums.verify_seconds / sums.verified * 1e3 if sums.verified else 0.0,
        octets_a_year=None if rate is None else round(_growth(sums, rate) * YEAR_SECONDS),
        shortened=sums.shortened,
    )


def _growth(sums: Sums, rate: float) -> float:
    """Return the octets by which the ledger grows in a second, requests spread evenly.

    An archive time-stamp covers what came while the last one was made: no more of them come than requests,
    nor than there is time for. It stands in the ledger with two leaves of about the length of any.
    """
    granted = max(len(sums.latencies), 1)
    leaves = sums.leaf_octets / granted
    most = sums.archives / sums.seconds if sums.archives else 1 / LOOK_SECONDS
    archive = sums.archive_octets + 2 * leaves if sums.archive_octets else 0.0
    return (sums.kept_octets / granted + leaves) * rate + archive * min(rate, most)


def renewal_cost(cost: Cost, token_octets: float) -> RenewalCost | None:
    """Measure what hashing the ledger's tokens takes; None where no token could be made.

    Args:
        cost: of the profile that would make the archive time-stamps.
        token_octets: mean size of the tokens to be renewed.
    """
    if not cost.granted:
        return None
    token, pair = bytes(round(token_octets)), bytes(128)
    start = time.perf_counter()
    for _ in range(_HASHES):
        # A leaf, and the one node of the tree that comes with it.
        hashlib.sha512(token).digest()
        hashlib.sha512(pair).digest()
    hash_seconds = (time.perf_counter() - start) / _HASHES
    return RenewalCost(hash_seconds, 1 / cost.per_second, round(cost.token_octets))
