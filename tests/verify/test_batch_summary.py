"""What a batch comes to: totals, causes, what did not pass, and when the rest no longer will."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

import pytest

from kokuin.trust.report import Indication
from kokuin.verify import batch_summary
from kokuin.verify.batch import judge_batch
from kokuin.verify.batch_items import walk
from kokuin.verify.batch_journal import Journal
from kokuin.verify.batch_judge import PassedOver
from kokuin.verify.batch_summary import Tally
from kokuin.verify.batch_table import COLUMNS, csv_lines
from tests.verify.batches import fill, terms

if TYPE_CHECKING:
    from pathlib import Path


def line(name: str = "a.tsr", indication: str = "PASSED", **changes: Any) -> dict[str, Any]:
    found = dict.fromkeys((*COLUMNS, "sub_indication", "check", "reason", "expected", "verifiable_until"))
    return {**found, "token": name, "indication": indication, "limits": [], **changes}


def end(time: str, cause: str = "UNIT_EXPIRES", certificate: str = "CN=Unit") -> dict[str, Any]:
    return {"time": time, "cause": cause, "params": {"certificate": certificate}}


def summed(*lines: dict[str, Any]) -> dict[str, Any]:
    tally = Tally()
    for each in lines:
        tally.add(each)
    return tally.summary()


@pytest.mark.parametrize(
    ("found", "worst"),
    [
        ([], "INDETERMINATE"),
        (["PASSED", "PASSED"], "PASSED"),
        (["PASSED", "INDETERMINATE", "PASSED"], "INDETERMINATE"),
        (["FAILED", "INDETERMINATE", "PASSED"], "FAILED"),
    ],
)
def test_the_whole_is_as_good_as_its_worst_and_of_nothing_nothing_is_known(
    found: list[str], worst: str
) -> None:
    assert summed(*(line(indication=each) for each in found))["indication"] == worst


def test_causes_are_counted_the_most_frequent_first() -> None:
    failed = {"sub_indication": "HASH_FAILURE", "check": "imprint", "reason": "CONTENT_DIFFERS"}
    other = {"sub_indication": "FORMAT_FAILURE", "check": "format", "reason": "UNREADABLE"}
    lines = [line("x", "FAILED", **other), *(line(f"{n}", "FAILED", **failed) for n in range(3)), line()]
    summary = summed(*lines)
    assert summary["causes"] == [
        {"indication": "FAILED", **failed, "tokens": 3},
        {"indication": "FAILED", **other, "tokens": 1},
    ]
    assert summary["not_passed_total"] == 4
    assert [each["token"] for each in summary["not_passed"]] == ["x", "0", "1", "2"]


def test_the_calendar_says_how_many_end_in_which_month_and_why() -> None:
    summary = summed(
        line("d", verifiable_until=end("2031-03-01T00:00:00Z")),
        line("a", verifiable_until=end("2030-12-31T23:59:59.999999Z", "ALGORITHM_ENDS")),
        line("b", verifiable_until=end("2030-12-31T23:59:59Z")),
        line("c", verifiable_until=end("2030-12-31T23:59:59Z")),
        line("e"),
        line("f", "FAILED"),
    )
    assert summary["calendar"] == [
        {"month": "2030-12", "tokens": 3, "causes": {"ALGORITHM_ENDS": 1, "UNIT_EXPIRES": 2}},
        {"month": "2031-03", "tokens": 1, "causes": {"UNIT_EXPIRES": 1}},
    ]
    assert summary["without_end"] == 1
    assert [(each["first"], each["tokens"]) for each in summary["earliest"]] == [("b", 2), ("a", 1), ("d", 1)]


def test_only_so_many_files_and_ends_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_summary, "LISTED", 3)
    ends = [end(f"20{year}-01-01T00:00:00Z") for year in (50, 40, 30, 45, 35, 50, 30)]
    summary = summed(
        *(line(f"f{number}", "FAILED", expected="PASSED") for number in range(5)),
        *(line(f"p{number}", verifiable_until=each) for number, each in enumerate(ends)),
    )
    assert [each["token"] for each in summary["not_passed"]] == ["f0", "f1", "f2"]
    assert len(summary["unexpected"]) == 3
    assert summary["not_passed_total"] == summary["unexpected_total"] == 5
    found = [(each["time"][:4], each["tokens"], each["first"]) for each in summary["earliest"]]
    assert found == [("2030", 2, "p2"), ("2035", 1, "p4"), ("2040", 1, "p1")]
    assert sum(month["tokens"] for month in summary["calendar"]) == len(ends)


def test_what_was_passed_over_is_counted_by_kind() -> None:
    tally = Tally()
    for kind in (*PassedOver, PassedOver.DATA):
        tally.pass_over(kind)
    assert tally.summary()["passed_over"] == {"outside": 1, "data": 2, "proof": 1, "evidence": 1, "other": 1}


def test_the_table_has_a_row_for_every_line_of_the_journal(tmp_path: Path) -> None:
    fill(tmp_path / "archive", 5)
    (tmp_path / "archive" / "bad.tsr").touch()
    with Journal.begin(tmp_path / "results", {}) as journal:
        judge_batch(walk(tmp_path / "archive"), terms(tmp_path / "archive"), 1, journal)
        lines = [found for _, found in journal.lines()]
        table = b"".join(csv_lines(lines))
    rows = list(csv.DictReader(io.StringIO(table.decode("utf-8-sig"), newline="")))
    assert [row["token"] for row in rows] == [each["token"] for each in lines]
    assert [row["indication"] for row in rows] == [Indication.FAILED, *[Indication.PASSED] * 5]
    assert rows[1]["verifiable_until"] == lines[1]["verifiable_until"]["time"]
    assert rows[1]["ends"] == "UNIT_EXPIRES"
    assert all(set(row) == set(COLUMNS) and None not in row.values() for row in rows)


@pytest.mark.parametrize("name", ["=cmd()", "+1", "-1", "@x", "\tx", "\r=x"])
def test_a_file_named_like_a_formula_is_none_in_a_spreadsheet(name: str) -> None:
    table = b"".join(csv_lines([line(name, signer=name)])).decode("utf-8-sig")
    (row,) = csv.DictReader(io.StringIO(table, newline=""))
    assert row["token"] == row["signer"] == "'" + name


def test_a_name_that_is_no_utf_8_does_not_stop_the_table() -> None:
    table = b"".join(csv_lines([line("\udcff.tsr"), line("請求書.tsr")]))
    assert "\\udcff.tsr" in table.decode("utf-8-sig")
    assert "請求書.tsr" in table.decode("utf-8-sig")
