"""What a token or record needs, and by when: from its judgement, whatever the calendar and the policy say."""

from __future__ import annotations

import functools

import pytest

from kokuin.trust.context import Context
from kokuin.trust.evidence import judge_evidence
from kokuin.trust.evidence_token import judge_with_evidence
from kokuin.trust.report import Ending, Status, iso_time
from kokuin.verify.content import of_octets
from kokuin.verify.renewal.planning import (
    MOST_GROUPS,
    Act,
    digest_end,
    plan_covered,
    plan_record,
    plan_token,
    trees_of,
)
from kokuin.wire.algorithms import DIGEST_BY_NAME
from kokuin.wire.token_form import bare_token
from pqc.policies import Policy, parse_policy
from tests.ownpolicy import policy_text, row
from tests.trust.evidences import DATA, P256, PQ, again, anew, first, moment, of, trust, unit, us

STAMPING, ARCHIVE, NEXT = unit(P256, 2026, 1_800), unit(PQ, 2026), unit(PQ, 2035)
YOUNGEST = unit("ml-dsa-87", 2037, 3_700, "sha3_512")
"""Nothing of its time-stamps rests on SHA-512, not even what their signatures cover."""
HASHES = ("imprint", "tree", "signature-digest", "certificate-id")
TOKEN = STAMPING.stamp("sha256", DIGEST_BY_NAME["sha256"].of(DATA), moment(2026, 6, 1))
RECORD = first(ARCHIVE, moment(2026, 6, 2), bare_token(TOKEN))


@functools.cache
def policy() -> Policy:
    return parse_policy(
        "later",
        policy_text(
            row("signature", ["ecdsa"], ["verify"], until="2028-12-31"),
            row("signature", ["ml-dsa"], ["verify"]),
            row(HASHES, ["sha256"], ["verify"], until="2033-12-31"),
            row(HASHES, ["sha512"], ["verify"], until="2039-12-31"),
            row(HASHES, ["sha3_512"], ["verify"]),
        ),
    )


def context(year: int, record: bytes | None = None, **more: object) -> Context:
    store = trust(STAMPING, ARCHIVE, NEXT, YOUNGEST)
    evidence = () if record is None else (record,)
    return Context(us(moment(year)), store, of_octets(DATA), policy=policy(), evidence=evidence, **more)  # type: ignore[arg-type]  # of the test


def by(year: int) -> int:
    return us(moment(year))


def test_a_token_alone_is_due_when_its_algorithm_falls_not_only_when_its_certificate_ends() -> None:
    report = judge_with_evidence(TOKEN, context(2027))
    assert plan_token(report, by(2028)).act is Act.NOT_YET
    plan = plan_token(report, by(2029))
    assert plan.act is Act.NEW_RECORD
    assert plan.until is not None
    assert plan.until.cause is Ending.ALGORITHM_ENDS
    assert iso_time(plan.until.time).startswith("2028-12-31")


def test_what_passes_no_more_is_not_renewed_and_the_reason_is_named() -> None:
    plan = plan_token(judge_with_evidence(TOKEN, context(2030)), by(2031))
    assert (plan.act, plan.reason, plan.act.stamps) == (Act.TOO_LATE, "NO_LONGER_FIT", False)
    # Attack: evidence for a token of other data.
    other = judge_with_evidence(TOKEN, context(2027).with_content(of_octets(b"other")))
    assert (plan_token(other, by(2029)).act, plan_token(other, by(2029)).reason) == (
        Act.TOO_LATE,
        "CONTENT_DIFFERS",
    )


def test_a_token_with_evidence_is_planned_by_its_record() -> None:
    report = judge_with_evidence(TOKEN, context(2030, RECORD))
    assert plan_covered(report, by(2035)).act is Act.NOT_YET
    plan = plan_covered(report, by(2037))
    assert plan.act is Act.TIME_STAMP
    assert plan.until is not None
    assert plan.until.cause is Ending.UNIT_EXPIRES


def test_a_record_cannot_help_an_imprint_that_falls_before_and_says_so() -> None:
    bound = plan_covered(judge_with_evidence(TOKEN, context(2030, RECORD)), by(2031)).bound
    assert bound is not None
    assert iso_time(bound.time).startswith("2033-12-31")
    with_document = first(ARCHIVE, moment(2026, 6, 2), bare_token(TOKEN), DATA)
    assert plan_covered(judge_with_evidence(TOKEN, context(2030, with_document)), by(2031)).bound is None


def test_where_the_hash_of_the_chain_falls_only_a_new_tree_helps() -> None:
    group = bare_token(TOKEN), DATA
    record = again(first(ARCHIVE, moment(2026, 6, 2), *group), NEXT, moment(2035, 6, 1))
    report = judge_with_evidence(TOKEN, context(2036, record))
    assert plan_covered(report, by(2039)).act is Act.NOT_YET
    plan = plan_covered(report, by(2040))
    assert plan.act is Act.HASH_TREE
    assert plan.until is not None
    assert plan.until.params["algorithm"] == "sha512"
    # One that rests on the falling hash elsewhere would be due again at once.
    half = judge_with_evidence(TOKEN, context(2038, anew(record, NEXT, moment(2037), "sha3_512", *group)))
    assert plan_covered(half, by(2040)).act is Act.TIME_STAMP
    rehashed = anew(record, YOUNGEST, moment(2037, 2, 1), "sha3_512", *group)
    assert plan_covered(judge_with_evidence(TOKEN, context(2038, rehashed)), by(2040)).act is Act.NOT_YET


def test_a_record_whose_renewal_was_missed_is_too_late_though_the_token_may_hold_still() -> None:
    late = Context(by(2037), trust(ARCHIVE), policy=policy())
    plan = plan_record(judge_evidence(RECORD, (of(bare_token(TOKEN)),), late).report, by(2038))
    assert (plan.act, plan.reason) == (Act.TOO_LATE, "EVIDENCE_NOT_RENEWED")


def test_what_has_an_archive_time_stamp_of_the_future_is_not_renewed_behind_it() -> None:
    """A clock was wrong: what is appended now would be from before what it covers, and open for ever."""
    ahead = again(RECORD, ARCHIVE, moment(2035))
    for report in (
        judge_evidence(ahead, (of(bare_token(TOKEN)),), context(2034)).report,
        judge_with_evidence(TOKEN, context(2034, ahead)).parts[0],
    ):
        assert report.indication == "PASSED"
        plan = plan_record(report, by(2040))
        assert (plan.act, plan.reason) == (Act.TOO_LATE, "EVIDENCE_STAMPS_LATER")


def test_that_no_data_is_at_hand_is_never_the_reason() -> None:
    plan = plan_record(judge_evidence(RECORD, (), Context(by(2037), trust(ARCHIVE))).report, by(2038))
    assert (plan.act, plan.reason) == (Act.TOO_LATE, "EVIDENCE_NOT_RENEWED")


def test_a_record_is_renewed_without_its_data_but_never_beside_other_data() -> None:
    now = Context(by(2035), trust(ARCHIVE), policy=policy())
    record = first(ARCHIVE, moment(2026, 6, 2), DATA)
    assert plan_record(judge_evidence(record, (), now).report, by(2037)).act is Act.TIME_STAMP
    plan = plan_record(judge_evidence(record, (of(b"other"),), now).report, by(2037))
    assert (plan.act, plan.reason) == (Act.TOO_LATE, "EVIDENCE_OTHER_OBJECT")


def test_octets_that_are_no_record_are_too_late_for_a_reason() -> None:
    plan = plan_record(judge_evidence(b"\x30\x00", (), Context(by(2035), trust())).report, by(2037))
    assert (plan.act, plan.reason) == (Act.TOO_LATE, "EVIDENCE_UNREADABLE")


@pytest.mark.parametrize(("digest", "ends"), [("sha512", ["2039-12-31"]), ("sha3_512", [])])
def test_until_when_a_new_tree_would_hold_is_known_before(digest: str, ends: list[str]) -> None:
    found = digest_end(policy(), digest, by(2030))
    assert found.status is Status.OK
    assert sorted({iso_time(end.time)[:10] for end in found.ends}) == ends
    assert digest_end(policy(), "sha256", by(2034)).status is Status.INDETERMINATE


def test_trees_are_counted() -> None:
    assert [trees_of(count) for count in (0, 1, MOST_GROUPS, MOST_GROUPS + 1)] == [0, 1, 1, 2]
