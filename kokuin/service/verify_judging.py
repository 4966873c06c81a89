"""What a child that judges has at hand before its doors are shut, and the judgement: as `tsa verify` judges.

Only `verify_child` imports it: a service that nobody asks to verify never loads the verifier.
"""

from __future__ import annotations

import codecs
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kokuin.ledger import log_keys
from kokuin.ledger.log_keys import LogVerifier
from kokuin.ledger.note_faults import NoteError
from kokuin.service.verify_codes import VerifyCode, VerifyRefusedError
from kokuin.trust.anchors import TrustError, TrustStore, load_trust
from kokuin.trust.context import Context, RevocationData, RevocationMode
from kokuin.trust.revocation_files import (
    RevocationFileError,
    read_revocation_files,
    take_answers,
    take_lists,
)
from kokuin.verify import seals
from kokuin.verify.content import of_digest
from kokuin.verify.ledger_claim import Auditor
from kokuin.verify.ledger_place import LedgerEvidence, verify_with_ledger
from kokuin.verify.verifying import verify_bytes
from kokuin.wire.algorithms import DIGEST_BY_NAME, hasher
from kokuin.wire.errors import WireError
from kokuin.wire.tsp import read_timestamp_request
from pqc.policies import load_policy, shipped_policies

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from kokuin.service.verify_question import Question
    from kokuin.wire.tsp import TimeStampReq
    from pqc.policies import Policy

LOG_KEYS = "log.vkey"
"""In a folder of trust: the keys of the ledgers whose proofs count."""

_CODECS = ("utf-16-be", "utf-32-be", "latin-1")
"""Of strings in certificates (X.690 §8.23); Python would open their modules when the first is met."""


class TrustUnreadableError(Exception):
    """Nothing can be judged: the trust store, or its ledger keys, cannot be read."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What every judgement of this child goes by.

    Attributes:
        trust: whom the service's operator trusts.
        policies: the shipped ones by name.
        auditor: with the keys of the ledgers whose proofs count; None when there are none.
        revocation: lists and answers in the trust store.
    """

    trust: TrustStore
    policies: Mapping[str, Policy]
    auditor: Auditor | None
    revocation: RevocationData

    def judge(self, question: Question) -> bytes:
        """Return the report (JSON), the octets that `tsa verify --json` prints.

        Raises:
            VerifyRefusedError: a field is not what it is called.
        """
        at = time.time_ns() // 1_000 if question.at is None else question.at
        policy = self.policies[question.policy]
        context = Context(
            at,
            self.trust,
            policy=policy,
            revocation=_revocation(question).with_more(self.revocation),
            revocation_mode=RevocationMode(question.revocation),
            evidence=() if question.evidence is None else (question.evidence,),
        )
        content, request = _content(question), _request(question)
        context = replace(context, content=content, request=request)
        if question.proof is None:
            report = verify_bytes(question.token, context)
        else:
            ledger = LedgerEvidence(self.auditor, question.proof)
            report = verify_with_ledger(question.token, context, ledger)
        return f"{report.to_json()}\n".encode()


def prepare(trust: Path) -> Bench:
    """Read everything that judging needs, so that no file need be opened after it.

    Raises:
        TrustUnreadableError: the trust store cannot be read.
    """
    for name in _CODECS:
        codecs.lookup(name)
    for name in DIGEST_BY_NAME:
        hasher(name)
    seals.prepare()
    try:
        store = load_trust(trust)
        keys = _log_keys(trust)
        revocation = read_revocation_files(trust=trust)
    except (OSError, TrustError, NoteError, UnicodeDecodeError, RevocationFileError) as error:
        raise TrustUnreadableError from error
    policies = {name: load_policy(name) for name in shipped_policies()}
    return Bench(store, policies, None if keys is None else Auditor(keys, None), revocation)


def _log_keys(trust: Path) -> LogVerifier | None:
    path = trust / LOG_KEYS
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return LogVerifier.parse(file.read(log_keys.MAX_FILE + 1).decode())


def _request(question: Question) -> TimeStampReq | None:
    # The worker could read it, as it reads those of who want a time-stamp.
    return None if question.request is None else read_timestamp_request(question.request)


def _revocation(question: Question) -> RevocationData:
    return RevocationData(
        _taken("crl", question.crl, take_lists), _taken("ocsp", question.ocsp, take_answers)
    )


def _taken(
    name: str, parts: tuple[bytes, ...], take: Callable[[bytes], tuple[bytes, ...]]
) -> tuple[bytes, ...]:
    try:
        return tuple(dict.fromkeys(octets for part in parts for octets in take(part)))
    except WireError:
        raise VerifyRefusedError(VerifyCode.REQUEST_INVALID, name) from None


def _content(question: Question) -> Callable[[str], bytes] | None:
    if question.digest is not None:
        return of_digest(question.digest)
    return None if question.digests is None else question.digests.__getitem__
