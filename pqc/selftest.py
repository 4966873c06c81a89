"""Known answers, tried before the service relies on an algorithm: what is a genuine signature, and what not.

A library that accepts everything, or nothing any more after an update of the
system's, is found out here and not by a verifier years later. The answers in
`pqc/answers/` were made by other implementations; each file names them.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources
from typing import TYPE_CHECKING

from pqc.verifying import SignatureOutcome, verify_signature

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pqc.suites import Suite


class SelfTestProblem(StrEnum):
    """What a self-test found."""

    NO_ANSWER = "SELF_TEST_NO_ANSWER"
    """There is no known answer for the suite, so that nothing is known of it."""
    GENUINE_REFUSED = "SELF_TEST_GENUINE_REFUSED"
    FORGED_ACCEPTED = "SELF_TEST_FORGED_ACCEPTED"


@dataclass(frozen=True, slots=True)
class Failure:
    """A suite that must not be used, and why."""

    suite: str
    problem: SelfTestProblem


@dataclass(frozen=True, slots=True)
class KnownAnswer:
    """A genuine signature: SubjectPublicKeyInfo (DER), message, signature value."""

    public_key: bytes
    message: bytes
    signature: bytes


def known_answer(suite: Suite) -> KnownAnswer | None:
    """Return the stored answer of a suite; None when there is none."""
    path = resources.files("pqc") / "answers" / f"{suite.id}.json"
    if not path.is_file():
        return None
    table = json.loads(path.read_text(encoding="utf-8"))
    return KnownAnswer(
        *(base64.b64decode(table[name], validate=True) for name in ("public_key", "message", "signature"))
    )


def self_test(suites: Iterable[Suite]) -> tuple[Failure, ...]:
    """Try the known answers of suites; a suite that is named here must not be used.

    The genuine signature must verify; with one bit changed at its start, middle or end (in either half of a
    composite), or over another message, it must not.
    """
    return tuple(
        Failure(suite.id, problem)
        for suite in dict.fromkeys(suites)
        if (problem := _problem(suite, known_answer(suite)))
    )


def _problem(suite: Suite, answer: KnownAnswer | None) -> SelfTestProblem | None:
    if answer is None:
        return SelfTestProblem.NO_ANSWER
    if _outcome(suite, answer, answer.message, answer.signature) is not SignatureOutcome.VALID:
        return SelfTestProblem.GENUINE_REFUSED
    size = len(answer.signature)
    forged = [(answer.message, _flip(answer.signature, at)) for at in (0, size // 2, size - 1)]
    forged.append((_flip(answer.message, 0), answer.signature))
    if any(_outcome(suite, answer, *each) is SignatureOutcome.VALID for each in forged):
        return SelfTestProblem.FORGED_ACCEPTED
    return None


def _outcome(suite: Suite, answer: KnownAnswer, message: bytes, signature: bytes) -> SignatureOutcome:
    return verify_signature(
        public_key_der=answer.public_key,
        algorithm=suite.algorithm,
        digest=suite.digest,
        message=message,
        signature=signature,
    ).outcome


def _flip(octets: bytes, at: int) -> bytes:
    return octets[:at] + bytes((octets[at] ^ 1,)) + octets[at + 1 :]
