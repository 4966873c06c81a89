from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography.exceptions import InvalidSignature

from pqc import selftest, slhdsa
from pqc.classical import EcdsaVerifier
from pqc.selftest import Failure, SelfTestProblem, known_answer, self_test
from pqc.suites import SUITES, Suite, suite
from tests.toysuite import TOY

if TYPE_CHECKING:
    from pqc.selftest import KnownAnswer

P256 = suite("ecdsa-p256-sha256")


@pytest.mark.parametrize("each", SUITES.values(), ids=SUITES)
def test_every_suite_has_a_foreign_answer_and_passes(each: Suite) -> None:
    assert known_answer(each) is not None
    assert self_test([each, each]) == ()


def test_a_suite_without_an_answer_fails() -> None:
    assert self_test([P256, TOY]) == (Failure("toy", SelfTestProblem.NO_ANSWER),)


def test_a_verifier_that_accepts_everything_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EcdsaVerifier, "verify", lambda *_: None)
    found = self_test([P256, suite("ed25519"), suite("mldsa65-ecdsa-p256-sha512")])
    # The second half of a composite is watched too, although the first one still refuses.
    assert found == (
        Failure(P256.id, SelfTestProblem.FORGED_ACCEPTED),
        Failure("mldsa65-ecdsa-p256-sha512", SelfTestProblem.FORGED_ACCEPTED),
    )


def test_a_verifier_that_accepts_nothing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise InvalidSignature

    monkeypatch.setattr(EcdsaVerifier, "verify", refuse)
    monkeypatch.setattr(slhdsa, "verify", lambda *_, **__: False)
    assert self_test([P256, suite("slh-dsa-sha2-192s")]) == (
        Failure(P256.id, SelfTestProblem.GENUINE_REFUSED),
        Failure("slh-dsa-sha2-192s", SelfTestProblem.GENUINE_REFUSED),
    )


def test_a_verifier_that_does_not_look_at_the_message_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(each: Suite) -> KnownAnswer | None:
        return genuine if each is P256 else None

    genuine = known_answer(P256)
    assert genuine is not None

    def lax(*arguments: object) -> None:
        if arguments[-1] != genuine.signature:
            raise InvalidSignature

    monkeypatch.setattr(selftest, "known_answer", answer)
    monkeypatch.setattr(EcdsaVerifier, "verify", lax)
    assert self_test([P256]) == (Failure(P256.id, SelfTestProblem.FORGED_ACCEPTED),)
