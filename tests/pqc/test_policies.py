"""Policies by date: both sides of every boundary, from the tables and from facts written by hand."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pqc.policies import (
    NEVER,
    Policy,
    PolicyError,
    Role,
    Row,
    Subject,
    Suitability,
    Usage,
    day_end_us,
    load_policy,
    parse_policy,
    shipped_policies,
)
from pqc.scheme import KeyFacts
from pqc.subjects import HASH_ROLES
from pqc.suites import SUITES, Suite

if TYPE_CHECKING:
    from pathlib import Path

ISSUE, VERIFY = Usage.ISSUE, Usage.VERIFY
SHIPPED = pytest.mark.parametrize("name", shipped_policies())
NOW = int(dt.datetime(2026, 11, 21, tzinfo=dt.UTC).timestamp()) * 1_000_000
DATED = [
    (load_policy(name), row) for name in shipped_policies() for row in load_policy(name).rows if row.until
]


def moment(text: str) -> int:
    """Microseconds of a time that is written down, by the calendar of the standard library."""
    since = dt.datetime.fromisoformat(text) - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return since // dt.timedelta(microseconds=1)


def rsa(bits: int, padding: str = "rsa-pss", digest: str | None = "sha512") -> Subject:
    return Subject(Role.SIGNATURE, padding, f"RSA-{bits}", bits, digest)


def ec(curve: str, bits: int = 256) -> Subject:
    return Subject.of_key(KeyFacts("ec", curve, bits), "sha512")


def key(family: str, name: str) -> Subject:
    return Subject(Role.SIGNATURE, family, name)


def hashed(name: str, role: Role = Role.IMPRINT) -> Subject:
    return Subject.of_hash(name, role)


ED25519 = Subject.of_key(KeyFacts("ed25519", "Ed25519", 256))
X25519 = Subject.of_mechanism("X25519")

# Policy, subject, usage, the last day of a status, the status on it, the status on the day after it.
# Written by hand from the documents, and not from the tables.
FACTS = [
    ("eu-ts119312", rsa(2048), ISSUE, "2026-12-31", "legacy", "forbidden"),
    ("eu-ts119312", rsa(1900), ISSUE, "2026-12-31", "legacy", "forbidden"),
    ("eu-ts119312", rsa(2999, "rsa-pkcs1"), ISSUE, "2026-12-31", "legacy", "forbidden"),
    ("eu-ts119312", rsa(2048), VERIFY, "2028-12-31", "legacy", "forbidden"),
    ("eu-ts119312", rsa(3000), ISSUE, "2030-12-31", "recommended", "forbidden"),
    ("eu-ts119312", rsa(4096), VERIFY, "2030-12-31", "recommended", "forbidden"),
    ("eu-ts119312", rsa(3072, "rsa-pkcs1"), ISSUE, "2030-12-31", "legacy", "forbidden"),
    ("eu-ts119312", rsa(3072, "rsa"), VERIFY, "2030-12-31", "legacy", "forbidden"),
    ("eu-ts119312", ec("P-256"), ISSUE, "2030-12-31", "recommended", "forbidden"),
    ("eu-ts119312", ec("P-521", 521), VERIFY, "2030-12-31", "recommended", "forbidden"),
    ("eu-ts119312", ec("brainpoolP384r1", 384), VERIFY, "2030-12-31", "recommended", "forbidden"),
    ("eu-ts119312", ED25519, ISSUE, "2030-12-31", "recommended", "forbidden"),
    ("eu-ts119312", key("eddsa", "Ed448"), VERIFY, "2030-12-31", "recommended", "forbidden"),
    ("eu-ts119312", hashed("sha224"), VERIFY, "2028-12-31", "legacy", "forbidden"),
    ("eu-ts119312", X25519, ISSUE, "2030-12-31", "legacy", "forbidden"),
    ("jp-cryptrec", rsa(2048, digest=None), ISSUE, "2030-12-31", "legacy", "forbidden"),
    ("jp-cryptrec", rsa(3071, digest=None), VERIFY, "2030-12-31", "legacy", "forbidden"),
    ("jp-cryptrec", ec("secp224r1", 224), ISSUE, "2030-12-31", "legacy", "forbidden"),
    ("jp-cryptrec", hashed("sha224"), VERIFY, "2030-12-31", "legacy", "forbidden"),
    ("jp-cryptrec", rsa(3072), ISSUE, "2040-12-31", "allowed", "legacy"),
    ("jp-cryptrec", rsa(3072), VERIFY, "2050-12-31", "legacy", "forbidden"),
    ("jp-cryptrec", ec("P-256"), ISSUE, "2040-12-31", "allowed", "legacy"),
    ("jp-cryptrec", ec("P-256"), ISSUE, "2050-12-31", "legacy", "forbidden"),
    ("jp-cryptrec", ED25519, ISSUE, "2040-12-31", "allowed", "legacy"),
    ("jp-cryptrec", key("ml-dsa", "ML-DSA-44"), VERIFY, "2040-12-31", "allowed", "legacy"),
    ("jp-cryptrec", key("slh-dsa", "SLH-DSA-SHA2-128f"), VERIFY, "2050-12-31", "legacy", "forbidden"),
    ("jp-cryptrec", X25519, VERIFY, "2040-12-31", "allowed", "legacy"),
    ("jp-cryptrec", Subject.of_mechanism("ml-kem-512"), VERIFY, "2050-12-31", "legacy", "forbidden"),
    ("jp-cryptrec", ED25519, VERIFY, "2050-12-31", "legacy", "forbidden"),
    ("jp-cryptrec", hashed("sha256", Role.TREE), VERIFY, "2040-12-31", "allowed", "legacy"),
    ("jp-cryptrec", hashed("sha3_256"), ISSUE, "2050-12-31", "legacy", "forbidden"),
    ("jp-cryptrec", key("ml-dsa", "ML-DSA-44"), ISSUE, "2050-12-31", "legacy", "forbidden"),
    ("jp-cryptrec", key("slh-dsa", "SLH-DSA-SHA2-128s"), ISSUE, "2040-12-31", "allowed", "legacy"),
    ("jp-cryptrec", Subject.of_mechanism("secp256r1"), ISSUE, "2050-12-31", "legacy", "forbidden"),
    ("jp-cryptrec", Subject.of_mechanism("ML-KEM-512"), ISSUE, "2040-12-31", "allowed", "legacy"),
    ("jp-cryptrec", ec("P-384", 384), ISSUE, "2070-12-31", "allowed", "forbidden"),
    ("jp-cryptrec", rsa(7680), VERIFY, "2070-12-31", "allowed", "forbidden"),
    ("jp-cryptrec", key("eddsa", "Ed448"), ISSUE, "2070-12-31", "allowed", "forbidden"),
    ("jp-cryptrec", key("ml-dsa", "ML-DSA-65"), ISSUE, "2070-12-31", "allowed", "forbidden"),
    ("jp-cryptrec", key("slh-dsa", "SLH-DSA-SHAKE-256f"), VERIFY, "2070-12-31", "allowed", "forbidden"),
    ("jp-cryptrec", hashed("sha512"), ISSUE, "2070-12-31", "allowed", "forbidden"),
    (
        "jp-cryptrec",
        key("composite-ml-dsa", "MLDSA65-ECDSA-P256-SHA512"),
        ISSUE,
        "2070-12-31",
        "allowed",
        "forbidden",
    ),
    ("jp-cryptrec", Subject.of_mechanism("secp384r1"), ISSUE, "2070-12-31", "allowed", "forbidden"),
    (
        "jp-cryptrec",
        Subject.of_mechanism("ml-kem-768", Role.STORED_KEY),
        ISSUE,
        "2070-12-31",
        "allowed",
        "forbidden",
    ),
    ("us", rsa(2048), ISSUE, "2030-12-31", "legacy", "forbidden"),
    ("us", rsa(2048), VERIFY, "2030-12-31", "legacy", "weak"),
    ("us", rsa(3071), VERIFY, "2035-12-31", "weak", "forbidden"),
    ("us", ec("secp224r1", 224), ISSUE, "2030-12-31", "legacy", "forbidden"),
    ("us", ec("secp224r1", 224), VERIFY, "2030-12-31", "legacy", "weak"),
    ("us", ec("secp224r1", 224), VERIFY, "2035-12-31", "weak", "forbidden"),
    ("us", hashed("sha224"), ISSUE, "2030-12-31", "legacy", "forbidden"),
    ("us", hashed("sha224"), VERIFY, "2030-12-31", "legacy", "weak"),
    ("us", hashed("sha224"), VERIFY, "2035-12-31", "weak", "forbidden"),
    ("us", rsa(3072), ISSUE, "2031-12-31", "allowed", "legacy"),
    ("us", rsa(3072), ISSUE, "2035-12-31", "legacy", "forbidden"),
    ("us", ec("P-256"), ISSUE, "2031-12-31", "allowed", "legacy"),
    ("us", ec("P-384", 384), VERIFY, "2035-12-31", "legacy", "forbidden"),
    ("us", ED25519, VERIFY, "2031-12-31", "allowed", "legacy"),
    ("us", ED25519, ISSUE, "2035-12-31", "legacy", "forbidden"),
    ("us", X25519, ISSUE, "2030-12-31", "allowed", "legacy"),
    ("us", X25519, VERIFY, "2035-12-31", "legacy", "forbidden"),
]

FOR_EVER = [
    ("eu-ts119312", hashed("sha256"), ISSUE, "recommended"),
    ("eu-ts119312", hashed("sha3_512", Role.TREE), VERIFY, "recommended"),
    ("eu-ts119312", key("ml-dsa", "ML-DSA-44"), ISSUE, "allowed"),
    ("eu-ts119312", key("ml-dsa", "ML-DSA-65"), ISSUE, "recommended"),
    ("eu-ts119312", key("ml-dsa", "ML-DSA-87"), VERIFY, "recommended"),
    ("eu-ts119312", key("hash-ml-dsa", "HashML-DSA-65"), ISSUE, "forbidden"),
    ("eu-ts119312", key("slh-dsa", "SLH-DSA-SHA2-192s"), ISSUE, "recommended"),
    ("eu-ts119312", key("slh-dsa", "SLH-DSA-SHAKE-256f"), VERIFY, "recommended"),
    ("eu-ts119312", key("slh-dsa", "SLH-DSA-SHA2-128s"), ISSUE, "forbidden"),
    ("eu-ts119312", key("composite-ml-dsa", "MLDSA65-ECDSA-P256-SHA512"), ISSUE, "allowed"),
    ("eu-ts119312", key("composite-ml-dsa", "MLDSA65-Ed25519-SHA512"), VERIFY, "allowed"),
    ("eu-ts119312", rsa(1899), ISSUE, "forbidden"),
    ("eu-ts119312", hashed("sha224"), ISSUE, "forbidden"),
    ("eu-ts119312", hashed("sha1", Role.CERTIFICATE_ID), VERIFY, "forbidden"),
    ("eu-ts119312", hashed("shake256", Role.SIGNATURE_DIGEST), VERIFY, "allowed"),
    ("eu-ts119312", hashed("shake256", Role.IMPRINT), ISSUE, "unknown"),
    ("eu-ts119312", ec("secp256k1"), VERIFY, "unknown"),
    ("eu-ts119312", Subject.of_mechanism("ml-kem-1024", Role.STORED_KEY), ISSUE, "recommended"),
    ("eu-ts119312", Subject.of_mechanism("X25519MLKEM768"), ISSUE, "recommended"),
    ("jp-cryptrec", rsa(2047, digest=None), ISSUE, "forbidden"),
    ("jp-cryptrec", hashed("sha1"), VERIFY, "forbidden"),
    ("us", rsa(2047), VERIFY, "forbidden"),
    ("us", hashed("sha256"), ISSUE, "recommended"),
    ("us", hashed("sha1", Role.SIGNATURE_DIGEST), ISSUE, "forbidden"),
    ("us", key("ml-dsa", "ML-DSA-87"), ISSUE, "recommended"),
    ("us", key("slh-dsa", "SLH-DSA-SHA2-128s"), ISSUE, "recommended"),
    ("us", key("composite-ml-dsa", "MLDSA65-ECDSA-P256-SHA512"), ISSUE, "allowed"),
    ("baseline", rsa(1023, digest="sha256"), VERIFY, "forbidden"),
    ("baseline", rsa(1024, digest="sha256"), VERIFY, "weak"),
    ("baseline", rsa(2047, digest="sha256"), VERIFY, "weak"),
    ("baseline", rsa(2048, digest="sha256"), VERIFY, "allowed"),
    ("baseline", rsa(2047, digest="sha256"), ISSUE, "forbidden"),
    ("baseline", hashed("sha1"), VERIFY, "forbidden"),
    ("baseline", hashed("sha1", Role.SIGNATURE_DIGEST), VERIFY, "weak"),
    ("baseline", hashed("sha1", Role.CERTIFICATE_ID), VERIFY, "weak"),
    ("baseline", hashed("sha1", Role.SIGNATURE_DIGEST), ISSUE, "forbidden"),
    ("baseline", ec("secp192r1", 192), VERIFY, "allowed"),
    ("baseline", hashed("ripemd160"), VERIFY, "unknown"),
    ("baseline", key("dsa", "DSA-1024"), VERIFY, "unknown"),
]


def _label(fact: object) -> str:
    return fact.name if isinstance(fact, Subject) else str(fact)


@pytest.mark.parametrize(("name", "subject", "usage", "last", "on_it", "after"), FACTS, ids=_label)
def test_a_status_holds_to_the_last_microsecond_of_its_last_day_in_utc(  # noqa: PLR0913, PLR0917  # a fact has that many parts
    name: str, subject: Subject, usage: Usage, last: str, on_it: str, after: str
) -> None:
    policy = load_policy(name)
    midnight = moment(f"{last}T23:59:59.999999+00:00") + 1
    found = policy.judge(subject, usage, midnight - 1)
    assert (found.status, found.until_us) == (on_it, midnight - 1)
    assert policy.judge(subject, usage, midnight).status == after
    if after == "forbidden":
        assert policy.last_fit(subject, usage) == dt.date.fromisoformat(last)


@pytest.mark.parametrize(("name", "subject", "usage", "status"), FOR_EVER, ids=_label)
def test_what_has_no_date_has_the_same_status_for_ever(
    name: str, subject: Subject, usage: Usage, status: str
) -> None:
    policy = load_policy(name)
    for at in (0, NOW, moment("2999-01-01T00:00:00+00:00")):
        found = policy.judge(subject, usage, at)
        assert (found.status, found.until_us) == (status, None)
    assert policy.last_fit(subject, usage) == (None if Suitability(status).fit else NEVER)


def test_the_facts_name_every_boundary_of_the_tables() -> None:
    """A date that enters a table without a fact written down for it fails here."""
    for policy, row in DATED:
        covered = [
            usage
            for name, subject, usage, last, on_it, _ in FACTS
            if (name, last, on_it) == (policy.name, str(row.until), row.status)
            and row.subject.matches(subject)
        ]
        both = replace(row, usage=VERIFY if row.usage is ISSUE else ISSUE) in policy.rows
        assert row.usage in covered or (covered and both), row


def _samples(row: Row) -> list[Subject]:
    """Every kind of subject that a row speaks of."""
    pattern = row.subject
    return [
        Subject(role, algorithm, name, bits)
        for role in pattern.roles
        for algorithm in pattern.algorithms
        for name in pattern.keys or {""}
        for bits in {pattern.least, pattern.most}
    ]


@pytest.mark.parametrize(
    ("policy", "row"),
    DATED,
    ids=[f"{policy.name}-{min(row.subject.algorithms)}-{row.usage}-{row.until}" for policy, row in DATED],
)
def test_both_sides_of_every_boundary_in_the_tables(policy: Policy, row: Row) -> None:
    assert row.until is not None
    end = day_end_us(row.until)
    for subject in _samples(row):
        on_it = policy.judge(subject, row.usage, end)
        assert (on_it.status, on_it.row, on_it.until_us) == (row.status, row, end), subject
        after = policy.judge(subject, row.usage, end + 1)
        assert after.status is not row.status, subject
        assert after.row is not None


@SHIPPED
def test_every_row_names_its_source_and_edition(name: str) -> None:
    policy = load_policy(name)
    assert policy.edition
    assert policy.source
    for row in policy.rows:
        assert row.source
        assert row.edition
        assert row.cited.startswith(f"{row.source} {row.edition}")


@SHIPPED
@pytest.mark.parametrize("usage", Usage)
@pytest.mark.parametrize("each", SUITES.values(), ids=SUITES)
def test_every_policy_answers_for_every_suite(name: str, usage: Usage, each: Suite) -> None:
    found = load_policy(name).judge(Subject.of_suite(each), usage, NOW)
    assert found.status is not Suitability.UNKNOWN
    assert found.row is not None


@SHIPPED
@pytest.mark.parametrize("role", HASH_ROLES)
def test_no_policy_accepts_md5_in_any_role_at_any_time(name: str, role: Role) -> None:
    for usage in Usage:
        found = load_policy(name).judge(hashed("md5", role), usage, 0)
        assert found.status is Suitability.FORBIDDEN
        assert found.broken


def test_a_signature_is_as_fit_as_the_less_fit_of_key_and_hash() -> None:
    policy = load_policy("eu-ts119312")
    broken = policy.judge(rsa(4096, digest="md5"), VERIFY, NOW)
    assert broken.broken
    assert broken.subject.name == "md5"
    old = policy.judge(rsa(4096, digest="sha224"), VERIFY, NOW)
    assert (old.status, old.until_us) == (Suitability.LEGACY, day_end_us(dt.date(2028, 12, 31)))
    assert policy.last_fit(rsa(4096, digest="sha224"), VERIFY) == dt.date(2028, 12, 31)


def test_a_composite_without_rows_of_its_own_needs_every_component() -> None:
    policy = load_policy("eu-ts119312")
    halves = (key("ml-dsa", "ML-DSA-65"), ec("brainpoolP256r1"))
    both = Subject(
        Role.SIGNATURE, "composite-ml-dsa", "MLDSA65-ECDSA-brainpoolP256r1-SHA512", components=halves
    )
    found = policy.judge(both, VERIFY, NOW)
    assert (found.status, found.until_us) == (Suitability.RECOMMENDED, day_end_us(dt.date(2030, 12, 31)))
    assert policy.last_fit(both, VERIFY) == dt.date(2030, 12, 31)
    after = policy.judge(both, VERIFY, day_end_us(dt.date(2030, 12, 31)) + 1)
    assert (after.status, after.subject) == (Suitability.FORBIDDEN, halves[1])
    unknown = Subject(Role.SIGNATURE, "composite-ml-dsa", "?", components=(halves[0], key("dsa", "DSA-2048")))
    assert policy.judge(unknown, VERIFY, NOW).status is Suitability.UNKNOWN
    assert policy.last_fit(unknown, VERIFY) == NEVER


def test_the_padding_of_rsa_is_told_by_the_signature_and_the_worse_is_taken_where_it_is_not() -> None:
    facts = KeyFacts("rsa", "RSA-3072", 3072)
    policy = load_policy("eu-ts119312")
    for oid, status in (
        ("1.2.840.113549.1.1.10", Suitability.RECOMMENDED),
        ("1.2.840.113549.1.1.11", Suitability.LEGACY),
        (None, Suitability.LEGACY),
    ):
        assert policy.judge(Subject.of_key(facts, "sha256", oid), ISSUE, NOW).status is status


GOOD = """
edition = "1"
source = "ours"
[sources.a]
title = "A"
edition = "1"
[[rows]]
roles = ["imprint"]
algorithms = ["sha256"]
usages = ["issue"]
status = "allowed"
until = 2030-12-31
source = "a"
"""


def test_a_file_of_one_s_own_is_a_policy(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(GOOD)
    policy = load_policy(path)
    assert (policy.name, policy.edition, len(policy.rows)) == ("own", "1", 1)
    assert load_policy(str(path)) == policy


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('status = "allowed"', 'status = "fine"'),
        ('status = "allowed"', 'status = "unknown"'),
        ('status = "allowed"', 'status = "forbidden"'),
        ("until = 2030-12-31", 'until = "2030-12-31"'),
        ("until = 2030-12-31", "until = 2030-12-31T00:00:00Z"),
        ("until = 2030-12-31", "untill = 2030-12-31"),
        ('source = "a"', 'source = "b"'),
        ('source = "a"', ""),
        ('roles = ["imprint"]', 'roles = ["print"]'),
        ('roles = ["imprint"]', "roles = []"),
        ('algorithms = ["sha256"]', "algorithms = [1]"),
        ('algorithms = ["sha256"]', 'algorithms = "sha256"'),
        ('usages = ["issue"]', 'usages = ["issue"]\nbits = [1]'),
        ('usages = ["issue"]', 'usages = ["issue"]\nbits = [2, 1]'),
        ('usages = ["issue"]', 'usages = ["issue"]\nbits = [true, 9]'),
        ('usages = ["issue"]', 'usages = ["issue"]\nweakness = "ugly"'),
        ('source = "ours"', 'source = "ours"\nmore = 1'),
        ('title = "A"', ""),
        ('edition = "1"', "edition = 1"),
        ("[[rows]]", "[rows]"),
        ("[[rows]]", "[[lines]]"),
        ("[sources.a]", "[[sources]]"),
        ("edition", "edition = "),
    ],
)
def test_a_policy_that_cannot_be_read_as_its_author_meant_it_is_refused(before: str, after: str) -> None:
    assert before in GOOD
    with pytest.raises(PolicyError, match="own"):
        parse_policy("own", GOOD.replace(before, after, 1))


@pytest.mark.parametrize("line", ["{} = 1", "[{}]", "a = {{ {} = 1 }}"])
def test_a_key_of_many_parts_is_refused_before_it_is_read(line: str) -> None:
    """Attack: a file of facts with such a policy; the reader takes time with the square of its parts."""
    with pytest.raises(PolicyError, match="dots"):
        parse_policy("own", GOOD + line.format(".".join("a" * 102)))
    parse_policy("own", "# " + "." * 100 + "\n" + GOOD)


def test_rows_of_one_pattern_stand_in_order_of_date() -> None:
    """A row that can never speak would be read by people as if it did."""
    row = GOOD[GOOD.index("[[rows]]") :]
    for second in ("2030-12-31", "2029-12-31"):
        with pytest.raises(PolicyError, match="order"):
            parse_policy("own", GOOD + row.replace("2030-12-31", second))
    later = parse_policy("own", GOOD + row.replace("2030-12-31", "2031-12-31").replace("allowed", "legacy"))
    assert later.last_fit(hashed("sha256"), ISSUE) == dt.date(2031, 12, 31)


@pytest.mark.parametrize("octets", [b"\xff", b"", b"x" * 1_100_000, GOOD.encode() * 2])
def test_a_file_that_is_no_policy_is_refused_with_its_name(tmp_path: Path, octets: bytes) -> None:
    path = tmp_path / "own.toml"
    path.write_bytes(octets)
    with pytest.raises(PolicyError, match="own"):
        load_policy(path)


@pytest.mark.parametrize("name", ["absent", "/absent/policy.toml", "", "\0"])
def test_a_name_that_is_neither_shipped_nor_a_file_is_refused(name: str) -> None:
    with pytest.raises(PolicyError, match="eu-ts119312"):
        load_policy(name)
