"""Mutated evidence records and bombs against `tsa verify`: alone, beside tokens and within them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.fuzzing.shares import Bounds, Kept, in_shares, tell
from kokuin.trust.context import Context
from kokuin.verify.content import of_octets
from kokuin.verify.verifying import verify_bytes
from tests.measured import measured
from tests.trust.evidences import DATA, moment, trust, us
from tests.verify.fuzz_records import PEAK_KIB, run_records
from tests.verify.fuzz_tokens import examine
from tests.verify.record_bombs import BY, record_bombs

if TYPE_CHECKING:
    from pathlib import Path

    from conformance.fuzzing.table import Table

ONE = Bounds(0.1, PEAK_KIB)
"""What one judgement may cost: of a token, a record and its time-stamps."""
BOMB_S = 3.0
"""Processor time of the worst record that anybody may think of, seconds."""


def fuzz_records(table: Table, count: int, seed: int, keep: Path | None) -> None:
    """Judge `count` mutated records, a share of them in each process, and print what came of it.

    Args:
        table: where to print.
        count: records, in all processes together.
        seed: of the mutations; keys and signatures are new in every run.
        keep: folder for the inputs that did what they should not.
    """
    done = in_shares(run_records, count, seed)
    tell(table, "evidence", "a verdict, nothing else proven", done, ONE, Kept(keep, ".er"))


def fuzz_record_bombs(table: Table) -> None:
    """Judge what costs most, and print what it costs."""
    context = Context(us(moment(2033)), trust(BY), of_octets(DATA))
    for name, make in record_bombs().items():
        report, cost, peak = measured(make(), lambda bomb: verify_bytes(bomb, context))
        examine(report)
        good = cost <= BOMB_S and peak <= PEAK_KIB
        allowed = f"<= {BOMB_S * 1e3:.0f} ms, {PEAK_KIB // 1024} MiB"
        found = f"{cost * 1e3:.1f} ms, {peak / 1024:.1f} MiB"
        table.line(f"evidence bomb: {name}", found, allowed, good=good)
