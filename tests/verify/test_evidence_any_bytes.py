"""Hostile evidence records: a verdict each, with a reason, within bounds; none proves what it did not.

A hundredth of what `make fuzz` tries, with a seed that never changes.
"""

from __future__ import annotations

import pytest

from kokuin.cli.messages import LANGUAGES
from kokuin.cli.report_text import sentences
from kokuin.trust.context import Context
from kokuin.verify.content import of_octets
from kokuin.verify.inspecting.inspection import inspect_octets
from kokuin.verify.verifying import verify_bytes
from tests.measured import measured
from tests.trust.evidences import DATA, moment, trust, us
from tests.verify.fuzz_records import MODES, PEAK_KIB, run_records
from tests.verify.fuzz_tokens import examine
from tests.verify.record_bombs import BY, HARMLESS, record_bombs

CONTEXT = Context(us(moment(2033)), trust(BY), of_octets(DATA))


def test_400_mutated_records_get_a_verdict_each_and_none_proves_anything_else() -> None:
    run = run_records(seed=4998, count=400)
    assert [what for what, _ in run.violations] == []
    assert sum(run.verdicts.values()) == 400
    for mode in MODES:
        assert run.verdicts[f"{mode} PASSED"] > 10, run.verdicts
    assert len(run.verdicts) > 16, "the inputs reach too few rules"
    assert run.largest[0] <= PEAK_KIB


@pytest.mark.parametrize("name", record_bombs())
def test_a_bomb_gets_a_verdict_within_bounded_memory(name: str) -> None:
    octets = record_bombs()[name]()
    report, _, peak = measured(octets, lambda bomb: verify_bytes(bomb, CONTEXT))
    examine(report)
    assert all(list(sentences(report, lang)) for lang in LANGUAGES)
    assert (report.indication == "PASSED") == (name in HARMLESS)
    assert peak <= PEAK_KIB
    inspect_octets(octets)
