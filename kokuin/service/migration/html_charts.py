"""Charts of a dry run's page as inline SVG: bars with their numbers beside them, legible without colour."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH = 720
_LABEL, _NUMBER, _ROW, _BAR = 190, 130, 26, 16
_ROOM = WIDTH - _LABEL - _NUMBER


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its label, its length in some unit, the number as it is to be read, and its class."""

    label: str
    value: float
    shown: str
    style: str


@dataclass(frozen=True, slots=True)
class Stack:
    """One bar of several parts, each a class and a value."""

    label: str
    parts: tuple[tuple[str, float], ...]
    shown: str


def bars(title: str, rows: Sequence[Bar]) -> str:
    """Draw bars below each other on one scale.

    Args:
        title: what a screen reader says of the chart.
        rows: at least one.
    """
    longest = max((row.value for row in rows), default=0.0) or 1.0
    drawn = [
        _rect(_LABEL, number, _ROOM * row.value / longest, row.style) + _texts(number, row.label, row.shown)
        for number, row in enumerate(rows)
    ]
    return _svg(title, len(rows), drawn)


def stacks(title: str, rows: Sequence[Stack]) -> str:
    """Draw bars whose parts follow each other, on one scale."""
    longest = max((sum(value for _, value in row.parts) for row in rows), default=0.0) or 1.0
    drawn = []
    for number, row in enumerate(rows):
        at = float(_LABEL)
        for style, value in row.parts:
            width = _ROOM * value / longest
            drawn.append(_rect(at, number, width, style))
            at += width
        drawn.append(_texts(number, row.label, row.shown))
    return _svg(title, len(rows), drawn)


def _svg(title: str, rows: int, drawn: Sequence[str]) -> str:
    said = escape(title)
    return (
        f'<svg role="img" aria-label="{said}" viewBox="0 0 {WIDTH} {rows * _ROW + 4}">'
        f"<title>{said}</title>{''.join(drawn)}</svg>"
    )


def _rect(at: float, row: int, width: float, style: str) -> str:
    # A line at least: what is there must be seen.
    shown = max(width, 1.0)
    top = row * _ROW + (_ROW - _BAR) // 2
    return f'<rect class="{style}" x="{at:.1f}" y="{top}" width="{shown:.1f}" height="{_BAR}"/>'


def _texts(row: int, label: str, shown: str) -> str:
    base = row * _ROW + 18
    return (
        f'<text x="{_LABEL - 8}" y="{base}" text-anchor="end">{escape(label)}</text>'
        f'<text x="{WIDTH - _NUMBER + 8}" y="{base}">{escape(shown)}</text>'
    )
