"""What a revocation means for a token: who took what back, when, why, and what else is known of the time."""

from __future__ import annotations

import pytest

from kokuin.trust.anchors import TrustStore
from kokuin.trust.report import Status
from tests.trust.forge import DAY, NOW, NOW_US, issue, order, pki
from tests.trust.revoking import Reason, Taken, answer, both_clear, checks, crl, judge, said

BEFORE, AFTER = NOW - DAY, NOW + DAY
DAY_US = 86_400 * 1_000_000
LATER_US = NOW_US + 2 * DAY_US
"""After the revocation; the token was made at NOW, before it."""
BETWEEN_US = NOW_US + 3_600 * 1_000_000

COMPROMISES = (Reason.key_compromise, Reason.ca_compromise, Reason.aa_compromise, None)
OTHERS = (
    Reason.unspecified,
    Reason.affiliation_changed,
    Reason.superseded,
    Reason.cessation_of_operation,
    Reason.privilege_withdrawn,
)
BOTH = pytest.mark.parametrize("by", ["list", "answer"])


def told(by: str, taken: Taken) -> dict[str, tuple[bytes, ...]]:
    """Return what tells of the unit's revocation, and a list by which the authority above it is clear."""
    if by == "list":
        return {"lists": (crl(pki().authority, taken), crl(pki().root))}
    return {"lists": (crl(pki().root),), "answers": (answer(pki().authority, pki().unit, taken),)}


def judged(by: str, taken: Taken, *, at: int = LATER_US, proven: int | None = None) -> tuple[object, ...]:
    found = told(by, taken)
    return said(judge(*found["lists"], answers=found.get("answers", ()), at=at, proven=proven))


@BOTH
@pytest.mark.parametrize("reason", [*COMPROMISES, *OTHERS])
def test_a_token_from_after_the_revocation_fails_whatever_its_reason(by: str, reason: Reason | None) -> None:
    for at in (BEFORE, NOW):
        assert judged(by, Taken(pki().unit, at, reason), at=NOW_US) == ("FAILED", "REVOKED", "REVOKED")


@BOTH
@pytest.mark.parametrize("reason", COMPROMISES)
def test_revoked_for_key_compromise_after_gen_time_is_open_unless_the_token_is_proven_older(
    by: str, reason: Reason | None
) -> None:
    """Whoever has the key dates tokens back; no reason at all counts as the worst (RFC 3161 §4, 1)."""
    taken = Taken(pki().unit, AFTER, reason)
    assert judged(by, taken) == ("INDETERMINATE", "REVOKED_NO_POE", "REVOKED_NO_POE")
    assert judged(by, taken, proven=BETWEEN_US) == ("PASSED", None, "REVOKED_SINCE_PROOF")
    assert judged(by, taken, at=BETWEEN_US) == ("PASSED", None, "REVOKED_SINCE_PROOF")


@BOTH
@pytest.mark.parametrize("reason", OTHERS)
def test_revoked_for_another_reason_after_gen_time_passes_and_is_named(by: str, reason: Reason) -> None:
    """RFC 3161 §4, 1: tokens generated before the revocation remain valid."""
    assert judged(by, Taken(pki().unit, AFTER, reason)) == ("PASSED", None, "REVOKED_SINCE")


def test_an_unspecified_reason_is_told_from_none() -> None:
    for reason, why, verdict in (
        (Reason.unspecified, "unspecified", "PASSED"),
        (None, "absent", "INDETERMINATE"),
    ):
        report = judge(crl(pki().authority, Taken(pki().unit, AFTER, reason)), at=LATER_US)
        assert (checks(report)[0].params["why"], report.indication.value) == (why, verdict)


def test_the_date_since_which_a_key_may_have_been_misused_counts_for_a_compromise() -> None:
    stolen = Taken(pki().unit, AFTER, Reason.key_compromise, invalid_from=BEFORE)
    assert judged("list", stolen) == ("FAILED", "REVOKED", "REVOKED")
    silent = Taken(pki().unit, AFTER, None, invalid_from=BEFORE)
    assert judged("list", silent) == ("FAILED", "REVOKED", "REVOKED")
    replaced = Taken(pki().unit, AFTER, Reason.superseded, invalid_from=BEFORE)
    assert judged("list", replaced) == ("PASSED", None, "REVOKED_SINCE")
    late = Taken(pki().unit, AFTER, Reason.key_compromise, invalid_from=AFTER + DAY)
    assert judged("list", late) == ("INDETERMINATE", "REVOKED_NO_POE", "REVOKED_NO_POE")


@BOTH
def test_a_certificate_on_hold_is_to_be_asked_about_again(by: str) -> None:
    held = Taken(pki().unit, BEFORE, Reason.certificate_hold)
    assert judged(by, held) == ("INDETERMINATE", "TRY_LATER", "ON_HOLD")
    later = Taken(pki().unit, AFTER, Reason.certificate_hold)
    assert judged(by, later, at=BETWEEN_US) == ("PASSED", None, "REVOKED_SINCE_PROOF")


def test_a_proof_from_the_very_moment_of_the_revocation_is_too_late() -> None:
    at = NOW_US + DAY_US
    for by, taken in (("REVOKED_NO_POE", pki().unit), ("REVOKED_CA_NO_POE", pki().authority)):
        lists = [crl(issuer, Taken(taken, AFTER)) for issuer in (pki().authority, pki().root)]
        assert judge(*lists, at=LATER_US, proven=at).sub_indication == by
        assert judge(*lists, at=LATER_US, proven=at - 1).sub_indication is None


def test_each_token_of_a_revoked_unit_is_judged_by_its_own_time() -> None:
    der = crl(pki().authority, Taken(pki().unit, NOW, Reason.superseded))
    for gen_us, found in ((NOW_US - 1, "REVOKED_SINCE"), (NOW_US, "REVOKED"), (NOW_US - 2, "REVOKED_SINCE")):
        assert said(judge(der, token=order(gen_us=gen_us).make()))[2] == found


def test_a_hold_that_a_newer_list_no_longer_names_has_ended() -> None:
    held = crl(pki().authority, Taken(pki().unit, BEFORE, Reason.certificate_hold), this=BEFORE)
    newer, older = crl(pki().authority, this=NOW), crl(pki().authority, this=BEFORE - DAY)
    assert said(judge(held, newer)) == ("PASSED", None, None)
    assert said(judge(held, older)) == ("INDETERMINATE", "TRY_LATER", "ON_HOLD")


def test_a_hold_that_a_list_from_after_the_expiry_no_longer_names_has_not_ended() -> None:
    """Attack: wait for the expiry, after which lists drop what was on hold as well."""
    held = crl(pki().authority, Taken(pki().unit, AFTER, Reason.certificate_hold), this=AFTER)
    dropped = crl(pki().authority, this=NOW + 200 * DAY, until=NOW + 300 * DAY)
    for lists in ((held,), (held, dropped)):
        report = judge(*lists, at=NOW_US + 250 * 86_400_000_000, proven=LATER_US)
        assert said(report) == ("INDETERMINATE", "TRY_LATER", "ON_HOLD")


def test_a_hold_that_ended_in_a_revocation_is_judged_by_the_revocation() -> None:
    held = crl(pki().authority, Taken(pki().unit, AFTER, Reason.certificate_hold), this=NOW)
    revoked = Taken(pki().unit, AFTER, Reason.superseded)
    newer, older = crl(pki().authority, revoked, this=AFTER), crl(pki().authority, revoked, this=BEFORE)
    assert said(judge(held, newer, at=LATER_US)) == ("PASSED", None, "REVOKED_SINCE")
    assert said(judge(held, older, at=LATER_US)) == ("INDETERMINATE", "TRY_LATER", "ON_HOLD")


def test_a_revocation_is_never_undone_by_a_newer_list() -> None:
    taken = crl(pki().authority, Taken(pki().unit, BEFORE, Reason.superseded), this=BEFORE)
    assert said(judge(taken, crl(pki().authority, this=NOW))) == ("FAILED", "REVOKED", "REVOKED")
    good = answer(pki().authority, pki().unit, this=NOW)
    assert said(judge(taken, answers=[good])) == ("FAILED", "REVOKED", "REVOKED")


def test_of_several_revocations_the_one_that_weighs_most_counts_and_then_the_earliest() -> None:
    mild = crl(pki().authority, Taken(pki().unit, AFTER, Reason.superseded))
    grave = crl(pki().authority, Taken(pki().unit, AFTER + DAY, Reason.key_compromise))
    earlier = crl(pki().authority, Taken(pki().unit, AFTER, Reason.key_compromise))
    at = LATER_US + DAY_US
    for lists in ((mild, grave, earlier), (earlier, grave, mild)):
        report = judge(*lists, at=at)
        assert said(report) == ("INDETERMINATE", "REVOKED_NO_POE", "REVOKED_NO_POE")
        assert checks(report)[0].params["revoked_at"] == "2026-06-02T00:00:00Z"


@pytest.mark.parametrize("reason", [*COMPROMISES, *OTHERS])
def test_a_chain_through_a_revoked_intermediate_is_open_unless_the_token_is_proven_older(
    reason: Reason | None,
) -> None:
    for at, by in ((AFTER, LATER_US), (BEFORE, NOW_US)):
        report = judge(crl(pki().authority), crl(pki().root, Taken(pki().authority, at, reason)), at=by)
        assert (report.indication.value, report.sub_indication) == ("INDETERMINATE", "REVOKED_CA_NO_POE")
        assert checks(report)[1].reason == "AUTHORITY_REVOKED"
    lists = (crl(pki().authority), crl(pki().root, Taken(pki().authority, AFTER, reason)))
    report = judge(*lists, at=LATER_US, proven=BETWEEN_US)
    assert report.indication.value == "PASSED"
    assert checks(report)[1].reason == "REVOKED_SINCE_PROOF"


def test_an_anchor_is_never_asked_about() -> None:
    lists = (*both_clear(), crl(pki().root, Taken(pki().root, BEFORE, Reason.key_compromise)))
    assert said(judge(*lists)) == ("PASSED", None, None)


def test_each_certificate_below_the_anchor_has_its_check_and_source() -> None:
    report = judge(crl(pki().root), answers=[answer(pki().authority, pki().unit)])
    assert report.limits == ()
    assert [
        (check.status, check.params["certificate"], check.params["source"]) for check in checks(report)
    ] == [
        (Status.OK, "CN=Unit, O=Test, C=JP", "ocsp"),
        (Status.OK, "CN=Authority, O=Test, C=JP", "crl"),
    ]
    span = {"this_update": "2026-05-31T00:00:00Z", "next_update": "2026-06-08T00:00:00Z"}
    assert all(span.items() <= check.params.items() for check in checks(report))


def test_of_several_that_clear_a_certificate_the_newest_is_named() -> None:
    older, newer = (crl(pki().authority, this=NOW - days * DAY) for days in (3, 2))
    for lists in ((older, newer), (newer, older)):
        assert checks(judge(*lists))[0].params["this_update"] == "2026-05-30T00:00:00Z"


def test_without_any_data_the_gap_is_one_check_and_one_limit() -> None:
    report = judge()
    assert said(report) == ("PASSED", None, "REVOCATION_NO_DATA")
    (check,) = checks(report)
    assert check.status is Status.NOT_DONE
    assert check.params["certificates"] == ["CN=Unit, O=Test, C=JP", "CN=Authority, O=Test, C=JP"]
    assert report.limits == ("REVOCATION_NOT_CHECKED",)


def test_required_revocation_data_that_is_missing_leaves_the_verdict_open() -> None:
    assert said(judge(required=True)) == ("INDETERMINATE", "TRY_LATER", "REVOCATION_NO_DATA")
    assert said(judge(*both_clear(), required=True)) == ("PASSED", None, None)
    report = judge(crl(pki().authority), required=True)
    assert (report.indication.value, report.sub_indication) == ("INDETERMINATE", "TRY_LATER")
    assert [check.reason for check in checks(report)] == [None, "REVOCATION_OF_OTHERS"]


def test_a_unit_that_is_itself_the_anchor_is_not_asked_about() -> None:
    for required in (False, True):
        report = judge(trust=TrustStore((pki().unit.certificate,)), required=required)
        assert said(report) == ("PASSED", None, "REVOCATION_OF_ANCHOR")
        assert report.limits == ("REVOCATION_NOT_CHECKED",)


def test_without_a_chain_nobody_is_asked() -> None:
    stranger = issue("Stranger", None, ())
    report = judge(*both_clear(), trust=TrustStore((stranger.certificate,)), token=order().make())
    assert said(report) == ("INDETERMINATE", "NO_CERTIFICATE_CHAIN_FOUND", "REVOCATION_NO_PATH")
