"""Both languages say the same in the same shape; no output claims a standing that no software has."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

from tests.docs.markdown import (
    READMES,
    ROOT,
    code_blocks,
    documents,
    headings,
    links,
    literals,
    prose,
    read,
    tables,
)

ENGLISH, JAPANESE = READMES
PAGES = (READMES, ("docs/integration.md", "docs/integration.ja.md"))
"""Pages that speak both languages."""
PRODUCT = ("kokuin", "pqc", "tsa", "eseal")
MESSAGES = ROOT / "kokuin" / "cli" / "messages"

TERMS = {
    "データフォルダ": "データフォルダー|データ・フォルダ|データディレクトリ",
    "オペレーターキー": "オペレーター鍵|オペレータ鍵|オペレータキー|運用者鍵|運用者キー",
    "タイムスタンプ": "タイム・スタンプ|タイム スタンプ|時刻印",
    "台帳": "元帳|レジャー",
    "フォルダ": "フォルダー",
    "監査者": "監査人|監査員",
    "e シール": "電子シール|eシール",
}
"""One word for one thing, and what else a writer might call it."""

CLAIMS = re.compile(r"認定|適格|\bqualified\b|\baccredited\b", re.IGNORECASE)
"""What only a supervisor or an accreditation body may say of a service."""


def _levels(text: str) -> list[int]:
    return [len(heading) - len(heading.lstrip("#")) for heading in headings(text)]


@pytest.mark.parametrize(("english", "japanese"), PAGES)
def test_both_pages_have_the_same_sections(english: str, japanese: str) -> None:
    assert _levels(read(english)) == _levels(read(japanese))


@pytest.mark.parametrize(("english", "japanese"), PAGES)
def test_both_pages_have_the_same_tables(english: str, japanese: str) -> None:
    ones, others = tables(read(english)), tables(read(japanese))
    assert [(len(table.header), len(table.rows)) for table in ones] == [
        (len(table.header), len(table.rows)) for table in others
    ]
    for ours, theirs in zip(ones, others, strict=True):
        for row, other in zip(ours.rows, theirs.rows, strict=True):
            assert [set(literals(cell)) for cell in row] == [set(literals(cell)) for cell in other]


@pytest.mark.parametrize(("english", "japanese"), PAGES)
def test_both_pages_have_the_same_commands(english: str, japanese: str) -> None:
    assert code_blocks(read(english)) == code_blocks(read(japanese))


@pytest.mark.parametrize(("english", "japanese"), PAGES)
def test_both_pages_name_the_same_files_and_programs(english: str, japanese: str) -> None:
    assert set(literals(prose(read(english)))) == set(literals(prose(read(japanese))))
    only_here = {link.replace(".ja.md", ".md") for link in links(read(japanese))}
    here = Path(english).name
    assert only_here - {here} == {link.replace(".ja.md", ".md") for link in links(read(english))} - {here}


@pytest.mark.parametrize(
    "path", [*(ROOT / page for _, page in PAGES), MESSAGES / "ja.toml"], ids=lambda path: path.name
)
def test_a_thing_has_one_name_in_japanese(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for term, others in TERMS.items():
        assert not re.findall(others, text), term


def _sentences(module: str) -> list[str]:
    """Every text that a module could put out: its strings, docstrings apart."""
    tree = ast.parse(module)
    described = {
        id(statement.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        for statement in node.body
        if isinstance(statement, ast.Expr)
    }
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in described
    ]


def test_no_output_claims_an_accreditation() -> None:
    known = "the request is empty"
    texts = [path.read_text(encoding="utf-8") for name in PRODUCT for path in (ROOT / name).rglob("*.py")]
    # What has no such word anywhere has none in a string: to take all of them apart would last far longer.
    suspects = [module for module in texts if known in module or CLAIMS.search(module)]
    said = [sentence for module in suspects for sentence in _sentences(module)]
    for path in MESSAGES.glob("*.toml"):
        sections = tomllib.loads(path.read_text(encoding="utf-8"))
        said += [sentence for section in sections.values() for sentence in section.values()]
    assert known in said
    assert "the time-stamp is valid" in said
    assert not [sentence for sentence in said if CLAIMS.search(sentence)]


@pytest.mark.parametrize("document", documents())
def test_relative_links_lead_to_files_and_headings(document: str) -> None:
    folder = (ROOT / document).parent
    for target in links(read(document)):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        path = folder / name if name else ROOT / document
        assert path.exists(), target
        assert not anchor or anchor in _anchors(path.read_text(encoding="utf-8")), target


def _anchors(text: str) -> set[str]:
    """Return what headings are linked by: lower case, without marks, a hyphen for every space."""
    plain = (heading.lstrip("# ").lower() for heading in headings(text))
    return {re.sub(r"[^\w -]", "", heading).replace(" ", "-") for heading in plain}


def test_decisions_are_numbered_in_a_row_and_listed() -> None:
    records = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
    listed = links(read("docs/architecture.md"))
    for number, path in enumerate(records, start=1):
        first, _, third = path.read_text(encoding="utf-8").splitlines()[:3]
        assert path.name.startswith(f"{number:04d}-")
        assert first.startswith(f"# {number:04d}. ")
        assert re.fullmatch(r"Date: \d{4}-\d\d-\d\d\. Status: (accepted|superseded by \[.*\]\(.*\))\.", third)
        assert f"adr/{path.name}" in listed, path.name
