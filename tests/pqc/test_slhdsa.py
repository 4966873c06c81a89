"""Our SLH-DSA verifier against another implementation: pqcrypto's Rust crates."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from pqc import slhdsa
from pqc.signing import SignerError, SignerProblem, SoftwareSigner, generate_key
from pqc.suites import suite
from tests import peers
from tests.pqc.keys import key_of

SETS = (
    slhdsa.SHA2_128S,
    slhdsa.SHA2_128F,
    slhdsa.SHA2_192S,
    slhdsa.SHA2_192F,
    slhdsa.SHA2_256S,
    slhdsa.SHA2_256F,
)
FAST = slhdsa.SHA2_192F
MESSAGE = b"signed attributes"
EACH = pytest.mark.parametrize("parameters", SETS, ids=lambda parameters: parameters.name)


def peer(parameters: slhdsa.ParameterSet) -> Any:
    try:
        signatures = importlib.import_module("pqcrypto.sign")
    except ImportError:
        peers.absent("peer 'pqcrypto' is not installed")
    return getattr(signatures, parameters.name.lower().replace("-", "_"))


@EACH
def test_a_foreign_signature_verifies_with_its_message_context_and_key_alone(
    parameters: slhdsa.ParameterSet,
) -> None:
    library = peer(parameters)
    public, private = library.keygen()
    other, _ = library.keygen()
    plain, bound = library.sign(private, MESSAGE), library.sign(private, MESSAGE, b"context")
    assert (len(public), len(plain)) == (parameters.public_size, parameters.signature_size)
    assert slhdsa.verify(parameters, public, MESSAGE, plain)
    assert slhdsa.verify(parameters, public, MESSAGE, bound, context=b"context")
    assert not slhdsa.verify(parameters, public, MESSAGE, bound)
    assert not slhdsa.verify(parameters, public, MESSAGE, plain, context=b"context")
    assert not slhdsa.verify(parameters, public, MESSAGE + b".", plain)
    assert not slhdsa.verify(parameters, other, MESSAGE, plain)


def test_a_bit_changed_anywhere_in_a_signature_is_refused() -> None:
    library = peer(FAST)
    public, private = library.keygen()
    signature = library.sign(private, MESSAGE)
    layer = FAST.n * (FAST.chains + FAST.height)
    starts = [0, FAST.n, FAST.n * (1 + FAST.k * (1 + FAST.a))]
    # Randomizer, FORS, and in each layer of the hypertree one-time signature and path.
    starts += [starts[-1] + number * layer for number in range(1, FAST.d)]
    for start in (*starts, *(start + FAST.n * FAST.chains for start in starts[2:]), len(signature) - 1):
        changed = bytearray(signature)
        changed[start] ^= 0x80
        assert not slhdsa.verify(FAST, public, MESSAGE, bytes(changed))


def test_signatures_and_keys_of_another_length_are_refused_before_any_work() -> None:
    library = peer(FAST)
    public, private = library.keygen()
    signature = library.sign(private, MESSAGE)
    for damaged in (b"", signature[:-1], signature + b"\x00", signature[FAST.n :]):
        assert not slhdsa.verify(FAST, public, MESSAGE, damaged)
    for key in (b"", public[:-1], public + b"\x00"):
        assert not slhdsa.verify(FAST, key, MESSAGE, signature)
    assert not slhdsa.verify(FAST, public, MESSAGE, signature, context=bytes(256))


def test_a_prehashed_signature_is_not_taken_for_a_pure_one() -> None:
    """RFC 9814 §4 admits pure SLH-DSA alone: the octet in front of the message tells them apart."""
    library = peer(FAST)
    public, private = library.keygen()
    digest = importlib.import_module("pqcrypto").HashAlgorithm.Sha512
    prehashed = library.sign(private, MESSAGE, None, digest)
    assert not slhdsa.verify(FAST, public, MESSAGE, prehashed)


def test_another_set_of_the_same_sizes_does_not_fit() -> None:
    library = peer(slhdsa.SHA2_128F)
    public, private = library.keygen()
    signature = library.sign(private, MESSAGE)
    assert not slhdsa.verify(slhdsa.SHA2_128S, public, MESSAGE, signature)


@pytest.mark.parametrize("name", ["192s", "256s"])
def test_without_the_extra_signing_is_refused_with_its_name(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    each = suite(f"slh-dsa-sha2-{name}")
    key = key_of(each)
    monkeypatch.setitem(importlib.import_module("sys").modules, "pqcrypto.sign", None)
    for attempt in (lambda: generate_key(each), lambda: SoftwareSigner(each, key)):
        with pytest.raises(SignerError, match=r"kokuin\[slh\]") as caught:
            attempt()
        assert caught.value.problem is SignerProblem.BACKEND_MISSING
