"""Weak, broken, unknown and unfit algorithms in tokens."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import mldsa, rsa

from kokuin.trust.anchors import TrustStore
from kokuin.trust.context import Context
from kokuin.trust.judge import judge_token
from kokuin.wire import encode, oids
from kokuin.wire.algorithms import DIGEST_BY_NAME, AlgorithmIdentifier
from pqc.policies import load_policy
from tests.trust.forge import (
    AUTHORITY,
    DATA,
    NOW_US,
    UNIT,
    issue,
    judge,
    order,
    pki,
    reasons,
    verdict,
)

if TYPE_CHECKING:
    from kokuin.trust.report import Report


def _imprint(digest: str) -> Report:
    imprint = hashlib.new(digest, DATA).digest()
    return judge(order(imprint_oid=DIGEST_BY_NAME[digest].oid, imprint=imprint).make())


def test_md5_is_refused_and_a_sha1_imprint_is_not_relied_on() -> None:
    assert verdict(_imprint("md5")) == ("FAILED", "CRYPTO_CONSTRAINTS_FAILURE")
    assert verdict(_imprint("sha1")) == ("INDETERMINATE", "CRYPTO_CONSTRAINTS_FAILURE")
    assert verdict(_imprint("sha3_512")) == ("PASSED", None)


def test_a_signature_over_md5_is_refused_and_over_sha1_weak() -> None:
    refused = order(digest="md5")
    assert verdict(judge(refused.make())) == ("FAILED", "CRYPTO_CONSTRAINTS_FAILURE")
    sha1 = hashes.SHA1()  # noqa: S303  # the weakness is the point
    weak = order(digest="sha1", algorithm=AlgorithmIdentifier(oids.ECDSA_WITH_SHA1), signed_digest=sha1)
    report = judge(weak.make())
    assert verdict(report) == ("PASSED", None)
    assert reasons(report)["digest-algorithm"] == reasons(report)["signature-algorithm"] == "DIGEST_WEAK"


def test_unknown_algorithms_are_indeterminate() -> None:
    unknown = "1.3.6.1.4.1.32473.7"
    assert verdict(judge(order(imprint_oid=unknown).make())) == (
        "INDETERMINATE",
        "CRYPTO_CONSTRAINTS_FAILURE",
    )
    signature = order(algorithm=AlgorithmIdentifier(unknown))
    assert verdict(judge(signature.make())) == ("INDETERMINATE", "CRYPTO_CONSTRAINTS_FAILURE")


def test_an_imprint_of_the_wrong_length_fails() -> None:
    assert verdict(judge(order(imprint=bytes(31)).make(), data=None)) == ("FAILED", "FORMAT_FAILURE")


def test_a_key_of_another_kind_than_the_algorithm_fails() -> None:
    token = order(algorithm=AlgorithmIdentifier(oids.SHA256_WITH_RSA)).make()
    assert verdict(judge(token)) == ("FAILED", "SIG_CRYPTO_FAILURE")


def _ml_dsa(**changes: object) -> Report:
    key = mldsa.MLDSA65PrivateKey.generate()
    unit = issue("PQ unit", pki().authority, UNIT, key=key)
    algorithm = AlgorithmIdentifier(oids.ID_ML_DSA_65)
    settings = {"signer": unit, "certificates": [unit.der, pki().authority.der], "algorithm": algorithm}
    return judge(order(**{**settings, **changes}).make())


def test_ml_dsa_65_wants_a_digest_as_strong_as_itself_and_no_parameters() -> None:
    assert verdict(_ml_dsa(digest="sha512")) == ("PASSED", None)
    assert verdict(_ml_dsa(digest="sha256")) == ("FAILED", "CRYPTO_CONSTRAINTS_FAILURE")
    parameters = AlgorithmIdentifier(oids.ID_ML_DSA_65, encode.NULL)
    assert verdict(_ml_dsa(digest="sha512", algorithm=parameters)) == ("FAILED", "FORMAT_FAILURE")


def test_the_order_of_certificates_does_not_choose_a_path_whose_algorithms_are_refused() -> None:
    """The authority was certified by two roots, by one of them with a key that is too short."""
    short = issue("Short", None, AUTHORITY, key=rsa.generate_private_key(65_537, 1024))  # noqa: S505  # refused
    crossed = issue("Authority", short, AUTHORITY, key=pki().authority.key)
    context = Context(NOW_US, pki().trust, policy=load_policy("us"))
    both = replace(context, trust=TrustStore((short.certificate, pki().root.certificate)))
    for carried in ((crossed.der, pki().authority.der), (pki().authority.der, crossed.der)):
        token = order(certificates=[pki().unit.der, *carried]).make()
        assert verdict(judge_token(token, both)) == ("PASSED", None)
        alone = replace(context, trust=TrustStore((short.certificate,)))
        assert reasons(judge_token(token, alone))["path-algorithms"] == "KEY_TOO_SHORT"
