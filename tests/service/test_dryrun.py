"""A switch rehearsed: every number of the report counted again from the ledger, and nothing real touched."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import math
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from kokuin.ledger.leaf import read_leaf
from kokuin.ledger.reader import LedgerReader
from kokuin.service.config import load_config
from kokuin.service.evidence.batcher import LOOK_SECONDS
from kokuin.service.migration import trial
from kokuin.service.migration.dryrun import DryRunRequest, read_period, rehearse
from kokuin.service.migration.dryrun_measure import YEAR_SECONDS
from kokuin.service.migration.dryrun_status import State, Verdict, renewal
from kokuin.service.migration.dryrun_survey import Cohort, Kind
from kokuin.service.migration.report import read_report
from kokuin.trust.anchors import load_trust, read_certificates
from kokuin.trust.context import Context
from kokuin.trust.judge import judge_token
from kokuin.trust.report import iso_time
from pqc.policies import load_policy
from tests.service.dryruns import HASHES, TOKENS, issue_tokens, tree
from tests.service.evidence.embedded import NAME, add_profile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kokuin.service.datafolder import DataFolder
    from kokuin.service.migration.report import DryRunReport
    from tests.service.running import Prepared


@pytest.fixture(scope="module")
def folder(folder_of: Callable[[str], Prepared]) -> DataFolder:
    """Give a folder whose ledger holds tokens of mixed hashes under `classical`."""
    prepared = folder_of("classical")
    issue_tokens(prepared.folder)
    return prepared.folder


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    path = tmp_path / "scratch"
    path.mkdir()
    return path


def run(folder: DataFolder, scratch: Path, profile: str = "pq", **fields: Any) -> DryRunReport:
    config = load_config(folder.root, {})
    fields.setdefault("requests", 60)
    return rehearse(folder, config, DryRunRequest(profile, **fields), scratch, lambda *_: None)


@pytest.fixture(scope="module")
def report(folder: DataFolder, tmp_path_factory: pytest.TempPathFactory) -> DryRunReport:
    return run(folder, tmp_path_factory.mktemp("scratch"), policy="us", period_s=read_period("7d"))


@pytest.fixture(scope="module")
def issued(folder: DataFolder) -> list[tuple[dict[str, Any], bytes]]:
    """Give the leaves of tokens, with the tokens."""
    with LedgerReader(folder.ledger) as reader:
        found = [(dict(read_leaf(each.leaf)), each.token) for each in reader.walk()]
    return [(leaf, token) for leaf, token in found if token is not None]


def test_the_inventory_counts_what_the_ledger_holds(
    report: DryRunReport, folder: DataFolder, issued: list[tuple[dict[str, Any], bytes]]
) -> None:
    found = report.inventory
    assert found.tokens == len(issued) == TOKENS
    assert found.octets == sum(len(token) for _, token in issued)
    assert {row.name: row.tokens for row in found.imprints} == Counter(leaf["imp_alg"] for leaf, _ in issued)
    (row,) = found.rows
    unit = read_certificates(folder.units)[0]
    assert row.signer == hashlib.sha256(unit.der).hexdigest() == issued[0][0]["signer"]
    assert (row.suite, row.key, row.expires) == ("ecdsa-p256-sha256", "P-256", iso_time(unit.not_after))
    assert (row.tokens, row.octets) == (found.tokens, found.octets)
    assert found.unknown == ()
    assert {"key:unit-classical", "suite:ecdsa-p256-sha256"} <= {each.id for each in found.assets}


def test_the_load_is_that_of_the_ledger(
    report: DryRunReport, issued: list[tuple[dict[str, Any], bytes]]
) -> None:
    gens = [leaf["gen"] for leaf, _ in issued]
    seen = report.measured.observed
    assert (seen.tokens, seen.requests) == (TOKENS, TOKENS)
    assert (seen.since, seen.until) == (iso_time(min(gens)), iso_time(max(gens)))
    assert seen.per_second == pytest.approx(TOKENS / ((max(gens) - min(gens)) / 1e6))
    assert seen.busiest_minute == max(Counter(gen // 60_000_000 for gen in gens).values())


def test_the_trial_replays_the_mix_and_every_token_is_verified(report: DryRunReport) -> None:
    measured = report.measured
    assert measured.source == "ledger"
    assert measured.candidate is not None
    assert measured.in_force is not None
    assert (measured.candidate.profile, measured.in_force.profile) == ("pq", "classical")
    for cost in (measured.candidate, measured.in_force):
        assert (cost.asked, cost.granted, cost.refused) == (TOKENS, TOKENS, ())
        assert 0 < cost.p50_ms <= cost.p99_ms
        assert cost.per_second > 0
        assert measured.observed.per_second is not None
        a_year = (cost.token_octets + cost.leaf_octets) * measured.observed.per_second * YEAR_SECONDS
        assert cost.octets_a_year == round(a_year)
    assert measured.verified == measured.passed == 2 * TOKENS
    # A signature of ML-DSA-65 has 3309 octets, its token carries one more and two certificates with keys.
    assert measured.candidate.token_octets > measured.in_force.token_octets + 3309
    assert measured.ratio("token_octets") == pytest.approx(
        measured.candidate.token_octets / measured.in_force.token_octets
    )


def test_half_the_replayed_requests_ask_for_certificates_as_the_ledgers_did(
    report: DryRunReport, issued: list[tuple[dict[str, Any], bytes]]
) -> None:
    assert report.measured.in_force is not None
    real = sum(len(token) for _, token in issued) / len(issued)
    # The same hashes with and without certificates: the mean differs by the names in other certificates.
    assert report.measured.in_force.token_octets == pytest.approx(real, rel=0.05)


def test_each_change_is_what_a_verifier_says_on_both_sides_of_its_moment(
    report: DryRunReport, folder: DataFolder, issued: list[tuple[dict[str, Any], bytes]]
) -> None:
    trust, policy = load_trust(folder.anchors.parent), load_policy("us")
    changes = report.artefacts.changes
    assert [change.at for change in changes] == sorted(change.at for change in changes)
    by_hash = {leaf["imp_alg"]: token for leaf, token in issued}
    assert {change.imprint for change in changes} == set(by_hash)
    good = {"passed", "legacy"}
    for change in changes:
        moment = int(dt.datetime.fromisoformat(change.at).timestamp() * 1e6)
        token = by_hash[change.imprint]
        before = judge_token(token, Context(moment - 1, trust, policy=policy))
        after = judge_token(token, Context(moment, trust, policy=policy))
        assert (before.indication == "PASSED") is (change.before in good)
        assert (after.indication == "PASSED") is (change.after in good)
        if change.after == "needs-proof":
            assert str(after.sub_indication).endswith("NO_POE")
        assert change.tokens == sum(leaf["imp_alg"] == change.imprint for leaf, _ in issued)


def test_the_us_dates_of_p256_are_named(report: DryRunReport) -> None:
    """128 bits, classical: to the end of 2031, legacy to the end of 2035, and then they want a proof."""
    assert {each.name: each.tokens for each in report.artefacts.today} == {"passed": TOKENS}
    assert {(change.at, change.before, change.after) for change in report.artefacts.changes} == {
        ("2032-01-01T00:00:00Z", "passed", "legacy"),
        ("2036-01-01T00:00:00Z", "legacy", "needs-proof"),
    }


def test_the_renewal_plan_covers_every_token_once(report: DryRunReport) -> None:
    plan = report.renewal
    (step,) = plan.steps
    assert plan.tokens == step.tokens == TOKENS
    assert plan.lost == 0
    assert (step.before, step.hash_tree, step.batches) == ("2036-01-01T00:00:00Z", False, 1)
    assert report.measured.candidate is not None
    depth = math.ceil(math.log2(TOKENS))
    assert step.octets == round(report.measured.candidate.token_octets) + TOKENS * depth * 64
    assert step.minutes > 0


@pytest.mark.parametrize(("needed_us", "tokens"), [(99, 0), (100, 7)])
def test_a_token_is_renewed_only_while_it_is_needed(needed_us: int, tokens: int) -> None:
    cohort = Cohort(Kind("classical", "ecdsa-p256-sha256", "sha256", "", 0), tokens=7, specimen_gen=1_000)
    line = [(cohort, 1_000, Verdict(State.PASSED)), (cohort, 1_100, Verdict(State.NEEDS_PROOF))]
    assert renewal([line], None, needed_us).tokens == tokens


def test_clients_keep_a_way_to_the_former_profile(report: DryRunReport, folder: DataFolder) -> None:
    found = report.clients
    assert (found.tokens, found.by_default, found.named) == (TOKENS, TOKENS, 0)
    arc = load_config(folder.root, {}).arc
    assert (found.old_policy, found.new_policy) == (f"{arc}.1", f"{arc}.3")
    assert found.fallbacks == ("POST /tsa/classical", f"reqPolicy {arc}.1")
    assert {each.program: each.reads for each in found.verifiers}["openssl-ts"] == "no"
    assert found.refused_hashes == ()
    assert report.measured.candidate is not None
    assert found.largest == report.measured.candidate.largest


def test_the_difference_names_every_purpose(report: DryRunReport, folder: DataFolder) -> None:
    changed = {row.purpose for row in report.diff.rows if row.changed}
    assert changed == {"policy-oid", "tst", "unit", "certificate"}
    with LedgerReader(folder.ledger) as reader:
        stored = reader.newest("cfg.activated")
    assert stored is not None
    assert report.diff.configuration == read_leaf(stored.leaf)["cfg"]
    assert (report.diff.judged_by, report.diff.issuing) == ("us", "baseline")


def test_consequences_and_bills(report: DryRunReport) -> None:
    found = report.consequences
    assert found.blockers == ()
    assert report.possible
    assert {each.code for each in found.irreversible} == {
        "TOKENS_KEEP_SUITE", "LEAVES_STAY", "KEY_STAYS", "ANCHOR_STAYS",
    }  # fmt: skip
    assert found.rollback[0].detail == "tsa profile rollback"
    assert {row.item: row.state for row in report.chain} == {
        "ca": "made-at-switch",
        "unit-certificate": "made-at-switch",
        "revocation": "made-at-switch",
        "key": "made-at-switch",
        "key-backup": "missing",
    }
    refs = [
        {each["bom-ref"] for each in bill["components"]} for bill in (report.bills.before, report.bills.after)
    ]
    assert set(report.bills.added) == refs[1] - refs[0]
    assert "key:unit-pq" in report.bills.added


def test_the_report_survives_its_json(report: DryRunReport) -> None:
    document = json.loads(json.dumps(report.to_dict()))
    assert document["schema"] == 1
    assert read_report(document) == report
    with pytest.raises(ValueError, match="no report"):
        read_report({**document, "measured": 5})


def test_nothing_real_is_touched(folder: DataFolder, scratch: Path) -> None:
    before = tree(folder.root)
    run(folder, scratch, requests=8)
    assert tree(folder.root) == before
    assert any(scratch.rglob("unit-pq.pem")), "the trial's keys lie in the scratch folder"


def test_hashes_that_the_candidate_refuses_are_counted(folder: DataFolder, scratch: Path) -> None:
    found = run(folder, scratch, "cnsa2", period_s=read_period("1w"))
    refused = {row.name: row.tokens for row in found.clients.refused_hashes}
    share = TOKENS // len(HASHES)
    assert refused == {name: share for name in HASHES if name not in {"sha384", "sha512"}}
    assert found.measured.candidate is not None
    assert {row.name: row.tokens for row in found.measured.candidate.refused} == {
        "HASH_REFUSED": sum(refused.values())
    }
    assert found.possible


def test_a_bundle_counts_both_tokens_of_a_request(folder: DataFolder, scratch: Path) -> None:
    found = run(folder, scratch, "bundle", requests=12)
    assert found.measured.candidate is not None
    assert found.measured.candidate.granted == 12
    assert found.measured.verified == found.measured.passed == 3 * 12
    assert found.measured.source == "profile"
    assert {each.program: each.reads for each in found.clients.verifiers}["openssl-ts"] == "yes"


def test_evidence_within_the_token_is_measured_as_the_client_gets_it(
    folder: DataFolder, scratch: Path
) -> None:
    add_profile(folder)
    found = run(folder, scratch, NAME, requests=24)
    assert not found.consequences.blockers
    assert found.measured.verified == found.measured.passed == 48
    cost, before = found.measured.candidate, found.measured.in_force
    assert cost is not None
    assert before is not None
    assert cost.granted == 24
    # One signature of ML-DSA-65 alone has 3,309 octets, and the certificates above it have theirs.
    assert cost.token_octets > before.token_octets + 3 * 3309
    assert cost.largest > cost.token_octets
    assert found.clients.largest == cost.largest


@pytest.mark.parametrize("profile", ["hybrid", NAME])
def test_the_ledger_grows_by_archive_time_stamps_too(folder: DataFolder, scratch: Path, profile: str) -> None:
    add_profile(folder)
    found = run(folder, scratch, profile, requests=24)
    cost, before = found.measured.candidate, found.measured.in_force
    assert cost is not None
    assert before is not None
    assert cost.octets_a_year is not None
    assert before.octets_a_year is not None
    assert found.measured.observed.per_second is not None
    # Half of a second is the least between two batches; what leaves with its evidence waits for as long as
    # this machine takes, with so many requests under way.
    most = 1 / LOOK_SECONDS if profile == "hybrid" else cost.per_second / trial.CALLERS
    archives = min(found.measured.observed.per_second, most) * YEAR_SECONDS
    assert cost.octets_a_year - before.octets_a_year > 10_000 * archives


def test_a_suite_too_slow_for_its_requests_makes_fewer(
    folder: DataFolder, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "TRIAL_SECONDS", 0.0)
    found = run(folder, scratch)
    assert found.possible
    for cost in (found.measured.candidate, found.measured.in_force):
        assert cost is not None
        assert (cost.asked, cost.granted, cost.shortened) == (1, 1, True)


def test_rehearsing_what_is_in_force_changes_nothing(folder: DataFolder, scratch: Path) -> None:
    found = run(folder, scratch, "classical", requests=5)
    assert found.consequences.irreversible == ()
    assert not any(row.changed for row in found.diff.rows)
    assert found.measured.ratio("token_octets") == 1.0
    assert (found.bills.added, found.bills.removed, found.bills.changed) == ((), (), ())


@pytest.mark.parametrize(
    ("text", "seconds"), [("30m", 1800), ("12h", 43_200), ("7d", 604_800), ("2w", 1_209_600)]
)
def test_periods(text: str, seconds: int) -> None:
    assert read_period(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "d",
        "7",
        "0d",
        "-1d",
        "7y",
        "1.5h",
        "7 d",
        "\N{ARABIC-INDIC DIGIT SEVEN}d",
        "9" * 12 + "d",
        "40000d",
    ],
)
def test_what_is_no_period_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        read_period(text)
