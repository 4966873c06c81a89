"""`POST /api/v1/verify` with an evidence record: the report of the command, whatever the record is."""

from __future__ import annotations

import hashlib
import time
from http import HTTPStatus
from typing import TYPE_CHECKING

import pytest

from kokuin.service.verify_openapi import PATH
from tests.service.evidence.test_served import DOCUMENT, record, stamp, told
from tests.service.running import PATIENCE_S, serving
from tests.service.test_verify_api import ask, verdict
from tests.service.test_verify_api import told as command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.service.running import Prepared, Service

LATER = "2033-01-01T00:00:00Z"
EU = "eu-ts119312"
PROOFS = "/api/v1/ledger/proofs/inclusion"


@pytest.fixture(scope="module")
def hybrid(folder_of: Callable[[str], Prepared], at_once: str) -> Iterator[Service]:
    """One worker; its children do not give way."""
    with serving(folder_of("hybrid"), {"PYTHONPATH": at_once}) as service:
        yield service


@pytest.fixture(scope="module")
def evidenced(hybrid: Service) -> tuple[bytes, bytes]:
    """A token over `DOCUMENT`, and its record, whose group has the document."""
    token, serial = stamp(hybrid, document_digest=told(hashlib.sha512(DOCUMENT).digest()))
    return token, record(hybrid, serial).content


def test_a_token_passes_by_the_record_that_is_sent_with_it_and_the_report_is_the_command_s(
    hybrid: Service,
    evidenced: tuple[bytes, bytes],
    tmp_path: Path,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    token, evidence = evidenced
    alone = ask(hybrid, {"token": token, "data": DOCUMENT}, at=LATER, policy=EU)
    assert verdict(alone) == ("INDETERMINATE", "CRYPTO_CONSTRAINTS_FAILURE_NO_POE")
    answer = ask(hybrid, {"token": token, "data": DOCUMENT, "evidence": evidence}, at=LATER, policy=EU)
    assert verdict(answer) == ("PASSED", None)
    assert answer.json()["subject"]["combined"] == "PASSED"
    words = ("--data", DOCUMENT, "--evidence", evidence, "--at", LATER, "--policy", EU)
    assert answer.content == command(hybrid, capfdbinary, tmp_path, token, *words)


def test_a_record_is_judged_by_itself_over_its_data(
    hybrid: Service,
    evidenced: tuple[bytes, bytes],
    tmp_path: Path,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    token, evidence = evidenced
    for data, wanted in ((token, "PASSED"), (DOCUMENT, "PASSED"), (b"other", "FAILED")):
        folder = tmp_path / wanted / str(len(data))
        folder.mkdir(parents=True)
        answer = ask(hybrid, {"token": evidence, "data": data}, at=LATER)
        assert verdict(answer)[0] == wanted
        assert answer.json()["kind"] == "evidence-record"
        words = ("--data", data, "--at", LATER)
        assert answer.content == command(hybrid, capfdbinary, folder, evidence, *words)
    raw = {"content-type": "application/octet-stream"}
    alone = hybrid.client.post(PATH, content=evidence, headers=raw, params={"at": LATER})
    assert verdict(alone) == ("INDETERMINATE", "SIGNED_DATA_NOT_FOUND")


def test_a_record_that_is_wrong_or_of_something_else_is_named(
    hybrid: Service, evidenced: tuple[bytes, bytes]
) -> None:
    token, evidence = evidenced
    other, serial = stamp(hybrid)
    cases = {
        b"no record": ("FAILED", "FORMAT_FAILURE"),
        evidence[:-1]: ("FAILED", "FORMAT_FAILURE"),
        evidence: ("PASSED", None),
        record(hybrid, serial).content: ("FAILED", "HASH_FAILURE"),
    }
    for octets, wanted in cases.items():
        assert verdict(ask(hybrid, {"token": token, "evidence": octets}, at=LATER)) == wanted
    assert verdict(ask(hybrid, {"token": other, "evidence": evidence}, at=LATER)) == (
        "FAILED",
        "HASH_FAILURE",
    )
    unused = ask(hybrid, {"token": b"no token", "evidence": evidence})
    assert {"id": "evidence", "reason": "EVIDENCE_NOT_USED"}.items() <= unused.json()["checks"][-1].items()


def test_a_proof_and_a_record_count_together(hybrid: Service) -> None:
    token, serial = stamp(hybrid)
    evidence = record(hybrid, serial).content
    asked = {"token": hashlib.sha256(token).hexdigest()}
    deadline = time.monotonic() + PATIENCE_S
    while (proof := hybrid.client.get(PROOFS, params=asked)).status_code != HTTPStatus.OK:
        assert time.monotonic() < deadline
        time.sleep(0.1)  # no checkpoint covers it yet
    answer = ask(hybrid, {"token": token, "evidence": evidence, "proof": proof.content}, at=LATER, policy=EU)
    assert verdict(answer) == ("PASSED", None)
    found = {check["id"]: check["status"] for check in answer.json()["checks"]}
    assert (found["evidence"], found["in-ledger"]) == ("ok", "ok")


def test_two_records_in_one_form_are_refused(hybrid: Service, evidenced: tuple[bytes, bytes]) -> None:
    token, evidence = evidenced
    answer = ask(hybrid, [("token", token), ("evidence", evidence), ("evidence", evidence)])
    assert (answer.status_code, answer.json()["field"]) == (422, "evidence")
