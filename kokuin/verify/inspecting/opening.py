"""What is encoded within a string of octets: scanned within the bounds of the inspection, then read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kokuin.wire.ber import to_definite
from kokuin.wire.der import Node, read_node
from kokuin.wire.errors import WireCode, WireError
from kokuin.wire.prescan import TOKEN_LIMITS, Limits, prescan

if TYPE_CHECKING:
    from kokuin.verify.inspecting.tree import Walk


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
