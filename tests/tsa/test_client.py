"""An answer is taken only when it belongs to the request (RFC 3161 §2.2)."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from kokuin.wire import encode
from kokuin.wire.tsp import TSTInfo
from tests.trust.forge import DATA, POLICY, order
from tsa import status
from tsa.client import AnswerFault, Query, Refused, check_answer, make_query


def asked(policy: str | None = None) -> Query:
    return make_query("sha256", hashlib.sha256(DATA).digest(), certificates=False, policy=policy)


def answer(query: Query, **changes: object) -> bytes:
    nonce = encode.integer(query.nonce)
    return status.granted(order(**{"tst_extensions": nonce, **changes}).make())


@pytest.mark.parametrize("policy", [None, POLICY])
def test_the_answer_to_the_request_is_taken(policy: str | None) -> None:
    query = asked(policy)
    info = check_answer(query, answer(query))
    assert isinstance(info, TSTInfo)
    assert info.nonce == query.nonce


def test_an_old_answer_sent_again_is_refused() -> None:
    old, new = asked(), asked()
    assert check_answer(new, answer(old)) == Refused(AnswerFault.NONCE, 0)
    assert check_answer(new, answer(new, tst_extensions=b"")) == Refused(AnswerFault.NONCE, 0)


def test_an_answer_for_other_data_is_refused() -> None:
    query = asked()
    other = answer(query, imprint=hashlib.sha256(b"other").digest())
    assert check_answer(query, other) == Refused(AnswerFault.IMPRINT, 0)
    as_another_hash = replace(query, digest="sha3_256")
    assert check_answer(as_another_hash, answer(query)) == Refused(AnswerFault.IMPRINT, 0)


def test_an_answer_under_another_policy_is_refused() -> None:
    query = asked(policy=POLICY + ".7")
    assert check_answer(query, answer(query)) == Refused(AnswerFault.POLICY, 0)


def test_a_refusal_comes_with_the_authority_s_own_words() -> None:
    refused = check_answer(asked(), status.rejected(status.CLOCK))
    assert refused == Refused(AnswerFault.REJECTED, 2, frozenset({14}), status.CLOCK.text)


def test_granted_without_a_token_and_what_is_no_answer_are_refused() -> None:
    query = asked()
    assert check_answer(query, status.granted(b"")) == Refused(AnswerFault.NO_TOKEN, 0)
    for octets in (b"", b"<html>", answer(query)[:-1], answer(query) + b"\0", status.granted(encode.NULL)):
        refused = check_answer(query, octets)
        assert isinstance(refused, Refused)
        assert refused.fault is AnswerFault.UNREADABLE
