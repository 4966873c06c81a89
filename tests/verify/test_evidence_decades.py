"""Thirty years of one token: algorithms fall as a policy of then says, and evidence is renewed as is due.

2026 stamped by P-256, covered at once by ML-DSA-65 over SHA-512; ECDSA falls in 2031; renewed in 2034 and
2042; SHA-256 falls in 2045; hashed anew by SHA3-512 in 2049, before SHA-512 falls in 2050; verified in 2056.
"""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING

import pytest

from kokuin.trust.context import Context
from kokuin.verify.content import of_octets
from kokuin.verify.verifying import verify_bytes
from kokuin.wire.algorithms import DIGEST_BY_NAME
from kokuin.wire.token_form import bare_token
from pqc.policies import parse_policy
from tests.ownpolicy import policy_text, row
from tests.trust.evidences import DATA, P256, PQ, again, anew, first, moment, trust, unit, us
from tests.trust.forge import reasons, verdict

if TYPE_CHECKING:
    from kokuin.trust.report import Report
    from pqc.policies import Policy
    from tests.trust.evidences import Unit

HASHES = ("imprint", "tree", "signature-digest", "certificate-id")
STAMPING = unit(P256, 2026, 1_800)
UNITS = {year: unit(PQ, year, 3_700) for year in (2026, 2034, 2042)}
YOUNGEST = unit("ml-dsa-87", 2049, 3_700, "sha3_512")
"""By then nothing of a time-stamp may rest on SHA-512, not even what its signature covers."""
EVERY = (STAMPING, *UNITS.values(), YOUNGEST)
END = moment(2056)


@functools.cache
def policy() -> Policy:
    """What is distrusted, and since when, as somebody knows it in 2056."""
    rows = (
        row("signature", ["ecdsa"], ["verify"], until="2030-12-31"),
        row("signature", ["ml-dsa", "slh-dsa", "composite-ml-dsa"], ["verify"]),
        row(HASHES, ["sha256", "sha384"], ["verify"], until="2044-12-31"),
        row(HASHES, ["sha512"], ["verify"], until="2049-12-31"),
        row(HASHES, ["sha3_512"], ["verify"]),
    )
    return parse_policy("2056", policy_text(*rows))


def token(digest: str) -> bytes:
    return STAMPING.stamp(digest, DIGEST_BY_NAME[digest].of(DATA), moment(2026, 6, 1))


def covered(stamped: bytes, *, document: bool, by: Unit = UNITS[2026]) -> bytes:
    group = (bare_token(stamped), *((DATA,) if document else ()))
    return first(by, moment(2026, 6, 2), *group)


def renewed(stamped: bytes, *, document: bool, without: int | None = None, by: Unit = UNITS[2026]) -> bytes:
    """Return the record as it was renewed; one of the renewals may have been forgotten."""
    record = covered(stamped, document=document, by=by)
    group = (bare_token(stamped), *((DATA,) if document else ()))
    for year in (2034, 2042):
        if year != without:
            record = again(record, UNITS[year], moment(year, 3, 1))
    if without != 2049:
        record = anew(record, YOUNGEST, moment(2049, 2, 1), "sha3_512", *group, alone=not document)
    return record


def judge(stamped: bytes, record: bytes | None, year: int = 2056, *units: Unit) -> Report:
    evidence = () if record is None else (record,)
    store = trust(*(units or EVERY))
    return verify_bytes(
        stamped, Context(us(moment(year)), store, of_octets(DATA), policy=policy(), evidence=evidence)
    )


def test_the_token_alone_is_good_for_five_years() -> None:
    assert verdict(judge(token("sha512"), None, 2028)) == ("PASSED", None)
    assert judge(token("sha512"), None, 2032).indication == "INDETERMINATE"


@pytest.mark.parametrize("year", [2028, 2032, 2035, 2041, 2043, 2046, 2049, 2051, 2056])
def test_with_evidence_renewed_as_is_due_it_passes_in_every_year(year: int) -> None:
    stamped = token("sha512")
    record = covered(stamped, document=True)
    for due in (2034, 2042):
        if due < year:
            record = again(record, UNITS[due], moment(due, 3, 1))
    if year > 2049:
        record = anew(record, YOUNGEST, moment(2049, 2, 1), "sha3_512", bare_token(stamped), DATA)
    assert verdict(judge(stamped, record, year)) == ("PASSED", None)


def test_in_2056_the_report_tells_the_whole_story() -> None:
    stamped = token("sha512")
    report = judge(stamped, renewed(stamped, document=True))
    assert verdict(report) == ("PASSED", None)
    assert [report.subject[name] for name in ("classical", "post_quantum", "combined")] == [
        "INDETERMINATE",
        "PASSED",
        "PASSED",
    ]
    (record,) = report.parts
    assert (record.subject["chains"], record.subject["archive_time_stamps"]) == (2, 4)
    assert [(part.subject["gen_time"], part.indication.value) for part in record.parts] == [
        ("2026-06-02T00:00:00Z", "PASSED"),
        ("2034-03-01T00:00:00Z", "PASSED"),
        ("2042-03-01T00:00:00Z", "PASSED"),
        ("2049-02-01T00:00:00Z", "PASSED"),
    ]
    told = json.loads(report.to_json())
    assert [proof["time"] for proof in told["proofs_of_existence"]] == ["2026-06-02T00:00:00Z"]
    existence = next(check for check in told["checks"] if check["id"] == "existence")
    assert existence["params"] == {"time": "2026-06-02T00:00:00Z", "code": "EVIDENCE_RECORD"}


@pytest.mark.parametrize(
    ("digest", "document", "year", "wanted"),
    [
        ("sha512", False, 2046, "PASSED"),
        ("sha256", True, 2046, "PASSED"),
        ("sha256", True, 2056, "PASSED"),
        ("sha512", True, 2056, "PASSED"),
        ("sha256", False, 2046, "BINDING_NO_LONGER_FIT"),
        # The token is proven by SHA3-512, but its own digest of the data has fallen meanwhile.
        ("sha512", False, 2056, "BINDING_NO_LONGER_FIT"),
    ],
)
def test_after_a_hash_has_fallen_the_data_must_be_bound_by_another(
    digest: str, *, document: bool, year: int, wanted: str
) -> None:
    stamped = token(digest)
    record = renewed(stamped, document=document, without=None if year == 2056 else 2049)
    report = judge(stamped, record, year)
    assert report.parts[0].indication == "PASSED"
    if wanted == "PASSED":
        assert verdict(report) == ("PASSED", None)
        return
    assert verdict(report) == ("INDETERMINATE", "CRYPTO_CONSTRAINTS_FAILURE_NO_POE")
    assert reasons(report)["imprint-algorithm"] == wanted


@pytest.mark.parametrize(
    ("without", "check", "reason", "params"),
    [
        (
            2034,
            "evidence-stamps",
            "EVIDENCE_RENEWED_LATE",
            {"stamp": 1, "gen_time": "2026-06-02T00:00:00Z", "needed": "2042-03-01T00:00:00Z"},
        ),
        (
            2042,
            "evidence-stamps",
            "EVIDENCE_RENEWED_LATE",
            {"stamp": 2, "gen_time": "2034-03-01T00:00:00Z", "needed": "2049-02-01T00:00:00Z"},
        ),
        (
            2049,
            "evidence-digest",
            "EVIDENCE_TREE_NOT_RENEWED",
            {"chain": 1, "algorithm": "sha512", "ended": "2049-12-31"},
        ),
    ],
)
def test_one_renewal_left_out_leaves_it_open_and_is_named(
    without: int, check: str, reason: str, params: dict[str, object]
) -> None:
    stamped = token("sha512")
    report = judge(stamped, renewed(stamped, document=True, without=without))
    assert report.indication == "INDETERMINATE"
    record = report.parts[0]
    (named,) = (each for each in record.checks if each.id == check)
    assert named.reason == reason
    assert params.items() <= dict(named.params).items()
    assert reasons(report)["evidence"] == "EVIDENCE_OPEN"


def test_who_forges_in_2056_what_was_not_renewed_proves_nothing() -> None:
    # Attack: with the broken key of 2026, a token dated back, and evidence of today.
    forged = STAMPING.stamp("sha512", DIGEST_BY_NAME["sha512"].of(DATA), moment(2026, 6, 1))
    record = first(YOUNGEST, moment(2055), bare_token(forged), DATA, digest="sha3_512")
    report = judge(forged, record)
    assert report.indication == "INDETERMINATE"
    assert report.parts[0].indication == "PASSED"


@pytest.mark.parametrize("suite_id", ["slh-dsa-sha2-192s", "mldsa65-ecdsa-p256-sha512"])
def test_evidence_by_any_suite_lasts_through_all_of_it(suite_id: str) -> None:
    """A composite archive time-stamp of 2026 held until 2034, though the half of it that is ECDSA fell."""
    by = unit(suite_id, 2026, 3_700)
    store = (STAMPING, by, UNITS[2034], UNITS[2042], YOUNGEST)
    stamped = token("sha512")
    at_once = covered(stamped, document=True, by=by)
    assert verdict(judge(stamped, at_once, 2033, *store)) == ("PASSED", None)
    assert judge(stamped, at_once, 2037, *store).indication == "INDETERMINATE"
    report = judge(stamped, renewed(stamped, document=True, by=by), 2056, *store)
    assert verdict(report) == ("PASSED", None)
    late = judge(stamped, renewed(stamped, document=True, by=by, without=2034), 2056, *store)
    assert reasons(late.parts[0])["evidence-stamps"] == "EVIDENCE_RENEWED_LATE"


@pytest.mark.parametrize("digest", ["sha256", "sha512"])
@pytest.mark.parametrize("document", [True, False])
@pytest.mark.parametrize("without", [2034, 2042, 2049])
def test_each_renewal_left_out_is_named_whatever_binds_the_data(
    digest: str, *, document: bool, without: int
) -> None:
    stamped = token(digest)
    report = judge(stamped, renewed(stamped, document=document, without=without))
    assert report.indication == "INDETERMINATE"
    named = {
        check.reason: dict(check.params)
        for check in report.parts[0].checks
        if check.status in {"failed", "indeterminate"}
    }
    if without == 2049:
        assert named["EVIDENCE_TREE_NOT_RENEWED"]["ended"] == "2049-12-31"
    else:
        (params,) = named.values()
        assert str(params["gen_time"]).startswith({2034: "2026", 2042: "2034"}[without])
        assert str(params["needed"]).startswith({2034: "2042", 2042: "2049"}[without])


@pytest.mark.parametrize("document", [True, False])
def test_the_day_on_which_the_imprint_falls(*, document: bool) -> None:
    stamped = token("sha256")
    record = renewed(stamped, document=document, without=2049)
    last, after = (
        verify_bytes(
            stamped,
            Context(
                us(moment(2045)) + each, trust(*EVERY), of_octets(DATA), policy=policy(), evidence=(record,)
            ),
        )
        for each in (-1, 0)
    )
    assert verdict(last) == ("PASSED", None)
    if document:
        assert verdict(after) == ("PASSED", None)
        return
    assert last.verifiable_until is not None
    assert last.verifiable_until.time == us(moment(2045)) - 1
    assert reasons(after)["imprint-algorithm"] == "BINDING_NO_LONGER_FIT"
    assert [after.subject[name] for name in ("post_quantum", "combined")] == ["PASSED", "INDETERMINATE"]
