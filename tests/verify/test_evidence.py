"""Tokens judged with evidence, within them or beside: what passes through it, and what it must not hide."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from kokuin.cli.report_text import sentences
from kokuin.trust.certificate import read_certificate
from kokuin.trust.context import Context, RevocationData, RevocationMode
from kokuin.trust.report import Ending
from kokuin.trust.revocation import Revocation, RevocationReason
from kokuin.verify.content import of_octets
from kokuin.verify.facts import Facts
from kokuin.verify.facts_reading import read_facts
from kokuin.verify.verifying import verify_bytes
from kokuin.wire import encode, oids
from kokuin.wire.algorithms import DIGEST_BY_NAME
from kokuin.wire.cms import Attribute
from kokuin.wire.ers import (
    encode_archive_time_stamp,
    encode_chain,
    encode_evidence_record,
    read_evidence_record,
)
from kokuin.wire.pem import write_block
from kokuin.wire.token_form import bare_token
from kokuin.wire.tsp import TimeStampReq
from pqc.policies import load_policy, parse_policy
from tests.ownpolicy import policy_text, row
from tests.trust.evidences import (
    DATA,
    P256,
    PQ,
    again,
    first,
    moment,
    trust,
    unit,
    us,
)
from tests.trust.forge import reasons, verdict
from tests.unsigned import attribute, with_unsigned
from tests.verify.enclosing import SIGNATURE, Enclosing

if TYPE_CHECKING:
    from kokuin.trust.report import Report

CLASSICAL, ARCHIVE, LATER = unit(P256, 2026, 1_500), unit(PQ, 2026), unit(PQ, 2034)
STAMPED, COVERED = moment(2026, 6, 1), moment(2026, 6, 2)
OTHER = b"another document"


def token_over(data: bytes = DATA, digest: str = "sha512", at: dt.datetime = STAMPED) -> bytes:
    return CLASSICAL.stamp(digest, DIGEST_BY_NAME[digest].of(data), at, crl=False)


TOKEN = token_over()
RECORD = first(ARCHIVE, COVERED, bare_token(TOKEN))
EMBEDDED = with_unsigned(TOKEN, attribute(oids.ID_AA_ER_INTERNAL, RECORD))
STORE = trust(CLASSICAL, ARCHIVE, LATER)


def context(at: dt.datetime, *evidence: bytes, policy: str = "baseline") -> Context:
    return Context(us(at), STORE, of_octets(DATA), policy=load_policy(policy), evidence=evidence)


def judge(at: dt.datetime, *evidence: bytes, token: bytes = TOKEN, policy: str = "baseline") -> Report:
    return verify_bytes(token, context(at, *evidence, policy=policy))


def worlds(report: Report) -> tuple[object, ...]:
    return tuple(report.subject.get(name) for name in ("classical", "post_quantum", "combined"))


@pytest.mark.parametrize("embedded", [True, False])
def test_after_2030_a_p256_token_passes_through_its_evidence_and_is_open_without(*, embedded: bool) -> None:
    at, eu = moment(2033), "eu-ts119312"
    assert verdict(judge(at, policy=eu))[0] == "INDETERMINATE"
    report = judge(at, token=EMBEDDED, policy=eu) if embedded else judge(at, RECORD, policy=eu)
    assert verdict(report) == ("PASSED", None)
    assert worlds(report) == ("INDETERMINATE", "PASSED", "PASSED")
    (part,) = report.parts
    assert (part.kind, part.indication) == ("evidence-record", "PASSED")
    assert report.subject["gen_time"] == "2026-06-01T00:00:00Z"
    assert [proof.code for proof in report.proofs_of_existence] == ["EVIDENCE_RECORD"]
    named = {check.id: dict(check.params) for check in report.checks if check.id in {"existence", "evidence"}}
    assert named == {
        "existence": {"time": "2026-06-02T00:00:00Z", "code": "EVIDENCE_RECORD"},
        "evidence": {"count": 1},
    }


def test_with_an_algorithm_alone_that_fell_the_reason_is_named_and_the_evidence_helps() -> None:
    # The certificate of this unit outlives 2033; what has ended is the algorithm by the policy.
    by = unit(P256, 2026)
    token = by.stamp("sha512", hashlib.sha512(DATA).digest(), STAMPED, crl=False)
    record = first(ARCHIVE, COVERED, bare_token(token))
    at = replace(context(moment(2033), policy="eu-ts119312"), trust=trust(by, ARCHIVE))
    alone = verify_bytes(token, at)
    assert verdict(alone) == ("INDETERMINATE", "CRYPTO_CONSTRAINTS_FAILURE_NO_POE")
    assert reasons(alone)["signature-algorithm"] == "NO_LONGER_FIT"
    assert verdict(verify_bytes(token, replace(at, evidence=(record,)))) == ("PASSED", None)


def test_today_a_token_with_evidence_passes_in_both_worlds_and_longer() -> None:
    now = moment(2026, 7, 1)
    alone, both = judge(now), judge(now, RECORD)
    assert worlds(both) == ("PASSED", "PASSED", "PASSED")
    assert alone.verifiable_until is not None
    assert both.verifiable_until is not None
    assert both.verifiable_until.time > alone.verifiable_until.time
    assert both.verifiable_until.cause == Ending.UNIT_EXPIRES
    assert {"classical", "post_quantum", "combined"}.isdisjoint(alone.subject)
    for later, wanted in ((0, "PASSED"), (1, "INDETERMINATE")):
        at = replace(context(now, RECORD), at=both.verifiable_until.time + later)
        assert verify_bytes(TOKEN, at).indication == wanted


def test_evidence_by_a_classical_unit_counts_for_the_classical_world() -> None:
    by = unit(P256, 2027)
    record = first(by, moment(2028), bare_token(TOKEN))
    at = replace(context(moment(2035), record), trust=trust(CLASSICAL, by))
    report = verify_bytes(TOKEN, at)
    assert verdict(report) == ("PASSED", None)
    assert worlds(report) == ("PASSED", None, "PASSED")


def test_a_composite_archive_time_stamp_counts_for_both_worlds() -> None:
    by = unit("mldsa65-ecdsa-p256-sha512", 2026)
    record = first(by, COVERED, bare_token(TOKEN))
    at = replace(context(moment(2033), record), trust=trust(CLASSICAL, by))
    assert worlds(verify_bytes(TOKEN, at)) == ("PASSED", "PASSED", "PASSED")


def test_a_composite_signature_says_nothing_for_the_world_of_the_half_that_fell() -> None:
    """The policy accepts the whole after 2030 for the sake of ML-DSA; ECDSA alone it does not."""
    by = unit("mldsa65-ecdsa-p256-sha512", 2026)
    record = first(by, COVERED, bare_token(TOKEN))
    at = replace(context(moment(2033), record, policy="eu-ts119312"), trust=trust(CLASSICAL, by))
    assert worlds(verify_bytes(TOKEN, at)) == ("INDETERMINATE", "PASSED", "PASSED")


def test_a_renewed_record_goes_on_proving() -> None:
    at = moment(2040)
    assert verdict(judge(at, RECORD)) == ("INDETERMINATE", "OUT_OF_BOUNDS_NO_POE")
    assert verdict(judge(at, again(RECORD, LATER, moment(2035)))) == ("PASSED", None)


def test_a_record_in_armour_counts_beside_a_token_as_it_does_alone() -> None:
    armoured = b"made by a tool\n" + write_block("EVIDENCE RECORD", RECORD)
    assert verdict(judge(moment(2033), armoured)) == ("PASSED", None)
    for broken in (armoured * 2, armoured[:-60], armoured.replace(b"\nM", b"\n!")):
        assert verdict(judge(moment(2033), broken)) == ("FAILED", "FORMAT_FAILURE")


def test_before_its_renewal_a_record_proves_what_it_proved_then() -> None:
    report = judge(moment(2034, 6), again(RECORD, LATER, moment(2035)))
    assert verdict(report) == ("PASSED", None)
    assert worlds(report) == ("INDETERMINATE", "PASSED", "PASSED")
    assert "EVIDENCE_STAMPS_LATER" in report.limits
    assert report.parts[0].subject["later_time_stamps"] == 1
    # Before any evidence it was judged by itself, and still is.
    first_day = judge(STAMPED, again(RECORD, LATER, moment(2035)))
    assert (verdict(first_day), reasons(first_day)["evidence"]) == (("PASSED", None), "EVIDENCE_OPEN")


def test_open_evidence_does_not_count_and_is_named() -> None:
    now, gone = moment(2026, 7, 1), replace(STORE, anchors=(CLASSICAL.root.certificate,))
    report = verify_bytes(TOKEN, replace(context(now, RECORD), trust=gone))
    assert verdict(report) == ("PASSED", None)
    assert reasons(report)["evidence"] == "EVIDENCE_OPEN"
    assert worlds(report) == ("PASSED", "INDETERMINATE", "PASSED")
    later = verify_bytes(TOKEN, replace(context(moment(2033), RECORD), trust=gone))
    assert verdict(later) == ("INDETERMINATE", "OUT_OF_BOUNDS_NO_POE")
    assert not later.proofs_of_existence


@pytest.mark.parametrize("embedded", [True, False])
def test_evidence_of_another_token_fails(*, embedded: bool) -> None:
    other = first(ARCHIVE, COVERED, bare_token(token_over(OTHER)))
    token = with_unsigned(TOKEN, attribute(oids.ID_AA_ER_INTERNAL, other)) if embedded else TOKEN
    for at in (moment(2026, 7, 1), moment(2033)):
        report = judge(at, token=token) if embedded else judge(at, other)
        assert verdict(report) == ("FAILED", "HASH_FAILURE")
        assert reasons(report)["evidence"] == "EVIDENCE_FAILED"
        assert reasons(report.parts[0])["evidence-object"] == "EVIDENCE_OTHER_OBJECT"


def test_a_record_over_the_token_with_another_signature_is_another_token_s() -> None:
    # Attack: after the fall of ECDSA, the same statement is signed anew and shown with the old evidence.
    again_signed = token_over()
    assert again_signed != TOKEN
    report = judge(moment(2033), RECORD, token=again_signed)
    assert verdict(report) == ("FAILED", "HASH_FAILURE")


def test_a_wrong_signature_and_other_data_fail_whatever_the_evidence_says() -> None:
    flipped = TOKEN[:-1] + bytes((TOKEN[-1] ^ 1,))
    record = first(ARCHIVE, COVERED, bare_token(flipped))
    assert verdict(judge(moment(2033), record, token=flipped)) == ("FAILED", "SIG_CRYPTO_FAILURE")
    other = replace(context(moment(2033), RECORD), content=of_octets(OTHER))
    assert verdict(verify_bytes(TOKEN, other)) == ("FAILED", "HASH_FAILURE")


def test_a_token_that_was_stamped_after_the_end_of_its_certificate_stays_wrong() -> None:
    late = CLASSICAL.unit.issue(_request(), us(moment(2031))).token
    record = first(ARCHIVE, moment(2031, 2), bare_token(late))
    assert verdict(judge(moment(2033), record, token=late)) == ("FAILED", "EXPIRED")


def _request(*, cert_req: bool = True) -> TimeStampReq:
    digest = DIGEST_BY_NAME["sha512"]
    return TimeStampReq(1, digest.oid, None, digest.of(DATA), None, None, None, cert_req, ())


def test_evidence_that_came_too_late_for_the_token_leaves_it_open() -> None:
    # Covered by evidence after the certificate of its unit had expired.
    record = first(ARCHIVE, moment(2031), bare_token(TOKEN))
    assert verdict(judge(moment(2033), record)) == ("INDETERMINATE", "OUT_OF_BOUNDS_NO_POE")


def test_evidence_from_before_the_token_proves_no_earlier_time_than_the_token_s_own() -> None:
    # A clock that was slow by a minute: no token was there before its genTime.
    record = first(ARCHIVE, STAMPED.replace(month=5, day=31), bare_token(TOKEN))
    report = judge(moment(2033), record)
    assert verdict(report) == ("PASSED", None)
    named = next(check.params["time"] for check in report.checks if check.id == "existence")
    assert named == "2026-06-01T00:00:00Z"


@pytest.mark.parametrize("count", [2, 4, 5])
def test_several_records_each_count(count: int) -> None:
    records = [first(ARCHIVE, moment(2026, 6, 2 + each), bare_token(TOKEN)) for each in range(count)]
    report = judge(moment(2033), *records)
    wanted = "PASSED" if count <= 4 else "INDETERMINATE"
    assert report.indication == wanted
    assert len(report.parts) == min(count, 4)
    mixed = judge(moment(2033), RECORD, b"no record")
    assert verdict(mixed) == ("FAILED", "FORMAT_FAILURE")


@pytest.mark.parametrize("order", [(0, 1), (1, 0), (2, 1, 0)])
def test_through_several_records_a_token_passes_until_those_that_are_left_do_not_suffice(
    order: tuple[int, ...],
) -> None:
    """The one that ends last was made when the token had ended: alone it proves nothing."""
    brief, medium = unit(PQ, 2026, 1_650), unit(PQ, 2026, 1_700)
    records = (
        first(brief, moment(2026, 7), bare_token(TOKEN)),
        first(ARCHIVE, moment(2030, 4), bare_token(TOKEN)),
        first(medium, moment(2026, 8), bare_token(TOKEN)),
    )
    shown = tuple(records[number] for number in order)
    by = replace(context(moment(2030, 5), *shown), trust=trust(CLASSICAL, ARCHIVE, brief, medium))
    report = verify_bytes(TOKEN, by)
    assert [part.indication for part in report.parts] == ["PASSED"] * len(order)
    end = report.verifiable_until
    assert end is not None
    last = medium if 2 in order else brief
    named = read_certificate(last.unit.certificate).not_after
    assert (verdict(report), end.time) == (("PASSED", None), named + 999_999)
    for later, wanted in ((0, "PASSED"), (1, "INDETERMINATE")):
        assert verify_bytes(TOKEN, replace(by, at=end.time + later)).indication == wanted


def test_other_unsigned_attributes_beside_the_record_change_nothing() -> None:
    more = with_unsigned(
        TOKEN,
        attribute("1.2.3.4", encode.NULL),
        attribute(oids.ID_AA_ER_INTERNAL, RECORD),
    )
    assert verdict(judge(moment(2033), token=more)) == ("PASSED", None)


# The data itself


def until(sha256: str) -> Context:
    """By a policy that lets SHA-256 go after a day, as the imprint of data and in trees."""
    rows = (
        row(("imprint", "tree"), ["sha256"], ["verify"], until=sha256),
        row(("imprint", "tree"), ["sha512"], ["verify"]),
        row(("signature-digest", "certificate-id"), ["sha256", "sha512"], ["verify"]),
        row("signature", ["ecdsa"], ["verify"], until="2031-12-31"),
        row("signature", ["ml-dsa"], ["verify"]),
    )
    return replace(context(moment(2033)), policy=parse_policy("house", policy_text(*rows)))


def test_a_token_whose_imprint_no_longer_binds_is_open_and_the_binding_is_named() -> None:
    token = token_over(digest="sha256")
    record = first(ARCHIVE, COVERED, bare_token(token))
    report = verify_bytes(token, replace(until("2032-12-31"), evidence=(record,)))
    assert verdict(report) == ("INDETERMINATE", "CRYPTO_CONSTRAINTS_FAILURE_NO_POE")
    (named,) = (check for check in report.checks if check.id == "imprint-algorithm")
    assert (named.reason, named.params) == (
        "BINDING_NO_LONGER_FIT",
        {"algorithm": "sha256", "until": "2032-12-31"},
    )
    assert report.parts[0].indication == "PASSED"  # token and evidence hold
    assert "nothing proves that the token existed" not in " ".join(sentences(report, "en"))
    fit = verify_bytes(token, replace(until("2033-12-31"), evidence=(record,)))
    assert verdict(fit) == ("PASSED", None)
    assert fit.verifiable_until is not None
    assert (fit.verifiable_until.cause, fit.verifiable_until.params["algorithm"]) == (
        "ALGORITHM_ENDS",
        "sha256",
    )


def test_with_the_document_in_the_group_another_digest_binds_it() -> None:
    token = token_over(digest="sha256")
    record = first(ARCHIVE, COVERED, bare_token(token), DATA)
    by = replace(until("2032-12-31"), evidence=(record,))
    assert verdict(verify_bytes(token, by)) == ("PASSED", None)
    # Who does not have the document cannot say what the group holds.
    blind = verify_bytes(token, replace(by, content=None))
    assert reasons(blind)["imprint-algorithm"] == "BINDING_NO_LONGER_FIT"


def test_a_document_that_a_renewal_left_out_binds_as_long_as_the_older_hash() -> None:
    token = token_over(digest="sha256")
    read = read_evidence_record(first(ARCHIVE, COVERED, bare_token(token), DATA))
    new = DIGEST_BY_NAME["sha3_512"]
    value = new.of(new.of(bare_token(token)) + new.of(read.sequence))
    stamp = encode_archive_time_stamp(LATER.stamp("sha3_512", value, moment(2034, 6)))
    record = encode_evidence_record(read.digests, [read.chains[0].octets, encode_chain([stamp])])
    rows = (
        row(("imprint", "tree"), ["sha256"], ["verify"], until="2032-12-31"),
        row(("imprint", "tree"), ["sha512"], ["verify"], until="2035-12-31"),
        row(("imprint", "tree"), ["sha3_512"], ["verify"]),
        row(("signature-digest", "certificate-id"), ["sha256", "sha512"], ["verify"]),
        row("signature", ["ecdsa", "ml-dsa"], ["verify"]),
    )
    policy = parse_policy("house", policy_text(*rows))
    by = replace(context(moment(2035), record), policy=policy)
    end = verify_bytes(token, by).verifiable_until
    assert end is not None
    assert (end.cause, end.params["algorithm"]) == (Ending.ALGORITHM_ENDS, "sha512")
    for later, wanted in ((0, "PASSED"), (1, "INDETERMINATE")):
        assert verify_bytes(token, replace(by, at=end.time + later)).indication == wanted


def test_another_document_in_the_group_binds_nothing() -> None:
    token = token_over(digest="sha256")
    record = first(ARCHIVE, COVERED, bare_token(token), OTHER)
    report = verify_bytes(token, replace(until("2032-12-31"), evidence=(record,)))
    assert reasons(report)["imprint-algorithm"] == "BINDING_NO_LONGER_FIT"


# What the record brings along


def material(*, in_group: bool) -> tuple[bytes, bytes]:
    """A token without certificates, and a record that has them and the authority's list."""
    request = _request(cert_req=False)
    token = CLASSICAL.unit.issue(request, us(STAMPED)).token
    certificates = encode.sequence(CLASSICAL.unit.certificate, CLASSICAL.root.certificate.der)
    lists = encode.sequence(encode.explicit(0, encode.sequence(CLASSICAL.crl)))
    infos = (
        Attribute(oids.ID_AA_ETS_CERT_VALUES, (certificates,)),
        Attribute(oids.ID_AA_ETS_REVOCATION_VALUES, (lists,)),
    )
    group = (certificates, lists) if in_group else ()
    return token, first(ARCHIVE, COVERED, bare_token(token), *group, infos=infos)


def test_certificates_and_lists_of_the_group_make_the_token_whole() -> None:
    token, record = material(in_group=True)
    strict = replace(context(moment(2033)), revocation_mode=RevocationMode.REQUIRED)
    assert verdict(verify_bytes(token, strict))[1] == "NO_SIGNING_CERTIFICATE_FOUND"
    report = verify_bytes(token, replace(strict, evidence=(record,)))
    assert verdict(report) == ("PASSED", None)


def test_cryptoinfos_outside_of_the_group_are_not_used() -> None:
    token, record = material(in_group=False)
    report = verify_bytes(token, context(moment(2033), record))
    assert verdict(report)[1] == "NO_SIGNING_CERTIFICATE_FOUND"
    assert report.parts[0].indication == "PASSED"


def test_a_key_that_was_stolen_since_is_survived_through_the_evidence() -> None:
    since = moment(2027)
    revoked = {
        read_certificate(CLASSICAL.unit.certificate).serial: Revocation(
            since, RevocationReason.KEY_COMPROMISE
        )
    }
    crl = CLASSICAL.root.crl(revoked, this_update=since, next_update=since + dt.timedelta(days=900), number=2)
    at = replace(context(moment(2028)), revocation=RevocationData(lists=(crl,)))
    assert verify_bytes(TOKEN, at).indication == "INDETERMINATE"
    report = verify_bytes(TOKEN, replace(at, evidence=(RECORD,)))
    assert verdict(report) == ("PASSED", None)
    assert reasons(report)["revocation"] == "REVOKED_SINCE_PROOF"


# As one sees it from outside


def test_facts_keep_the_evidence_and_give_the_same_report() -> None:
    for token, evidence in ((TOKEN, (RECORD,)), (EMBEDDED, ()), (EMBEDDED, (RECORD, RECORD))):
        digest = {"sha512": hashlib.sha512(DATA).digest()}
        by = replace(context(moment(2033), *evidence), content=None)
        octets = Facts(token, by, digest).encode()
        made = verify_bytes(token, replace(by, content=of_octets(DATA)))
        assert read_facts(octets).judge().to_json() == made.to_json()
        assert made.indication == "PASSED"


def test_facts_from_before_evidence_are_still_read() -> None:
    octets = Facts(TOKEN, replace(context(moment(2026, 7, 1)), content=None)).encode()
    old = octets.replace(b' "schema": 2,', b' "schema": 1,').replace(b' "bound": null,\n', b"")
    old = old.replace(b' "evidence": [],\n', b"")
    assert old != octets
    assert read_facts(old).judge().to_json() == read_facts(octets).judge().to_json()


def test_a_claimed_binding_is_named_as_one() -> None:
    token = token_over(digest="sha256")
    by = replace(until("2032-12-31"), at=us(moment(2033)), content=None, bound=us(moment(2027)))
    report = read_facts(Facts(token, by).encode()).judge()
    assert reasons(report)["existence"] == "EXISTENCE_CLAIMED"


def test_the_same_question_gets_the_same_report_and_no_network_is_asked(network_attempts: list[str]) -> None:
    for at in (moment(2026, 7, 1), moment(2033), moment(2060)):
        reports = {judge(at, RECORD, token=EMBEDDED).to_json() for _ in range(3)}
        assert len(reports) == 1
    assert network_attempts == []


def test_a_record_by_itself_is_judged_over_the_data() -> None:
    document = first(ARCHIVE, COVERED, DATA)
    assert verdict(verify_bytes(document, context(moment(2033)))) == ("PASSED", None)
    assert verdict(verify_bytes(document, replace(context(moment(2033)), content=None))) == (
        "INDETERMINATE",
        "SIGNED_DATA_NOT_FOUND",
    )
    other = replace(context(moment(2033)), content=of_octets(OTHER))
    assert verdict(verify_bytes(document, other)) == ("FAILED", "HASH_FAILURE")
    # The document of a token's group, by the record of the token.
    sidecar = first(ARCHIVE, COVERED, bare_token(TOKEN), DATA)
    assert verdict(verify_bytes(sidecar, context(moment(2033)))) == ("PASSED", None)


def test_a_record_without_its_end_is_no_record() -> None:
    read = read_evidence_record(RECORD)
    empty = encode_evidence_record(read.digests, [encode_chain([])])
    assert verdict(judge(moment(2033), empty)) == ("FAILED", "FORMAT_FAILURE")


def test_a_token_within_a_signature_passes_through_the_evidence_within_it() -> None:
    token = CLASSICAL.stamp("sha512", hashlib.sha512(SIGNATURE).digest(), STAMPED, crl=False)
    record = first(ARCHIVE, COVERED, bare_token(token))
    at = replace(context(moment(2033)), content=None)
    for held, wanted in ((token, "INDETERMINATE"), (record_in(token, record), "PASSED")):
        report = verify_bytes(Enclosing([(oids.ID_AA_TIME_STAMP_TOKEN, held)]).make(), at)
        assert report.kind == "cms-with-timestamps"
        assert report.parts[0].indication == wanted


def record_in(token: bytes, record: bytes) -> bytes:
    return with_unsigned(token, attribute(oids.ID_AA_ER_INTERNAL, record))


@pytest.mark.parametrize(
    "data",
    [b"no token", RECORD, Enclosing().make(), b"%PDF-1.7"],
    ids=["bytes", "a record", "a signature", "a document"],
)
def test_a_record_beside_what_is_no_token_is_not_used_and_that_is_said(data: bytes) -> None:
    at = context(moment(2033))
    alone, both = verify_bytes(data, at), verify_bytes(data, replace(at, evidence=(RECORD,)))
    assert verdict(both) == verdict(alone)
    assert both.checks[-1].reason == "EVIDENCE_NOT_USED"
    assert both.limits[-1] == "EVIDENCE_NOT_USED"
