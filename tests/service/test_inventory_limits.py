"""What policies give a single thing: the usage that counts, the days of change, what nobody knows."""

from __future__ import annotations

import datetime as dt

import pytest

from kokuin.service.migration.assets import AssetKind, Decided, Facts, State, judge, rank
from kokuin.service.migration.limits import changes_of, limits_of, to_moment, to_us
from pqc.policies import NEVER, Role, Subject, Suitability, Usage, load_policy, shipped_policies
from pqc.suites import SUITES
from tests.service.inventories import NOW

POLICIES = [load_policy(name) for name in shipped_policies()]
P256 = Subject.of_suite(SUITES["ecdsa-p256-sha256"])


def _facts(*subjects: Subject, **more: object) -> Facts:
    return Facts("x", AssetKind.SUITE, "x", State.IN_USE, subjects=subjects, **more)  # type: ignore[arg-type]  # the test says which


def test_a_stored_secret_is_judged_by_what_may_be_made_today() -> None:
    # Old ciphertexts may be opened for ever, yet whoever copied one today needs only to wait.
    stored = Subject.of_mechanism("x25519", Role.STORED_KEY)
    asset = judge(_facts(stored), POLICIES, NOW, 10)
    assert (asset.years_left, asset.urgency) == (0.0, 10.0)
    limits = {each.usage: each for each in asset.limits if each.policy == "eu-ts119312"}
    assert limits[Usage.ISSUE].last == NEVER
    assert limits[Usage.VERIFY].last is None


def test_the_same_group_on_its_way_is_judged_by_its_last_day() -> None:
    asset = judge(_facts(Subject.of_mechanism("x25519")), POLICIES, NOW, 10)
    assert asset.years_left == pytest.approx((dt.date(2031, 1, 1) - NOW.date()).days / 365.25, abs=0.01)


@pytest.mark.parametrize(
    "name", ["ecdsa-p256-sha256", "rsa3072-pkcs1-sha256", "ml-dsa-65", "rsa2048-pss-sha256"]
)
def test_changes_are_those_that_the_policies_say_day_by_day(name: str) -> None:
    subject = Subject.of_suite(SUITES[name])
    for policy in POLICIES:
        for usage in Usage:
            expected = []
            year = {day: policy.judge(subject, usage, to_us(day)).status for day in _days()}
            for (day, before), after in zip(year.items(), list(year.values())[1:], strict=False):
                if before is not after:
                    expected.append((day.date(), before, after))  # clearer than nested
            found = [
                (each.last, each.before, each.after) for each in changes_of([subject], policy, usage, NOW)
            ]
            assert found == expected


def _days() -> list[dt.datetime]:
    """Noon of the days around every turn of a year: shipped rows end nowhere else."""
    turns = [(dt.date(year, 12, 31), dt.date(year + 1, 1, 1)) for year in range(2026, 2075)]
    return [dt.datetime(day.year, day.month, day.day, 12, tzinfo=dt.UTC) for turn in turns for day in turn]


def test_the_row_that_ends_first_is_the_one_that_is_cited() -> None:
    # Of SHA-224 with a key that lasts, the hash's row ends first.
    parts = (Subject.of_suite(SUITES["ml-dsa-65"]), Subject.of_hash("sha224", Role.SIGNATURE_DIGEST))
    (limit,) = [
        each for each in limits_of(parts, [load_policy("jp-cryptrec")], NOW) if each.usage is Usage.VERIFY
    ]
    assert limit.last == dt.date(2030, 12, 31)
    assert "112 bits" in limit.source
    assert limit.status is Suitability.LEGACY


def test_what_no_policy_knows_is_ranked_as_if_no_year_were_left() -> None:
    unknown = judge(_facts(Subject(Role.SIGNATURE, "nobody-knows")), POLICIES, NOW, 10)
    urgent = judge(_facts(Subject.of_mechanism("x25519", Role.STORED_KEY)), POLICIES, NOW, 12)
    dated = judge(_facts(P256), POLICIES, NOW, 10)
    open_ended = judge(_facts(P256), [load_policy("baseline")], NOW, 10)
    assert (unknown.decided_by, open_ended.decided_by) == (Decided.UNKNOWN, Decided.OPEN)
    assert rank([open_ended, dated, unknown, urgent], 10) == (urgent, unknown, dated, open_ended)


def test_one_policy_that_does_not_know_it_does_not_hide_the_others() -> None:
    # ETSI and the draft of NIST have no row for secp256k1; CRYPTREC ends it with 2050.
    subject = Subject(Role.SIGNATURE, "ecdsa", "secp256k1", 256)
    asset = judge(_facts(subject), POLICIES, NOW, 10)
    assert asset.decided_by == "jp-cryptrec"
    assert {each.policy for each in asset.limits if each.status is Suitability.UNKNOWN} == {
        "eu-ts119312",
        "us",
    }


@pytest.mark.parametrize(
    ("microseconds", "year"), [(2**63, dt.MAXYEAR), (-(2**63), dt.MINYEAR), (10**30, dt.MAXYEAR)]
)
def test_a_moment_beyond_the_calendar_ends_no_inventory(microseconds: int, year: int) -> None:
    assert to_moment(microseconds).year == year
