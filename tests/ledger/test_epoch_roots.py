"""The roots of an epoch's seal: RFC 6962's tree word for word, with other hashes."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokuin.ledger.epoch_roots import HASHES, LeafTree, epoch_roots
from kokuin.ledger.leaf import leaf_hash
from kokuin.ledger.tree import EMPTY_ROOT
from tests.ledger import rfc6962

if TYPE_CHECKING:
    from collections.abc import Sequence


def naive(name: str, leaves: Sequence[bytes]) -> bytes:
    """MTH(D[n]) of RFC 6962 §2.1 with the hash of a name."""
    if not leaves:
        return hashlib.new(name).digest()
    if len(leaves) == 1:
        return hashlib.new(name, b"\x00" + leaves[0]).digest()
    k = rfc6962.split(len(leaves))
    return hashlib.new(name, b"\x01" + naive(name, leaves[:k]) + naive(name, leaves[k:])).digest()


@given(st.lists(st.binary(min_size=1, max_size=9), max_size=70))
def test_roots_are_those_of_the_definition(leaves: list[bytes]) -> None:
    assert epoch_roots(leaves) == {name: naive(name, leaves) for name in ("sha512", "sha3_512")}


@given(st.lists(st.binary(min_size=1, max_size=9), max_size=70))
def test_with_sha256_the_root_is_the_logs_own(leaves: list[bytes]) -> None:
    tree = LeafTree(hashlib.sha256)
    for leaf in leaves:
        tree.push(leaf)
    assert tree.root() == (rfc6962.mth([leaf_hash(leaf) for leaf in leaves]) if leaves else EMPTY_ROOT)
    assert tree.size == len(leaves)


def test_the_hashes_are_of_two_families_and_512_bits() -> None:
    assert {name: new(b"").digest_size for name, new in HASHES.items()} == {"sha512": 64, "sha3_512": 64}


def test_a_leaf_whose_octets_are_gone_is_not_sealed_as_an_empty_one() -> None:
    with pytest.raises(ValueError, match="without octets"):
        epoch_roots([b"a", b""])
