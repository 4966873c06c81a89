"""The issuing policy: what it forbids is refused at the start, with the row and the day that say so."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from kokuin.service.config import ConfigError, load_config
from kokuin.service.installation import issuing_rules
from kokuin.service.issuing_policy import accepted_imprints, fit_period, unit_blockers
from kokuin.service.unit_errors import UnitError
from kokuin.wire.algorithms import DIGEST_BY_NAME
from kokuin.wire.tsp import TimeStampReq
from pqc.policies import day_end_us, load_policy, parse_policy, shipped_policies
from pqc.profiles import load_shipped, shipped
from pqc.suites import suite
from tests.ownpolicy import policy_text, row
from tests.trust.forge import AUTHORITY, UNIT, issue
from tests.units import load_configured_unit
from tsa import status
from tsa.decide import decide
from tsa.unit import KeyPeriod

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kokuin.trust.certificate import Certificate
    from tests.service.running import Prepared

LAST = dt.datetime(2030, 12, 31, 23, 59, 59, tzinfo=dt.UTC)
SECOND = dt.timedelta(seconds=1)
CLASSICAL = load_shipped("classical")
EU = load_policy("eu-ts119312")
BEGINS = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def certificate(ends: dt.datetime) -> Certificate:
    root = issue("Root", None, AUTHORITY, begins=BEGINS, ends=ends)
    return issue("Unit", root, UNIT, begins=BEGINS, ends=ends).certificate


def own_policy(
    suites: str = "suites", issue_until: str = "2030-12-31", imprints: Sequence[str] = ("sha384", "sha512")
) -> str:
    both = ("issue", "verify")
    return policy_text(
        row("signature", (suites,), ("issue",), until=issue_until),
        row("signature", (suites,), ("verify",)),
        row(("signature-digest", "certificate-id"), ("sha256", "sha512"), both),
        row("imprint", imprints, both),
    )


@pytest.mark.parametrize("policy", shipped_policies())
@pytest.mark.parametrize("name", shipped())
def test_today_every_policy_lets_every_shipped_profile_issue_under_a_short_certificate(
    policy: str, name: str
) -> None:
    now = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
    assert not unit_blockers(load_shipped(name), certificate(LAST), load_policy(policy), now)


def test_a_suite_is_forbidden_from_the_first_second_after_its_last_day() -> None:
    short = certificate(LAST)
    assert not unit_blockers(CLASSICAL, short, EU, LAST)
    (blocker,) = unit_blockers(CLASSICAL, short, EU, LAST + SECOND)
    assert (blocker.code, blocker.until) == ("SUITE_FORBIDDEN", "2030-12-31")
    assert blocker.source == "ETSI TS 119 312 V2.1.1 (2026-06) 6.2.2.1"
    assert all(said in blocker.text for said in (blocker.source, blocker.until, "P-256"))


def test_a_certificate_must_not_outlive_its_algorithm_by_a_second() -> None:
    assert not unit_blockers(CLASSICAL, certificate(LAST), EU, BEGINS)
    (blocker,) = unit_blockers(CLASSICAL, certificate(LAST + SECOND), EU, BEGINS)
    assert (blocker.code, blocker.until) == ("CERTIFICATE_OUTLIVES_ALGORITHM", "2030-12-31")
    assert all(said in blocker.text for said in ("2031-01-01T00:00:00Z", "2030-12-31", "6.2.2.1"))


def test_rsa_2048_is_forbidden_for_new_units_before_old_ones_lose_their_worth() -> None:
    old = replace(CLASSICAL, tst=suite("rsa2048-pss-sha256"))
    ends = dt.datetime(2028, 12, 31, 23, 59, 59, tzinfo=dt.UTC)
    assert not unit_blockers(old, certificate(ends), EU, dt.datetime(2026, 12, 31, 23, tzinfo=dt.UTC))
    codes = [
        blocker.code
        for blocker in unit_blockers(
            old, certificate(ends + SECOND), EU, dt.datetime(2027, 1, 1, tzinfo=dt.UTC)
        )
    ]
    assert codes == ["SUITE_FORBIDDEN", "CERTIFICATE_OUTLIVES_ALGORITHM"]


def test_a_suite_that_no_row_names_is_a_blocker() -> None:
    policy = parse_policy("own", own_policy("ml-dsa"))
    (blocker,) = unit_blockers(CLASSICAL, certificate(LAST), policy, BEGINS)
    assert (blocker.code, blocker.source) == ("SUITE_NOT_IN_POLICY", "")


def test_a_policy_that_leaves_no_hash_is_a_blocker() -> None:
    policy = parse_policy("own", own_policy(imprints=("sha224",)))
    (blocker,) = unit_blockers(CLASSICAL, certificate(LAST), policy, BEGINS)
    assert blocker.code == "IMPRINTS_FORBIDDEN"


def test_a_key_stops_on_the_last_day_of_its_suite() -> None:
    end = day_end_us(dt.date(2030, 12, 31))
    assert fit_period(KeyPeriod(0, end + 1), CLASSICAL, EU) == KeyPeriod(0, end)
    assert fit_period(KeyPeriod(0, end - 1), CLASSICAL, EU) == KeyPeriod(0, end - 1)
    assert fit_period(KeyPeriod(0, end + 1), load_shipped("pq"), EU) == KeyPeriod(0, end + 1)


def test_a_folder_of_today_is_served_under_baseline_and_named_row_and_day_refuse_it_under_ts_119_312(
    folder_of: Callable[[str], Prepared],
) -> None:
    folder = folder_of("classical").folder
    assert load_configured_unit(folder, load_config(folder.root, {})).unit
    config = load_config(folder.root, {"TSA_POLICY__ISSUE": "eu-ts119312"})
    with pytest.raises(
        UnitError, match=r"eu-ts119312 forbids: .*until 2030-12-31 \(ETSI TS 119 312 V2\.1\.1"
    ):
        load_configured_unit(folder, config)


def test_a_post_quantum_folder_is_served_under_ts_119_312(folder_of: Callable[[str], Prepared]) -> None:
    folder = folder_of("pq").folder
    config = load_config(folder.root, {"TSA_POLICY__ISSUE": "eu-ts119312"})
    assert load_configured_unit(folder, config).unit.suite.id == "ml-dsa-65"


def test_a_file_beside_the_configuration_cuts_the_key_s_period_and_the_hashes(
    folder_of: Callable[[str], Prepared],
) -> None:
    folder = folder_of("classical").folder
    # Not today's: midnight may come while this runs.
    last = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=1)
    (folder.root / "house.toml").write_text(own_policy(issue_until=str(last)))
    config = load_config(folder.root, {"TSA_POLICY__ISSUE": "house.toml"})
    assert load_configured_unit(folder, config).unit.period.end_us == day_end_us(last)
    rules = issuing_rules(config, CLASSICAL)
    assert rules.imprints == {"sha384", "sha512"}
    for name, answer in (("sha256", status.HASH_REFUSED), ("sha512", None)):
        digest = DIGEST_BY_NAME[name]
        request = TimeStampReq(1, digest.oid, None, bytes(digest.size), None, None, None, True, ())
        assert decide(request, rules) is answer


def test_a_hash_is_refused_from_the_day_after_its_last() -> None:
    profile = replace(CLASSICAL, imprints=("sha224", "sha256"))
    us = load_policy("us")
    assert accepted_imprints(profile, us, LAST) == {"sha224", "sha256"}
    assert accepted_imprints(profile, us, LAST + SECOND) == {"sha256"}


@pytest.mark.parametrize("value", ["absent", "", "config.toml", "a\0b"])
def test_a_policy_that_cannot_be_read_is_fatal(folder_of: Callable[[str], Prepared], value: str) -> None:
    root = folder_of("classical").folder.root
    with pytest.raises(ConfigError, match=r"policy\.issue"):
        load_config(root, {"TSA_POLICY__ISSUE": value})
