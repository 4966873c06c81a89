from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokuin.trust.evidence_hashes import ClimbFault, climb
from tests.tsa.evidence_made import hashes, top
from tsa.evidence.tree import HashTree


def singles(count: int) -> list[tuple[bytes, ...]]:
    return [hashes("sha512", b"%d" % number) for number in range(count)]


@pytest.mark.parametrize("count", [1, 2, 3, 7, 1000, 1023, 1024, 1025])
def test_every_group_of_a_batch_climbs_to_the_root(count: int) -> None:
    groups = singles(count)
    tree = HashTree("sha512", groups)
    assert len(tree) == count
    for place, group in enumerate(groups):
        assert top("sha512", tree.reduced(place), group) == tree.root
        assert climb("sha512", tree.reduced(place), group) == tree.root


def test_the_largest_batch_climbs_to_the_root() -> None:
    groups = singles(65_536)
    tree = HashTree("sha512", groups)
    for place in (0, 1, 2, 32_767, 32_768, 65_534, 65_535):
        reduced = tree.reduced(place)
        assert reduced is not None
        assert len(reduced) == 16
        assert top("sha512", reduced, groups[place]) == tree.root


def test_the_lists_are_those_of_the_published_figure() -> None:
    """RFC 4998 §4.2, figures 1 and 2: (d1), (d2a, d2b, d2c), (d3) under one father and one more branch."""
    one, several, three = hashes("sha256", b"1"), hashes("sha256", b"a", b"b", b"c"), hashes("sha256", b"3")
    tree = HashTree("sha256", [one, several, three])
    whole = hashlib.sha256(b"".join(sorted(several))).digest()
    assert tree.reduced(0) == (tuple(sorted((*one, whole))), three)
    assert tree.reduced(1) == (tuple(sorted(several)), one, three)
    father = hashlib.sha256(b"".join(sorted((*one, whole)))).digest()
    assert tree.reduced(2) == (tuple(sorted((*three, father))),)
    assert tree.root == hashlib.sha256(b"".join(sorted((*three, father)))).digest()


def test_one_hash_alone_is_the_root_and_needs_no_list() -> None:
    (group,) = singles(1)
    tree = HashTree("sha512", [group, group])
    assert tree.root == group[0]
    assert tree.reduced(0) is tree.reduced(1) is None


def test_a_group_of_several_alone_needs_its_own_list() -> None:
    group = hashes("sha512", b"b", b"a")
    tree = HashTree("sha512", [group])
    assert tree.reduced(0) == (tuple(sorted(group)),)
    assert tree.root == top("sha512", tree.reduced(0), group)


def test_what_comes_twice_is_hashed_once_and_no_list_holds_it_twice() -> None:
    a, b, c = (hashes("sha512", name)[0] for name in (b"a", b"b", b"c"))
    tree = HashTree("sha512", [(a,), (a,), (b, c, b), (c, b), (a,), (b,)])
    plain = HashTree("sha512", [(a,), (b, c), (b,)])
    assert tree.root == plain.root
    assert [tree.reduced(place) for place in range(6)] == [plain.reduced(leaf) for leaf in (0, 0, 1, 1, 0, 2)]
    assert tree.group(2) == tree.group(3) == tuple(sorted((b, c)))


@pytest.mark.parametrize("groups", [[], [()], [(b"a" * 64,), ()], [(b"a" * 63,)], [(b"a" * 64, b"b" * 65)]])
def test_what_is_no_group_of_hashes_makes_no_tree(groups: list[tuple[bytes, ...]]) -> None:
    with pytest.raises(ValueError, match="hash"):
        HashTree("sha512", groups)


HASHES = st.integers(0, 40).map(lambda number: hashlib.sha256(b"%d" % number).digest())
GROUPS = st.lists(st.lists(HASHES, min_size=1, max_size=5).map(tuple), min_size=1, max_size=40)


@given(GROUPS, st.data())
def test_any_groups_climb_and_no_changed_hash_does(
    groups: list[tuple[bytes, ...]], data: st.DataObject
) -> None:
    tree = HashTree("sha256", groups)
    for place, group in enumerate(groups):
        assert top("sha256", tree.reduced(place), group) == tree.root
        assert climb("sha256", tree.reduced(place), group) == tree.root
    place = data.draw(st.integers(0, len(groups) - 1))
    lists = [list(hashes) for hashes in tree.reduced(place) or [groups[place][:1]]]
    number = data.draw(st.integers(0, len(lists) - 1))
    at = data.draw(st.integers(0, len(lists[number]) - 1))
    octet, mask = data.draw(st.integers(0, 31)), data.draw(st.integers(1, 255))
    damaged = bytearray(lists[number][at])
    damaged[octet] ^= mask
    lists[number][at] = bytes(damaged)
    assert climb("sha256", lists, groups[place]) != tree.root


@given(GROUPS)
def test_a_hash_of_no_group_does_not_climb(groups: list[tuple[bytes, ...]]) -> None:
    tree = HashTree("sha256", groups)
    other = hashlib.sha256(b"other").digest()
    for place, group in enumerate(groups):
        assert climb("sha256", tree.reduced(place), [other]) != tree.root
        assert climb("sha256", tree.reduced(place), [*group, other]) is ClimbFault.NOT_LISTED
