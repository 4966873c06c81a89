"""Tokens of our own units, judged by our own verifier."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import hashlib
from typing import TYPE_CHECKING

import pytest

from kokuin.trust.anchors import TrustStore
from kokuin.trust.authority import CertificateAuthority
from kokuin.trust.certificate import read_certificate
from kokuin.trust.context import Context
from kokuin.trust.name import distinguished_name
from kokuin.verify.content import of_octets
from kokuin.verify.verifying import verify_bytes
from kokuin.wire.algorithms import DIGEST_BY_NAME
from kokuin.wire.encode import NULL
from kokuin.wire.tsp import TimeStampReq
from pqc.signing import SoftwareSigner, generate_key
from pqc.suites import SUITES, suite
from tests.toysuite import registered
from tsa.template import SignerIdentity
from tsa.unit import KeyPeriod, TimeStampUnit

if TYPE_CHECKING:
    from kokuin.trust.certificate import Certificate
    from pqc.signing import PrivateKey
    from pqc.suites import Suite

NOW = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
NOW_US = int(NOW.timestamp()) * 1_000_000
DATA = b"stamped"
CHOSEN = sorted(each.id for each in SUITES.values() if each.issue and "4096" not in each.id)
"""Every suite that may issue, but for RSA-4096, whose keys take seconds to make."""


@functools.cache
def key_of(suite_id: str) -> PrivateKey:
    """RSA keys take a while to make; root and unit may share one here."""
    return generate_key(suite(suite_id))


CERTIFICATES: dict[bytes, tuple[Certificate, Certificate]] = {}
"""Unit and root by their key; a signature with SLH-DSA takes as long as a dozen of other tests."""


def certificates_of(signer: SoftwareSigner) -> tuple[Certificate, Certificate]:
    """Unit and root of a key, made once."""
    if signer.public_key not in CERTIFICATES:
        CERTIFICATES[signer.public_key] = make_certificates(signer)
    return CERTIFICATES[signer.public_key]


def make_certificates(signer: SoftwareSigner) -> tuple[Certificate, Certificate]:
    root_name, unit_name = (distinguished_name("Test", each) for each in ("root", "unit"))
    authority = CertificateAuthority.root(signer, root_name, now=NOW, days=300, path_length=0)
    issued = authority.issue_unit(signer.public_key, unit_name, now=NOW, days=200, key_days=100)
    return read_certificate(issued.der), authority.certificate


def token_of(chosen: Suite, key: PrivateKey, *, certificates: bool) -> tuple[bytes, TrustStore]:
    """A token over `DATA` by a unit of the suite, and whom to trust: root and unit share the key."""
    signer = SoftwareSigner(chosen, key)
    unit_certificate, root = certificates_of(signer)
    identity = SignerIdentity(
        unit_certificate.der, unit_certificate.issuer, unit_certificate.serial, unit_certificate.subject
    )
    unit = TimeStampUnit(
        unit_id="unit",
        signer=signer,
        identity=identity,
        policy="1.3.6.1.4.1.32473.1",
        accuracy_us=1_000_000,
        period=KeyPeriod(NOW_US, NOW_US + 1),
        name_in_token=True,
    )
    imprint = hashlib.sha512(DATA).digest()
    request = TimeStampReq(
        1, DIGEST_BY_NAME["sha512"].oid, NULL, imprint, None, 7, b"\x02\x01\x07", certificates, ()
    )
    return unit.issue(request, NOW_US + 123_000).token, TrustStore((root,), (unit_certificate,))


@pytest.mark.parametrize("suite_id", CHOSEN)
@pytest.mark.parametrize("certificates", [True, False])
def test_own_tokens_pass(suite_id: str, *, certificates: bool) -> None:
    token, trust = token_of(suite(suite_id), key_of(suite_id), certificates=certificates)
    report = verify_bytes(token, Context(trust=trust, at=NOW_US + 1_000_000, content=of_octets(DATA)))
    assert report.indication == "PASSED"
    assert [check.id for check in report.checks if check.status not in {"ok", "not-done"}] == []
    assert report.subject["gen_time"] == "2026-06-01T00:00:00.123000Z"
    wrong = verify_bytes(token, Context(trust=trust, at=NOW_US + 1_000_000, content=of_octets(b"other")))
    assert wrong.sub_indication == "HASH_FAILURE"


@pytest.mark.parametrize(
    ("suite_id", "digest"),
    [
        ("ml-dsa-65", "sha256"),
        ("ml-dsa-87", "sha384"),
        ("slh-dsa-sha2-192s", "sha256"),
        ("mldsa65-ecdsa-p256-sha512", "sha256"),
        # As strong, but not the pre-hash of the algorithm.
        ("mldsa65-ed25519-sha512", "sha3_512"),
    ],
)
def test_a_message_digest_that_weakens_or_contradicts_the_signature_is_refused(
    suite_id: str, digest: str
) -> None:
    lax = dataclasses.replace(suite(suite_id), digest=digest)
    token, trust = token_of(lax, key_of(suite_id), certificates=True)
    report = verify_bytes(token, Context(trust=trust, at=NOW_US + 1_000_000, content=of_octets(DATA)))
    assert (report.indication, report.sub_indication) == ("FAILED", "CRYPTO_CONSTRAINTS_FAILURE")
    assert {check.id for check in report.checks if check.status == "failed"} == {"digest-algorithm"}


def test_a_toy_suite_issues_and_is_verified_like_any_other() -> None:
    with registered() as toy:
        token, trust = token_of(toy, generate_key(toy), certificates=True)
        report = verify_bytes(token, Context(trust=trust, at=NOW_US + 1_000_000, content=of_octets(DATA)))
        changed = token[:-1] + bytes((token[-1] ^ 1,))
        forged = verify_bytes(changed, Context(trust=trust, at=NOW_US + 1_000_000, content=of_octets(DATA)))
    assert report.indication == "PASSED"
    assert [check.id for check in report.checks if check.status not in {"ok", "not-done"}] == []
    assert forged.sub_indication == "SIG_CRYPTO_FAILURE"
    gone = verify_bytes(token, Context(trust=trust, at=NOW_US + 1_000_000, content=of_octets(DATA)))
    assert gone.indication == "INDETERMINATE"
