"""Mutated tokens and bombs against `tsa verify`, a process a core: a verdict each, within time and memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.fuzzing.shares import Bounds, Kept, in_shares, tell
from tests.verify.fuzz_tokens import PEAK_KIB, contexts, examine, judge_measured, run_tokens
from tests.verify.token_bombs import token_bombs
from tests.verify.token_seeds import QUICK_CHAIN, make_seeds

if TYPE_CHECKING:
    from pathlib import Path

    from conformance.fuzzing.table import Table

ONE = Bounds(0.05, PEAK_KIB)
"""What one judgement may cost."""
BOMB_S = 2.0
"""Processor time of the worst octets that anybody may think of, seconds: up to 16 MiB, or 60 keys to try."""


def fuzz_tokens(table: Table, count: int, seed: int, keep: Path | None) -> None:
    """Judge `count` mutated tokens, a share of them in each process, and print what came of it.

    Args:
        table: where to print.
        count: tokens, in all processes together.
        seed: of the mutations; keys and signatures are new in every run.
        keep: folder for the inputs that did what they should not.
    """
    done = in_shares(run_tokens, count, seed, make_seeds())
    tell(table, "tokens", "a verdict and a whole report each", done, ONE, Kept(keep, ".der"))


def fuzz_token_bombs(table: Table) -> None:
    """Judge what costs most, and print what it costs."""
    context, *_ = contexts(make_seeds((QUICK_CHAIN.id,)))
    for name, make in token_bombs().items():
        report, cost, peak = judge_measured(make(), context)
        examine(report)
        good = cost <= BOMB_S and peak <= PEAK_KIB
        allowed = f"<= {BOMB_S * 1e3:.0f} ms, {PEAK_KIB // 1024} MiB"
        table.line(f"token bomb: {name}", f"{cost * 1e3:.1f} ms, {peak / 1024:.1f} MiB", allowed, good=good)
