"""Seeded mutation of DER: of its octets, and of the elements that they encode.

Octets that are merely damaged end at the first header. A mutated tree is
encoded again with lengths that fit, so that what is wrong lies deep in a
message that is otherwise whole. The same seed gives the same inputs.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kokuin.wire import encode

if TYPE_CHECKING:
    from collections.abc import Sequence

_TAGS = (0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0C, 0x18, 0x24, 0x30, 0x31, 0x80, 0xA0, 0xA1, 0x1F, 0x00, 0xFF)
_SIZES = (0, 1, 15, 16, 17, 64, 65, 66, 127, 128, 129, 255, 256, 1_000, 5_000)
_DEPTHS = (1, 2, 5, 14, 16, 17, 100)


@dataclass(slots=True)
class Element:
    """One element: identifier octet, content or children, and how its length is written.

    Attributes:
        tag: identifier octet; tags of more octets stay content.
        content: content octets of a primitive element.
        children: elements of a constructed one, None for a primitive.
        padding: superfluous octets of its length (BER allows them).
        indefinite: written with end-of-contents octets.
        lie: added to the length that is written.
    """

    tag: int
    content: bytes = b""
    children: list[Element] | None = None
    padding: int = 0
    indefinite: bool = False
    lie: int = 0

    def encode(self) -> bytes:
        """Encode the element as its fields say, right or wrong."""
        body = self.content if self.children is None else b"".join(child.encode() for child in self.children)
        head = bytes((self.tag & 0xFF,))
        if self.indefinite:
            return head + b"\x80" + body + b"\x00\x00"
        return head + self._length(max(0, len(body) + self.lie)) + body

    def clone(self) -> Element:
        """Return a copy that shares nothing."""
        children = None if self.children is None else [child.clone() for child in self.children]
        return Element(self.tag, self.content, children, self.padding, self.indefinite, self.lie)

    def _length(self, size: int) -> bytes:
        if size < 0x80 and not self.padding:
            return bytes((size,))
        octets = bytes(self.padding) + size.to_bytes((size.bit_length() + 7) // 8, "big")
        return bytes((0x80 | len(octets) & 0x7F,)) + octets


def parse(octets: bytes) -> list[Element] | None:
    """Read DER elements that fill `octets`; None when they do not."""
    found, at = [], 0
    while at < len(octets):
        if at + 2 > len(octets) or octets[at] & 0x1F == 0x1F:
            return None
        tag, length, at = octets[at], octets[at + 1], at + 2
        if length >= 0x80:
            size = length & 0x7F
            length, at = int.from_bytes(octets[at : at + size], "big"), at + size
        content, at = octets[at : at + length], at + length
        if at > len(octets):
            return None
        children = parse(content) if tag & 0x20 else None
        found.append(Element(tag, content, children))
    return found


@dataclass(slots=True)
class Mutator:
    """An endless source of damaged messages.

    Attributes:
        seeds: valid messages.
        seed: of the random numbers; each input depends on it and on the inputs before.
        limit: octets of the longest input.
    """

    seeds: Sequence[bytes]
    seed: int
    limit: int = 65_536
    _random: random.Random = field(init=False)
    _trees: list[Element] = field(init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311  # inputs that can be made again, no secrets
        parsed = [parse(seed) for seed in self.seeds]
        self._trees = [elements[0] for elements in parsed if elements]

    def next(self) -> bytes:
        """Return the next input: now and then a seed as it is, else with one to four mutations."""
        draw = self._random.random()
        octets = self._random.choice(self.seeds) if draw < 0.3 or not self._trees else self._of_tree()
        if 0.05 < draw < 0.5:
            for _ in range(self._random.randint(1, 3)):
                octets = self._random.choice(_OCTET_MUTATIONS)(self, octets)
        return octets[: self.limit]

    def _of_tree(self) -> bytes:
        root = self._random.choice(self._trees).clone()
        for _ in range(self._random.choice((1, 1, 1, 2, 4))):
            self._random.choice(_TREE_MUTATIONS)(self, root)
        return root.encode()

    def _pick(self, root: Element) -> Element:
        """Return any element of the tree."""
        return self._random.choice(_all(root))

    def _siblings(self, root: Element) -> list[Element] | None:
        """Return the children of any element that has some."""
        lists = [element.children for element in _all(root) if element.children]
        return self._random.choice(lists) if lists else None

    # Octets

    def _flip(self, octets: bytes) -> bytes:
        if not octets:
            return octets
        at = self._random.randrange(len(octets))
        return octets[:at] + bytes((octets[at] ^ 1 << self._random.randrange(8),)) + octets[at + 1 :]

    def _overwrite(self, octets: bytes) -> bytes:
        if not octets:
            return octets
        at = self._random.randrange(len(octets))
        return (
            octets[:at]
            + bytes((self._random.choice((0, 1, 0x30, 0x7F, 0x80, 0x84, 0xFF)),))
            + octets[at + 1 :]
        )

    def _insert(self, octets: bytes) -> bytes:
        at = self._random.randint(0, len(octets))
        return octets[:at] + self._random.randbytes(self._random.choice((1, 1, 2, 9))) + octets[at:]

    def _span(self, octets: bytes) -> tuple[int, int]:
        start = self._random.randint(0, len(octets))
        return start, min(len(octets), start + self._random.choice((1, 2, 5, 40)))

    def _delete(self, octets: bytes) -> bytes:
        start, end = self._span(octets)
        return octets[:start] + octets[end:]

    def _duplicate(self, octets: bytes) -> bytes:
        start, end = self._span(octets)
        return octets[:end] + octets[start:end] * self._random.choice((1, 1, 3, 50)) + octets[end:]

    def _truncate(self, octets: bytes) -> bytes:
        return octets[: self._random.randint(0, len(octets))]

    def _splice(self, octets: bytes) -> bytes:
        other = self._random.choice(self.seeds)
        return octets[: self._random.randint(0, len(octets))] + other[self._random.randint(0, len(other)) :]

    # Elements

    def _retag(self, root: Element) -> None:
        element = self._pick(root)
        element.tag = self._random.choice(
            (self._random.choice(_TAGS), element.tag ^ 0x20, element.tag ^ 0x80)
        )

    def _lie(self, root: Element) -> None:
        self._pick(root).lie = self._random.choice((-20, -1, 1, 2, 127, 2**15, 2**31, 2**63))

    def _pad_length(self, root: Element) -> None:
        self._pick(root).padding = self._random.choice((1, 2, 3, 7, 8, 120))

    def _indefinite(self, root: Element) -> None:
        element = self._pick(root)
        element.indefinite = element.children is not None or self._random.random() < 0.2

    def _segment(self, root: Element) -> None:
        element = self._pick(root)
        if element.children is None:
            cut = self._random.randint(0, len(element.content))
            halves = (element.content[:cut], element.content[cut:])
            element.children = [Element(element.tag, half) for half in halves]
            element.tag |= 0x20
            element.indefinite = self._random.random() < 0.5

    def _nest(self, root: Element) -> None:
        element = self._pick(root)
        tag = self._random.choice((0x30, 0x31, 0xA0, 0x24, element.tag | 0x20))
        for _ in range(self._random.choice(_DEPTHS)):
            inner = Element(element.tag, element.content, element.children, indefinite=element.indefinite)
            element.tag, element.children, element.indefinite = tag, [inner], self._random.random() < 0.2

    def _resize(self, root: Element) -> None:
        element = self._pick(root)
        element.children, element.content = None, self._random.randbytes(self._random.choice(_SIZES))

    def _integer(self, root: Element) -> None:
        power = 1 << 8 * self._random.choice(_SIZES)
        number = self._random.choice((0, -1, -128, 127, power, -power, power >> 1, -(power >> 1)))
        self._replace(root, encode.integer(number))

    def _object_identifier(self, root: Element) -> None:
        octets = self._random.randbytes(self._random.choice(_SIZES))
        continued = self._random.choice((octets, bytes(octet | 0x80 for octet in octets), b"\x80" + octets))
        self._replace(root, encode.tlv(0x06, continued + self._random.choice((b"", b"\x01"))))

    def _replace(self, root: Element, octets: bytes) -> None:
        element, new = self._pick(root), (parse(octets) or [Element(0x05)])[0]
        element.tag, element.content, element.children = new.tag, new.content, new.children

    def _drop(self, root: Element) -> None:
        siblings = self._siblings(root)
        if siblings:
            del siblings[self._random.randrange(len(siblings))]

    def _repeat(self, root: Element) -> None:
        siblings = self._siblings(root)
        if siblings:
            at = self._random.randrange(len(siblings))
            times = self._random.choice((1, 1, 1, 2, 9, 600 if len(_all(root)) < 50 else 3))
            siblings[at:at] = [siblings[at].clone()] * times

    def _shuffle(self, root: Element) -> None:
        siblings = self._siblings(root)
        if siblings:
            self._random.shuffle(siblings)

    def _graft(self, root: Element) -> None:
        siblings = self._siblings(root)
        if siblings is not None:
            donor = self._pick(self._random.choice(self._trees))
            siblings.insert(self._random.randint(0, len(siblings)), donor.clone())


def _all(root: Element) -> list[Element]:
    found, waiting = [], [root]
    while waiting:
        element = waiting.pop()
        found.append(element)
        waiting.extend(element.children or ())
    return found


_OCTET_MUTATIONS = (
    Mutator._flip,
    Mutator._overwrite,
    Mutator._insert,
    Mutator._delete,
    Mutator._duplicate,
    Mutator._truncate,
    Mutator._splice,
)
_TREE_MUTATIONS = (
    Mutator._retag,
    Mutator._lie,
    Mutator._pad_length,
    Mutator._indefinite,
    Mutator._segment,
    Mutator._nest,
    Mutator._resize,
    Mutator._integer,
    Mutator._object_identifier,
    Mutator._drop,
    Mutator._repeat,
    Mutator._shuffle,
    Mutator._graft,
)
