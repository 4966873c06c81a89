"""What must be true of a log whatever was killed: one tree, one root for every size, nothing unkept is shown.

Read with nothing of the product but its files; the tree is RFC 6962's, written down once more.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

WIDTH = 256


@dataclass(slots=True)
class Shown:
    """Every checkpoint that anybody has seen of one log, over all its rounds: the root for each size."""

    roots: dict[int, bytes] = field(default_factory=dict)

    def take(self, size: int, root: bytes) -> bool:
        """Remember a checkpoint; False when another root was seen for its size."""
        return self.roots.setdefault(size, root) == root


@dataclass(frozen=True, slots=True)
class LogBooks:
    """What a store says of its log.

    Attributes:
        hashes: of all leaves, in order.
        size: of the head.
        root: of the head.
        kept: size and root of every checkpoint that was kept.
    """

    hashes: Sequence[bytes]
    size: int
    root: bytes
    kept: Sequence[tuple[int, bytes]]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a folder shows of its log: size and root of its public checkpoint, and of its high-water file."""

    folder: Path
    public: tuple[int, bytes] | None
    memory: tuple[int, bytes] | None

    @classmethod
    def look(cls, folder: Path) -> Seen:
        """Read a folder's files, the public one first: it is written last."""
        public = read_note(folder / "ledger" / "log" / "checkpoint")
        return cls(folder, public, read_note(folder / "ledger" / "high-water"))


def check_log(expect: Callable[[object, str], None], seen: Seen, books: LogBooks, shown: Shown) -> None:
    """Check the tree, the kept checkpoints, and what lies in the public folder and in the high-water file.

    Args:
        expect: told each fact, and the line that says what it means when it does not hold.
        seen: what the folder showed before the books were read; so all of it must be in them.
        books: read in one transaction.
        shown: what was seen of the log before.
    """
    wanted = {size for size, _ in books.kept} | {books.size}
    roots = roots_at(books.hashes, wanted)
    expect(roots.get(books.size) == books.root, "the head's root is not the tree's")
    for size, root in books.kept:
        expect(roots.get(size) == root, f"the checkpoint of {size} leaves has another root than the tree")
        expect(shown.take(size, root), f"a second root for {size} leaves was kept")
    expect(len({size for size, _ in books.kept}) == len(books.kept), "two checkpoints of one size are kept")
    for name, note in (("public checkpoint", seen.public), ("high-water file", seen.memory)):
        if note is not None:
            expect(shown.take(*note), f"a second root for {note[0]} leaves: {name}")
            expect(note in books.kept, f"the {name} of {note[0]} leaves was not kept")
    if seen.public is not None:
        expect(seen.memory, "the world saw what the high-water file does not remember")
        _check_tiles(expect, seen.folder / "ledger" / "log" / "tile" / "0", books.hashes[: seen.public[0]])
    if seen.public is not None and seen.memory is not None:
        expect(seen.memory[0] >= seen.public[0], "the world saw more than the high-water file remembers")


def read_note(path: Path) -> tuple[int, bytes] | None:
    """Return size and root of a checkpoint's file; None before the first."""
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return None
    return int(lines[1]), base64.b64decode(lines[2], validate=True)


def roots_at(hashes: Iterable[bytes], sizes: set[int]) -> dict[int, bytes]:
    """Return the root of the first n leaves for every n that is asked for (RFC 6962 §2.1)."""
    found = {0: hashlib.sha256().digest()} if 0 in sizes else {}
    stack: list[tuple[int, bytes]] = []
    for count, leaf in enumerate(hashes, 1):
        stack.append((0, leaf))
        while len(stack) > 1 and stack[-1][0] == stack[-2][0]:
            (height, right), (_, left) = stack.pop(), stack.pop()
            stack.append((height + 1, _parent(left, right)))
        if count in sizes:
            root = stack[-1][1]
            for _, left in reversed(stack[:-1]):
                root = _parent(left, root)
            found[count] = root
    return found


def _parent(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def tile_name(index: int) -> str:
    """Return the path of a tile within its level (C2SP tlog-tiles): x001/x234/067 for the tile 1234067."""
    name = f"{index % 1000:03}"
    while index := index // 1000:
        name = f"x{index % 1000:03}/{name}"
    return name


def _check_tiles(expect: Callable[[object, str], None], folder: Path, hashes: Sequence[bytes]) -> None:
    for start in range(0, len(hashes), WIDTH):
        octets = b"".join(hashes[start : start + WIDTH])
        width = len(octets) // 32
        full = folder / tile_name(start // WIDTH)
        part = full.with_name(f"{full.name}.p") / str(width)
        try:
            found = (full if width == WIDTH or not part.exists() else part).read_bytes()
        except FileNotFoundError:
            found = b""
        # A partial tile may have made way for the full one.
        expect(found[: len(octets)] == octets, f"the tile of leaves from {start} on is not the tree's")
