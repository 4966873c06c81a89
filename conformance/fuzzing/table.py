"""The table that `make fuzz` prints: what was measured beside what is allowed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

FLAT_KIB = 16 * 1024
"""How much resident memory may move without growing: allocators and caches, not the inputs."""


class Table:
    """Lines of a table, and whether every one of them held."""

    def __init__(self) -> None:
        self.failed = 0

    def line(self, what: str, found: str, allowed: str, *, good: bool) -> None:
        """Print one measurement."""
        self.failed += not good
        print(f"{'ok  ' if good else 'FAIL'}  {what:<44} {found:<34} {allowed}", flush=True)

    def memory(self, what: str, rss_kib: tuple[int, int]) -> None:
        """Print resident memory after the warm-up and at the end, KiB."""
        before, after = rss_kib
        found = f"{before / 1024:.1f} -> {after / 1024:.1f} MiB"
        allowed = f"+{FLAT_KIB / 1024:.0f} MiB"
        self.line(f"{what}: resident memory", found, allowed, good=after - before <= FLAT_KIB)

    def violations(self, found: Sequence[str]) -> None:
        """Print the first of what should not have happened."""
        for violation in found[:10]:
            print(f"      {violation}")
        if len(found) > 10:
            print(f"      and {len(found) - 10} more")


def at(ordered: Sequence[float], part: float) -> str:
    """Return that quantile of times in seconds as milliseconds."""
    return f"{ordered[min(int(len(ordered) * part), len(ordered) - 1)] * 1e3:.2f}" if ordered else "-"
