from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, mldsa, rsa

from kokuin.wire.algorithms import AlgorithmIdentifier
from pqc.classical import EddsaScheme
from pqc.signing import KeyMismatchError, SoftwareSigner, generate_key
from pqc.suites import Family, Suite, suite
from pqc.verifying import SignatureOutcome, verify_signature
from tests.pqc.keys import ISSUING, key_of, signer_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from pqc.signing import PrivateKey

MESSAGE = b"signed attributes"
EACH = pytest.mark.parametrize("each", ISSUING, ids=[each.id for each in ISSUING])


def outcome(each: Suite, message: bytes, signature: bytes, by: Suite | None = None) -> SignatureOutcome:
    return verify_signature(
        public_key_der=signer_of(by or each).public_key,
        algorithm=each.algorithm,
        digest=each.digest,
        message=message,
        signature=signature,
    ).outcome


@EACH
def test_what_a_suite_signs_verifies_and_nothing_else_does(each: Suite) -> None:
    signature = signer_of(each).sign(MESSAGE)
    assert len(signature) <= each.signature_size
    varies = each.family is Family.ECDSA or "ecdsa-p256-sha256" in each.components
    assert varies or len(signature) == each.signature_size
    assert outcome(each, MESSAGE, signature) is SignatureOutcome.VALID
    assert outcome(each, MESSAGE + b".", signature) is SignatureOutcome.INVALID
    for damaged in (signature[:-1], signature + b"\x00", b"", bytes(len(signature))):
        assert outcome(each, MESSAGE, damaged) is SignatureOutcome.INVALID
    for at in {0, 1, len(signature) // 2, len(signature) - 1}:
        flipped = signature[:at] + bytes((signature[at] ^ 1,)) + signature[at + 1 :]
        assert outcome(each, MESSAGE, flipped) is SignatureOutcome.INVALID


@EACH
def test_a_key_of_another_kind_is_refused_before_it_signs(each: Suite) -> None:
    other = next(item for item in ISSUING if item.key != each.key)
    with pytest.raises(KeyMismatchError):
        SoftwareSigner(each, key_of(other))


def test_a_suite_for_verifying_only_makes_no_key_and_no_signature() -> None:
    weak = suite("rsa2048-pkcs1-sha256")
    with pytest.raises(KeyMismatchError):
        generate_key(weak)
    with pytest.raises(KeyMismatchError):
        SoftwareSigner(weak, rsa.generate_private_key(65537, 2048))


def test_a_curve_outside_the_table_is_refused() -> None:
    with pytest.raises(KeyMismatchError):
        SoftwareSigner(suite("ecdsa-p256-sha256"), ec.generate_private_key(ec.SECP256K1()))


def test_a_key_that_signs_wrongly_is_refused_at_load(monkeypatch: pytest.MonkeyPatch) -> None:
    def bind(_scheme: EddsaScheme, _suite: Suite, _key: PrivateKey) -> Callable[[bytes], bytes]:
        return lambda _message: bytes(64)

    monkeypatch.setattr(EddsaScheme, "bind", bind)
    with pytest.raises(KeyMismatchError):
        SoftwareSigner(suite("ed25519"), key_of(suite("ed25519")))


def test_ml_dsa_signs_pure_with_an_empty_context() -> None:
    each = suite("ml-dsa-65")
    key = signer_of(each)
    private = key_of(each)
    assert isinstance(private, mldsa.MLDSA65PrivateKey)
    private.public_key().verify(key.sign(MESSAGE), MESSAGE, b"")
    other = private.sign(MESSAGE, b"another context")
    assert outcome(each, MESSAGE, other) is SignatureOutcome.INVALID


def test_an_algorithm_of_another_family_does_not_fit_the_key() -> None:
    signature = signer_of(suite("ed25519")).sign(MESSAGE)
    for each in ISSUING:
        if each.key != "Ed25519":
            found = outcome(each, MESSAGE, signature, by=suite("ed25519"))
            assert found is SignatureOutcome.MALFORMED
    unknown = verify_signature(
        public_key_der=signer_of(suite("ed25519")).public_key,
        algorithm=AlgorithmIdentifier("1.2.3"),
        digest="sha256",
        message=MESSAGE,
        signature=signature,
    )
    assert unknown.outcome is SignatureOutcome.UNSUPPORTED
    assert unknown.key is not None
