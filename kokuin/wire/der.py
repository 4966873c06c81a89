"""Elements as cheap nodes over one buffer, and the fields of a SEQUENCE in order.

The reader wants definite lengths (`kokuin.wire.ber.definite` makes them); it
checks every bound itself, so it may also read what lies inside an OCTET
STRING. It decodes only what is asked for.
"""

from __future__ import annotations

from kokuin.wire.errors import WireCode, WireError
from kokuin.wire.header import INDEFINITE, UNCOMMON_TAGS, read_header


class Node:
    """One element: `data[start:end]`, its content from `content` on; `tag` is its identifier octets."""

    __slots__ = ("content", "data", "end", "start", "tag")

    def __init__(self, data: bytes, tag: int, start: int, content: int, end: int) -> None:
        self.data = data
        self.tag = tag
        self.start = start
        self.content = content
        self.end = end

    @property
    def octets(self) -> bytes:
        """The whole element, header included."""
        return self.data[self.start : self.end]

    @property
    def value(self) -> bytes:
        """The content octets."""
        return self.data[self.content : self.end]


def read_node(data: bytes, at: int, end: int) -> Node:
    """Read the element at `at` that must end before or at `end`.

    Raises:
        WireError: TRUNCATED, BAD_TAG or BAD_LENGTH (an indefinite length too).
    """
    content = at + 2
    if content <= end:
        # Nearly every element has one octet of tag and one to three of length; the rest takes the long way.
        tag, length = data[at], data[at + 1]
        if length == 0x82 and at + 4 <= end:
            length, content = data[at + 2] << 8 | data[at + 3], at + 4
        elif length == 0x81 and at + 3 <= end:
            length, content = data[at + 2], at + 3
        if (length < 0x80 or content > at + 2) and tag not in UNCOMMON_TAGS and content + length <= end:
            return Node(data, tag, at, content, content + length)
    tag, content, length = read_header(data, at, end)
    if length == INDEFINITE:
        raise WireError(WireCode.BAD_LENGTH, at)
    return Node(data, tag, at, content, content + length)


def read_whole(data: bytes, tag: int) -> Node:
    """Read the one element that fills `data` and has this tag.

    Raises:
        WireError: it does not, or octets follow.
    """
    node = expect(read_node(data, 0, len(data)), tag)
    if node.end != len(data):
        raise WireError(WireCode.TRAILING, node.end)
    return node


def expect(node: Node, tag: int) -> Node:
    """Return `node` when it has this tag.

    Raises:
        WireError: UNEXPECTED.
    """
    if node.tag != tag:
        raise WireError(WireCode.UNEXPECTED, node.start)
    return node


def children(node: Node) -> list[Node]:
    """Read the elements in a constructed one, in the order found.

    Raises:
        WireError: one of them is malformed.
    """
    data, at, end = node.data, node.content, node.end
    found = []
    while at < end:
        child = read_node(data, at, end)
        found.append(child)
        at = child.end
    return found


def only_child(node: Node) -> Node:
    """Read the one element in an EXPLICIT tag.

    Raises:
        WireError: there is none, or another follows.
    """
    child = read_node(node.data, node.content, node.end)
    if child.end != node.end:
        raise WireError(WireCode.TRAILING, child.end)
    return child


class Fields:
    """The fields of a SEQUENCE or SET, taken one after the other."""

    __slots__ = ("_at", "_data", "_end")

    def __init__(self, node: Node) -> None:
        self._data = node.data
        self._at = node.content
        self._end = node.end

    def take_any(self) -> Node:
        """Take the next field, whatever its type.

        Raises:
            WireError: UNEXPECTED when there is none.
        """
        if self._at >= self._end:
            raise WireError(WireCode.UNEXPECTED, self._at)
        node = read_node(self._data, self._at, self._end)
        self._at = node.end
        return node

    def take(self, tag: int) -> Node:
        """Take the next field, which must have this tag.

        Raises:
            WireError: UNEXPECTED when it has another or there is none.
        """
        return expect(self.take_any(), tag)

    def optional(self, tag: int) -> Node | None:
        """Take the next field when it has this tag (of one octet)."""
        if self._at >= self._end or self._data[self._at] != tag:
            return None
        return self.take_any()

    def finish(self) -> None:
        """Check that no field is left.

        Raises:
            WireError: TRAILING.
        """
        if self._at != self._end:
            raise WireError(WireCode.TRAILING, self._at)
