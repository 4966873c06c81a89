"""The plan by date: whose word ends what, what follows, how many tokens wait, and what is not known."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING

import pytest

from kokuin.cli.messages import LANGUAGES
from kokuin.cli.roadmap_page import page
from kokuin.service.migration.assets import Note
from kokuin.service.migration.roadmap import Act, Milestone, roadmap
from tests.service.inventories import take, token, unit_digest, write

if TYPE_CHECKING:
    from collections.abc import Callable

    from kokuin.service.datafolder import DataFolder
    from kokuin.service.migration.inventory import Inventory
    from tests.service.running import Prepared

END_2030 = dt.date(2030, 12, 31)


@pytest.fixture
def folder(folder_of: Callable[[str], Prepared]) -> DataFolder:
    found = folder_of("classical").folder
    digest = unit_digest(found)
    write(
        found,
        [
            *(token(each, "classical", "ecdsa-p256-sha256", "sha256", digest) for each in range(4)),
            *(token(each, "pq", "ml-dsa-65", "sha512", "ab" * 32) for each in range(4, 7)),
            token(7, "old", "gone-1024", "whirlpool", "cd" * 32),
        ],
    )
    return found


def _of(made: Inventory, act: Act, policy: str = "") -> list[Milestone]:
    return [each for each in roadmap(made).milestones if each.act is act and each.policy == policy]


def test_a_suite_s_last_day_names_the_row_and_the_profiles_that_outlast_it(folder: DataFolder) -> None:
    (found,) = _of(take(folder), Act.SWITCH, "eu-ts119312")
    assert found.last == END_2030
    assert found.names == ("ecdsa-p256-sha256",)
    assert found.source.startswith("ETSI TS 119 312 V2.1.1")
    assert not found.draft
    assert "pq" in found.profiles
    assert not {"classical", "classical-rsa", "bundle"} & set(found.profiles)
    # What is published stands before what is a draft.
    assert found.profiles.index("pq") < found.profiles.index("composite")
    assert "pq" in found.unready


def test_no_profile_is_named_when_none_is_fit_for_as_long_as_is_needed(folder: DataFolder) -> None:
    (found,) = [
        each
        for each in _of(take(folder, "jp-cryptrec", years=60), Act.SWITCH, "jp-cryptrec")
        if "ecdsa-p256-sha256" in each.names
    ]
    assert found.profiles == ()


def test_a_row_of_a_draft_is_marked(folder: DataFolder) -> None:
    (found,) = _of(take(folder), Act.SWITCH, "us")
    assert found.draft
    assert "IR 8547" in found.source


def test_tokens_to_renew_are_counted_by_the_first_thing_that_ends(folder: DataFolder) -> None:
    found = {each.last: each for each in _of(take(folder), Act.RENEW, "eu-ts119312")}
    assert found[END_2030].tokens == 4
    assert found[END_2030].names == ("ecdsa-p256-sha256",)
    # ETSI ends neither ML-DSA nor SHA-512, and says nothing of what nobody knows.
    assert list(found) == [END_2030]
    japan = {each.last.year: each.tokens for each in _of(take(folder, years=60), Act.RENEW, "jp-cryptrec")}
    assert japan == {2050: 4, 2070: 3}


def test_a_token_that_nobody_needs_any_more_is_not_to_be_renewed(folder: DataFolder) -> None:
    assert _of(take(folder, years=10), Act.RENEW, "jp-cryptrec") == []
    assert {each.last.year for each in _of(take(folder, years=30), Act.RENEW, "jp-cryptrec")} == {2050}
    assert {each.tokens for each in _of(take(folder, years=10), Act.CERTIFICATE_ENDS)} == {0}


def test_a_certificate_that_outlives_its_algorithm_is_to_be_replaced(folder: DataFolder) -> None:
    found = _of(take(folder), Act.REPLACE_CERTIFICATE, "eu-ts119312")
    assert {each.last for each in found} == {END_2030}
    assert any("unit" in name for each in found for name in each.names)
    assert not _of(take(folder, "baseline"), Act.REPLACE_CERTIFICATE, "baseline")


def test_ends_of_key_and_certificate_are_in_the_plan(folder: DataFolder) -> None:
    made = take(folder, "baseline", years=20)
    (key,) = _of(made, Act.KEY_ENDS)
    assert key.names == ("unit-classical",)
    tokens = {each.tokens for each in _of(made, Act.CERTIFICATE_ENDS)}
    assert tokens == {4}
    assert all(key.last < each.last for each in _of(made, Act.CERTIFICATE_ENDS))


def test_the_plan_is_in_order_of_date(folder: DataFolder) -> None:
    days = [each.last for each in roadmap(take(folder)).milestones]
    assert days == sorted(days)
    assert len(days) > 8


def test_what_is_over_stays_in_the_plan_as_overdue(folder: DataFolder) -> None:
    late = dt.datetime(2033, 1, 1, tzinfo=dt.UTC)
    made = take(folder, "eu-ts119312", now=late)
    plan = roadmap(made)
    assert END_2030 in {each.last for each in plan.milestones if each.act is Act.SWITCH}
    assert "2030-12-31 (overdue)" in page(made, plan, "en")


def test_what_no_policy_knows_and_nobody_can_see_is_listed(folder: DataFolder) -> None:
    plan = roadmap(take(folder))
    assert {"gone-1024", "whirlpool"} <= set(plan.unjudged["eu-ts119312"])
    assert Note.PROXY_UNKNOWN in {note for note, _ in plan.notes}
    assert "mldsa65-ecdsa-p256-sha512" in plan.drafts


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_page_is_a_table_of_six_columns_in_order_with_its_sources(folder: DataFolder, lang: str) -> None:
    made = take(folder)
    plan = roadmap(made)
    text = page(made, plan, lang)
    rows = [line for line in text.splitlines() if re.match(r"\| \d{4}-", line)]
    assert len(rows) == len(plan.milestones)
    for row, milestone in zip(rows, plan.milestones, strict=True):
        cells = re.split(r"(?<!\\)\|", row)[1:-1]
        assert len(cells) == 6
        assert cells[1].strip() == milestone.policy
        assert cells[4].strip() == (str(milestone.tokens) if milestone.tokens else "")
    for word in ("V2.1.1", "LS-0003", "gone-1024", "whirlpool"):
        assert word in text
    text.encode("cp932")


def test_both_pages_say_the_same_days_policies_and_counts(folder: DataFolder) -> None:
    made = take(folder)
    plan = roadmap(made)
    english, japanese = (
        [re.split(r"(?<!\\)\|", line) for line in page(made, plan, lang).splitlines() if line[:3] == "| 2"]
        for lang in LANGUAGES
    )
    assert [(row[1], row[2], row[3], row[5]) for row in english] == [
        (row[1], row[2], row[3], row[5]) for row in japanese
    ]


def test_a_name_in_a_certificate_is_no_markup(folder: DataFolder) -> None:
    made = take(folder)
    evil = Milestone(END_2030, Act.KEY_ENDS, ("CN=a|b](http://x) <script>",))
    plan = roadmap(made)
    text = page(made, type(plan)((evil,), (), {}, ()), "en")
    (row,) = (line for line in text.splitlines() if line.startswith("| 2030"))
    assert len(re.split(r"(?<!\\)\|", row)) == 8
    assert "\\<script\\>" in row
