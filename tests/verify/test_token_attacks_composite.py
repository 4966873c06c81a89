"""Tokens of composite units from which a half was stripped, or whose halves are passed off alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kokuin.trust.anchors import TrustStore
from kokuin.trust.context import Context
from kokuin.verify.content import of_octets
from kokuin.verify.verifying import verify_bytes
from kokuin.wire import encode, oids
from kokuin.wire.cms import read_signed_data
from tests.mutators import Element, parse
from tests.trust.forge import verdict
from tests.verify.token_seeds import DATA, JUDGED_AT, made_by, signed_data

if TYPE_CHECKING:
    from kokuin.trust.report import Report

SUITES = ("mldsa65-ecdsa-p256-sha512", "mldsa65-ed25519-sha512")
ML_DSA_65 = 3309
"""Octets of its signature (FIPS 204, table 2)."""


def _signed(suite: str) -> tuple[bytes, str]:
    (signer,) = read_signed_data(made_by(suite).token).signer_infos
    return signer.signature, signer.signature_algorithm.oid


def judge(suite: str, token: bytes) -> Report:
    context = Context(JUDGED_AT, TrustStore((made_by(suite).root,)), of_octets(DATA))
    return verify_bytes(token, context)


def replaced(suite: str, signature: bytes, algorithm: str | None = None) -> bytes:
    """Return the token with another signature value, and maybe another algorithm in front of it."""
    found = parse(made_by(suite).token)
    assert found is not None
    (root,) = found
    signer = (signed_data(root)[-1].children or [])[0].children or []
    signer[5].content = signature
    if algorithm is not None:
        signer[4] = Element(0x30, encode.oid(algorithm))
    return root.encode()


@pytest.mark.parametrize("suite", SUITES)
def test_the_whole_passes(suite: str) -> None:
    signature, _ = _signed(suite)
    assert verdict(judge(suite, made_by(suite).token)) == ("PASSED", None)
    assert replaced(suite, signature) == made_by(suite).token


@pytest.mark.parametrize("suite", SUITES)
def test_a_stripped_half_fails(suite: str) -> None:
    signature, _ = _signed(suite)
    lattice, traditional = signature[:ML_DSA_65], signature[ML_DSA_65:]
    for left in (lattice, traditional, b"", traditional + lattice):
        assert verdict(judge(suite, replaced(suite, left))) == ("FAILED", "SIG_CRYPTO_FAILURE")


@pytest.mark.parametrize("suite", SUITES)
def test_a_half_that_is_overwritten_fails(suite: str) -> None:
    signature, _ = _signed(suite)
    size = len(signature)
    for changed in (
        bytes(ML_DSA_65) + signature[ML_DSA_65:],
        signature[:ML_DSA_65] + bytes(size - ML_DSA_65),
        signature[:ML_DSA_65] + signature[: size - ML_DSA_65],
    ):
        assert verdict(judge(suite, replaced(suite, changed))) == ("FAILED", "SIG_CRYPTO_FAILURE")


@pytest.mark.parametrize("suite", SUITES)
def test_a_half_is_not_taken_for_a_signature_of_its_own_algorithm(suite: str) -> None:
    signature, _ = _signed(suite)
    lattice, traditional = signature[:ML_DSA_65], signature[ML_DSA_65:]
    for half, algorithm in (
        (lattice, oids.ID_ML_DSA_65),
        (traditional, oids.ECDSA_WITH_SHA512),
        (traditional, oids.ECDSA_WITH_SHA256),
        (traditional, oids.ID_ED25519),
    ):
        report = judge(suite, replaced(suite, half, algorithm))
        failed = {check.id for check in report.checks if check.status == "failed"}
        assert {"algorithm-protection", "signature"} <= failed


@pytest.mark.parametrize(("suite", "other"), [SUITES, SUITES[::-1]])
def test_one_composite_does_not_pass_for_the_other(suite: str, other: str) -> None:
    signature, _ = _signed(suite)
    _, algorithm = _signed(other)
    assert judge(suite, replaced(suite, signature, algorithm)).indication == "FAILED"
