"""Composite ML-DSA against halves that were put together without our combinator, and against attackers."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa
from dilithium_py.ml_dsa import ML_DSA_65  # type: ignore[import-untyped]

from kokuin.wire import encode
from kokuin.wire.algorithms import AlgorithmIdentifier
from pqc.composite import CompositeKey, CompositeVerifier
from pqc.composite_table import ALGORITHMS
from pqc.keyinfo import (
    encode_private_info,
    encode_public_info,
    private_info,
    public_info,
    read_private_info,
    read_public_info,
)
from pqc.registry import scheme_of
from pqc.signing import generate_key
from pqc.suites import SUITES, Suite, suite
from pqc.verifying import SignatureOutcome, verify_signature
from tests.pqc.keys import key_of, signer_of

if TYPE_CHECKING:
    from pqc.keyinfo import PrivateKey

MESSAGE = b"signed attributes"
COMPOSITES = [each for each in SUITES.values() if each.components]
EACH = pytest.mark.parametrize("each", COMPOSITES, ids=lambda each: each.id)
ML_DSA_SIGNATURE, ML_DSA_PUBLIC = 3309, 1952
LABELS = {
    "mldsa65-ecdsa-p256-sha512": b"COMPSIG-MLDSA65-ECDSA-P256-SHA512",
    "mldsa65-ed25519-sha512": b"COMPSIG-MLDSA65-Ed25519-SHA512",
}


def representative(label: bytes, message: bytes = MESSAGE, context: bytes = b"") -> bytes:
    prefix = bytes.fromhex("436F6D706F73697465416C676F726974686D5369676E61747572657332303235")
    return prefix + label + bytes((len(context),)) + context + hashlib.sha512(message).digest()


def halves(each: Suite) -> tuple[mldsa.MLDSA65PrivateKey, PrivateKey]:
    key = key_of(each)
    assert isinstance(key, CompositeKey)
    assert isinstance(key.ml_dsa, mldsa.MLDSA65PrivateKey)
    return key.ml_dsa, key.traditional


def traditional(key: PrivateKey, message: bytes) -> bytes:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(message, ec.ECDSA(hashes.SHA256()))
    assert isinstance(key, ed25519.Ed25519PrivateKey)
    return key.sign(message)


def assembled(  # noqa: PLR0913  # what an attacker may vary
    each: Suite,
    *,
    label: bytes | None = None,
    ml_dsa_context: bytes | None = None,
    context: bytes = b"",
    first: bytes | None = None,
    second: bytes | None = None,
) -> bytes:
    label = LABELS[each.id] if label is None else label
    ml_dsa, other = halves(each)
    represented = representative(label, context=context)
    return ml_dsa.sign(
        represented if first is None else first, label if ml_dsa_context is None else ml_dsa_context
    ) + traditional(other, represented if second is None else second)


def outcome(each: Suite, signature: bytes, key: bytes | None = None) -> SignatureOutcome:
    return verify_signature(
        public_key_der=signer_of(each).public_key if key is None else key,
        algorithm=each.algorithm,
        digest=each.digest,
        message=MESSAGE,
        signature=signature,
    ).outcome


@EACH
def test_halves_that_were_signed_apart_make_a_valid_composite(each: Suite) -> None:
    assert outcome(each, assembled(each)) is SignatureOutcome.VALID


@EACH
def test_both_halves_of_our_signature_satisfy_other_implementations(each: Suite) -> None:
    signature, (_, other) = signer_of(each).sign(MESSAGE), halves(each)
    public = read_public_info(signer_of(each).public_key).octets
    represented, label = representative(LABELS[each.id]), LABELS[each.id]
    first, second = signature[:ML_DSA_SIGNATURE], signature[ML_DSA_SIGNATURE:]
    assert ML_DSA_65.verify(public[:ML_DSA_PUBLIC], represented, first, ctx=label)
    assert not ML_DSA_65.verify(public[:ML_DSA_PUBLIC], represented, first)
    if isinstance(other, ec.EllipticCurvePrivateKey):
        point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public[ML_DSA_PUBLIC:])
        point.verify(second, represented, ec.ECDSA(hashes.SHA256()))
    else:
        ed25519.Ed25519PublicKey.from_public_bytes(public[ML_DSA_PUBLIC:]).verify(second, represented)


@EACH
def test_a_stripped_half_is_refused(each: Suite) -> None:
    signature = assembled(each)
    first, second = signature[:ML_DSA_SIGNATURE], signature[ML_DSA_SIGNATURE:]
    for forged in (b"", first, second, first + bytes(len(second)), bytes(ML_DSA_SIGNATURE) + second):
        assert outcome(each, forged) is SignatureOutcome.INVALID


@EACH
def test_halves_in_the_other_order_or_from_another_signature_are_refused(each: Suite) -> None:
    signature = assembled(each)
    first, second = signature[:ML_DSA_SIGNATURE], signature[ML_DSA_SIGNATURE:]
    elsewhere = representative(LABELS[each.id], b"another message")
    assert outcome(each, second + first) is SignatureOutcome.INVALID
    assert outcome(each, assembled(each, first=elsewhere)) is SignatureOutcome.INVALID
    assert outcome(each, assembled(each, second=elsewhere)) is SignatureOutcome.INVALID


@EACH
def test_a_component_signature_by_itself_is_no_half(each: Suite) -> None:
    """A signature over the bare message, as a stand-alone key makes it, must not be spliced in (§10.2)."""
    assert outcome(each, assembled(each, first=MESSAGE)) is SignatureOutcome.INVALID
    assert outcome(each, assembled(each, second=MESSAGE)) is SignatureOutcome.INVALID
    assert outcome(each, assembled(each, ml_dsa_context=b"")) is SignatureOutcome.INVALID


@EACH
def test_a_wrong_label_or_context_is_refused(each: Suite) -> None:
    other = next(label for label in LABELS.values() if label != LABELS[each.id])
    # The draft's own table of labels was stale for a while: COMPSIG-MLDSA65-P256-SHA512.
    for label in (other, LABELS[each.id].replace(b"ECDSA-", b"") + b".", b""):
        assert outcome(each, assembled(each, label=label)) is SignatureOutcome.INVALID
    assert outcome(each, assembled(each, context=b"application")) is SignatureOutcome.INVALID


@EACH
def test_an_application_context_is_part_of_what_both_halves_sign(each: Suite) -> None:
    key = scheme_of(each).load_public(read_public_info(signer_of(each).public_key))
    assert isinstance(key, CompositeVerifier)
    signature = assembled(each, context=b"application")
    key.verify(each.algorithm, None, MESSAGE, signature, context=b"application")
    with pytest.raises(ValueError, match="256"):
        key.verify(each.algorithm, None, MESSAGE, signature, context=bytes(256))


@EACH
def test_a_signature_one_octet_shorter_or_longer_is_refused(each: Suite) -> None:
    signature = assembled(each)
    for damaged in (signature[:-1], signature + b"\x00", b"\x00" + signature, signature[1:]):
        assert outcome(each, damaged) is SignatureOutcome.INVALID


def test_the_composites_do_not_pass_for_each_other_nor_for_their_halves() -> None:
    first, second = COMPOSITES
    signature = assembled(first)
    assert outcome(second, signature) is SignatureOutcome.INVALID
    assert outcome(second, signature, signer_of(first).public_key) is SignatureOutcome.MALFORMED
    for component in first.components:
        assert outcome(suite(component), signature) is SignatureOutcome.INVALID
        assert outcome(first, signature, signer_of(suite(component)).public_key) is SignatureOutcome.MALFORMED


@EACH
def test_a_public_key_has_one_length_one_form_and_no_parameters(each: Suite) -> None:
    public = read_public_info(signer_of(each).public_key)
    octets = public.octets
    wrong = [octets[:-1], octets + b"\x00", octets[:ML_DSA_PUBLIC], octets[ML_DSA_PUBLIC:], b""]
    if len(octets) - ML_DSA_PUBLIC == 65:
        wrong.append(octets[:ML_DSA_PUBLIC] + b"\x02" + octets[ML_DSA_PUBLIC + 1 : ML_DSA_PUBLIC + 33])
        wrong.append(octets[:-1] + bytes((octets[-1] ^ 1,)))  # a point beside the curve
    signature = assembled(each)
    for key in wrong:
        der = encode_public_info(each.algorithm, key)
        assert outcome(each, signature, der) is SignatureOutcome.MALFORMED
    null = encode_public_info(AlgorithmIdentifier(each.algorithm.oid, encode.NULL), octets)
    assert outcome(each, signature, null) is SignatureOutcome.MALFORMED


@EACH
def test_a_private_key_is_seed_and_traditional_key_and_has_one_form(each: Suite) -> None:
    key = key_of(each)
    private = read_private_info(private_info(key))
    ml_dsa, other = halves(each)
    assert private.octets.startswith(ml_dsa.private_bytes_raw())
    rest = private.octets[32:]
    if isinstance(other, ec.EllipticCurvePrivateKey):
        # ECPrivateKey: version, 32 octets, the curve's name, and no public key (§4 of the draft).
        number = other.private_numbers().private_value.to_bytes(32, "big")
        curve = bytes.fromhex("a00a06082a8648ce3d030107")
        assert rest == bytes.fromhex("30310201010420") + number + curve
    else:
        assert isinstance(other, ed25519.Ed25519PrivateKey)
        assert rest == other.private_bytes_raw()
    read = scheme_of(each).load_private(private)
    assert public_info(read) == public_info(key)
    for octets in (private.octets[:32], private.octets[:-1], private.octets + b"\x00", b""):
        damaged = read_private_info(encode_private_info(each.algorithm, octets))
        with pytest.raises(ValueError):  # noqa: PT011  # the seam promises the type; every reader words it anew
            scheme_of(each).load_private(damaged)


@EACH
def test_fresh_keys_share_no_half(each: Suite) -> None:
    keys = [read_public_info(public_info(generate_key(each))).octets for _ in range(2)]
    assert keys[0][:ML_DSA_PUBLIC] != keys[1][:ML_DSA_PUBLIC]
    assert keys[0][ML_DSA_PUBLIC:] != keys[1][ML_DSA_PUBLIC:]


def test_every_composite_algorithm_has_its_suite() -> None:
    assert set(ALGORITHMS) == {each.algorithm.oid for each in COMPOSITES}
    assert {ALGORITHMS[each.algorithm.oid].label for each in COMPOSITES} == set(LABELS.values())
