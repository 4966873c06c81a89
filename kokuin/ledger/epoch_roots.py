"""Trees over the same leaves with other hashes than the log's: what stands when SHA-256 no longer does.

Shaped as RFC 6962 §2.1 has it: H(0x00 ‖ leaf), H(0x01 ‖ left ‖ right). The
log's own tree is SHA-256 for its whole life, as C2SP has it; these roots are
made over the leaves' octets once an epoch, and never grown.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Protocol

    class _Digest(Protocol):
        def digest(self) -> bytes: ...


HASHES = {"sha512": hashlib.sha512, "sha3_512": hashlib.sha3_512}
"""Hashes of an epoch's seal, by the leaf's field."""


class LeafTree:
    """A tree over leaves that come in order, with any hash; it remembers its peaks alone.

    Attributes:
        size: number of leaves so far.
    """

    __slots__ = ("_hash", "_peaks", "size")

    def __init__(self, new_hash: Callable[[bytes], _Digest]) -> None:
        """Args: the hash, as `hashlib` has it."""
        self._hash = new_hash
        self._peaks: list[bytes] = []
        self.size = 0

    def push(self, leaf: bytes) -> None:
        """Append a leaf's octets."""
        node = self._hash(b"\x00" + leaf).digest()
        rest = self.size
        while rest & 1:
            node = self._hash(b"\x01" + self._peaks.pop() + node).digest()
            rest >>= 1
        self._peaks.append(node)
        self.size += 1

    def root(self) -> bytes:
        """Return the root over all that was pushed; of no leaf: the hash of nothing."""
        if not self._peaks:
            return self._hash(b"").digest()
        root = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            root = self._hash(b"\x01" + peak + root).digest()
        return root


def epoch_roots(leaves: Iterable[bytes]) -> dict[str, bytes]:
    """Return the roots over an epoch's leaves, by the names of `HASHES`.

    Raises:
        ValueError: a leaf has no octets left; nothing can vouch for it any more but the log's own tree.
    """
    trees = {name: LeafTree(new_hash) for name, new_hash in HASHES.items()}
    for leaf in leaves:
        if not leaf:
            raise ValueError("a leaf without octets")
        for tree in trees.values():
            tree.push(leaf)
    return {name: tree.root() for name, tree in trees.items()}
