from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest
from asn1crypto import algos  # type: ignore[import-untyped]

from kokuin.wire import encode
from kokuin.wire.algorithms import DIGEST_BY_NAME, AlgorithmIdentifier
from pqc.suites import SUITES, Family, Suite, UnknownSuiteError, suite

ALL = pytest.mark.parametrize("each", SUITES.values(), ids=SUITES)


def test_the_table_is_closed_and_frozen() -> None:
    assert set(SUITES) == {
        *(f"rsa{bits}-{pad}-sha256" for bits in (2048, 3072) for pad in ("pkcs1", "pss")),
        *("rsa4096-pkcs1-sha384", "rsa4096-pss-sha384"),
        *("ecdsa-p256-sha256", "ecdsa-p384-sha384", "ecdsa-p521-sha512", "ed25519"),
        *("ed448", "ml-dsa-44", "ml-dsa-65", "ml-dsa-87", "slh-dsa-sha2-192s", "slh-dsa-sha2-256s"),
        *("mldsa65-ecdsa-p256-sha512", "mldsa65-ed25519-sha512"),
    }
    with pytest.raises(FrozenInstanceError):
        suite("ed25519").digest = "md5"  # type: ignore[misc]  # the attack
    with pytest.raises(UnknownSuiteError):
        suite("rsa1024-pkcs1-md5")


@ALL
def test_a_suite_is_found_by_its_id_and_its_digest_is_strong(each: Suite) -> None:
    assert suite(each.id) is each
    if each.id == "ed448":
        # RFC 8419 §3.1: id-shake256-len with ShakeOutputLen 512.
        assert each.digest_algorithm == AlgorithmIdentifier("2.16.840.1.101.3.4.2.18", encode.integer(512))
        return
    assert each.digest in {"sha256", "sha384", "sha512"}
    assert each.digest_algorithm.parameters is None  # RFC 5754 §2


@pytest.mark.parametrize(
    "each", [each for each in SUITES.values() if not each.quantum_category], ids=lambda each: each.id
)
def test_an_independent_reader_names_the_algorithm_as_the_suite_does(each: Suite) -> None:
    identifier = algos.SignedDigestAlgorithm.load(encode.algorithm(each.algorithm), strict=True)
    expected = {"rsa-pkcs1": "rsassa_pkcs1v15", "rsa-pss": "rsassa_pss", "ecdsa": "ecdsa", "eddsa": each.id}
    assert identifier.signature_algo == expected[each.family]
    if each.family is not Family.EDDSA:
        assert identifier.hash_algo == each.digest


@ALL
def test_parameters_are_what_the_algorithms_standard_wants(each: Suite) -> None:
    if each.family is Family.RSA_PKCS1:
        assert each.algorithm.parameters == encode.NULL  # RFC 4055 §5
    elif each.family is not Family.RSA_PSS:
        assert each.algorithm.parameters is None  # RFC 5758 §3.2, RFC 8410 §3, RFC 9882 §3.3


@ALL
def test_strengths_are_those_of_sp_800_57_and_fips_204(each: Suite) -> None:
    quantum = {"ML-DSA-44": 2, "ML-DSA-65": 3, "ML-DSA-87": 5}
    quantum |= {"SLH-DSA-SHA2-192s": 3, "SLH-DSA-SHA2-256s": 5}
    quantum |= {each.key: 3 for each in SUITES.values() if each.components}
    assert each.quantum_category == quantum.get(each.key, 0)
    classical = {"RSA-2048": 112, "RSA-3072": 128, "P-256": 128, "P-384": 192, "P-521": 256, "Ed25519": 128}
    assert each.classical_bits == classical.get(each.key, each.classical_bits)
    # A digest that is weaker than the key would be the weakest link (EdDSA and ML-DSA hash by themselves).
    assert DIGEST_BY_NAME[each.digest].size * 4 >= min(each.classical_bits, 256)


def test_rsa_2048_is_only_verified() -> None:
    assert {each.key for each in SUITES.values() if not each.issue} == {"RSA-2048"}


def test_no_two_suites_share_key_and_algorithm() -> None:
    assert len({(each.key, each.algorithm) for each in SUITES.values()}) == len(SUITES)


def test_a_composite_is_a_draft_and_as_strong_as_its_stronger_half() -> None:
    composites = [each for each in SUITES.values() if each.components]
    assert composites == [each for each in SUITES.values() if each.draft]
    for each in composites:
        halves = [suite(component) for component in each.components]
        assert each.classical_bits == max(half.classical_bits for half in halves)
        assert each.quantum_category == max(half.quantum_category for half in halves)
        assert each.signature_size == sum(half.signature_size for half in halves)
