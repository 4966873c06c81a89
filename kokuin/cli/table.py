"""Tables on a terminal: a line of headings, a line a row, columns as wide as what stands in them."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_GAP = 2


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table; characters that would act on the terminal are replaced.

    Args:
        headings: one a column.
        rows: as many cells each as there are headings.
    """
    lines = [[_shown(cell) for cell in row] for row in (headings, *rows)]
    widths = [max(map(_width, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        padded = (
            cell + " " * (width - _width(cell) + _GAP) for cell, width in zip(line, widths, strict=True)
        )
        yield "".join(padded).rstrip()


def _shown(cell: str) -> str:
    # Attack: a name with escape sequences or characters that turn the direction of writing.
    return "".join(each if each.isprintable() or each == "\u3000" else "\ufffd" for each in cell)


def _width(cell: str) -> int:
    """Return how many columns a terminal needs: two for a character of Japanese."""
    return sum(
        0 if unicodedata.combining(each) else 1 + (unicodedata.east_asian_width(each) in "WF")
        for each in cell
    )
