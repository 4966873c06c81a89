"""The little of Markdown that the documents use, read for the tests that hold them against the code."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
READMES = ("README.md", "README.ja.md")

_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_TABLE = re.compile(r"(?:^\|.*\|\n)+", re.MULTILINE)
_CELL = re.compile(r"(?<!\\)\|")


@dataclass(frozen=True, slots=True)
class Table:
    """A table's rows of cells; the header apart, the line of dashes left out."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def read(name: str) -> str:
    """Return a document by its path from the top of the repository."""
    return (ROOT / name).read_text(encoding="utf-8")


def documents() -> list[str]:
    """Return the paths of every document that a reader may come upon; the template of ADRs is none."""
    found = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("conformance/*.md")]
    found += ROOT.glob("keys/**/*.md")
    return sorted(str(path.relative_to(ROOT)) for path in found if path.name != "template.md")


def code_blocks(text: str) -> list[str]:
    """Return the fenced blocks, without their comments: those are in the document's own language."""
    return [re.sub(r"\s*#.*", "", block) for block in _FENCE.findall(text)]


def prose(text: str) -> str:
    """Return the document without its fenced blocks."""
    return _FENCE.sub("", text)


def headings(text: str) -> list[str]:
    """Return the headings with their marks."""
    return re.findall(r"^#+ .*$", prose(text), re.MULTILINE)


def tables(text: str) -> list[Table]:
    """Return every table in order."""
    found = []
    for block in _TABLE.findall(prose(text)):
        header, _, *rows = (_cells(line) for line in block.splitlines())
        found.append(Table(header, tuple(rows)))
    return found


def table_from(text: str, first: str) -> Table:
    """Return the table whose first cell begins with `first`."""
    (table,) = (table for table in tables(text) if table.rows[0][0].startswith(first))
    return table


def literals(text: str) -> list[str]:
    """Return what stands between backquotes."""
    return re.findall(r"`([^`]+)`", text)


def links(text: str) -> list[str]:
    """Return the targets of links."""
    return re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", prose(text))


def _cells(line: str) -> tuple[str, ...]:
    return tuple(cell.strip() for cell in _CELL.split(line)[1:-1])
