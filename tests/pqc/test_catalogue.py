"""Catalogues of TS 119 322: nothing is taken that our table does not vouch for; what is ours reads back."""

from __future__ import annotations

import copy
import datetime as dt
import json
from typing import Any

import pytest
from asn1crypto import algos, keys  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from pqc.catalogue import ISSUE_URI, MAX_OCTETS, VERIFY_URI, CatalogueError, Imported, read_catalogue
from pqc.catalogue_table import ENTRIES, Entry, Kind
from pqc.catalogue_writing import write_catalogue
from pqc.policies import (
    NEVER,
    Role,
    Subject,
    Suitability,
    Usage,
    day_end_us,
    load_policy,
    parse_policy,
    shipped_policies,
)
from pqc.policy_text import write_policy
from pqc.suites import SUITES

ISSUED = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
NOW = int(ISSUED.timestamp()) * 1_000_000
SHIPPED = pytest.mark.parametrize("name", shipped_policies())


def algorithm(name: str, oid: str, *evaluations: dict[str, Any]) -> dict[str, Any]:
    identifier = {"Name": name, "ObjectIdentifier": oid}
    return {"AlgorithmIdentifier": identifier, "Evaluation": list(evaluations)}


def until(day: str | None = None, mark: str = "L", **lengths: int) -> dict[str, Any]:
    parameters = [{"name": name, "Min": least} for name, least in lengths.items()]
    validity = {} if day is None else {"End": day}
    return {"Validity": validity, "Recommendation": mark, "Parameter": parameters}


SHA384 = algorithm("SHA384", "2.16.840.1.101.3.4.2.2", until(mark="R"))
ALGORITHMS = [
    algorithm("MD5", "1.2.840.113549.2.5", until("2004-08-01")),
    algorithm("SHA224", "2.16.840.1.101.3.4.2.4", until("2029-01-01")),
    algorithm("SHA256", "2.16.840.1.101.3.4.2.1", until(mark="R")),
    SHA384,
    algorithm(
        "sha256WithRSAEncryption",
        "1.2.840.113549.1.1.11",
        until("2010-08-01", moduluslength=786),
        until("2019-10-01", moduluslength=1024),
        until("2029-01-01", moduluslength=1900),
        until("2031-01-01", moduluslength=3000),
    ),
    algorithm(
        "rsassa-pss",
        "1.2.840.113549.1.1.10",
        until("2029-01-01", moduluslength=1900),
        until(mark="R", moduluslength=3000),
    ),
    algorithm(
        "ECDSA with SHA-256",
        "1.2.840.10045.4.3.2",
        until("2021-10-01", plength=224, qlength=224),
        until("2035-01-01", "R", plength=256, qlength=256),
    ),
    algorithm("secp256r1", "1.2.840.10045.3.1.7", until(mark="R")),
    algorithm("brainpoolP256r1", "1.3.36.3.3.2.8.1.1.7", until("2030-01-01")),
]


def document(algorithms: list[Any] | None = None) -> dict[str, Any]:
    return {
        "SecuritySuitabilityPolicy": {
            "PolicyName": {"Name": "Suites", "ObjectIdentifier": "1.5.1"},
            "Publisher": {"Name": "Somebody"},
            "PolicyIssueDate": "2024-10-13T00:00:00.000+01:00",
            "Algorithm": ALGORITHMS if algorithms is None else algorithms,
        }
    }


def read(algorithms: list[Any] | None = None) -> Imported:
    return read_catalogue("theirs", json.dumps(document(algorithms)).encode())


def hashed(name: str) -> Subject:
    return Subject.of_hash(name, Role.IMPRINT)


def rsa(bits: int, padding: str = "rsa-pkcs1") -> Subject:
    return Subject(Role.SIGNATURE, padding, f"RSA-{bits}", bits, "sha256")


def curve(name: str, digest: str = "sha256", bits: int = 256) -> Subject:
    return Subject(Role.SIGNATURE, "ecdsa", name, bits, digest)


@pytest.mark.parametrize(
    ("subject", "last"),
    [
        (hashed("sha224"), "2028-12-31"),
        (hashed("sha256"), None),
        (rsa(785), NEVER),
        (rsa(1024), "2019-09-30"),
        (rsa(1899), "2019-09-30"),
        (rsa(2048), "2028-12-31"),
        (rsa(3000), "2030-12-31"),
        (rsa(2999, "rsa-pss"), "2028-12-31"),
        (rsa(3000, "rsa-pss"), None),
        (curve("P-256"), "2034-12-31"),
        (curve("brainpoolP256r1"), "2029-12-31"),
        (curve("P-384", bits=384), NEVER),
        (curve("P-256", "sha384"), NEVER),
    ],
    ids=str,
)
def test_an_end_is_the_first_day_that_no_longer_counts(subject: Subject, last: object) -> None:
    policy = read().policy
    expected = dt.date.fromisoformat(last) if isinstance(last, str) else last
    for usage in Usage:
        assert policy.last_fit(subject, usage) == expected
    if isinstance(expected, dt.date) and expected != NEVER:
        assert policy.judge(subject, Usage.VERIFY, day_end_us(expected)).status.fit
        assert not policy.judge(subject, Usage.VERIFY, day_end_us(expected) + 1).status.fit


def test_the_policy_says_where_it_comes_from() -> None:
    policy = read().policy
    assert (policy.name, policy.edition, policy.source) == ("theirs", "1.5.1 (2024-10-13)", "Somebody")
    assert {row.cited for row in policy.rows} >= {"Suites 1.5.1 (2024-10-13) SHA256"}


def test_a_hash_under_a_wrong_oid_is_refused_with_its_place() -> None:
    """Attack or slip: a published catalogue gives SHA-384 the arc of all of NIST's hashes."""
    wrong = algorithm("SHA384", "2.16.840.1.101.3.4.2", until(mark="R"))
    imported = read([wrong if each is SHA384 else each for each in ALGORITHMS])
    (refused,) = imported.refused
    assert (refused.code, refused.place) == ("OID_MISMATCH", "/SecuritySuitabilityPolicy/Algorithm/3")
    assert (refused.name, refused.oid) == ("SHA384", "2.16.840.1.101.3.4.2")
    assert imported.policy.judge(hashed("sha384"), Usage.VERIFY, NOW).status is Suitability.UNKNOWN


def test_a_name_over_the_oid_of_another_algorithm_moves_no_dates() -> None:
    """Attack: a row called SHA512 with the OID of MD5 would make MD5 fit for ever."""
    imported = read([*ALGORITHMS[1:], algorithm("SHA512", "1.2.840.113549.2.5", until(mark="R"))])
    assert [each.code for each in imported.refused] == ["OID_MISMATCH"]
    assert imported.policy.judge(hashed("md5"), Usage.VERIFY, NOW).status is Suitability.UNKNOWN


def test_md5_stays_refused_for_good_also_by_a_catalogue_that_gives_it_a_past() -> None:
    assert read().policy.judge(hashed("md5"), Usage.VERIFY, NOW).broken


def test_everything_that_is_refused_is_listed() -> None:
    bad = [
        algorithm("RIPEMD160", "1.3.36.3.2.1", until("2014-08-01")),
        algorithm("SHA3-256", "2.16.840.1.101.3.4.2.9", until(mark="R")),
        SHA384,
        algorithm("SHA512", "2.16.840.1.101.3.4.2.3", until("soon"), until("0001-01-01"), until(mark="X")),
        algorithm("SHA3-512", "2.16.840.1.101.3.4.2.10", {"Validity": {"Start": "2020-01-01"}}),
        algorithm("Ed25519", "1.3.101.112", until("2030-01-01", moduluslength=1)),
        algorithm("Ed448", "1.3.101.113", {**until(), "AlgorithmUsage": "http://uri.etsi.org/19322/decrypt"}),
        algorithm("ML-DSA-65", "2.16.840.1.101.3.4.3.18"),
        {"AlgorithmIdentifier": {"Name": "SHA1"}},
        7,
    ]
    found = [
        (each.code, each.place.removeprefix("/SecuritySuitabilityPolicy/Algorithm/"))
        for each in read([*ALGORITHMS, *bad]).refused
    ]
    assert found == [
        ("OID_UNKNOWN", "9"),
        ("OID_MISMATCH", "10"),
        ("TWICE", "11"),
        ("MALFORMED", "12/Evaluation/0"),
        ("MALFORMED", "12/Evaluation/1"),
        ("MALFORMED", "12/Evaluation/2"),
        ("START_UNSUPPORTED", "13/Evaluation/0"),
        ("PARAMETER_UNKNOWN", "14/Evaluation/0"),
        ("USAGE_UNKNOWN", "15/Evaluation/0"),
        ("MALFORMED", "16"),
        ("MALFORMED", "17"),
        ("MALFORMED", "18"),
    ]


@pytest.mark.parametrize("lengths", [{"Min": -1}, {"Min": "1"}, {"Min": True}, {"Min": 2, "Max": 1}])
def test_a_length_out_of_range_is_refused(lengths: dict[str, object]) -> None:
    evaluation = {"Validity": {}, "Parameter": [{"name": "moduluslength", **lengths}]}
    pss = algorithm("rsassa-pss", "1.2.840.113549.1.1.10", evaluation)
    assert [each.code for each in read([ALGORITHMS[0], pss]).refused] == ["MALFORMED"]


def _without(*path: str) -> bytes:
    whole = copy.deepcopy(document())
    place = whole
    for part in path[:-1]:
        place = place[part]
    del place[path[-1]]
    return json.dumps(whole).encode()


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 100_000,
        b'{"a": 1, "a": 2}',
        b" " * (MAX_OCTETS + 1),
        json.dumps(document([])).encode(),
        json.dumps(document([ALGORITHMS[0]] * 501)).encode(),
        json.dumps(document([7])).encode(),
        json.dumps(
            {
                "SecuritySuitabilityPolicy": {
                    **document()["SecuritySuitabilityPolicy"],
                    "x": [[[[[[[[[[[0]]]]]]]]]]],
                }
            }
        ).encode(),
        _without("SecuritySuitabilityPolicy"),
        _without("SecuritySuitabilityPolicy", "PolicyName"),
        _without("SecuritySuitabilityPolicy", "PolicyName", "Name"),
        _without("SecuritySuitabilityPolicy", "Publisher"),
        _without("SecuritySuitabilityPolicy", "PolicyIssueDate"),
        _without("SecuritySuitabilityPolicy", "Algorithm"),
    ],
    ids=range(17),
)
def test_what_is_no_catalogue_or_too_large_or_too_deep_is_refused(octets: bytes) -> None:
    with pytest.raises(CatalogueError):
        read_catalogue("theirs", octets)


def entries(*kinds: Kind) -> pytest.MarkDecorator:
    """Those that asn1crypto has: neither the SHAKEs with a length nor the French curve."""
    known = [
        each
        for each in ENTRIES
        if each.kind in kinds and not each.algorithm.startswith("shake") and each.name != "FRP256v1"
    ]
    return pytest.mark.parametrize("entry", known, ids=lambda entry: entry.name)


@entries(Kind.HASH)
def test_an_independent_table_knows_the_hashes_by_the_same_oids(entry: Entry) -> None:
    assert algos.DigestAlgorithmId(entry.oid).native == entry.algorithm


@entries(Kind.RSA, Kind.ECDSA)
def test_an_independent_table_knows_the_signatures_by_the_same_oids(entry: Entry) -> None:
    signature = algos.SignedDigestAlgorithm({"algorithm": entry.oid})
    expected = {"rsa-pkcs1": "rsassa_pkcs1v15", "rsa-pss": "rsassa_pss", "ecdsa": "ecdsa"}
    assert signature.signature_algo == expected[entry.algorithm]
    assert not entry.digest or signature.hash_algo == entry.digest


@entries(Kind.CURVE)
def test_an_independent_table_knows_the_curves_by_the_same_oids(entry: Entry) -> None:
    assert keys.NamedCurve(entry.oid).native.lower() == entry.name.lower()


def test_the_oids_of_the_table_are_those_of_the_suites() -> None:
    by_oid = {entry.oid: entry for entry in ENTRIES}
    assert len(by_oid) == len(ENTRIES)
    for suite in SUITES.values():
        entry = by_oid[suite.algorithm.oid]
        assert entry.algorithm == suite.family
        assert entry.key in {"", suite.key}
        assert entry.digest in {"", suite.digest}


@SHIPPED
def test_an_exported_policy_reads_back_with_the_same_last_days(name: str) -> None:
    policy = load_policy(name)
    exported = write_catalogue(policy, ISSUED)
    imported = read_catalogue("again", exported.octets)
    assert imported.refused == ()
    lengths = {
        bits + more for row in policy.rows for bits in (row.subject.least, 3072) for more in (-1, 0, 1)
    }
    subjects = [Subject.of_suite(each) for each in SUITES.values()]
    subjects += [rsa(bits, padding) for bits in lengths if bits > 0 for padding in ("rsa-pkcs1", "rsa-pss")]
    subjects += [curve(each.key, "sha256", each.bits) for each in ENTRIES if each.kind is Kind.CURVE]
    subjects += [
        hashed(each.algorithm)
        for each in ENTRIES
        if each.name not in exported.left_out and each.kind is Kind.HASH
    ]
    said = {each.algorithm for each in ENTRIES if each.name not in exported.left_out}
    for subject in subjects:
        if subject.digest is not None and subject.digest not in said:
            continue  # SHAKE256 is fit under Ed448 alone, which the format cannot say
        for usage in Usage:
            assert imported.policy.last_fit(subject, usage) == policy.last_fit(subject, usage), subject


def test_an_export_has_what_the_schema_requires_and_names_what_it_cannot_say() -> None:
    exported = write_catalogue(load_policy("baseline"), ISSUED)
    assert exported.left_out == (
        "SHA1",
        "mlkem768-x25519",
        "rsa-oaep",
        "secp256r1",
        "secp256r1mlkem768",
        "secp384r1",
        "secp384r1mlkem1024",
        "secp521r1",
        "x25519",
        "x25519mlkem768",
        "x448",
    )
    whole = json.loads(exported.octets)
    assert set(whole) == {"SecuritySuitabilityPolicy"}
    head = whole["SecuritySuitabilityPolicy"]
    assert {"PolicyName", "Publisher", "PolicyIssueDate", "Algorithm"} <= set(head)
    assert dt.datetime.fromisoformat(head["PolicyIssueDate"]) == ISSUED
    assert not [each for each in head["Algorithm"] if each["AlgorithmIdentifier"]["Name"] == "MD5"]
    for each in head["Algorithm"]:
        assert each["Evaluation"]
        for evaluation in each["Evaluation"]:
            assert evaluation.get("Recommendation", "R") in {"R", "L"}
            assert set(evaluation["Validity"]) <= {"Start", "End"}


@SHIPPED
def test_a_policy_written_as_toml_reads_back_the_same(name: str) -> None:
    policy = load_policy(name)
    assert parse_policy(name, write_policy(policy)) == policy


def test_an_imported_policy_is_written_as_toml_and_reads_back_the_same() -> None:
    policy = read().policy
    assert parse_policy("theirs", write_policy(policy)) == policy


EVALUATIONS = st.lists(
    st.builds(
        lambda end, mark, usage, least: {
            "Validity": {} if end is None else {"End": str(end)},
            **({} if mark is None else {"Recommendation": mark}),
            **({} if usage is None else {"AlgorithmUsage": usage}),
            "Parameter": [{"name": least[0], "Min": least[1]}],
        },
        st.none() | st.dates(dt.date(1990, 1, 1), dt.date(2090, 1, 1)),
        st.sampled_from([None, "R", "L"]),
        st.sampled_from([None, ISSUE_URI, VERIFY_URI]),
        st.tuples(st.sampled_from(["moduluslength", "plength"]), st.integers(0, 5000)),
    ),
    min_size=1,
    max_size=6,
)


@given(st.lists(st.tuples(st.sampled_from(ENTRIES), EVALUATIONS), min_size=1, max_size=12))
def test_whatever_a_catalogue_says_the_policy_made_of_it_can_be_written_and_read(
    said: list[tuple[Entry, list[dict[str, Any]]]],
) -> None:
    algorithms = [algorithm(entry.name, entry.oid, *evaluations) for entry, evaluations in said]
    try:
        policy = read(algorithms).policy
    except CatalogueError:
        return
    assert parse_policy("theirs", write_policy(policy)) == policy


def test_a_catalogue_that_makes_too_many_rows_is_refused() -> None:
    evaluations = [until(f"{2000 + year}-01-01") for year in range(64)]
    many = [
        algorithm(entry.name, entry.oid, *evaluations)
        for entry in ENTRIES
        if entry.kind in {Kind.HASH, Kind.KEY}
    ]
    with pytest.raises(CatalogueError, match="rows"):
        read(many)
