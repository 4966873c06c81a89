"""A hundredth of what `make fuzz` tries on tokens, with a seed that never changes."""

from __future__ import annotations

import pytest

from tests.verify.fuzz_tokens import PEAK_KIB, contexts, examine, judge_measured, run_tokens
from tests.verify.token_bombs import token_bombs
from tests.verify.token_seeds import EVERY, make_seeds

SLOW = {"rsa4096-pkcs1-sha384", "rsa4096-pss-sha384", "slh-dsa-sha2-256s"}
"""Their keys or signatures take seconds, and they have smaller sisters."""


def test_5000_mutated_tokens_get_a_verdict_each_within_bounded_memory() -> None:
    seeds = make_seeds(tuple(suite_id for suite_id in EVERY if suite_id not in SLOW))
    run = run_tokens(seeds, seed=3161, count=5_000)
    assert [what for what, _ in run.violations] == []
    assert sum(run.verdicts.values()) == 5_000
    assert run.verdicts["PASSED"] > 50
    assert len(run.verdicts) > 8, "the inputs reach too few rules"


@pytest.mark.parametrize("name", token_bombs())
def test_a_bomb_gets_a_verdict_within_bounded_memory(name: str) -> None:
    context, *_ = contexts(make_seeds(("ecdsa-p256-sha256",)))
    report, _, peak = judge_measured(token_bombs()[name](), context)
    examine(report)
    assert peak <= PEAK_KIB
