"""One line that shows how far something is: on a terminal, and nowhere else."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def bar(label: str) -> Callable[[int, int], None] | None:
    """Return what shows `done` of `total` beside the label; None when nobody looks."""
    if sys.stderr is None or not sys.stderr.isatty():
        return None
    shown = -1

    def show(done: int, total: int) -> None:
        nonlocal shown
        percent = 100 * done // total if total else 100
        if percent != shown:
            shown = percent
            end = "\n" if done >= total else ""
            line = f"\r[{'#' * (30 * percent // 100):<30}] {percent:3} % {label}"
            print(line, end=end, file=sys.stderr, flush=True)

    return show
