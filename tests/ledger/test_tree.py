from __future__ import annotations

import json
from base64 import b64decode
from functools import cache
from hashlib import sha256
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokuin.ledger.leaf import leaf_hash
from kokuin.ledger.tree import (
    EMPTY_ROOT,
    MAX_SIZE,
    Builder,
    cover,
    grow,
    node_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from tests import peers
from tests.ledger import rfc6962

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# The eight-leaf tree of google/certificate-transparency (cpp/merkletree/merkle_tree_test.cc), which
# transparency-dev/merkle and most other implementations of RFC 6962 repeat: inputs, roots and proofs.
INPUTS = tuple(
    bytes.fromhex(octets)
    for octets in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
)
ROOTS = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
INCLUSION: tuple[tuple[int, int, tuple[str, ...]], ...] = (
    (0, 1, ()),
    (
        0,
        8,
        (
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ),
    ),
    (
        5,
        8,
        (
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ),
    ),
    (2, 3, ("fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",)),
    (
        1,
        5,
        (
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ),
    ),
)
CONSISTENCY: tuple[tuple[int, int, tuple[str, ...]], ...] = (
    (1, 1, ()),
    (1, 8, INCLUSION[1][2]),
    (
        6,
        8,
        (
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ),
    ),
    (
        2,
        5,
        (
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ),
    ),
)

# Roots over leaves that hold their index in decimal, by golang.org/x/mod/sumdb/tlog v0.42.0 (TreeHash).
GO_ROOTS = (
    (256, "828515d033c19d8c901f37eccb8aed919667703486f8d2fff1cf7040321c5db1"),
    (257, "1eda049a4351d86f76252bd7ec0b7746ad75b7fa0316ad5f541dbda458a312c4"),
    (65535, "74f13a0e1a75689372efb990cf68c664e44c763d9304844955b2eaff624e8df1"),
    (65536, "f025d06ed804859fd274a1bdacadd6e48ea87634aa91e1edb20143f9498cd02b"),
    (70000, "1a4cdfcb66374a0c0dcbef49acbd4976d13ee864fb3cb241fc943cad04f02f7e"),
)

LEAVES = rfc6962.leaves(71)
OTHER = sha256(b"another").digest()


@cache
def _root(size: int) -> bytes:
    return rfc6962.mth(LEAVES[:size])


@pytest.mark.parametrize("size", range(9))
def test_roots_are_those_of_the_published_tree(size: int) -> None:
    hashes = [leaf_hash(octets) for octets in INPUTS[:size]]
    assert root_of(grow(0, (), hashes).peaks).hex() == ROOTS[size]


@pytest.mark.parametrize(("index", "size", "proof"), INCLUSION)
def test_published_inclusion_proofs_hold(index: int, size: int, proof: tuple[str, ...]) -> None:
    path = [bytes.fromhex(octets) for octets in proof]
    root = bytes.fromhex(ROOTS[size])
    assert verify_inclusion(index, size, leaf_hash(INPUTS[index]), path, root)
    assert not verify_inclusion(index, size, leaf_hash(INPUTS[index] + b"\x00"), path, root)


@pytest.mark.parametrize(("old", "new", "proof"), CONSISTENCY)
def test_published_consistency_proofs_hold(old: int, new: int, proof: tuple[str, ...]) -> None:
    path = [bytes.fromhex(octets) for octets in proof]
    assert verify_consistency(old, new, bytes.fromhex(ROOTS[old]), bytes.fromhex(ROOTS[new]), path)
    assert not verify_consistency(old, new, bytes.fromhex(ROOTS[old - 1]), bytes.fromhex(ROOTS[new]), path)


@pytest.mark.parametrize(("size", "root"), GO_ROOTS)
def test_large_roots_are_those_of_gos_sumdb(size: int, root: str) -> None:
    assert root_of(grow(0, (), rfc6962.leaves(size)).peaks).hex() == root


def _vectors(kind: str) -> Iterator[tuple[Path, dict[str, object]]]:
    """Yield the cases of transparency-dev/merkle's `testdata`, put into the corpus as the folder `merkle`."""
    files = sorted((peers.corpus() / "merkle" / "testdata" / kind).rglob("*.json"))
    if not files:
        pytest.skip(f"the corpus has no merkle/testdata/{kind}")
    for file in files:
        yield file, json.loads(file.read_text())


def _octets(value: object) -> bytes:
    return b64decode(str(value)) if value else b""


def _proof(case: dict[str, object]) -> list[bytes]:
    proof = case["proof"] or []
    assert isinstance(proof, list)
    return [_octets(octets) for octets in proof]


def test_every_foreign_inclusion_proof_is_judged_as_its_makers_say() -> None:
    for file, case in _vectors("inclusion"):
        index, size = case["leafIdx"], case["treeSize"]
        assert isinstance(index, int)
        assert isinstance(size, int)
        held = verify_inclusion(index, size, _octets(case["leafHash"]), _proof(case), _octets(case["root"]))
        assert held is not case["wantErr"], file


def test_every_foreign_consistency_proof_is_judged_as_its_makers_say() -> None:
    for file, case in _vectors("consistency"):
        old, new = case["size1"], case["size2"]
        assert isinstance(old, int)
        assert isinstance(new, int)
        roots = _octets(case["root1"]), _octets(case["root2"])
        held = verify_consistency(old, new, *roots, _proof(case))
        # Some of their cases have words for roots, where equal is enough; ours must be hashes.
        expected = not case["wantErr"] and {len(root) for root in roots} == {32}
        assert held is expected, file


def test_a_tree_grown_in_two_steps_is_the_tree_of_the_definition() -> None:
    for new in range(71):
        for old in range(new + 1):
            first = grow(0, (), LEAVES[:old])
            grown = grow(first.size, first.peaks, LEAVES[old:new])
            assert grown.size == new
            assert len(grown.peaks) == new.bit_count()
            assert root_of(grown.peaks) == _root(new)


@given(st.lists(st.integers(0, 700), max_size=12))
def test_batches_of_any_sizes_complete_each_subtree_once(batches: list[int]) -> None:
    leaves = rfc6962.leaves(sum(batches))
    size = 0
    peaks: tuple[bytes, ...] = ()
    seen: list[tuple[int, int]] = []
    for batch in batches:
        grown = grow(size, peaks, leaves[size : size + batch])
        for level, index, octets in grown.nodes:
            width = 256**level
            # Neither before its last leaf nor in a later batch.
            assert size < (index + 1) * width <= grown.size
            assert octets == rfc6962.mth(leaves[index * width : (index + 1) * width])
            seen.append((level, index))
        size, peaks = grown.size, grown.peaks
    assert root_of(peaks) == rfc6962.mth(leaves)
    assert seen == [(1, index) for index in range(len(leaves) // 256)]


def test_the_second_level_is_completed_by_its_last_leaf() -> None:
    leaves = rfc6962.leaves(65536)
    before = grow(0, (), leaves[:-1])
    assert [node[:2] for node in before.nodes] == [(1, index) for index in range(255)]
    after = grow(before.size, before.peaks, leaves[-1:])
    assert [node[:2] for node in after.nodes] == [(1, 255), (2, 0)]
    assert after.peaks == (after.nodes[1][2],) == (rfc6962.mth(leaves),)


def test_growing_by_nothing_changes_nothing() -> None:
    grown = grow(0, (), LEAVES[:5])
    assert grow(5, grown.peaks, []) == (5, grown.peaks, ())
    assert grow(0, (), []) == (0, (), ())


@pytest.mark.parametrize(
    ("size", "peaks", "leaves"),
    [(3, 1, 1), (4, 2, 1), (0, 1, 0), (1, 0, 1), (-1, 1, 1), (MAX_SIZE, 63, 1), (2**63, 1, 0)],
)
def test_no_tree_grows_from_peaks_that_are_not_its_own(size: int, peaks: int, leaves: int) -> None:
    with pytest.raises(ValueError, match="no tree"):
        grow(size, tuple(LEAVES[:peaks]), LEAVES[:leaves])


def test_the_largest_tree_is_reached_and_not_passed() -> None:
    grown = grow(MAX_SIZE - 1, tuple(LEAVES[:62]), LEAVES[:1])
    assert (grown.size, len(grown.peaks), grown.nodes) == (MAX_SIZE, 63, ())


def test_every_leaf_of_every_small_tree_is_proven() -> None:
    for size in range(1, 71):
        for index in range(size):
            path = rfc6962.path(index, LEAVES[:size])
            for claimed in range(size):
                held = verify_inclusion(claimed, size, LEAVES[index], path, _root(size))
                assert held is (claimed == index), (index, claimed, size)


def test_every_pair_of_small_trees_is_proven_consistent() -> None:
    for new in range(1, 71):
        for old in range(1, new + 1):
            proof = rfc6962.proof(old, LEAVES[:new])
            assert verify_consistency(old, new, _root(old), _root(new), proof), (old, new)


def test_a_proof_for_another_old_size_is_refused() -> None:
    for new in range(1, 33):
        for old in range(1, new + 1):
            proof = rfc6962.proof(old, LEAVES[:new])
            for claimed in range(new + 1):
                for root in (_root(old), _root(claimed)):
                    held = verify_consistency(claimed, new, root, _root(new), proof)
                    assert held is (claimed == old or (not claimed and not proof and root == EMPTY_ROOT))


def test_every_tree_begins_with_the_empty_one() -> None:
    assert verify_consistency(0, 0, EMPTY_ROOT, EMPTY_ROOT, [])
    assert verify_consistency(0, 5, EMPTY_ROOT, _root(5), [])
    assert not verify_consistency(0, 5, EMPTY_ROOT, _root(5), [OTHER])
    assert not verify_consistency(0, 5, OTHER, _root(5), [])
    assert not verify_consistency(0, 0, OTHER, OTHER, [])
    assert not verify_consistency(0, 0, EMPTY_ROOT, OTHER, [])
    assert not verify_consistency(0, 0, EMPTY_ROOT, EMPTY_ROOT, [OTHER])


def test_a_tree_that_shrank_or_was_replaced_is_refused() -> None:
    assert not verify_consistency(8, 5, _root(8), _root(5), rfc6962.proof(5, LEAVES[:8]))
    assert not verify_consistency(5, 5, _root(5), OTHER, [])
    assert not verify_consistency(5, 5, _root(5), _root(5), [OTHER])
    rewritten = [OTHER, *LEAVES[1:8]]
    assert not verify_consistency(5, 8, _root(5), rfc6962.mth(rewritten), rfc6962.proof(5, rewritten))


@st.composite
def _altered(draw: st.DrawFn, proof: list[bytes]) -> list[bytes]:
    """Draw a proof that differs from the true one."""
    way = draw(st.sampled_from(("flip", "drop", "add", "swap", "cut", "double")))
    at = draw(st.integers(0, max(0, len(proof) - 1)))
    if way == "add" or not proof or (way == "swap" and len(proof) < 2):
        return [*proof[:at], OTHER, *proof[at:]]
    if way == "flip":
        bit = draw(st.integers(0, 255))
        flipped = (int.from_bytes(proof[at]) ^ 1 << bit).to_bytes(32)
        return [*proof[:at], flipped, *proof[at + 1 :]]
    if way == "drop":
        return [*proof[:at], *proof[at + 1 :]]
    if way == "swap":
        return [*proof[1:], proof[0]]
    if way == "cut":
        return [*proof[:at], proof[at][:-1], *proof[at + 1 :]]
    return [*proof[:at], proof[at], *proof[at:]]


@given(st.data())
def test_an_altered_inclusion_proof_is_refused(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 5000))
    index = data.draw(st.integers(0, size - 1))
    leaves = rfc6962.leaves(size)
    path, root = rfc6962.path(index, leaves), rfc6962.mth(leaves)
    assert verify_inclusion(index, size, leaves[index], path, root)
    assert not verify_inclusion(index, size, leaves[index], data.draw(_altered(path)), root)
    assert not verify_inclusion(index, size, OTHER, path, root)
    assert not verify_inclusion(index, size, leaves[index], path, OTHER)


@given(st.data())
def test_an_altered_consistency_proof_is_refused(data: st.DataObject) -> None:
    new = data.draw(st.integers(1, 5000))
    old = data.draw(st.integers(1, new))
    leaves = rfc6962.leaves(new)
    proof, old_root, new_root = rfc6962.proof(old, leaves), rfc6962.mth(leaves[:old]), rfc6962.mth(leaves)
    assert verify_consistency(old, new, old_root, new_root, proof)
    assert not verify_consistency(old, new, old_root, new_root, data.draw(_altered(proof)))
    assert not verify_consistency(old, new, OTHER, new_root, proof)
    assert not verify_consistency(old, new, old_root, OTHER, proof)


_sizes = st.one_of(
    st.integers(),
    st.integers(-2, 9),
    st.sampled_from((2**63 - 1, 2**63, 2**64, 2**300, MAX_SIZE - 1, 2**62)),
)
_hashes = st.one_of(st.binary(max_size=40), st.binary(min_size=32, max_size=32), st.sampled_from(LEAVES[:3]))
_proofs = st.one_of(st.lists(_hashes, max_size=70), st.just([OTHER] * 100_000))


@given(_sizes, _sizes, _hashes, _hashes, _proofs)
def test_nothing_that_a_stranger_sends_proves_or_raises(
    one: int, other: int, first: bytes, second: bytes, proof: list[bytes]
) -> None:
    assert verify_inclusion(one, other, first, proof, second) is (
        (one, other) == (0, 1) and first == second and len(first) == 32 and not proof
    )
    trivial = not proof and (
        (1 <= one == other <= MAX_SIZE and first == second and len(first) == 32)
        or (one == 0 and 0 <= other <= MAX_SIZE and first == EMPTY_ROOT and len(second) == 32)
    )
    assert verify_consistency(one, other, first, second, proof) is trivial


def test_proofs_of_the_deepest_tree_are_read() -> None:
    # A tree of equal leaves is known without its leaves: each perfect subtree is the one below it, twice.
    perfect = [LEAVES[0]]
    for _ in range(62):
        perfect.append(node_hash(perfect[-1], perfect[-1]))
    root = root_of(perfect[::-1])
    rights = [root_of(perfect[height::-1]) for height in range(62)]
    # The last leaf of 2**63 - 1 stands alone on the right of 62 perfect subtrees; the first one is deepest.
    assert verify_inclusion(MAX_SIZE - 1, MAX_SIZE, LEAVES[0], perfect[1:], root)
    assert verify_inclusion(0, MAX_SIZE, LEAVES[0], [*perfect[:62], rights[61]], root)
    # The longest proof there is: a seed, the 62 neighbours on its right, and the half on the left of all.
    proof = [perfect[0], *perfect[:61], rights[60], perfect[62]]
    assert len(proof) == 64
    old_root = node_hash(perfect[62], perfect[0])
    assert verify_consistency(2**62 + 1, MAX_SIZE, old_root, root, proof)
    assert not verify_consistency(2**62 + 1, MAX_SIZE, old_root, root, [*proof, OTHER])
    assert verify_consistency(2**62, MAX_SIZE, perfect[62], root, [rights[61]])


@given(st.integers(0, 5000), st.integers(0, 5000))
def test_a_cover_fills_its_range_with_aligned_subtrees(one: int, other: int) -> None:
    start, stop = sorted((one, other))
    parts = list(cover(start, stop))
    assert all(at % 2**height == 0 for at, height in parts)
    ends = [at + 2**height for at, height in parts]
    assert [at for at, _ in parts] == [start, *ends[:-1]] if parts else start == stop
    assert not parts or ends[-1] == stop
    # None could have been larger: two neighbours of one height are never the halves of one subtree.
    for (at, height), (_, following) in pairwise(parts):
        assert height != following or at % 2 ** (height + 1)


def test_a_cover_of_what_no_tree_has_is_refused() -> None:
    assert list(cover(0, MAX_SIZE)) == [(2**63 - 2 ** (h + 1), h) for h in range(62, -1, -1)]
    assert list(cover(7, 7)) == []
    for start, stop in ((2, 1), (-1, 1), (0, MAX_SIZE + 1)):
        with pytest.raises(ValueError, match="no tree"):
            list(cover(start, stop))


@given(st.lists(st.integers(0, 400), max_size=8))
def test_a_builder_takes_leaves_and_aligned_subtrees(steps: list[int]) -> None:
    leaves = rfc6962.leaves(sum(steps))
    builder = Builder()
    for number, step in enumerate(steps):
        if number % 2:
            for leaf in leaves[builder.size : builder.size + step]:
                builder.push(leaf)
        else:
            for start, height in cover(builder.size, builder.size + step):
                builder.push(rfc6962.mth(leaves[start : start + 2**height]), height)
    assert builder.size == len(leaves)
    assert builder.peaks == grow(0, (), leaves).peaks
    assert builder.root() == rfc6962.mth(leaves)


@pytest.mark.parametrize("height", [1, 2, 8, 62, 63, 64, -1, 10**9])
def test_a_builder_refuses_a_subtree_that_cannot_begin_there(height: int) -> None:
    builder = Builder()
    builder.push(LEAVES[0])
    with pytest.raises(ValueError, match="begins here"):
        builder.push(OTHER, height)
    assert (builder.size, builder.peaks) == (1, (LEAVES[0],))


def test_a_builder_refuses_what_is_no_hash_and_a_tree_too_large() -> None:
    builder = Builder()
    with pytest.raises(ValueError, match="32 octets"):
        builder.push(b"\x00" * 31)
    with pytest.raises(ValueError, match="begins here"):
        builder.push(OTHER, 63)
    for height in range(62, -1, -1):
        builder.push(OTHER, height)
    assert builder.size == MAX_SIZE
    with pytest.raises(ValueError, match="begins here"):
        builder.push(OTHER)
    assert Builder().root() == EMPTY_ROOT == sha256().digest()
