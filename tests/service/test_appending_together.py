"""Requests of one turn of the loop share an append; none may suffer from what a neighbour earned."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from kokuin.service import responder, stamping
from kokuin.service.access.principal import NOBODY
from kokuin.service.issuing import Draft
from kokuin.service.responder import Responder
from kokuin.trust.journal import AppendRefusal, Refused
from kokuin.trust.records import RELEASE_SECONDS, Receipt, Record
from kokuin.wire import encode
from kokuin.wire.algorithms import DIGEST_BY_NAME
from tsa.decide import IssuingRules
from tsa.unit import IssuedToken

if TYPE_CHECKING:
    from collections.abc import Callable

    from kokuin.service.access.principal import Principal
    from kokuin.trust.journal import AppendOutcome
    from kokuin.wire.tsp import TimeStampReq

POISON = 13


class ForgedIssuer:
    """Signs nothing: the token is the request's nonce."""

    profile = "classical"
    epoch = 1
    evidence = None
    embed = False
    rules = IssuingRules("1.3.6.1.4.1.32473.1", frozenset({"sha256"}))

    def issue(
        self, request: TimeStampReq, body: bytes, principal: Principal, document: bytes | None
    ) -> Draft:
        del body, principal, document
        token = encode.integer(request.nonce or 0)
        return Draft(IssuedToken(token, b"", "ab", 1), (Record("tst.issued", token=token),))


@dataclass
class ForgedJournal:
    """Refuses every append that holds the poisoned record, as a whole."""

    reason: AppendRefusal
    sizes: list[int] = field(default_factory=list)

    def append(self, *records: Record) -> Future[AppendOutcome]:
        self.sizes.append(len(records))
        future: Future[AppendOutcome] = Future()
        if any(record.token == encode.integer(POISON) for record in records):
            future.set_result(Refused(self.reason))
        else:
            future.set_result(tuple(Receipt(index, 1) for index in range(len(records))))
        return future


def request(nonce: int) -> bytes:
    digest = DIGEST_BY_NAME["sha256"]
    algorithm = encode.sequence(encode.oid(digest.oid), encode.NULL)
    imprint = encode.sequence(algorithm, encode.octet_string(bytes(32)))
    return encode.sequence(encode.integer(1), imprint, encode.integer(nonce))


async def answers(
    journal: ForgedJournal,
    nonces: range,
    slow: frozenset[str] = frozenset(),
    neighbours_answered: Callable[[], None] = lambda: None,
) -> list[str]:
    issuer: Any = ForgedIssuer()
    made = Responder({"classical": issuer}, "classical", journal, slow)
    try:
        asked = {nonce: asyncio.ensure_future(made.answer(request(nonce), NOBODY)) for nonce in nonces}
        await asyncio.gather(*(answer for nonce, answer in asked.items() if nonce != POISON))
        neighbours_answered()
        all_of_them = await asyncio.gather(*asked.values())
    finally:
        made.close()
    return [answer.refusal.code if answer.refusal else "granted" for answer in all_of_them]


def test_requests_of_one_turn_are_appended_together() -> None:
    journal = ForgedJournal(AppendRefusal.FULL)
    assert asyncio.run(answers(journal, range(1, 9))) == ["granted"] * 8
    assert journal.sizes == [8]


@pytest.mark.parametrize("slow", [frozenset(), frozenset({"classical"})])
@pytest.mark.parametrize(
    "reason", [AppendRefusal.LEAF_TOO_LARGE, AppendRefusal.DUPLICATE_SERIAL, AppendRefusal.STALE_EPOCH]
)
def test_a_record_that_the_ledger_refuses_takes_no_neighbour_with_it(
    reason: AppendRefusal, slow: frozenset[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(responder, "SWEEP_SECONDS", 0.01)

    def lose_patience() -> None:
        """What is stale is made again for as long as there is patience: none is left once it is alone."""
        monkeypatch.setattr(responder, "PATIENCE_SECONDS", 0.0)

    journal = ForgedJournal(reason)
    outcomes = asyncio.run(answers(journal, range(POISON - 4, POISON + 5), slow, lose_patience))
    assert outcomes == ["granted"] * 4 + ["LEDGER_UNAVAILABLE"] + ["granted"] * 4


def test_a_full_ledger_refuses_all_and_is_not_asked_again() -> None:
    journal = ForgedJournal(AppendRefusal.FULL)
    assert asyncio.run(answers(journal, range(POISON, POISON + 3))) == ["LEDGER_UNAVAILABLE"] * 3
    assert journal.sizes == [3]


def test_a_token_that_slept_with_its_machine_between_signature_and_record_is_withheld(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0]

    class Sleeper(ForgedJournal):
        def append(self, *records: Record) -> Future[AppendOutcome]:
            now[0] += (RELEASE_SECONDS + 1) * 1_000_000_000
            return super().append(*records)

    monkeypatch.setattr(stamping, "boot_ns", lambda: now[0])
    slept = Sleeper(AppendRefusal.UNAVAILABLE)
    assert asyncio.run(answers(slept, range(1, 3))) == ["LEDGER_UNAVAILABLE"] * 2
    assert slept.sizes == [2], "what was recorded stays so, and nobody gets it"
