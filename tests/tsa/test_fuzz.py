from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokuin.service.issuers import NO_PROFILE
from kokuin.service.responder import Responder
from kokuin.wire.tsp import read_timestamp_request
from tests import peers
from tests.mutators import Mutator
from tests.requests import bombs, foreign_requests, valid_requests
from tests.tsa.fuzz_in_process import ANYBODY, LeafCounter, make_issuer, run_in_process
from tsa import request as request_module
from tsa.request import read_request
from tsa.status import FailInfo, Refusal

if TYPE_CHECKING:
    from kokuin.service.issuing import Issuer

SEEDS = valid_requests("1.3.6.1.4.1.32473.1")


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Issuer:
    return make_issuer(tmp_path_factory.mktemp("fuzz") / "data")


def test_2000_mutated_requests_are_answered_and_recorded_only_when_granted(issuer: Issuer) -> None:
    mutator = Mutator(valid_requests(issuer.rules.policy), seed=3161)
    run = run_in_process(issuer, iter(mutator.next, None), 2_000)
    assert run.violations == []
    assert run.outcomes["GRANTED"] > 50
    assert len(run.outcomes) > 8, "the inputs reach too few rules"


def test_foreign_requests_and_their_mutants_are_answered(issuer: Issuer) -> None:
    seeds = foreign_requests(peers.corpus())
    if not seeds:
        pytest.skip("the corpus holds no request")
    mutator = Mutator(seeds, seed=5816)
    run = run_in_process(issuer, iter([*seeds, *(mutator.next() for _ in range(300))]), len(seeds) + 300)
    assert run.violations == []


@pytest.mark.parametrize("name", bombs())
def test_a_bomb_is_refused_before_it_can_cost_anything(name: str) -> None:
    answer = read_request(bombs()[name])
    assert isinstance(answer, Refusal)
    assert answer.fail_info is FailInfo.BAD_DATA_FORMAT


@given(seed=st.integers(0, 2**32))
def test_the_fast_reader_reads_nothing_otherwise_than_the_tolerant_one(seed: int) -> None:
    mutator = Mutator(SEEDS, seed)
    for _ in range(20):
        octets = mutator.next()
        fast = request_module._read_fast(octets)
        if fast is not None:
            assert fast == read_timestamp_request(octets), octets.hex()


def test_the_fast_reader_takes_what_clients_send() -> None:
    common = [octets for octets in SEEDS if len(octets) < 130 and b"\xa0" not in octets[-60:]]
    taken = [octets for octets in common if request_module._read_fast(octets) is not None]
    assert len(taken) > len(SEEDS) // 3
    for octets in taken:
        assert request_module._read_fast(octets) == read_timestamp_request(octets)


def test_every_single_octet_change_of_a_request_is_read_alike_by_both_readers() -> None:
    for octets in (SEEDS[13], SEEDS[57]):
        for at in range(len(octets)):
            for value in range(256):
                changed = octets[:at] + bytes((value,)) + octets[at + 1 :]
                fast = request_module._read_fast(changed)
                if fast is not None:
                    assert fast == read_timestamp_request(changed), changed.hex()


def test_a_path_that_a_client_made_up_names_no_profile_in_answers(issuer: Issuer) -> None:
    async def ask() -> set[str]:
        responder = Responder({issuer.profile: issuer}, issuer.profile, LeafCounter(), frozenset())
        bodies = (b"", b"garbage", SEEDS[0], valid_requests(issuer.rules.policy)[13])
        return {(await responder.answer(body, ANYBODY, "made-up")).profile for body in bodies}

    assert asyncio.run(ask()) == {NO_PROFILE}
