"""A hash tree over groups of data objects, and the reduced tree of each (RFC 4998 §4.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kokuin.trust.evidence_hashes import combine
from kokuin.wire.algorithms import DIGEST_BY_NAME

if TYPE_CHECKING:
    from collections.abc import Sequence


class HashTree:
    """A binary tree whose leaves are the values of groups, in the order given.

    A node that has no sibling goes up as it is. Groups of the same value share a leaf, and a hash that a
    group has twice counts once: a list never has to hold a hash twice, which readers take for an error.
    All of it is made at once, in memory: 65,536 groups of one SHA-512 hash are some 15 MB.
    """

    __slots__ = ("_groups", "_leaves", "_levels", "digest")

    def __init__(self, digest: str, groups: Sequence[Sequence[bytes]]) -> None:
        """Build the tree.

        Args:
            digest: name of the algorithm, of `kokuin.wire.algorithms.DIGESTS`.
            groups: at least one; each the hashes, by this algorithm, of the data objects that belong
                together, at least one.

        Raises:
            ValueError: no group, a group without a hash, or a hash of another length.
        """
        size = DIGEST_BY_NAME[digest].size
        self.digest = digest
        self._groups = [tuple(sorted(set(group))) for group in groups]
        if not self._groups or not all(self._groups):
            raise ValueError("a tree, and a group, has at least one hash")
        if any(len(each) != size for group in self._groups for each in group):
            raise ValueError(f"a hash of {digest} has {size} octets")
        places: dict[bytes, int] = {}
        self._leaves = [places.setdefault(combine(digest, group), len(places)) for group in self._groups]
        self._levels = _levels(digest, list(places))

    def __len__(self) -> int:
        """Return the number of groups."""
        return len(self._groups)

    @property
    def root(self) -> bytes:
        """What a time-stamp over all groups covers."""
        return self._levels[-1][0]

    def group(self, place: int) -> tuple[bytes, ...]:
        """Return the hashes of a group, each once, in binary ascending order."""
        return self._groups[place]

    def reduced(self, place: int) -> tuple[tuple[bytes, ...], ...] | None:
        """Return the lists of a group's reducedHashtree (§4.2); None when the root is its only hash.

        The first list of a group of one holds the sibling too, as figure 2 has it: a list of one hash
        alone would have another value for who reads §4.3 step 3 to the letter.
        """
        group, at = self._groups[place], self._leaves[place]
        siblings = []
        for level in self._levels[:-1]:
            if (at ^ 1) < len(level):
                siblings.append((level[at ^ 1],))
            at //= 2
        if len(group) > 1:
            return (group, *siblings)
        if not siblings:
            return None
        return (tuple(sorted((*group, *siblings[0]))), *siblings[1:])


def _levels(digest: str, leaves: list[bytes]) -> list[list[bytes]]:
    """Return the nodes from the leaves up to the root."""
    of = DIGEST_BY_NAME[digest].of
    levels = [leaves]
    while len(level := levels[-1]) > 1:
        pairs = zip(level[::2], level[1::2], strict=False)
        above = [of(left + right if left < right else right + left) for left, right in pairs]
        levels.append(above + level[len(level) & ~1 :])
    return levels
