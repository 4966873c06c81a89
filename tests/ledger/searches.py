"""A ledger in memory, to be searched."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any, Self

import orjson

from kokuin.ledger.reader import Stored

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

KINDS = ("tst.issued", "tst.refused", "cfg.activated")


class Leaves:
    """A ledger in memory, with what a search asks of a reader."""

    def __init__(self, leaves: Sequence[dict[str, Any] | bytes]) -> None:
        self.stored: list[Stored] = []
        self.grow(leaves)

    def grow(self, leaves: Sequence[dict[str, Any] | bytes]) -> None:
        for leaf in leaves:
            octets = leaf if isinstance(leaf, bytes) else orjson.dumps(leaf, option=orjson.OPT_SORT_KEYS)
            digest = sha256(b"\x00" + octets).digest()
            self.stored.append(Stored(len(self.stored), octets, digest, None))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def size(self) -> int:
        return len(self.stored)

    def by_index(self, index: int) -> Stored | None:
        return self.stored[index] if index < len(self.stored) else None

    def walk(self, start: int = 0, stop: int | None = None, *, tokens: bool = True) -> Iterator[Stored]:
        assert not tokens, "searching needs no token"
        yield from self.stored[start:stop]


def hexed(*words: object) -> str:
    return sha256(repr(words).encode()).hexdigest()


def leaf(number: int, **changed: object) -> dict[str, Any]:
    """A leaf as of a token, each tenth one of another kind; two leaves a microsecond."""
    fields = {
        "v": 1,
        "at": number // 2,
        "kind": KINDS[0] if number % 10 else KINDS[2],
        "tenant": ("acme", "public")[number % 2],
        "serial": f"{number:032x}",
        "imp": hexed("imp", number % 7),
        "req": hexed("req", number),
        "tok": hexed("tok", number),
        "tok512": hexed("tok", number) * 2,
    }
    return fields | changed
