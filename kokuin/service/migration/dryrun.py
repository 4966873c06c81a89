"""`tsa profile dry-run`: a switch rehearsed with trial keys and a scratch ledger, and what it would change.

Nothing real is touched: ledger, trust and snapshots are read, no private key is
opened, and everything that is made lies in a scratch folder.
"""

from __future__ import annotations

import datetime as dt
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import kokuin
from kokuin.service.candidates import with_profile
from kokuin.service.config import Pkcs11Key
from kokuin.service.issuing_policy import accepted_imprints
from kokuin.service.ledger_store import open_reader
from kokuin.service.migration import dryrun_chain as chain
from kokuin.service.migration import dryrun_effects as effects
from kokuin.service.migration import dryrun_status as status
from kokuin.service.migration.certificates import certificates_of
from kokuin.service.migration.dryrun_inventory import count
from kokuin.service.migration.dryrun_measure import cost_of, renewal_cost
from kokuin.service.migration.dryrun_survey import Asked, sample, survey
from kokuin.service.migration.gathering import snapshot_in_force
from kokuin.service.migration.inventory import inventory
from kokuin.service.migration.limits import DAYS_A_YEAR
from kokuin.service.migration.report import SCHEMA, DryRunReport, Finding
from kokuin.service.migration.report_load import Measured, Observed
from kokuin.service.migration.trial import Trial, make_queries
from kokuin.service.migration.trial_issuing import TrialError
from kokuin.trust.anchors import TrustStore
from kokuin.trust.certificate import read_certificate
from kokuin.trust.report import iso_time
from kokuin.wire.algorithms import DIGEST_BY_NAME
from pqc.policies import load_policy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from typing import TypeAlias

    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.migration.inventory import Inventory
    from kokuin.service.migration.report import Readiness
    from kokuin.service.migration.report_load import Clients, Cost
    from kokuin.service.migration.trial_sums import Sums
    from kokuin.service.snapshot import Snapshot
    from pqc.policies import Policy
    from pqc.profiles import Profile

    Progress: TypeAlias = Callable[[str, int, int], None]

REQUESTS = 500
"""Trial requests when nobody says how many."""
MOST_REQUESTS = 10_000
REPLAYED = 2_000
"""Requests of the ledger that are replayed at most, evenly spread over the period."""
MOST_PERIOD_S = 100 * 366 * 86_400
_UNITS = {"m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}


@dataclass(frozen=True, slots=True)
class DryRunRequest:
    """What is to be rehearsed.

    Attributes:
        profile: its name.
        requests: trial requests, 1 to `MOST_REQUESTS`.
        period_s: replay the mix of the ledger's last seconds instead; None: requests of the hashes that the
            profile takes.
        policy: by which to judge; empty: the one that decides what is issued.
    """

    profile: str
    requests: int = REQUESTS
    period_s: int | None = None
    policy: str = ""


def read_period(text: str) -> int:
    """Read `30m`, `12h`, `7d` or `4w` as seconds.

    Raises:
        ValueError: it is none of them, or longer than a century.
    """
    number, unit = text[:-1], text[-1:]
    if not (number.isascii() and number.isdecimal() and len(number) <= 9 and unit in _UNITS):
        raise ValueError(text)
    seconds = int(number) * _UNITS[unit]
    if not 0 < seconds <= MOST_PERIOD_S:
        raise ValueError(text)
    return seconds


def rehearse(
    folder: DataFolder, config: Config, request: DryRunRequest, scratch: Path, progress: Progress
) -> DryRunReport:
    """Rehearse a switch in this process.

    Args:
        folder: the real data folder; it is only read.
        config: its settings.
        request: what is to be rehearsed.
        scratch: an empty folder, for the caller to remove.
        progress: told a phase (`ledger`, `trial`, `verdicts`), and how far it is.

    Raises:
        PolicyError: there is no such policy.
        OpenRefusedError, ActivationError, SnapshotError, ProfileError: the real ledger, or what is in force,
            cannot be read.
    """
    return _Rehearsal(folder, config, request, progress).run(scratch)


class _Rehearsal:
    """One run: what is read of the real folder, the trial, and the report of both."""

    def __init__(
        self, folder: DataFolder, config: Config, request: DryRunRequest, progress: Progress
    ) -> None:
        self._folder, self._config, self._request, self._progress = folder, config, request, progress
        self._begun = time.monotonic()
        self._now = dt.datetime.now(dt.UTC)
        self._now_us = time.time_ns() // 1_000
        self._policy: Policy = load_policy(request.policy or config.policy.issue)
        with open_reader(folder, config) as reader:
            self._snapshot: Snapshot = snapshot_in_force(folder, config, reader)
            period = request.period_s
            since = None if period is None else self._now_us - period * 1_000_000
            ends = status.policy_ends(self._policy)
            self._survey = survey(reader, ends, since, lambda *at: progress("ledger", *at))
            self._asked = [] if period is None else sample(reader, self._survey.places, REPLAYED)
            self._made: Inventory = inventory(
                folder, config, self._snapshot, reader, [self._policy], self._now, config.retention_years
            )
        self._certificates, _ = certificates_of(folder)
        self._trust = TrustStore(
            tuple(each.certificate for each in self._certificates if each.use == "anchor"),
            tuple(each.certificate for each in self._certificates if each.use != "anchor"),
        )
        self._before: Profile = self._snapshot.profile(self._snapshot.default)
        self._after, self._blockers = chain.read_candidate(folder, request.profile, self._policy)

    def run(self, scratch: Path) -> DryRunReport:
        """Try what can be tried, and report."""
        candidate = None
        if self._after is not None:
            candidate = with_profile(self._folder, self._snapshot, self._after)
            self._blockers += chain.standing_in_the_way(
                self._folder, self._config, self._snapshot, self._after, self._policy, self._now
            )
        sums = self._try(candidate, scratch)
        measured = self._measured(sums)
        total = len(self._survey.cohorts)
        lines = []
        for number, cohort in enumerate(self._survey.cohorts.values(), start=1):
            lines.append(status.verdicts(cohort, self._trust, self._policy, self._now_us))
            self._progress("verdicts", number, total)
        ready = self._readiness()
        return DryRunReport(
            schema=SCHEMA,
            kind="dry-run",
            product=f"kokuin {kokuin.__version__}",
            profile=self._request.profile,
            made=iso_time(self._now_us // 1_000_000 * 1_000_000),
            diff=effects.policy_diff(
                self._before,
                self._after,
                self._request.profile,
                self._snapshot.digest() if self._snapshot.units else "",
                self._config,
                self._policy,
            ),
            inventory=count(self._survey, self._certificates, self._trust, self._made),
            artefacts=status.artefacts(lines),
            renewal=status.renewal(
                lines,
                self._renewal_cost(measured.candidate or measured.in_force),
                int(self._config.retention_years * DAYS_A_YEAR * 86_400e6),
            ),
            chain=ready,
            measured=measured,
            clients=self._clients(measured),
            consequences=effects.consequences(self._snapshot, self._after, ready, self._blockers),
            bills=effects.bills(self._made, candidate),
            seconds=round(time.monotonic() - self._begun, 3),
        )

    def _try(self, candidate: Snapshot | None, scratch: Path) -> Mapping[str, Sums]:
        """Let the candidate and the profile in force answer the same requests."""
        if candidate is None or self._after is None:
            return {}
        names = list(dict.fromkeys((self._after.name, self._before.name)))
        snapshot = replace(candidate, enabled=frozenset(names)).pruned()
        try:
            trial = Trial(scratch, self._config, snapshot)
        except TrialError as error:
            self._blockers.append(Finding(error.code or "TRIAL_IMPOSSIBLE", self._after.name, str(error)))
            return {}
        try:
            queries = make_queries(self._requests())
            sums = trial.run(queries, names, self._policy, lambda *at: self._progress("trial", *at))
        except TrialError as error:
            self._blockers.append(Finding("TRIAL_FAILED", self._after.name, str(error)))
            return {}
        finally:
            trial.close()
        self._judge_trial(trial, sums[self._after.name])
        return sums

    def _judge_trial(self, trial: Trial, sums: Sums) -> None:
        assert self._after is not None  # noqa: S101  # nothing else is tried
        for fault, tokens in sorted(sums.faults.items()):
            self._blockers.append(Finding("TRIAL_TOKEN_NOT_PASSED", fault, f"{tokens} of {sums.verified}"))
        if not sums.latencies:
            self._blockers.append(Finding("TRIAL_WITHOUT_TOKEN", self._after.name))
        if self._config.pki != "development":
            return
        for owner in self._after.units:
            unit = self._snapshot.profile(owner) if owner in self._snapshot.profiles else None
            if unit is None or owner not in self._snapshot.units:
                # What `tsa profile use` would make now is what the trial made.
                certificate = read_certificate(trial.certificate(owner))
                profile = with_profile(self._folder, self._snapshot, self._after).profile(owner)
                self._blockers += chain.trial_blockers(profile, certificate, self._policy, self._now)

    def _requests(self) -> Sequence[Asked]:
        known = [each for each in self._asked if each.digest in DIGEST_BY_NAME]
        if known or self._after is None:
            return known
        hashes = sorted(self._accepted()) or list(self._after.imprints)
        return [
            Asked(hashes[number % len(hashes)], certificates=True) for number in range(self._request.requests)
        ]

    def _accepted(self) -> frozenset[str]:
        return accepted_imprints(self._after, self._policy, self._now) if self._after else frozenset()

    def _measured(self, sums: Mapping[str, Sums]) -> Measured:
        survey_, first = self._survey, self._survey.first_us
        seconds = 0.0 if first is None else (survey_.last_us - first) / 1e6
        rate = survey_.period_requests / seconds if seconds > 0 else None
        costs = {name: cost_of(name, each, rate) for name, each in sums.items()}
        units = () if self._after is None else self._after.units
        return Measured(
            source="ledger" if self._asked else "profile",
            observed=Observed(
                tokens=survey_.period_tokens,
                requests=survey_.period_requests,
                since="" if first is None else iso_time(first),
                until="" if first is None else iso_time(survey_.last_us),
                per_second=rate,
                busiest_minute=survey_.busiest_minute,
            ),
            candidate=costs.get(self._request.profile),
            in_force=costs.get(self._before.name),
            verified=sum(each.verified for each in sums.values()),
            passed=sum(each.passed for each in sums.values()),
            device=any(isinstance(self._config.signers.get(unit), Pkcs11Key) for unit in units),
        )

    def _renewal_cost(self, cost: Cost | None) -> status.RenewalCost | None:
        octets = sum(cohort.octets for cohort in self._survey.cohorts.values())
        return None if cost is None else renewal_cost(cost, octets / max(self._survey.tokens, 1))

    def _readiness(self) -> tuple[Readiness, ...]:
        if self._after is None:
            return ()
        return chain.readiness(
            self._folder,
            self._config,
            self._snapshot,
            self._after,
            self._policy,
            self._survey.backed_up,
        )

    def _clients(self, measured: Measured) -> Clients:
        suites = []
        if self._after is not None:
            candidate = with_profile(self._folder, self._snapshot, self._after)
            # The twin is fetched apart: who does not know it loses nothing.
            suites = [candidate.profile(self._after.unit).tst]
        largest = measured.candidate.largest if measured.candidate else 0
        return effects.clients(
            self._survey, self._before, self._after, self._config, self._accepted(), suites, largest
        )
