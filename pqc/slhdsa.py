"""Verifying SLH-DSA with SHA-2 (FIPS 205) on hashlib alone: no secret passes here.

Effort is bounded by the parameter set: at most len·(w-1) hashes a layer, k·a in
FORS. A signature of another length is refused before anything is hashed.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAX_CONTEXT = 255
"""Octets of a context string (FIPS 205 §10.2)."""

_WOTS_HASH, _WOTS_PK, _TREE, _FORS_TREE, _FORS_ROOTS = range(5)  # FIPS 205 §4.2
_W = 16
_CHECKSUM_DIGITS = 3


@dataclass(frozen=True, slots=True)
class ParameterSet:
    """A row of FIPS 205 Table 2.

    Attributes:
        name: as the standard writes it.
        n: octets of a hash value.
        h: height of the hypertree.
        d: its layers.
        a: height of a FORS tree.
        k: number of FORS trees.
    """

    name: str
    n: int
    h: int
    d: int
    a: int
    k: int

    @property
    def height(self) -> int:
        """Height of one tree of the hypertree, h'."""
        return self.h // self.d

    @property
    def chains(self) -> int:
        """Hash chains in a one-time signature, len (§5)."""
        return 2 * self.n + _CHECKSUM_DIGITS

    @property
    def public_size(self) -> int:
        """Octets of a public key."""
        return 2 * self.n

    @property
    def signature_size(self) -> int:
        """Octets of a signature."""
        return self.n * (1 + self.k * (1 + self.a) + self.h + self.d * self.chains)


SHA2_128S = ParameterSet("SLH-DSA-SHA2-128s", 16, 63, 7, 12, 14)
SHA2_128F = ParameterSet("SLH-DSA-SHA2-128f", 16, 66, 22, 6, 33)
SHA2_192S = ParameterSet("SLH-DSA-SHA2-192s", 24, 63, 7, 14, 17)
SHA2_192F = ParameterSet("SLH-DSA-SHA2-192f", 24, 66, 22, 8, 33)
SHA2_256S = ParameterSet("SLH-DSA-SHA2-256s", 32, 64, 8, 14, 22)
SHA2_256F = ParameterSet("SLH-DSA-SHA2-256f", 32, 68, 17, 9, 35)


@dataclass(frozen=True, slots=True)
class _Tree:
    """Which tree a hash belongs to: its layer and number, with which a compressed address begins (§11.2)."""

    layer: int
    number: int
    head: bytes = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "head", bytes((self.layer,)) + self.number.to_bytes(8, "big"))

    def address(self, kind: int, first: int, second: int, third: int) -> bytes:
        """ADRS compressed to 22 octets: the three words mean what `kind` says (§4.2)."""
        return b"%b%c%b%b%b" % (
            self.head,
            kind,
            first.to_bytes(4, "big"),
            second.to_bytes(4, "big"),
            third.to_bytes(4, "big"),
        )


class _Hashes:
    """The tweakable hash functions of one public seed (§11.2.1, §11.2.2)."""

    def __init__(self, n: int, seed: bytes) -> None:
        # One SHA-256 or SHA-512 block holds seed and padding: it is hashed once and copied.
        self._n = n
        self._small = hashlib.sha256(seed + bytes(64 - n))
        self._large = self._small if n == 16 else hashlib.sha512(seed + bytes(128 - n))

    def f(self, address: bytes, value: bytes) -> bytes:
        """F: one value of n octets."""
        state = self._small.copy()
        state.update(address + value)
        return state.digest()[: self._n]

    def many(self, address: bytes, values: bytes) -> bytes:
        """H and T_l: two or more values of n octets."""
        state = self._large.copy()
        state.update(address + values)
        return state.digest()[: self._n]


def _mgf1(digest: Callable[..., hashlib._Hash], seed: bytes, size: int) -> bytes:
    """MGF1 of RFC 8017 App. B.2.1."""
    blocks = -(-size // digest().digest_size)
    return b"".join(digest(seed + number.to_bytes(4, "big")).digest() for number in range(blocks))[:size]


def _digits(octets: bytes, bits: int, count: int) -> Iterator[int]:
    """Yield the first `count` numbers of `bits` bits (Algorithm 4)."""
    total, size = int.from_bytes(octets, "big"), 8 * len(octets)
    for place in range(1, count + 1):
        yield total >> size - bits * place & (1 << bits) - 1


def verify(
    parameters: ParameterSet, public: bytes, message: bytes, signature: bytes, *, context: bytes = b""
) -> bool:
    """Whether `signature` is pure SLH-DSA's over `message` (FIPS 205 Algorithm 24).

    Args:
        parameters: the parameter set.
        public: PK.seed || PK.root.
        message: any octets.
        signature: any octets.
        context: at most 255 octets; X.509 and CMS leave it empty (RFC 9909 §4, RFC 9814 §4).
    """
    sizes = (len(public), len(signature))
    if sizes != (parameters.public_size, parameters.signature_size) or len(context) > MAX_CONTEXT:
        return False
    n, height = parameters.n, parameters.height
    seed, root = public[:n], public[n:]
    prefixed = b"\x00%c%b%b" % (len(context), context, message)
    md, number, leaf = _message_digest(parameters, signature[:n], seed, root, prefixed)
    functions = _Hashes(n, seed)
    at = n * (1 + parameters.k * (1 + parameters.a))
    node = _fors_public_key(parameters, functions, signature[n:at], md, _Tree(0, number), leaf)
    size = n * (parameters.chains + height)
    for layer in range(parameters.d):
        part = signature[at + layer * size : at + (layer + 1) * size]
        node = _xmss_root(parameters, functions, part, node, _Tree(layer, number), leaf)
        number, leaf = number >> height, number & (1 << height) - 1
    return node == root


def _message_digest(
    parameters: ParameterSet, randomizer: bytes, seed: bytes, root: bytes, message: bytes
) -> tuple[bytes, int, int]:
    """Return md, the tree and the leaf that sign it (Algorithm 20 lines 4-10, H_msg of §11.2)."""
    digest = hashlib.sha256 if parameters.n == 16 else hashlib.sha512
    inner = digest(randomizer + seed + root + message).digest()
    tree_bits = parameters.h - parameters.height
    sizes = [-(-bits // 8) for bits in (parameters.k * parameters.a, tree_bits, parameters.height)]
    octets = _mgf1(digest, randomizer + seed + inner, sum(sizes))
    md, tree, leaf = octets[: sizes[0]], octets[sizes[0] : -sizes[2]], octets[-sizes[2] :]
    return (
        md,
        int.from_bytes(tree, "big") & (1 << tree_bits) - 1,
        int.from_bytes(leaf, "big") & (1 << parameters.height) - 1,
    )


def _climb(  # noqa: PLR0913, PLR0917  # a path has these parts
    functions: _Hashes, node: bytes, path: bytes, index: int, tree: _Tree, kind: int, pair: int
) -> bytes:
    """Return the root above `node`, the leaf number `index`, along its authentication path."""
    n = len(node)
    for level in range(len(path) // n):
        sibling = path[level * n : (level + 1) * n]
        both = sibling + node if index & 1 else node + sibling
        index >>= 1
        node = functions.many(tree.address(kind, pair, level + 1, index), both)
    return node


def _fors_public_key(  # noqa: PLR0913, PLR0917  # Algorithm 17 has these inputs
    parameters: ParameterSet, functions: _Hashes, signature: bytes, md: bytes, tree: _Tree, pair: int
) -> bytes:
    """Return the FORS public key that a signature leads to (Algorithm 17)."""
    n, a = parameters.n, parameters.a
    roots = []
    for place, digit in enumerate(_digits(md, a, parameters.k)):
        part = signature[place * n * (a + 1) : (place + 1) * n * (a + 1)]
        index = (place << a) + digit
        leaf = functions.f(tree.address(_FORS_TREE, pair, 0, index), part[:n])
        roots.append(_climb(functions, leaf, part[n:], index, tree, _FORS_TREE, pair))
    return functions.many(tree.address(_FORS_ROOTS, pair, 0, 0), b"".join(roots))


def _xmss_root(  # noqa: PLR0913, PLR0917  # Algorithm 11 has these inputs
    parameters: ParameterSet, functions: _Hashes, signature: bytes, node: bytes, tree: _Tree, leaf: int
) -> bytes:
    """Return the root of one tree that a signature over `node` leads to (Algorithm 11)."""
    size = parameters.n * parameters.chains
    public = _wots_public_key(parameters, functions, signature[:size], node, tree, leaf)
    return _climb(functions, public, signature[size:], leaf, tree, _TREE, 0)


def _wots_public_key(  # noqa: PLR0913, PLR0917  # Algorithm 8 has these inputs
    parameters: ParameterSet, functions: _Hashes, signature: bytes, node: bytes, tree: _Tree, pair: int
) -> bytes:
    """Return the one-time public key that a signature over `node` leads to (Algorithm 8)."""
    n = parameters.n
    digits = list(_digits(node, 4, 2 * n))
    checksum = sum(_W - 1 - digit for digit in digits) << 4
    digits += _digits(checksum.to_bytes(2, "big"), 4, _CHECKSUM_DIGITS)
    ends = []
    for chain, digit in enumerate(digits):
        value = signature[chain * n : (chain + 1) * n]
        for step in range(digit, _W - 1):
            value = functions.f(tree.address(_WOTS_HASH, pair, chain, step), value)
        ends.append(value)
    return functions.many(tree.address(_WOTS_PK, pair, 0, 0), b"".join(ends))
