"""What must be true of a ledger whatever was killed, read with nothing of the product but its file."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.service.survival_log import LogBooks, Seen, Shown, check_log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

ISSUED = "tst.issued"
FALL_US = 21_000_000
"""How far genTime may fall in the ledger's order between workers: each signs and waits for itself, and where
the ledger stands still what waits is committed in any order; nothing is that waited more than 20 s."""

_LEAVES = (
    "SELECT entry.idx, leaf, leaf_hash, der FROM entry LEFT JOIN token ON token.idx = entry.idx"
    " ORDER BY entry.idx"
)


@dataclass(slots=True)
class Audit:
    """What was found.

    Attributes:
        violations: one line for each broken promise.
        size: leaves.
        tokens: DER by serial number.
        kinds: kinds of the leaves in order.
        deepest_fall_us: largest fall of a unit's genTime in the ledger's order.
    """

    violations: list[str] = field(default_factory=list)
    size: int = 0
    tokens: dict[str, bytes] = field(default_factory=dict)
    kinds: list[str] = field(default_factory=list)
    deepest_fall_us: int = 0

    def expect(self, fact: object, violation: str) -> None:
        """Note a violation unless the fact holds."""
        if not fact:
            self.violations.append(violation)


@dataclass(frozen=True, slots=True)
class Books:
    """What a store holds, read in one transaction.

    Attributes:
        leaves: index, leaf, leaf hash and token (or None) of every record, in order.
        head: size, time of the last commit in microseconds, and root.
        tokens: how many there are.
        kept: size and root of every checkpoint, by size.
    """

    leaves: Sequence[tuple[int, bytes, bytes, bytes | None]]
    head: tuple[int, int, bytes]
    tokens: int
    kept: Sequence[tuple[int, bytes]]


def audit(folder: Path, received: Mapping[str, bytes], *, workers: int, shown: Shown | None = None) -> Audit:
    """Check the ledger of a data folder; its service may run or be dead.

    Args:
        folder: the data folder.
        received: the DER of every token that clients got, by serial number in hex.
        workers: one worker promises that genTime never falls at all.
        shown: what was seen of the log before; None: nothing.
    """
    found, seen = Audit(), Seen.look(folder)
    # Read-only: the last writer to close a file tidies it up, and the service is to find it as it was left.
    address = (folder / "ledger" / "ledger.db").absolute().as_uri() + "?mode=ro"
    connection = sqlite3.connect(address, uri=True, isolation_level=None, timeout=10)
    try:
        connection.execute("BEGIN")
        answer = connection.execute("PRAGMA integrity_check").fetchall()
        found.expect(answer == [("ok",)], f"integrity_check: {answer[:3]}")
        books = read_books(lambda query: connection.execute(query).fetchall())
    finally:
        connection.close()
    check_books(found, books, (seen,), received, shown or Shown())
    if workers == 1:
        found.expect(not found.deepest_fall_us, f"genTime fell by {found.deepest_fall_us} us in one process")
    return found


def read_books(ask: Callable[[str], list[Any]]) -> Books:
    """Read what a store holds; `ask` returns the rows of a query within one transaction."""
    ((size, at, root),) = ask("SELECT size, at, root FROM head")
    ((tokens,),) = ask("SELECT count(*) FROM token")
    kept = [(size, bytes(root)) for size, root in ask("SELECT size, root FROM checkpoint ORDER BY size")]
    return Books(ask(_LEAVES), (size, at, bytes(root)), tokens, kept)


def check_books(
    found: Audit, books: Books, public: Iterable[Seen], received: Mapping[str, bytes], shown: Shown
) -> None:
    """Check a store, the public files of every node that writes to it, and what clients hold."""
    hashes = _check_leaves(found, books)
    size, _, root = books.head
    for seen in public:
        check_log(found.expect, seen, LogBooks(hashes, size, root, books.kept), shown)
    for serial, token in received.items():
        found.expect(found.tokens.get(serial) == token, f"a client holds {serial}, the ledger does not")
    found.expect(found.deepest_fall_us < FALL_US, f"genTime fell by {found.deepest_fall_us} us")


def _check_leaves(found: Audit, books: Books) -> list[bytes]:
    head_size, head_at, _ = books.head
    highest: dict[str, int] = {}
    last_at = 0
    hashes = []
    for idx, octets, stored, token in books.leaves:
        found.expect(idx == found.size, f"gap: index {idx} where {found.size} was due")
        found.expect(hashlib.sha256(b"\x00" + octets).digest() == stored, f"leaf {idx} has another hash")
        hashes.append(bytes(stored))
        leaf = json.loads(octets)
        found.expect(leaf["at"] >= last_at, f"leaf {idx} is older than the one before")
        last_at = leaf["at"]
        found.kinds.append(leaf["kind"])
        found.size = idx + 1
        if leaf["kind"] == ISSUED:
            _check_token(found, leaf, bytes(token or b""), highest)
        else:
            found.expect(token is None, f"leaf {idx} is no token's and has one")
    found.expect(found.size == head_size, f"the head says {head_size} leaves, there are {found.size}")
    found.expect(head_at >= last_at, "the head is older than the last leaf")
    found.expect(books.tokens == len(found.tokens), f"{books.tokens} tokens, {len(found.tokens)} leaves")
    return hashes


def _check_token(found: Audit, leaf: dict[str, Any], token: bytes, highest: dict[str, int]) -> None:
    serial, unit, gen = leaf["serial"], leaf["unit"], leaf["gen"]
    found.expect(serial not in found.tokens, f"serial {serial} stands twice in the ledger")
    found.tokens[serial] = token
    found.expect(hashlib.sha256(token).hexdigest() == leaf["tok"], f"token {serial} is not the leaf's")
    found.deepest_fall_us = max(found.deepest_fall_us, highest.get(unit, gen) - gen)
    highest[unit] = max(gen, highest.get(unit, gen))
