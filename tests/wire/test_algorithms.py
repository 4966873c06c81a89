from __future__ import annotations

import hashlib

import pytest

from kokuin.wire import encode
from kokuin.wire.algorithms import DIGEST_BY_NAME, DIGEST_BY_OID, DIGESTS, DigestAlgorithm, hasher

EACH = pytest.mark.parametrize("each", DIGESTS, ids=lambda each: each.name)
SHAKE256_OF_NOTHING = (
    "46b9dd2b0ba88d13233b3feb743eeb243fcd52ea62b81b82b50c27646ed5762f"
    "d75dc4ddd8c0f200cb05019d67b592f6fc821c49479ab48640292eacb3b7c4be"
)
"""The first 512 bits that FIPS 202's SHAKE256 makes of the empty message."""


@EACH
def test_a_digest_is_the_same_in_one_piece_and_in_many(each: DigestAlgorithm) -> None:
    state = hasher(each.name)
    for piece in (b"some ", b"", b"data"):
        state.update(piece)
    assert state.digest() == each.of(b"some data")
    assert len(each.of(b"")) == each.size
    assert each.of(b"some data") != each.of(b"other data")


@EACH
def test_a_copy_goes_on_by_itself(each: DigestAlgorithm) -> None:
    state = hasher(each.name)
    state.update(b"some ")
    other = state.copy()
    other.update(b"other")
    state.update(b"data")
    assert (state.digest(), other.digest()) == (each.of(b"some data"), each.of(b"some other"))


@EACH
def test_a_digest_is_what_hashlib_makes(each: DigestAlgorithm) -> None:
    if each.name.startswith("shake"):
        assert each.of(b"").hex() == SHAKE256_OF_NOTHING
    else:
        assert each.of(b"data") == hashlib.new(each.name, b"data").digest()


def test_names_and_oids_are_unique_and_only_the_shake_with_a_length_has_parameters() -> None:
    assert len(DIGEST_BY_NAME) == len(DIGEST_BY_OID) == len(DIGESTS)
    found = {each.name: each.parameters for each in DIGESTS if each.parameters is not None}
    assert found == {"shake256-512": encode.integer(512)}  # RFC 8419 §3.1


def test_an_unknown_digest_is_refused() -> None:
    with pytest.raises(ValueError, match="sha0"):
        hasher("sha0")
