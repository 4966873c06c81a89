"""Records that others made of tokens: over the file as it lay there, or over all that the token had by then.

Ours cover the bare token. RFC 4998 §A takes the record alone out of a token, and changes nothing else.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from asn1crypto import cms, core, tsp  # type: ignore[import-untyped]

from eseal.cms_parts import read_parts
from kokuin.trust.context import Context
from kokuin.verify.content import of_octets
from kokuin.verify.verifying import verify_bytes
from kokuin.wire import encode, oids
from kokuin.wire.errors import WireError
from kokuin.wire.pem import write_block
from kokuin.wire.token_form import bare_token, without_evidence
from tests.trust.evidences import DATA, P256, PQ, first, moment, trust, unit, us
from tests.trust.forge import reasons, verdict
from tests.unsigned import attribute, with_unsigned

if TYPE_CHECKING:
    from kokuin.trust.report import Report

STAMPING, ARCHIVE = unit(P256, 2026, 1_500), unit(PQ, 2026)
TOKEN = STAMPING.stamp("sha512", hashlib.sha512(DATA).digest(), moment(2026, 6, 1), crl=False)
OTHER = attribute("1.2.3.4", encode.octet_string(b"of another archive"))
LADEN = with_unsigned(TOKEN, OTHER)
CONTEXT = Context(us(moment(2033)), trust(STAMPING, ARCHIVE), of_octets(DATA))


def record(*group: bytes, month: int = 7) -> bytes:
    return first(ARCHIVE, moment(2026, month), *group)


def judge(file: bytes, *beside: bytes) -> Report:
    return verify_bytes(file, replace(CONTEXT, evidence=beside))


def response(token: bytes) -> bytes:
    """By another writer: a TimeStampResp that grants the token."""
    status = tsp.PKIStatusInfo({"status": "granted"})
    made = tsp.TimeStampResp({"status": status, "time_stamp_token": cms.ContentInfo.load(token)})
    octets: bytes = made.dump()
    return octets


def loosely(token: bytes) -> bytes:
    """The same in BER, as some authorities write it: the outermost lengths are left open."""
    inner = core.Sequence.load(token)
    octets: bytes = b"\x30\x80" + inner.contents + b"\x00\x00"
    return octets


@pytest.mark.parametrize(
    "file",
    [LADEN, response(TOKEN), response(LADEN), loosely(TOKEN), write_block("TIMESTAMP TOKEN", LADEN)],
    ids=["more attributes", "response", "response with attributes", "BER", "armour"],
)
def test_a_record_over_the_file_as_it_lay_there_proves_the_token_in_it(file: bytes) -> None:
    report = judge(file, record(file))
    assert verdict(report) == ("PASSED", None)
    assert report.parts[0].subject["proven_time"] == "2026-07-01T00:00:00Z"
    # Ours are over the bare token, whatever it lies in.
    assert verdict(judge(file, record(bare_token(TOKEN)))) == ("PASSED", None)


def test_a_record_over_the_token_in_a_response_proves_it() -> None:
    assert verdict(judge(response(LADEN), record(LADEN))) == ("PASSED", None)


def test_a_record_within_covers_what_was_there_before_it() -> None:
    laden = with_unsigned(TOKEN, OTHER, attribute(oids.ID_AA_ER_INTERNAL, record(LADEN)))
    assert verdict(judge(laden)) == ("PASSED", None)


@pytest.mark.parametrize("turned", [False, True])
def test_of_several_records_within_each_covers_those_before_it(*, turned: bool) -> None:
    """The order of a SET is not that of time."""
    own = attribute(oids.ID_AA_ER_INTERNAL, record(LADEN))
    second = record(with_unsigned(TOKEN, OTHER, own), month=8)
    both = [own, attribute(oids.ID_AA_ER_INTERNAL, second)]
    report = judge(with_unsigned(TOKEN, OTHER, *(reversed(both) if turned else both)))
    assert verdict(report) == ("PASSED", None)
    assert [part.indication for part in report.parts] == ["PASSED", "PASSED"]
    third = record(with_unsigned(TOKEN, OTHER, *both), month=9)
    all_three = with_unsigned(TOKEN, OTHER, *both, attribute(oids.ID_AA_ER_INTERNAL, third))
    assert verdict(judge(all_three)) == ("PASSED", None)


def test_a_record_over_another_file_or_other_attributes_fails() -> None:
    """Attack: evidence of a token over the same data is no evidence of this one."""
    same = STAMPING.stamp("sha512", hashlib.sha512(DATA).digest(), moment(2026, 6, 1), crl=False)
    changed = with_unsigned(TOKEN, attribute("1.2.3.4", encode.octet_string(b"changed")))
    for file, made in (
        (LADEN, record(changed)),
        (response(TOKEN), record(response(same))),
        (TOKEN, record(same)),
        (with_unsigned(TOKEN, attribute(oids.ID_AA_ER_INTERNAL, record(LADEN))), None),
    ):
        report = judge(file) if made is None else judge(file, made)
        assert verdict(report) == ("FAILED", "HASH_FAILURE")
        assert reasons(report.parts[0])["evidence-object"] == "EVIDENCE_OTHER_OBJECT"


def test_what_is_taken_out_is_the_record_alone() -> None:
    own, other = record(b"one"), record(b"two")
    whole = with_unsigned(
        TOKEN, OTHER, attribute(oids.ID_AA_ER_INTERNAL, own), attribute(oids.ID_AA_ER_INTERNAL, other)
    )
    assert without_evidence(whole) == LADEN
    assert without_evidence(whole, (own,)) == with_unsigned(
        TOKEN, OTHER, attribute(oids.ID_AA_ER_INTERNAL, own)
    )
    assert without_evidence(whole, (own, other)) == whole
    assert without_evidence(with_unsigned(TOKEN, attribute(oids.ID_AA_ER_INTERNAL, own))) == TOKEN
    assert without_evidence(TOKEN) == TOKEN


def test_a_token_of_several_signers_has_no_such_form() -> None:
    parts = read_parts(TOKEN)
    two = replace(parts, signers=parts.signers * 2).encode()
    with pytest.raises(WireError):
        without_evidence(two)
    assert judge(two, record(two)).indication == "FAILED"
