"""What import-linter does not hold: inside a room, too, imports have one direction."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
ROOMS = ("kokuin", "pqc", "tsa", "eseal")


def modules() -> dict[str, Path]:
    files = (file for room in ROOMS for file in (ROOT / room).rglob("*.py"))
    return {".".join(file.relative_to(ROOT).with_suffix("").parts): file for file in files}


def imported(file: Path) -> Iterator[str]:
    """Whatever a module imports: at its head, for its types alone, or within a function."""
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Of two that do, neither can be understood, tried or moved without the other."""
    found = modules()
    assert len(found) > len(ROOMS)
    graph = {name: {other for other in imported(file) if other in found} for name, file in found.items()}
    TopologicalSorter(graph).prepare()  # a CycleError names the circle
