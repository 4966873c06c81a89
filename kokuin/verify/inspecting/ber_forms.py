"""An object in BER: shown by its syntax, unknown ASN.1 by its elements, a damaged one up to the damage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kokuin.verify.inspecting.generic import show_octets
from kokuin.verify.inspecting.kinds import SYNTAX_OF, Kind, kind_of
from kokuin.verify.inspecting.syntax import show
from kokuin.verify.inspecting.tree import SECRET, Entry, Fault, faults
from kokuin.wire.ber import to_definite
from kokuin.wire.der import read_node
from kokuin.wire.errors import WireCode, WireError
from kokuin.wire.prescan import Limits, prescan

if TYPE_CHECKING:
    from kokuin.verify.inspecting.walk import Walk

MAX_OCTETS = 16 * 1024 * 1024
"""More than this is not read."""
FILE_LIMITS = Limits(size=MAX_OCTETS, depth=64, elements=2_000_000)
"""Lists of revoked certificates have the most elements."""


def inspect_ber(walk: Walk, data: bytes) -> tuple[Kind, str | None, tuple[Entry, ...]]:
    """Return kind, encoding and entries of BER; of a damaged object what can be read of it."""
    try:
        scan = prescan(data, FILE_LIMITS)
        whole = data if scan.der else to_definite(data)
    except WireError as error:
        if error.code is not WireCode.TRAILING or data[:1] != b"\x30":
            return _damaged(walk, data, error)
        kind, encoding, entries = inspect_ber(walk, data[: error.offset])
        return kind, encoding, (*entries, Entry("", fault=Fault(error.code.value, error.offset)))
    node = read_node(whole, 0, len(whole))
    kind, encoding = kind_of(node), "DER" if scan.der else "BER"
    if kind is Kind.PRIVATE_KEY:
        return kind, encoding, (Entry("", fault=Fault(SECRET)),)
    if kind is Kind.ASN1:
        return kind, encoding, show_octets(walk, data)
    entry = show(walk, kind.value, SYNTAX_OF[kind], node)
    plain = entry.value is None and entry.fault is None
    return kind, encoding, entry.children if plain else (entry,)


def _damaged(walk: Walk, data: bytes, error: WireError) -> tuple[Kind, str | None, tuple[Entry, ...]]:
    """Return the tree of BER up to where it is damaged; only what begins as an object is taken for one."""
    if data[:1] != b"\x30" or len(data) < 2:
        return Kind.UNKNOWN, None, ()
    shown, fault = show_octets(walk, data), Fault(error.code.value, error.offset)
    # The walk finds what is wrong with an element; what is too much of it was found before.
    return Kind.ASN1, "BER", shown if fault in faults(shown) else (Entry("", fault=fault), *shown)
