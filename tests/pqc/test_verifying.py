from __future__ import annotations

import functools

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from kokuin.wire import encode, oids
from kokuin.wire.algorithms import DIGEST_BY_NAME, AlgorithmIdentifier
from pqc.keyinfo import encode_public_info, public_info, read_public_info
from pqc.pss import encode_pss_parameters
from pqc.suites import SUITES, Suite, suite
from pqc.verifying import KeyFacts, SignatureOutcome, SignatureVerdict, key_facts, verify_signature
from tests.mutators import Mutator
from tests.pqc.keys import ISSUING, signer_of

MESSAGE = b"signed attributes"
ML_DSA = [suite(f"ml-dsa-{number}") for number in (44, 65, 87)]
SHAPE = {44: (4, 80, 18), 65: (6, 55, 20), 87: (8, 75, 20)}
"""FIPS 204 Table 1: k, ω, and the bits of a coefficient of z."""


def judge(each: Suite, signature: bytes, key: bytes | None = None) -> SignatureVerdict:
    return verify_signature(
        public_key_der=signer_of(each).public_key if key is None else key,
        algorithm=each.algorithm,
        digest=each.digest,
        message=MESSAGE,
        signature=signature,
    )


def hint(each: Suite, signature: bytes) -> tuple[int, int, bytearray]:
    """Return k, ω and the hint h, the last ω + k octets of a signature (FIPS 204 §7.2)."""
    k, omega, _ = SHAPE[int(each.key.removeprefix("ML-DSA-"))]
    return k, omega, bytearray(signature[-omega - k :])


@pytest.mark.parametrize("each", ML_DSA, ids=lambda each: each.id)
def test_an_ml_dsa_hint_in_another_encoding_is_no_second_signature(each: Suite) -> None:
    """FIPS 204 Algorithm 21: the hint has exactly one encoding, else a signature is malleable."""
    signature = signer_of(each).sign(MESSAGE)
    k, omega, good = hint(each, signature)
    ends = list(good[omega:])
    forged: list[bytearray] = []
    start = 0
    for end in ends:
        if end - start >= 2:
            swapped = bytearray(good)
            swapped[start], swapped[start + 1] = good[start + 1], good[start]
            repeated = bytearray(good)
            repeated[start + 1] = good[start]
            forged += [swapped, repeated]
        start = end
    if ends[-1] < omega:
        padded = bytearray(good)
        padded[omega - 1] = 1
        forged.append(padded)
    beyond, falling = bytearray(good), bytearray(good)
    beyond[-1] = omega + 1
    falling[omega : omega + 2] = bytes((ends[1] + 1, ends[1]))
    forged += [beyond, falling]
    assert len(forged) >= 3
    for each_hint in forged:
        assert judge(each, signature[: -omega - k] + each_hint).outcome is SignatureOutcome.INVALID


@pytest.mark.parametrize("each", ML_DSA, ids=lambda each: each.id)
def test_an_ml_dsa_response_that_is_too_large_is_refused(each: Suite) -> None:
    """FIPS 204 Algorithm 8 line 13: the norm of z is bounded; clear bits pack its greatest coefficient."""
    signature = signer_of(each).sign(MESSAGE)
    commitment = {44: 32, 65: 48, 87: 64}[int(each.key.removeprefix("ML-DSA-"))]
    forged = signature[:commitment] + bytes(10) + signature[commitment + 10 :]
    assert judge(each, forged).outcome is SignatureOutcome.INVALID


@pytest.mark.parametrize("each", ML_DSA, ids=lambda each: each.id)
def test_an_ml_dsa_key_of_another_length_or_set_is_malformed(each: Suite) -> None:
    signature, key = signer_of(each).sign(MESSAGE), signer_of(each).public_key
    other = next(item for item in ML_DSA if item is not each)
    assert judge(each, signature, key[:-1]).outcome is SignatureOutcome.MALFORMED
    assert judge(each, signature, key + b"\x00").outcome is SignatureOutcome.MALFORMED
    assert judge(each, signature, signer_of(other).public_key).outcome is SignatureOutcome.MALFORMED


def test_an_ecdsa_signature_has_one_der_form_and_numbers_within_the_order() -> None:
    each = suite("ecdsa-p256-sha256")
    signature = signer_of(each).sign(MESSAGE)
    r, s = decode_dss_signature(signature)
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    forged = [
        encode_dss_signature(0, 0),
        encode_dss_signature(1, 0),
        encode_dss_signature(r + order, s),
        encode_dss_signature(r, s + order),
        encode.sequence(encode.integer(r), encode.integer(-s)),
        encode.sequence(encode.integer(r), encode.integer(s), encode.NULL),
        encode.sequence(encode.integer(r)),
        encode.sequence(encode.tlv(2, b"\x00\x00" + encode.integer(r)[2:]), encode.integer(s)),
        b"\x30\x80" + encode.integer(r) + encode.integer(s) + b"\x00\x00",
        r.to_bytes(32, "big") + s.to_bytes(32, "big"),
    ]
    for octets in forged:
        assert judge(each, octets).outcome is SignatureOutcome.INVALID


def test_an_ed25519_signature_with_a_larger_s_is_refused() -> None:
    each = suite("ed25519")
    signature = signer_of(each).sign(MESSAGE)
    order = 2**252 + 27742317777372353535851937790883648493
    s = int.from_bytes(signature[32:], "little") + order
    assert judge(each, signature[:32] + s.to_bytes(32, "little")).outcome is SignatureOutcome.INVALID


def test_an_rsa_modulus_above_16384_bits_is_not_computed_with() -> None:
    each = suite("rsa3072-pkcs1-sha256")
    for bits, expected in ((16_384, SignatureOutcome.INVALID), (16_392, SignatureOutcome.UNSUPPORTED)):
        modulus = (1 << bits - 1) | 1
        rsa_key = encode.sequence(encode.integer(modulus), encode.integer(65_537))
        algorithm = encode.sequence(encode.oid(oids.RSA_ENCRYPTION), encode.NULL)
        key = encode.sequence(algorithm, encode.bit_string(rsa_key))
        assert judge(each, bytes(bits // 8), key).outcome is expected


def test_an_rsa_exponent_above_256_bits_is_not_computed_with() -> None:
    """Attack: certificates that nobody signed, each of which costs as much as a signature to try."""
    each = suite("rsa3072-pkcs1-sha256")
    for bits, expected in ((256, SignatureOutcome.INVALID), (257, SignatureOutcome.UNSUPPORTED)):
        rsa_key = encode.sequence(encode.integer((1 << 3071) | 1), encode.integer((1 << bits - 1) | 1))
        algorithm = encode.sequence(encode.oid(oids.RSA_ENCRYPTION), encode.NULL)
        key = encode.sequence(algorithm, encode.bit_string(rsa_key))
        assert judge(each, bytes(384), key).outcome is expected


def test_keys_that_nobody_signs_with_are_described_or_unsupported() -> None:
    k256 = ec.generate_private_key(ec.SECP256K1()).public_key()
    octets = k256.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert key_facts(octets) == KeyFacts("ec", "secp256k1", 256)
    assert key_facts(signer_of(suite("ed25519")).public_key) == KeyFacts("ed25519", "Ed25519", 256)
    assert key_facts(b"\x30\x00") is None
    unknown = encode.sequence(encode.sequence(encode.oid("1.2.3")), encode.bit_string(b"\x00"))
    assert key_facts(unknown) is None
    each = suite("ed25519")
    assert judge(each, bytes(64), unknown).outcome is SignatureOutcome.UNSUPPORTED
    assert judge(each, bytes(64), b"\x30\x00").outcome is SignatureOutcome.MALFORMED
    x25519 = encode.sequence(encode.sequence(encode.oid("1.3.101.110")), encode.bit_string(bytes(32)))
    assert judge(each, bytes(64), x25519).outcome is SignatureOutcome.UNSUPPORTED


@pytest.mark.parametrize(
    ("oid", "digest", "expected"),
    [
        (oids.RSA_ENCRYPTION, "sha256", SignatureOutcome.VALID),
        (oids.RSA_ENCRYPTION, "sha384", SignatureOutcome.INVALID),
        (oids.RSA_ENCRYPTION, None, SignatureOutcome.UNSUPPORTED),
        (oids.RSA_ENCRYPTION, "sha0", SignatureOutcome.UNSUPPORTED),
        (oids.SHA256_WITH_RSA, "md5", SignatureOutcome.VALID),
        (oids.ID_RSASSA_PSS, "sha256", SignatureOutcome.UNSUPPORTED),
        (oids.ID_EC_PUBLIC_KEY, "sha256", SignatureOutcome.MALFORMED),
    ],
)
def test_a_bare_key_oid_takes_the_digest_of_the_signer_info(
    oid: str, digest: str | None, expected: SignatureOutcome
) -> None:
    signer = signer_of(suite("rsa3072-pkcs1-sha256"))
    verdict = verify_signature(
        public_key_der=signer.public_key,
        algorithm=AlgorithmIdentifier(oid, encode.NULL),
        digest=digest,
        message=MESSAGE,
        signature=signer.sign(MESSAGE),
    )
    assert verdict.outcome is expected


def test_the_verifier_knows_every_suite_of_the_table() -> None:
    key = rsa.generate_private_key(65537, 2048)
    for each in SUITES.values():
        public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        if each.issue:
            public = signer_of(each).public_key
        assert judge(each, bytes(each.signature_size), public).outcome is SignatureOutcome.INVALID


@functools.cache
def signature_of(each: Suite) -> bytes:
    return signer_of(each).sign(MESSAGE)


@given(seed=st.integers(0, 2**32), each=st.sampled_from(ISSUING))
def test_whatever_key_and_signature_come_in_the_outcome_is_a_value(seed: int, each: Suite) -> None:
    keys = Mutator([signer_of(item).public_key for item in ISSUING], seed)
    signatures = Mutator([signature_of(each)], seed)
    for _ in range(5):
        judge(each, signatures.next())
        judge(each, signatures.next(), keys.next())


def test_the_older_name_of_sha1_with_rsa_is_the_same_scheme() -> None:
    key = rsa.generate_private_key(65537, 2048)
    verdict = verify_signature(
        public_key_der=key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        algorithm=AlgorithmIdentifier(oids.OIW_SHA1_WITH_RSA, encode.NULL),
        digest=None,
        message=b"old evidence",
        signature=key.sign(b"old evidence", padding.PKCS1v15(), hashes.SHA1()),  # noqa: S303  # what is tested
    )
    assert (verdict.outcome, verdict.digest) == (SignatureOutcome.VALID, "sha1")


def test_a_key_that_was_made_for_pss_verifies_nothing_else() -> None:
    """RFC 4055 §1.2: such a key has no other use; §3.3: its parameters bind hash and least salt."""
    key = rsa.generate_private_key(65537, 2048)
    info = read_public_info(public_info(key))
    plain = key.sign(b"data", padding.PKCS1v15(), hashes.SHA256())

    def outcome(bound: bytes | None, algorithm: AlgorithmIdentifier, signature: bytes) -> SignatureOutcome:
        der = encode_public_info(AlgorithmIdentifier(oids.ID_RSASSA_PSS, bound), info.octets)
        return verify_signature(
            public_key_der=der, algorithm=algorithm, digest="sha256", message=b"data", signature=signature
        ).outcome

    def pss(digest: hashes.HashAlgorithm, oid: str, salt: int) -> tuple[AlgorithmIdentifier, bytes]:
        signature = key.sign(b"data", padding.PSS(padding.MGF1(digest), salt), digest)
        return AlgorithmIdentifier(oids.ID_RSASSA_PSS, encode_pss_parameters(oid, salt)), signature

    bound = encode_pss_parameters(DIGEST_BY_NAME["sha256"].oid, 32)
    for parameters in (None, bound):
        for oid in (oids.SHA256_WITH_RSA, oids.RSA_ENCRYPTION):
            algorithm = AlgorithmIdentifier(oid, encode.NULL)
            assert outcome(parameters, algorithm, plain) is SignatureOutcome.MALFORMED
        for salt in (32, 48):
            used = pss(hashes.SHA256(), DIGEST_BY_NAME["sha256"].oid, salt)
            assert outcome(parameters, *used) is SignatureOutcome.VALID
    for used in (
        pss(hashes.SHA256(), DIGEST_BY_NAME["sha256"].oid, 20),
        pss(hashes.SHA512(), DIGEST_BY_NAME["sha512"].oid, 64),
    ):
        assert outcome(bound, *used) is SignatureOutcome.MALFORMED
        assert outcome(None, *used) is SignatureOutcome.VALID


def eddsa_key(oid: str, point: bytes) -> bytes:
    return encode.sequence(encode.sequence(encode.oid(oid)), encode.bit_string(point))


@pytest.mark.parametrize(
    "y",
    [
        *(0, 1, 2**255 - 20, 2**255 - 19, 2**255 - 18, 1 << 255 | 1, 1 << 255),
        # The points of order 8.
        int.from_bytes(
            bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little"
        ),
        int.from_bytes(
            bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"
        ),
    ],
)
def test_an_ed25519_key_of_small_order_verifies_nothing(y: int) -> None:
    """Attack: one signature of such a key is right for any message, so that it can be dated back."""
    for number in range(32):
        verdict = verify_signature(
            public_key_der=eddsa_key(oids.ID_ED25519, y.to_bytes(32, "little")),
            algorithm=AlgorithmIdentifier(oids.ID_ED25519),
            digest=None,
            message=bytes([number]),
            signature=(1).to_bytes(32, "little") + bytes(32),
        )
        assert verdict.outcome is SignatureOutcome.MALFORMED


@pytest.mark.parametrize("y", [0, 1, 2**448 - 2**224 - 2, 1 << 455 | 1])
def test_an_ed448_key_of_small_order_is_none(y: int) -> None:
    assert key_facts(eddsa_key(oids.ID_ED448, y.to_bytes(57, "little"))) is None
