"""A verdict is about a policy and a time of proof of existence: the same token, judged by several."""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, mldsa, rsa

from kokuin.trust.anchors import TrustStore
from kokuin.trust.context import Context
from kokuin.trust.judge import judge_token
from kokuin.wire import oids
from kokuin.wire.algorithms import DIGEST_BY_NAME, AlgorithmIdentifier
from kokuin.wire.ber import definite
from kokuin.wire.prescan import TOKEN_LIMITS
from pqc.policies import Policy, load_policy, parse_policy, shipped_policies
from tests.ownpolicy import policy_text, row
from tests.trust.forge import AUTHORITY, DATA, DAY, NOW, NOW_US, UNIT, Order, Party, ess_v1, issue, pki

if TYPE_CHECKING:
    from kokuin.trust.report import Report

LONG: dict[str, Any] = {"begins": NOW - 4000 * DAY, "ends": NOW + 12_000 * DAY}
ML_DSA = AlgorithmIdentifier(oids.ID_ML_DSA_65)
NO_POE = ("INDETERMINATE", "CRYPTO_CONSTRAINTS_FAILURE_NO_POE")
NOT_FIT = ("INDETERMINATE", "CRYPTO_CONSTRAINTS_FAILURE")
PASSED = ("PASSED", None)


def us(text: str) -> int:
    since = dt.datetime.fromisoformat(text) - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return since // dt.timedelta(microseconds=1)


LAST = us("2030-12-31T23:59:59.999999+00:00")
"""Last microsecond at which TS 119 312 lets ECDSA alone be relied on."""


@functools.cache
def root(family: str = "ml-dsa") -> Party:
    """An anchor that outlives every date of the policies."""
    key: Any = mldsa.MLDSA65PrivateKey.generate() if family == "ml-dsa" else None
    return issue("Root of decades", None, AUTHORITY, key=key, **LONG)


def token(key: Any = None, *, issuer: Party | None = None, **changes: Any) -> bytes:
    """Order a token whose certificates are valid for decades, so that only algorithms age."""
    unit = issue("Unit of decades", issuer or root(), UNIT, key=key, **LONG)
    return Order(**{"signer": unit, "certificates": [unit.der], **changes}).make()


def judge(octets: bytes, policy: str | Policy, at: int = NOW_US, anchor: Party | None = None) -> Report:
    chosen = load_policy(policy) if isinstance(policy, str) else policy
    trust = TrustStore(((anchor or root()).certificate,))
    content = {"sha256": hashlib.sha256(DATA).digest()}.get
    context = Context(at, trust, lambda name: content(name) or b"", chosen)
    return judge_token(definite(octets, TOKEN_LIMITS), context)


def verdict(report: Report) -> tuple[str, str | None]:
    return report.indication, report.sub_indication


def check(report: Report, name: str) -> dict[str, Any]:
    (found,) = (each.to_dict() for each in report.checks if each.id == name)
    return {**found, **found["params"]} if isinstance(found["params"], dict) else found


def test_a_token_whose_algorithm_has_aged_out_needs_a_proof_from_before() -> None:
    octets = token()
    assert verdict(judge(octets, "eu-ts119312", LAST)) == PASSED
    aged = judge(octets, "eu-ts119312", LAST + 1)
    assert verdict(aged) == NO_POE
    found = check(aged, "signature-algorithm")
    assert (found["reason"], found["algorithm"], found["until"]) == ("NO_LONGER_FIT", "P-256", "2030-12-31")
    assert verdict(judge(octets, "baseline", LAST + 1)) == PASSED


def test_judged_for_its_own_time_an_aged_token_passes() -> None:
    assert verdict(judge(token(), "eu-ts119312", NOW_US)) == PASSED


def test_an_algorithm_that_was_unfit_when_the_token_was_made_is_helped_by_no_proof() -> None:
    octets = token(gen_us=LAST + 1)
    report = judge(octets, "eu-ts119312", LAST + 1)
    assert verdict(report) == NOT_FIT
    assert check(report, "signature-algorithm")["reason"] == "NOT_ACCEPTED"


def test_a_token_dated_back_by_whoever_broke_its_algorithm_does_not_pass() -> None:
    """The attack: in 2032 somebody can forge P-256 and writes 2026 as genTime."""
    forged = token(gen_us=NOW_US)
    assert verdict(judge(forged, "eu-ts119312", us("2032-06-01T00:00:00+00:00"))) == NO_POE


def test_an_authority_whose_algorithm_has_aged_out_ages_the_token_below_it() -> None:
    anchor = root("ecdsa")
    octets = token(mldsa.MLDSA65PrivateKey.generate(), issuer=anchor, algorithm=ML_DSA, digest="sha512")
    assert verdict(judge(octets, "eu-ts119312", LAST, anchor)) == PASSED
    report = judge(octets, "eu-ts119312", LAST + 1, anchor)
    assert verdict(report) == NO_POE
    assert check(report, "signature-algorithm")["status"] == "ok"
    assert check(report, "path-algorithms")["reason"] == "NO_LONGER_FIT"


@pytest.mark.parametrize("policy", shipped_policies())
def test_a_post_quantum_token_passes_for_decades(policy: str) -> None:
    octets = token(mldsa.MLDSA65PrivateKey.generate(), algorithm=ML_DSA, digest="sha512")
    at = us("2045-01-01T00:00:00+00:00") if policy != "jp-cryptrec" else LAST + 1
    assert verdict(judge(octets, policy, at)) == PASSED


def test_the_hash_of_the_data_ages_like_the_key() -> None:
    """CRYPTREC: 128 bits of strength, SHA-256 among them, are not used from 2051."""
    octets = token(mldsa.MLDSA65PrivateKey.generate(), algorithm=ML_DSA, digest="sha512")
    last = us("2050-12-31T23:59:59.999999+00:00")
    assert verdict(judge(octets, "jp-cryptrec", last)) == PASSED
    report = judge(octets, "jp-cryptrec", last + 1)
    assert verdict(report) == NO_POE
    assert check(report, "imprint-algorithm")["algorithm"] == "sha256"


@pytest.mark.parametrize("policy", shipped_policies())
def test_no_policy_passes_md5_and_no_time_helps(policy: str) -> None:
    octets = token(imprint_oid=DIGEST_BY_NAME["md5"].oid, imprint=bytes(16))
    report = judge(octets, policy)
    assert check(report, "imprint-algorithm")["reason"] == "DIGEST_REFUSED"
    assert report.indication == "FAILED"


def test_a_certificate_named_by_sha1_is_weak_by_baseline_and_not_accepted_by_ts_119_312() -> None:
    octets = Order(
        signer=pki().unit,
        certificates=pki().chain,
        attributes={
            oids.ID_AA_SIGNING_CERTIFICATE: ess_v1(pki().unit.der),
            oids.ID_AA_SIGNING_CERTIFICATE_V2: None,
        },
    ).make()
    assert verdict(judge(octets, "baseline", anchor=pki().root)) == PASSED
    report = judge(octets, "eu-ts119312", anchor=pki().root)
    assert verdict(report) == NOT_FIT
    found = check(report, "signer")
    assert (found["reason"], "Unit" in found["certificate"]) == ("DIGEST_WEAK", True)


def test_a_curve_that_a_policy_does_not_name_is_open() -> None:
    octets = token(ec.generate_private_key(ec.SECP256K1()))
    assert verdict(judge(octets, "baseline")) == PASSED
    report = judge(octets, "eu-ts119312")
    assert verdict(report) == NOT_FIT
    assert check(report, "signature-algorithm")["reason"] == "NOT_IN_POLICY"


def test_rsa_2048_passes_until_each_policy_s_own_day() -> None:
    anchor = issue("RSA root", None, AUTHORITY, key=rsa.generate_private_key(65537, 2048), **LONG)
    octets = token(issuer=anchor)
    for policy, last in (("eu-ts119312", "2028-12-31"), ("jp-cryptrec", "2030-12-31")):
        end = us(f"{last}T23:59:59.999999+00:00")
        assert verdict(judge(octets, policy, end, anchor)) == PASSED
        assert verdict(judge(octets, policy, end + 1, anchor)) == NO_POE
    deprecated = judge(octets, "us", us("2031-01-01T00:00:00+00:00"), anchor)
    assert verdict(deprecated) == PASSED
    assert check(deprecated, "path-algorithms")["reason"] == "KEY_WEAK"


def test_the_report_names_the_policy_also_of_what_cannot_be_read() -> None:
    own = replace(load_policy("eu-ts119312"), name="mine", edition="7")
    for octets in (token(), b"\x30\x00"):
        trust = TrustStore((root().certificate,))
        report = judge_token(octets, Context(NOW_US, trust, policy=own))
        assert report.to_dict()["policy"] == {"name": "mine", "edition": "7"}


def test_a_policy_that_forbids_without_a_reason_is_open_and_not_a_failure() -> None:
    text = policy_text(row("signature", ("ecdsa",), ("verify",), status="forbidden"))
    report = judge(token(), parse_policy("mine", text))
    assert verdict(report) == NOT_FIT
    assert check(report, "signature-algorithm")["reason"] == "NOT_ACCEPTED"
