"""Evidence in the hands of a forger: what came later than the proof must not count as old as what is proven.

By 2033 ECDSA has fallen: whoever likes computes an authority's key, and dates what he signs as he pleases.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from kokuin.ledger.witness_policy import read_policy
from kokuin.trust.anchors import TrustStore
from kokuin.trust.authority import CertificateAuthority
from kokuin.trust.certificate import read_certificate
from kokuin.trust.context import Context, RevocationData, RevocationMode
from kokuin.trust.evidence_known import Later
from kokuin.trust.name import distinguished_name
from kokuin.trust.report import Ending
from kokuin.trust.revocation import Revocation, RevocationReason
from kokuin.verify.content import of_octets
from kokuin.verify.ledger_claim import Auditor
from kokuin.verify.ledger_place import LedgerEvidence, verify_with_ledger
from kokuin.verify.verifying import verify_bytes
from kokuin.wire import oids
from kokuin.wire.algorithms import DIGEST_BY_NAME
from kokuin.wire.cms import Attribute
from kokuin.wire.ers import encode_evidence_record, read_evidence_record
from kokuin.wire.token_form import bare_token, with_evidence
from kokuin.wire.tsp import TimeStampReq
from pqc.policies import load_policy
from pqc.signing import SoftwareSigner, generate_key
from pqc.suites import suite
from tests.ledger.notes import log, verifier
from tests.trust.evidences import DATA, P256, PQ, Unit, again, first, moment, unit, us
from tests.trust.forge import reasons, verdict
from tests.unsigned import attribute, with_unsigned
from tests.verify import ledgers
from tests.verify.enclosing import SIGNATURE, Enclosing
from tsa.evidence.group import encode_certificate_values, encode_revocation_values
from tsa.template import SignerIdentity
from tsa.unit import KeyPeriod, TimeStampUnit

if TYPE_CHECKING:
    from kokuin.trust.report import Report
    from pqc.policies import Policy

ARCHIVE, LATER = unit(PQ, 2026), unit(PQ, 2031, 2_000)
STAMPED, COVERED = moment(2026, 6, 1), moment(2026, 6, 2)
AT = moment(2033)
DAY = dt.timedelta(days=1)
LONG = 3_600


def signer() -> SoftwareSigner:
    return SoftwareSigner(suite(P256), generate_key(suite(P256)))


ROOT = CertificateAuthority.root(
    signer(), distinguished_name("Test", "anchor"), now=moment(2026), days=LONG, path_length=None
)
"""Trusted, and by 2033 everybody's."""
OWN = signer()
FORGED = ROOT.issue_ca(
    OWN.public_key, distinguished_name("Test", "nobody"), now=moment(2026), days=LONG, path_length=0
).der
"""Made in 2033, whatever its dates say: an authority of the forger's."""
STORE = TrustStore((ROOT.certificate, ARCHIVE.root.certificate, LATER.root.certificate))


def unit_of(authority: CertificateAuthority, *chain: bytes) -> Unit:
    """A unit under an authority; its tokens carry its certificate and a chain."""
    key = signer()
    name = distinguished_name("Test", "unit")
    issued = authority.issue_unit(key.public_key, name, now=moment(2026), days=1_500, key_days=1_400)
    found = read_certificate(issued.der)
    identity = SignerIdentity(found.der, found.issuer, found.serial, found.subject, chain)
    period = KeyPeriod(us(moment(2026)), us(moment(2030)))
    made = TimeStampUnit(
        unit_id="unit",
        signer=key,
        identity=identity,
        policy="1.3.6.1.4.1.32473.1",
        accuracy_us=1_000_000,
        period=period,
        name_in_token=True,
    )
    crl = authority.crl({}, this_update=moment(2026), next_update=moment(2026) + LONG * DAY, number=1)
    return Unit(authority, made, crl)


def stamped(by: Unit, data: bytes = DATA) -> bytes:
    return by.stamp("sha512", hashlib.sha512(data).digest(), STAMPED, crl=False)


FORGERS = unit_of(CertificateAuthority(OWN, FORGED))
TOKEN = stamped(FORGERS)
"""Signed in 2026 by nobody's unit, and covered by evidence then: an archive takes what it is given."""
RECORD = first(ARCHIVE, COVERED, bare_token(TOKEN))
VALUES = encode_certificate_values([FORGED])


def context(at: dt.datetime = AT, *evidence: bytes, policy: str | Policy = "eu-ts119312") -> Context:
    by = load_policy(policy) if isinstance(policy, str) else policy
    return Context(us(at), STORE, of_octets(DATA), policy=by, evidence=evidence)


def judge(token: bytes, *evidence: bytes) -> Report:
    return verify_bytes(token, context(AT, *evidence))


def unfit(report: Report) -> tuple[str, str | None]:
    assert verdict(report) == ("INDETERMINATE", "CRYPTO_CONSTRAINTS_FAILURE_NO_POE")
    return "path-algorithms", reasons(report).get("path-algorithms")


def test_an_authority_that_was_there_from_the_beginning_vouches_for_its_unit() -> None:
    """What the attacks below imitate."""
    token = stamped(unit_of(CertificateAuthority(OWN, FORGED), FORGED))
    assert verdict(judge(token, first(ARCHIVE, COVERED, bare_token(token)))) == ("PASSED", None)
    in_group = first(
        ARCHIVE,
        COVERED,
        bare_token(TOKEN),
        VALUES,
        infos=(Attribute(oids.ID_AA_ETS_CERT_VALUES, (VALUES,)),),
    )
    assert verdict(judge(TOKEN, in_group)) == ("PASSED", None)


@pytest.mark.parametrize("embedded", [True, False])
def test_an_authority_added_to_the_token_after_its_evidence_vouches_for_nobody(*, embedded: bool) -> None:
    late = with_unsigned(TOKEN, attribute(oids.ID_AA_ETS_CERT_VALUES, VALUES))
    report = judge(with_evidence(late, RECORD)) if embedded else judge(late, RECORD)
    assert report.parts[0].indication == "PASSED"
    assert unfit(report) == ("path-algorithms", "NO_LONGER_FIT")


def test_an_authority_in_the_group_of_a_later_record_vouches_for_nobody() -> None:
    infos = (Attribute(oids.ID_AA_ETS_CERT_VALUES, (VALUES,)),)
    late = first(LATER, moment(2032), bare_token(TOKEN), VALUES, infos=infos)
    for records in ((RECORD, late), (late, RECORD)):
        report = judge(TOKEN, *records)
        assert [part.indication for part in report.parts] == ["PASSED", "PASSED"]
        assert unfit(report) == ("path-algorithms", "NO_LONGER_FIT")


@pytest.mark.parametrize("at", [moment(2029), AT])
def test_an_authority_beside_the_archive_time_stamps_is_of_today(at: dt.datetime) -> None:
    """Attack: an archive time-stamp by nobody's unit, renewed; and once its algorithm fell, its authority."""
    record = again(first(FORGERS, COVERED, DATA), ARCHIVE, moment(2028))
    read = read_evidence_record(record)
    infos = (Attribute(oids.ID_AA_ETS_CERT_VALUES, (VALUES,)),)
    late = encode_evidence_record(read.digests, [each.octets for each in read.chains], crypto_infos=infos)
    found = verify_bytes(late, context(at))
    if at == AT:
        assert found.sub_indication == "CRYPTO_CONSTRAINTS_FAILURE_NO_POE"
        assert reasons(found.parts[0])["path-algorithms"] == "NO_LONGER_FIT"
    else:
        assert verdict(found) == ("PASSED", None)
    assert verify_bytes(record, context(at)).sub_indication == "NO_CERTIFICATE_CHAIN_FOUND"


def test_an_authority_in_the_signature_around_the_token_vouches_for_nobody() -> None:
    token = stamped(FORGERS, SIGNATURE)
    held = with_evidence(token, first(ARCHIVE, COVERED, bare_token(token)))
    enclosing = Enclosing([(oids.ID_AA_TIME_STAMP_TOKEN, held)], certificates=[FORGED])
    report = verify_bytes(enclosing.make(), replace(context(), content=None))
    assert report.parts[0].parts[0].indication == "PASSED"
    assert unfit(report.parts[0]) == ("path-algorithms", "NO_LONGER_FIT")


def test_an_authority_added_to_the_token_after_its_record_in_a_ledger_vouches_for_nobody() -> None:
    digest = DIGEST_BY_NAME["sha512"]
    request = TimeStampReq(1, digest.oid, None, digest.of(DATA), None, None, None, True, ())  # certReq
    issued = FORGERS.unit.issue(request, us(STAMPED))
    sought = ledgers.sought(issued.token)
    leaf = ledgers.issued_leaf(issued, tst=sought.tst, tst512=sought.tst512)
    made = ledgers.Ledger([leaf]).proof(0, 600)
    octets = ledgers.cosigner("w1", 700)(made.checkpoint_octets)
    auditor = Auditor(verifier(log()), read_policy(ledgers.policy(1, "w1")))
    shown = LedgerEvidence(auditor, replace(made, checkpoint_octets=octets).encode())
    late = with_unsigned(issued.token, attribute(oids.ID_AA_ETS_CERT_VALUES, VALUES))
    trusting = replace(context(moment(2029)), trust=replace(STORE, helpers=(read_certificate(FORGED),)))
    for token, by, wanted in (
        (issued.token, replace(trusting, at=us(AT)), "PASSED"),
        (late, context(moment(2029)), "PASSED"),
        (late, context(), "INDETERMINATE"),
    ):
        report = verify_with_ledger(token, by, shown)
        assert report.indication == wanted
    assert reasons(report)["path-algorithms"] == "NO_LONGER_FIT"


def test_a_certificate_of_the_verifier_s_own_needs_no_proof() -> None:
    own = replace(STORE, helpers=(read_certificate(FORGED),))
    report = verify_bytes(TOKEN, replace(context(AT, RECORD), trust=own))
    assert verdict(report) == ("PASSED", None)


def test_a_token_passes_no_longer_than_what_its_record_does_not_cover() -> None:
    """Before 2031 the late certificate is fit; the token lasts as long as that, the record longer."""
    late = with_unsigned(TOKEN, attribute(oids.ID_AA_ETS_CERT_VALUES, VALUES))
    at = context(moment(2030, 6), RECORD)
    report = verify_bytes(late, at)
    assert verdict(report) == ("PASSED", None)
    end = report.verifiable_until
    assert end is not None
    assert (end.cause, end.params["algorithm"]) == (Ending.ALGORITHM_ENDS, "P-256")
    for later, wanted in ((0, "PASSED"), (1, "INDETERMINATE")):
        assert verify_bytes(late, replace(at, at=end.time + later)).indication == wanted


# Revocations


def revocation(since: dt.datetime) -> Revocation:
    return Revocation(since, RevocationReason.KEY_COMPROMISE)


def list_of(by: Unit, revoked: dt.datetime | None, made: dt.datetime, days: int = 30) -> bytes:
    """The list that a unit's authority makes at a time, in which the unit stands as revoked or does not."""
    serial = read_certificate(by.unit.certificate).serial
    entries = {} if revoked is None else {serial: revocation(revoked)}
    return by.root.crl(entries, this_update=made, next_update=made + days * DAY, number=2)


CLASSICAL = unit_of(ROOT)
GENUINE = stamped(CLASSICAL)
PROVEN = first(ARCHIVE, COVERED, bare_token(GENUINE))


def required(*lists: bytes, evidence: bytes = PROVEN, at: dt.datetime = AT) -> Context:
    by = replace(context(at, evidence), revocation_mode=RevocationMode.REQUIRED)
    return replace(by, revocation=RevocationData(lists=lists))


def test_a_list_forged_after_the_fall_of_its_algorithm_clears_nobody() -> None:
    forged = list_of(CLASSICAL, None, STAMPED, LONG)
    held = encode_revocation_values(RevocationData(lists=(forged,)))
    assert held is not None
    late = with_unsigned(GENUINE, attribute(oids.ID_AA_ETS_REVOCATION_VALUES, held))
    for report in (verify_bytes(GENUINE, required(forged)), verify_bytes(late, required())):
        assert verdict(report) == ("INDETERMINATE", "TRY_LATER")
        assert reasons(report)["revocation"] == "REVOCATION_UNFIT"
    infos = (Attribute(oids.ID_AA_ETS_REVOCATION_VALUES, (held,)),)
    covered = first(ARCHIVE, COVERED, bare_token(GENUINE), held, infos=infos)
    assert verdict(verify_bytes(GENUINE, required(evidence=covered))) == ("PASSED", None)


def test_a_list_of_the_verifier_that_revokes_counts_although_its_algorithm_fell_since() -> None:
    known = list_of(CLASSICAL, moment(2026, 3), moment(2027))
    by = replace(context(AT, PROVEN), revocation=RevocationData(lists=(known,)))
    assert verdict(verify_bytes(GENUINE, by)) == ("FAILED", "REVOKED")


def carrying(by: Unit, crl: bytes) -> Unit:
    """The same unit, whose archive time-stamps carry another list."""
    return replace(by, crl=crl)


@pytest.mark.parametrize(
    ("since", "wanted"),
    [
        (moment(2028), ("INDETERMINATE", "REVOKED_NO_POE")),
        (moment(2031, 6), ("PASSED", None)),
    ],
    ids=["before the renewal", "after it"],
)
@pytest.mark.parametrize("brought_by", ["the verifier", "the renewal"])
def test_a_stolen_key_of_an_evidence_unit_counts_from_before_the_renewal(
    since: dt.datetime, wanted: tuple[str, str | None], brought_by: str
) -> None:
    """Attack: with the stolen key, an archive time-stamp dated back, covered by an honest one later."""
    renewal = moment(2031, 3)
    told = list_of(ARCHIVE, since, max(since, renewal))
    by_whom = LATER if brought_by == "the verifier" else carrying(LATER, told)
    record = again(first(ARCHIVE, COVERED, DATA), by_whom, renewal)
    more = RevocationData(lists=(told,) if brought_by == "the verifier" else ())
    report = verify_bytes(record, replace(context(), revocation=more))
    assert verdict(report) == wanted
    if wanted[0] != "PASSED":
        (named,) = (check for check in report.checks if check.id == "evidence-stamps")
        assert named.reason == "EVIDENCE_RENEWED_LATE"
        assert (named.params["stamp"], named.params["cause"]) == (1, "REVOCATION_BEGINS")
        assert str(named.params["ended"]).startswith("2027-12-31")


def test_a_token_of_a_stolen_key_dated_back_is_open_by_the_list_in_the_archive_time_stamp() -> None:
    told = list_of(CLASSICAL, moment(2027), moment(2028))
    record = first(carrying(ARCHIVE, told), moment(2028), bare_token(GENUINE))
    assert verdict(verify_bytes(GENUINE, context(moment(2028, 2)))) == ("PASSED", None)
    report = verify_bytes(GENUINE, context(moment(2028, 2), record))
    assert report.parts[0].indication == "PASSED"
    assert verdict(report) == ("INDETERMINATE", "REVOKED_NO_POE")
    earlier = first(carrying(ARCHIVE, told), moment(2026, 12), bare_token(GENUINE))
    assert verdict(verify_bytes(GENUINE, context(moment(2028, 2), earlier))) == ("PASSED", None)


def test_the_list_that_a_renewal_carries_tells_of_the_time_stamp_before_it() -> None:
    """An archive time-stamp carries the list of its day, which is stale when it is renewed eight years on."""
    brief = carrying(ARCHIVE, list_of(ARCHIVE, None, COVERED))
    record, at = first(brief, COVERED, DATA), moment(2031, 4)
    without = list_of(LATER, None, moment(2031, 3), 60)
    fresh = list_of(ARCHIVE, None, moment(2031, 3), 60)
    strict = replace(context(at), revocation_mode=RevocationMode.REQUIRED)
    silent = verify_bytes(again(record, carrying(LATER, without), moment(2031, 3, 2)), strict)
    assert verdict(silent) == ("INDETERMINATE", "TRY_LATER")
    both = again(again(record, carrying(LATER, fresh), moment(2031, 3, 2)), carrying(LATER, without), at)
    known = replace(strict, revocation=RevocationData(lists=(without,)))
    assert verdict(verify_bytes(both, known)) == ("PASSED", None)


def test_of_what_many_time_stamps_carry_the_nearest_is_kept() -> None:
    lists = [list_of(ARCHIVE, None, moment(2026) + each * DAY) for each in range(20)]
    later = Later()
    for number, crl in enumerate(lists):
        later = later.with_those_of(carrying(ARCHIVE, crl).stamp("sha512", bytes(64), COVERED), 100 - number)
    assert later.data.lists == tuple(reversed(lists))[:16]
    assert dict(later.known) == {crl: 100 - number for number, crl in enumerate(lists) if number >= 4}
