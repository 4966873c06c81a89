"""What is in an element: the first ones, how many follow, and what is encoded in a string."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from kokuin.wire.ber import to_definite
from kokuin.wire.der import Node, read_node
from kokuin.wire.errors import WireCode, WireError
from kokuin.wire.header import INDEFINITE, UNCOMMON_TAGS, read_header
from kokuin.wire.prescan import TOKEN_LIMITS, Limits, prescan

if TYPE_CHECKING:
    from kokuin.verify.inspecting.walk import Walk

MOST_COUNTED = 500_000
"""Elements beyond those shown that are counted."""
_END_OF_CONTENTS = b"\x00\x00"


class Skipped(NamedTuple):
    """Elements that were passed over: how many, where they end, and why counting ended before that."""

    passed: int
    at: int
    error: WireError | None = None


def open_string(walk: Walk, node: Node, skip: int = 0) -> Node:
    """Return the one element that fills a string.

    Args:
        walk: bounds what is scanned within strings.
        node: the string.
        skip: octets before the element.

    Raises:
        WireError: it holds something else, or more than is scanned. Offsets are of the whole object as
            long as all is DER.
    """
    octets = node.data[node.content + skip : node.end]
    try:
        scan = prescan(octets, Limits(TOKEN_LIMITS.size, TOKEN_LIMITS.depth, walk.elements))
    except WireError as error:
        if error.code is WireCode.TOO_MANY:
            walk.elements = 0
        raise WireError(error.code, node.content + skip + error.offset) from None
    walk.elements -= scan.elements
    if scan.der:
        return read_node(node.data, node.content + skip, node.end)
    whole = to_definite(octets)
    return read_node(whole, 0, len(whole))


class First(NamedTuple):
    """The first elements in a constructed one, where they end, and why reading ended before that."""

    found: list[Node]
    at: int
    error: WireError | None = None


def first_elements(node: Node, most: int) -> First:
    """Return the first elements in a constructed one, as far as they can be read."""
    found: list[Node] = []
    at = node.content
    try:
        while at < node.end and len(found) < most:
            found.append(read_node(node.data, at, node.end))
            at = found[-1].end
    except WireError as error:
        return First(found, at, error)
    return First(found, at)


def skip_elements(data: bytes, at: int, end: int, *, indefinite: bool = False) -> Skipped:
    """Pass over the elements up to `end`, or to the end-of-contents octets of an indefinite form.

    An element of the indefinite form ends it: where that one ends is known only to who goes into it.
    """
    passed = 0
    try:
        while at < end:
            if indefinite and data[at : at + 2] == _END_OF_CONTENTS:
                return Skipped(passed, at + 2)
            at = _behind(data, at, end, full=passed == MOST_COUNTED)
            passed += 1
    except WireError as error:
        return Skipped(passed, end, error)
    return Skipped(passed, at)


def _behind(data: bytes, at: int, end: int, *, full: bool) -> int:
    """Return where the element at `at` ends."""
    if full:
        raise WireError(WireCode.TOO_MANY, at)
    content = at + 2
    # Nearly every element has one octet of tag and one of length; the rest takes the long way.
    if content > end or data[at] in UNCOMMON_TAGS or data[at + 1] >= 0x80:
        _, content, length = read_header(data, at, end)
    else:
        length = data[at + 1]
    if length == INDEFINITE:
        raise WireError(WireCode.BAD_LENGTH, at)
    if content + length > end:
        raise WireError(WireCode.TRUNCATED, at)
    return content + length
