"""Whatever a list or an answer holds, the outcome is a verdict; what is damaged never clears by accident."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from asn1crypto import ocsp  # type: ignore[import-untyped]
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from kokuin.cli.messages import LANGUAGES
from kokuin.cli.report_text import sentences
from kokuin.trust.report import Indication, Status
from kokuin.wire import asn1, encode
from kokuin.wire.der import children, read_whole
from tests.mutators import Mutator
from tests.trust.forge import DAY, NOW, pki
from tests.trust.revoking import Reason, Taken, answer, checks, crl, judge, responder

if TYPE_CHECKING:
    from kokuin.trust.report import Report

ROUNDS = 300
SEED = 20_261_121
REVOKED = Taken(pki().unit, NOW - DAY, Reason.key_compromise, invalid_from=NOW - 2 * DAY)
SCOPE = x509.IssuingDistributionPoint(
    [x509.UniformResourceIdentifier("http://crl.example/a.crl")], None, False, False, None, True, False
)
LISTS = (
    crl(pki().authority, extensions=[(SCOPE, True), (x509.CRLNumber(7), False)]),
    crl(pki().authority, Taken(pki().unit, NOW - DAY, issuer=pki().authority.x509.subject)),
    crl(pki().authority, REVOKED),
)
ANSWERS = (
    answer(pki().authority, pki().unit, responder=responder(), extensions=[("archive_cutoff", NOW)]),
    answer(pki().authority, pki().unit, REVOKED),
    answer(pki().authority, pki().unit, status="unknown", until=None, by_key=True),
)


def check(report: Report) -> None:
    """A report is complete: it has a reason when it does not pass, a JSON form and sentences."""
    assert (report.indication is Indication.PASSED) == (report.sub_indication is None)
    assert report.to_json().isascii()
    for lang in LANGUAGES:
        assert list(sentences(report, lang))


def signed_again(body: bytes, algorithm: bytes) -> bytes:
    """Sign what was damaged with the authority's key, so that it is looked into."""
    signature = pki().authority.key.sign(body, ec.ECDSA(hashes.SHA256()))
    return encode.sequence(body, algorithm, encode.bit_string(signature))


def parts(signed: bytes) -> tuple[bytes, bytes]:
    """Return what is signed, and the algorithm."""
    body, algorithm, *_ = children(read_whole(signed, asn1.SEQUENCE))
    return body.octets, algorithm.octets


def basic(response: bytes) -> bytes:
    octets: bytes = ocsp.OCSPResponse.load(response)["response_bytes"]["response"].parsed.dump()
    return octets


BODIES = [parts(each)[0] for each in (*LISTS, *map(basic, ANSWERS))]


def test_damaged_lists_and_answers_say_nothing_unless_what_was_signed_is_whole() -> None:
    lists, answers = Mutator(LISTS, SEED), Mutator(ANSWERS, SEED)
    silent = 0
    for _ in range(ROUNDS):
        damaged_list, damaged_answer = lists.next(), answers.next()
        report = judge(damaged_list, answers=[damaged_answer])
        check(report)
        if checks(report)[0].status is Status.NOT_DONE:
            silent += 1
        else:
            assert any(body in damaged_list or body in damaged_answer for body in BODIES)
    assert silent > ROUNDS / 4


@pytest.mark.parametrize("kind", ["lists", "answers"])
def test_odd_lists_and_answers_that_their_authority_signed_get_a_verdict(kind: str) -> None:
    seeds = LISTS if kind == "lists" else tuple(map(basic, ANSWERS))
    algorithm = parts(LISTS[0])[1]
    bodies = Mutator([parts(each)[0] for each in seeds], SEED)
    for _ in range(ROUNDS):
        octets = signed_again(bodies.next(), algorithm)
        lists, answers = ((octets,), ()) if kind == "lists" else ((), (octets,))
        check(judge(*lists, answers=answers))
