"""Seals judged by their facts: dates, proofs, keys and certificates, whatever the format."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from eseal.values import Level, Stamp, StampRole
from kokuin.trust.anchors import TrustStore
from kokuin.trust.certificate import read_certificate
from kokuin.trust.context import RevocationData
from kokuin.trust.report import Ending, Existence, Limit
from kokuin.trust.revocation import Revocation, RevocationReason
from kokuin.wire import oids
from kokuin.wire.token_form import bare_token
from pqc.policies import load_policy, parse_policy
from tests.eseal.found import (
    CONTENT,
    Made,
    context,
    covers,
    document,
    judged,
    past,
    reasons,
    required_revocation,
    verdict,
)
from tests.eseal.pki import DAY_US, EVERY, NOW, NOW_US, seal_key, seal_pki
from tests.ownpolicy import policy_text, row
from tests.trust.evidences import PQ, first, moment, unit, us
from tests.unsigned import attribute, with_unsigned

if TYPE_CHECKING:
    import datetime as dt

    from pqc.policies import Policy

SIGNATURE, ARCHIVE, CONTENT_STAMP = StampRole.SIGNATURE, StampRole.ARCHIVE, StampRole.CONTENT


@pytest.mark.parametrize("suite_id", EVERY)
def test_a_seal_of_every_suite_passes(suite_id: str) -> None:
    report = judged(Made(key=seal_key(suite_id)))
    assert verdict(report) == "PASSED"
    assert report.subject["algorithm"] == seal_key(suite_id).signer.suite.key


def test_other_content_fails_by_the_signature() -> None:
    assert verdict(judged(Made(seen=b"something else"))) == "FAILED SIG_CRYPTO_FAILURE"


def test_nothing_passes_without_a_trusted_path() -> None:
    report = judged(Made(), context(trust=TrustStore()))
    assert verdict(report) == "INDETERMINATE NO_CERTIFICATE_CHAIN_FOUND"


def test_facts_without_a_signer_or_a_signature_never_pass() -> None:
    found = Made().find()
    assert verdict(judged(replace(found, signer=None))) == "INDETERMINATE NO_SIGNING_CERTIFICATE_FOUND"
    report = judged(replace(found, signature=None))
    assert verdict(report) == "INDETERMINATE CRYPTO_CONSTRAINTS_FAILURE"


def test_a_basic_seal_proves_its_existence_only_at_the_validation_time() -> None:
    key = seal_pki().seal_key(now=past(days=400), days=365)
    report = judged(Made(key=key, claimed_us=NOW_US - 100 * DAY_US))
    assert verdict(report) == "INDETERMINATE OUT_OF_BOUNDS_NO_POE"
    then = judged(Made(key=key, claimed_us=NOW_US - 100 * DAY_US), context(at=NOW_US - 90 * DAY_US))
    assert verdict(then) == "PASSED"


def test_a_time_stamp_dates_the_seal_whose_certificate_has_expired() -> None:
    key = seal_pki().seal_key(now=past(days=400), days=365)
    made = Made(key=key, claimed_us=NOW_US - 100 * DAY_US, stamps=((SIGNATURE, past(days=100)),))
    report = judged(made)
    assert verdict(report) == "PASSED"
    (proof,) = report.proofs_of_existence
    assert (proof.code, proof.time) == (Existence.TIME_STAMPED, NOW_US - 100 * DAY_US)
    assert "proven_time" in report.subject


def test_a_time_stamp_from_after_the_expiry_helps_nobody() -> None:
    key = seal_pki().seal_key(now=past(days=400), days=365)
    report = judged(Made(key=key, stamps=((SIGNATURE, past(days=5)),)))
    assert verdict(report) == "INDETERMINATE OUT_OF_BOUNDS_NO_POE"
    assert "PROVEN_TOO_LATE" in reasons(report)


def test_a_content_time_stamp_from_after_the_expiry_shows_that_it_was_made_too_late() -> None:
    key = seal_pki().seal_key(now=past(days=400), days=365)
    report = judged(Made(key=key, stamps=((CONTENT_STAMP, past(days=5)),)))
    assert verdict(report) == "FAILED EXPIRED"


def test_a_certificate_of_today_for_a_seal_of_long_ago_fails() -> None:
    key = seal_pki().seal_key(now=past(days=2), days=365)
    report = judged(Made(key=key, stamps=((SIGNATURE, past(days=100)),)))
    assert verdict(report) == "FAILED NOT_YET_VALID"


@pytest.mark.parametrize("role", [SIGNATURE, ARCHIVE])
def test_a_time_stamp_of_another_seal_fails(role: StampRole) -> None:
    found = Made(stamps=((role, None),)).find()
    stolen = replace(found.stamps[0], content=covers(b"another seal"))
    report = judged(replace(found, stamps=(stolen,)))
    assert verdict(report) == "FAILED HASH_FAILURE"
    assert "STAMP_FAILED" in reasons(report)


def test_a_time_stamp_whose_coverage_is_unknown_proves_nothing() -> None:
    key = seal_pki().seal_key(now=past(days=400), days=365)
    found = Made(key=key, claimed_us=None, stamps=((ARCHIVE, past(days=100)),)).find()
    report = judged(replace(found, stamps=(replace(found.stamps[0], content=None),)))
    assert verdict(report) == "INDETERMINATE OUT_OF_BOUNDS_NO_POE"
    assert Limit.COVERAGE_NOT_COMPUTED in report.limits


def test_a_time_stamp_that_is_not_trusted_is_named_and_the_seal_judged_without_it() -> None:
    found = Made().find()
    foreign = seal_pki("ml-dsa-44").stamper()
    stamp = Stamp(foreign.stamp(covers(CONTENT)(foreign.digest)), covers(CONTENT), SIGNATURE, 0)
    report = judged(replace(found, stamps=(stamp,)))
    assert verdict(report) == "PASSED"
    assert "STAMP_OPEN" in reasons(report)
    assert report.subject["level"] == Level.B_B
    assert not report.proofs_of_existence


def test_garbage_for_a_time_stamp_fails_and_never_raises() -> None:
    found = Made().find()
    for octets in (b"", b"\x30\x80", b"%PDF-1.7", bytes(1000)):
        report = judged(replace(found, stamps=(Stamp(octets, None, SIGNATURE, 0),)))
        assert verdict(report) == "FAILED FORMAT_FAILURE"


@pytest.mark.parametrize("ending", ["ecdsa", "the imprint's sha256"])
def test_an_archive_time_stamp_carries_an_older_one_over_the_end_of_its_algorithm(ending: str) -> None:
    """It covers the sealed data too, so that an older imprint need not bind them any more."""
    day = past(days=50).date()
    policy = _without_ecdsa_from(day) if ending == "ecdsa" else _without_sha256_imprints_from(day)
    pq = "ml-dsa-65"
    key = seal_key(pq, pq)
    stamps = ((SIGNATURE, past(days=100)),)
    made = Made(key=key, stamps=stamps, claimed_us=None, revocation=RevocationData())
    trust = TrustStore((seal_pki(pq).root.certificate, seal_pki().root.certificate))
    by = context(policy=policy, trust=trust, revocation=RevocationData())
    found = made.find()
    alone = judged(found, by)
    assert "STAMP_OPEN" in reasons(alone)
    renewing = seal_pki(pq).stamper(pq, at=past(days=60))
    data = CONTENT + found.stamps[0].token
    token = renewing.stamp(covers(data)(renewing.digest))
    renewed = replace(found, stamps=(*found.stamps, Stamp(token, covers(data), ARCHIVE, 1)))
    report = judged(renewed, by)
    assert verdict(report) == "PASSED"
    assert report.proofs_of_existence[0].time == NOW_US - 100 * DAY_US
    assert not reasons(report) & {"STAMP_OPEN", "NO_LONGER_FIT", "BINDING_NO_LONGER_FIT"}


def _without_sha256_imprints_from(day: dt.date) -> Policy:
    rows = (
        row("signature", ["ecdsa", "ml-dsa"], ["verify"]),
        row(("signature-digest", "certificate-id"), ["sha256", "sha512"], ["verify"]),
        row("imprint", ["sha256"], ["verify"], until=str(day)),
        row("imprint", ["sha512"], ["verify"]),
    )
    return parse_policy("aged", policy_text(*rows))


def _without_ecdsa_from(day: dt.date) -> Policy:
    hashes = ("imprint", "signature-digest", "certificate-id")
    rows = (
        row("signature", ["ecdsa"], ["verify"], until=str(day)),
        row("signature", ["ml-dsa"], ["verify"]),
        row(hashes, ["sha256", "sha512"], ["verify"]),
    )
    return parse_policy("aged", policy_text(*rows))


def test_a_seal_passes_through_the_evidence_within_its_time_stamp() -> None:
    found = Made(stamps=((StampRole.SIGNATURE, None),)).find()
    (stamp,) = found.stamps
    keeper = unit(PQ, NOW.year)
    record = first(keeper, NOW, bare_token(stamp.token))
    token = with_unsigned(stamp.token, attribute(oids.ID_AA_ER_INTERNAL, record))
    anchors = (*seal_pki().trust.anchors, keeper.root.certificate)
    # The time-stamp covers the signature alone: what vouches for its signer must be known to the verifier.
    store = TrustStore(anchors, tuple(map(read_certificate, seal_pki().chain)))
    by = context(at=us(moment(2033)), trust=store, policy=load_policy("eu-ts119312"))
    assert judged(found, by).indication == "INDETERMINATE"
    proven = replace(found, stamps=(replace(stamp, token=token),))
    report = judged(proven, by)
    assert report.indication == "PASSED"
    assert report.parts[0].subject["post_quantum"] == "PASSED"
    assert report.verifiable_until is not None
    after = replace(by, at=report.verifiable_until.time + 1)
    assert judged(proven, after).indication == "INDETERMINATE"


def test_an_archive_time_stamp_that_is_older_than_what_it_covers_leaves_the_order_open() -> None:
    report = judged(Made(stamps=((SIGNATURE, past(days=1)), (ARCHIVE, past(days=30)))))
    assert verdict(report) == "INDETERMINATE TIMESTAMP_ORDER_FAILURE"


def test_a_content_time_stamp_from_after_the_signatures_is_out_of_order() -> None:
    report = judged(Made(stamps=((CONTENT_STAMP, past(days=1)), (SIGNATURE, past(days=30)))))
    assert verdict(report) == "INDETERMINATE TIMESTAMP_ORDER_FAILURE"


def test_a_claim_of_the_future_is_not_accepted_but_a_slow_clock_is() -> None:
    later = Made(claimed_us=NOW_US + 5 * 60 * 1_000_000)
    assert verdict(judged(later)) == "INDETERMINATE TIMESTAMP_ORDER_FAILURE"
    assert verdict(judged(Made(claimed_us=NOW_US + 100 * 1_000_000))) == "PASSED"


def test_a_claim_that_the_proof_contradicts_is_named() -> None:
    report = judged(Made(stamps=((SIGNATURE, past(days=30)),), claimed_us=NOW_US))
    assert verdict(report) == "PASSED"
    assert "CLAIMED_AFTER_PROOF" in reasons(report)


def _revoked(seal: Made, days_ago: int, reason: RevocationReason | None) -> RevocationData:
    serial = read_certificate(seal.key.certificate).serial
    entry = Revocation(past(days=days_ago), reason, None)
    return RevocationData(lists=seal_pki().crls({serial: entry}))


@pytest.mark.parametrize("reason", [RevocationReason.KEY_COMPROMISE, RevocationReason.SUPERSEDED, None])
def test_a_revoked_certificate_leaves_open_what_no_time_stamp_shows_from_before(
    reason: RevocationReason | None,
) -> None:
    """A claimed time counts for nothing: whoever has the key can date a seal back, for any reason."""
    seal = Made(claimed_us=NOW_US - 100 * DAY_US)
    report = judged(seal, context(revocation=_revoked(seal, 10, reason)))
    assert verdict(report) == "INDETERMINATE REVOKED_NO_POE"


def test_a_time_stamp_from_before_the_revocation_keeps_the_seal() -> None:
    seal = Made(stamps=((SIGNATURE, past(days=30)),), claimed_us=None)
    by = context(revocation=_revoked(seal, 10, RevocationReason.KEY_COMPROMISE))
    assert verdict(judged(seal, by)) == "PASSED"


def test_a_time_stamp_from_after_the_revocation_does_not() -> None:
    seal = Made(stamps=((SIGNATURE, past(days=3)),), claimed_us=None)
    by = context(revocation=_revoked(seal, 10, RevocationReason.KEY_COMPROMISE))
    assert verdict(judged(seal, by)) == "INDETERMINATE REVOKED_NO_POE"


def test_required_revocation_data_that_is_missing_leaves_the_verdict_open() -> None:
    report = judged(Made(), required_revocation(revocation=RevocationData()))
    assert verdict(report) == "INDETERMINATE TRY_LATER"
    carried = judged(
        Made(revocation=seal_pki().revocation()), required_revocation(revocation=RevocationData())
    )
    assert verdict(carried) == "PASSED"


def test_what_was_not_checked_of_revocations_is_a_limit() -> None:
    report = judged(Made(), context(revocation=RevocationData()))
    assert verdict(report) == "PASSED"
    assert Limit.REVOCATION_NOT_CHECKED in report.limits


@pytest.mark.parametrize(
    ("stamps", "data", "level", "missing"),
    [
        ((), False, "B-B", ["TIME_STAMP"]),
        ((), True, "B-B", ["TIME_STAMP"]),
        ((CONTENT_STAMP,), True, "B-B", ["TIME_STAMP"]),
        ((SIGNATURE,), False, "B-T", ["SIGNER_VALIDATION_DATA", "STAMP_VALIDATION_DATA"]),
        ((SIGNATURE,), True, "B-LT", ["ARCHIVE_TIME_STAMP"]),
        ((SIGNATURE, ARCHIVE), True, "B-LTA", []),
        ((SIGNATURE, ARCHIVE, ARCHIVE), True, "B-LTA", []),
        ((SIGNATURE, ARCHIVE), False, "B-T", ["SIGNER_VALIDATION_DATA", "STAMP_VALIDATION_DATA"]),
        ((StampRole.DOCUMENT,), True, "B-LT", ["ARCHIVE_TIME_STAMP"]),
        ((StampRole.DOCUMENT, StampRole.DOCUMENT), True, "B-LTA", []),
    ],
)
def test_the_level_and_what_the_next_one_wants_are_told(
    stamps: tuple[StampRole, ...],
    data: bool,  # noqa: FBT001  # a parameter of the test
    level: str,
    missing: list[str],
) -> None:
    carried = seal_pki().revocation() if data else RevocationData()
    made = Made(stamps=tuple((role, past(hours=2)) for role in stamps), revocation=carried, claimed_us=None)
    report = judged(made)
    assert verdict(report) == "PASSED"
    assert (report.subject["level"], report.subject["missing"]) == (level, missing)


def test_revocation_data_that_only_the_verifier_has_makes_no_level() -> None:
    report = judged(Made(stamps=((SIGNATURE, past(hours=2)),)), context())
    assert report.subject["level"] == Level.B_T


def test_a_seal_without_a_proof_passes_until_its_certificate_ends() -> None:
    report = judged(Made())
    assert report.verifiable_until is not None
    assert report.verifiable_until.cause is Ending.SEAL_EXPIRES
    after = context(at=report.verifiable_until.time + 1, revocation=RevocationData())
    assert verdict(judged(Made(), after)) == "INDETERMINATE OUT_OF_BOUNDS_NO_POE"


def test_a_seal_with_a_proof_passes_until_the_time_stamp_no_longer_does() -> None:
    key = seal_pki().seal_key(now=past(days=400), days=365)
    made = Made(key=key, stamps=((SIGNATURE, past(days=100)),), claimed_us=None)
    by = context(revocation=RevocationData())
    found = made.find()
    report = judged(found, by)
    end = report.verifiable_until
    assert end is not None
    assert end.cause is Ending.UNIT_EXPIRES
    assert verdict(judged(found, replace(by, at=end.time))) == "PASSED"
    assert verdict(judged(found, replace(by, at=end.time + 1))) != "PASSED"


def test_a_hybrid_seal_passes_with_both_halves_and_tells_of_each() -> None:
    both = ("P-256", "ML-DSA-65")
    trust = TrustStore((seal_pki().root.certificate,))
    halves = [Made(required=both), Made(key=seal_key("ml-dsa-65"), required=both)]
    report = document(*halves, by=context(trust=trust))
    assert verdict(report) == "PASSED"
    told = {name: report.subject[name] for name in ("classical", "post_quantum", "combined")}
    assert told == {"classical": "PASSED", "post_quantum": "PASSED", "combined": "PASSED"}


@pytest.mark.parametrize("left", ["ecdsa-p256-sha256", "ml-dsa-65"])
def test_a_hybrid_seal_of_which_one_half_was_taken_away_is_refused(left: str) -> None:
    report = document(Made(key=seal_key(left), required=("P-256", "ML-DSA-65")))
    assert verdict(report) == "FAILED SIG_CONSTRAINTS_FAILURE"
    assert "REQUIRED_SEAL_ABSENT" in reasons(report)
    assert verdict(report.parts[0]) == "PASSED"


def test_a_half_by_another_key_does_not_stand_in() -> None:
    report = document(Made(required=("P-256", "ML-DSA-65")), Made(key=seal_key("ml-dsa-44")))
    assert "REQUIRED_SEAL_ABSENT" in reasons(report)


def test_halves_that_ask_for_different_sets_are_refused() -> None:
    other = Made(key=seal_key("ml-dsa-65"), required=("ML-DSA-65", "P-384"))
    assert "REQUIRED_SETS_DIFFER" in reasons(document(Made(required=("P-256", "ML-DSA-65")), other))


def test_the_worst_of_several_seals_counts() -> None:
    report = document(Made(), Made(seen=b"changed"))
    assert verdict(report) == "FAILED SIG_CRYPTO_FAILURE"
    assert [verdict(part) for part in report.parts] == ["PASSED", "FAILED SIG_CRYPTO_FAILURE"]


def test_a_document_without_a_seal_is_none() -> None:
    report = document()
    assert verdict(report) == "FAILED FORMAT_FAILURE"
    assert "NO_SEAL" in reasons(report)


def test_more_seals_than_are_judged_leave_the_verdict_open() -> None:
    found = Made().find()
    report = document(*([found] * 17))
    assert verdict(report) == "INDETERMINATE SIG_CONSTRAINTS_FAILURE"
    assert len(report.parts) == 16


def test_more_time_stamps_than_are_judged_leave_the_verdict_open() -> None:
    found = Made(stamps=((SIGNATURE, None),)).find()
    stamps = tuple(replace(found.stamps[0], index=index) for index in range(33))
    report = judged(replace(found, stamps=stamps), context(revocation=RevocationData()))
    assert verdict(report) == "INDETERMINATE SIG_CONSTRAINTS_FAILURE"
