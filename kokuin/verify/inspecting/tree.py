"""The tree that an inspection makes: entries with names, values and faults, within bounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kokuin.verify.inspecting.private_keys import holds_private_key, is_private_text
from kokuin.wire.errors import WireCode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kokuin.wire.errors import WireError

MAX_TEXT = 500
"""Characters of one value."""
MAX_OCTETS = 64
"""Octets of one value: digests and nonces are whole, keys and signatures begin."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that cannot be read.

    Attributes:
        code: stable, of the room whose reader stopped.
        at: octets from the start of the object; None where the reader does not say.
    """

    code: str
    at: int | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A field or an element.

    Attributes:
        name: as the standard has it; of an element without a known place the name of its type.
        value: dotted OID, decimal number, moment in ISO 8601 (UTC), octets in hex, or text; None for none.
        note: what a number or an identifier means.
        size: octets of a value that is octets.
        at: where the element begins, octets from the start of the object; None but for unknown syntax.
        fault: why it, or what follows in it, is not shown.
        hidden: how many further children there are.
        children: what is in it.
    """

    name: str
    value: str | None = None
    note: str | None = None
    size: int | None = None
    at: int | None = None
    fault: Fault | None = None
    hidden: int = 0
    children: tuple[Entry, ...] = ()


SECRET = "SECRET_NOT_SHOWN"  # noqa: S105  # a code
"""Code of what is a private key, or looks as one."""


def beyond(name: str, at: int) -> Entry:
    """Return what stands for an element that the tree has no room for."""
    return Entry(name, fault=Fault(WireCode.TOO_MANY.value, at))


def hidden_entries(count: int, error: WireError | None = None) -> tuple[Entry, ...]:
    """Return what stands for children that are not shown, and for a fault behind them."""
    found = (Entry("", hidden=count),) if count else ()
    return found if error is None else (*found, Entry("", fault=Fault(error.code.value, error.offset)))


def octets_entry(name: str, octets: bytes, note: str | None = None, at: int | None = None) -> Entry:
    """Return octets in hex, the first `MAX_OCTETS` of them; a private key is not shown."""
    if holds_private_key(octets):
        return Entry(name, fault=Fault(SECRET, at))
    return Entry(name, octets[:MAX_OCTETS].hex() + "…" * (len(octets) > MAX_OCTETS), note, len(octets))


def text_entry(name: str, text: str, at: int | None = None) -> Entry:
    """Return text, its first `MAX_TEXT` characters; a private key, in base64 too, is not shown."""
    if is_private_text(text):
        return Entry(name, fault=Fault(SECRET, at))
    return Entry(name, text[:MAX_TEXT] + "…" * (len(text) > MAX_TEXT))


def faults(entries: tuple[Entry, ...]) -> Iterator[Fault]:
    """Yield every fault of a tree."""
    for entry in entries:
        if entry.fault is not None:
            yield entry.fault
        yield from faults(entry.children)


def document(entry: Entry) -> dict[str, Any]:
    """Return an entry as JSON has it; what is absent has no member."""
    found: dict[str, Any] = {"name": printable(entry.name)}
    for name in ("value", "note"):
        text = getattr(entry, name)
        if text is not None:
            found[name] = printable(text)
    for name in ("size", "at"):
        number = getattr(entry, name)
        if number is not None:
            found[name] = number
    if entry.fault is not None:
        found["fault"] = fault_document(entry.fault)
    if entry.hidden:
        found["hidden"] = entry.hidden
    if entry.children:
        found["children"] = [document(child) for child in entry.children]
    return found


def fault_document(fault: Fault) -> dict[str, Any]:
    """Return a fault as JSON has it."""
    return {"code": fault.code} if fault.at is None else {"code": fault.code, "at": fault.at}


def printable(text: str) -> str:
    r"""Return text with everything that is no visible character or space escaped as \u{...}.

    Attack: a name that holds terminal sequences, line ends, or characters that turn the direction of text.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else f"\\u{{{ord(each):x}}}" for each in text)
