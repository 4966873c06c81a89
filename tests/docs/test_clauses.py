"""Every test that a document names exists, and `docs/clauses.md` has every clause that the code cites."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest

from tests.docs.markdown import ROOT, documents, literals, read, tables

CLAUSES = "docs/clauses.md"
STATES = {"covered", "configuration", "organisational", "not in this release"}
STANDARDS = (
    r"(?:RFC (?:3161|4998|5280|5816|6960|6962|9162|9180|9629|9763|9814|9881|9882|9909|9936)"
    r"|EN 319 (?:102-1|401|42[12])"
    r"|CIR \(EU\) 2025/2531|FIPS 20[345]|draft-ietf-lamps-(?:pq|cms)-composite-sigs-\d\d)"
)
"""Whatever clause of them the code cites has a row."""
WHOLE = r"(?:RFC 9618|TS 119 312|TS 119 322|CycloneDX 1\.7|C2SP (?:signed-note|tlog-[a-z]+))"
"""What is followed as a whole."""
PRODUCT = ("kokuin", "pqc", "tsa", "eseal")

ROWS = [row for table in tables(read(CLAUSES)) for row in table.rows]


@cache
def _tests(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize("document", [name for name in documents() if "tests/" in read(name)])
def test_every_test_that_a_document_names_exists(document: str) -> None:
    for named in literals(read(document)):
        if named.startswith("tests/") and ".py" in named:
            path, _, test = named.partition("::")
            assert (ROOT / path).is_file(), named
            assert not test or test in _tests(path), named


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]}: {row[1]}")
def test_a_row_has_a_state_and_what_shows_it(row: tuple[str, ...]) -> None:
    clause, rule, state, shown = row
    assert re.match(rf"{STANDARDS} (§[\dA]|(?:TIS|OVR|REQ)-\d)|{WHOLE}$", clause)
    assert rule
    assert state in STATES
    named = re.findall(r"`tests/[a-z0-9_/]+\.py::test_[a-z0-9_]+`", shown)
    if state == "covered":
        assert named
        assert not re.sub(r"`[^`]*`|, ", "", shown)
    else:
        assert not named
    assert shown or state == "organisational"


def test_no_rule_is_written_down_twice() -> None:
    assert len({row[:2] for row in ROWS}) == len(ROWS)


def test_every_clause_that_the_code_cites_has_a_row() -> None:
    cited = {
        f"{standard} {clause}"
        for name in PRODUCT
        for path in (ROOT / name).rglob("*.py")
        for standard, clause in re.findall(
            rf"({STANDARDS}) (§A|(?:§|TIS-|OVR-|REQ-)\d+(?:\.\d+)*(?:-\d+)?)",
            path.read_text(encoding="utf-8"),
        )
    }
    assert len(cited) > 40
    listed = [row[0] for row in ROWS]
    for citation in cited:
        # EN 319 421 numbers its rules below the clause: §7.6 is TIS-7.6.
        wanted = citation.replace("EN 319 421 §", "EN 319 421 TIS-")
        assert any(clause.startswith(wanted) for clause in listed), citation


def test_every_c2sp_document_that_the_code_cites_has_a_row_and_the_commit_is_named_alike() -> None:
    texts = [path.read_text(encoding="utf-8") for name in PRODUCT for path in (ROOT / name).rglob("*.py")]
    cited = {found for text in texts for found in re.findall(r"C2SP (?:signed-note|tlog-[a-z]+)", text)}
    assert cited == {row[0] for row in ROWS if row[0].startswith("C2SP ")}
    (commit,) = re.findall(r"`([0-9a-f]{40})`", read(CLAUSES))
    decision = read("docs/adr/0014-one-tree-grown-in-the-append.md")
    assert f"C2SP tlog-cosignature at commit {commit[:7]})" in decision
