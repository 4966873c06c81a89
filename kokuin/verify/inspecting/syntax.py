"""Syntaxes that show instead of refusing: a field that cannot be read is named, with its fault.

The rooms' readers stop at the first fault, because a judgement must. Here the
fault is what somebody looks for, so the fields are gone through one by one
with the same readers of values, and whatever no field takes is shown as what
it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from kokuin.verify.inspecting.generic import show_element
from kokuin.verify.inspecting.opening import first_elements, open_string, skip_elements
from kokuin.verify.inspecting.private_keys import is_private_key
from kokuin.verify.inspecting.tree import SECRET, Entry, Fault, beyond, hidden_entries
from kokuin.wire import asn1
from kokuin.wire.der import Node, only_child
from kokuin.wire.errors import WireCode, WireError

if TYPE_CHECKING:
    from collections.abc import Callable

    from kokuin.verify.inspecting.walk import Walk

    Show: TypeAlias = "Callable[[Walk, str, Node], Entry]"

MOST_ITEMS = 100
"""Items of a list that are shown."""
_MOST_FIELDS = 32
"""Elements of a SEQUENCE that are looked at as fields; none here has as many."""


@dataclass(frozen=True, slots=True)
class Syntax:
    """One ASN.1 type.

    Attributes:
        tags: identifier octets that it has; empty: any.
        show: makes the entry of an element, whatever its tag (it may be under an IMPLICIT one); it may
            raise `WireError` for what it cannot read.
    """

    tags: frozenset[int]
    show: Show


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a SEQUENCE.

    Attributes:
        name: as the standard has it.
        syntax: its type.
        optional: whether it may be absent.
        tag: identifier octet of an IMPLICIT tag; None for the type's own.
    """

    name: str
    syntax: Syntax
    optional: bool = False
    tag: int | None = None

    def takes(self, node: Node) -> bool:
        """Whether an element can be this field."""
        if self.tag is not None:
            return node.tag == self.tag
        return not self.syntax.tags or node.tag in self.syntax.tags


def show(walk: Walk, name: str, syntax: Syntax, node: Node) -> Entry:
    """Return the entry of an element; one that cannot be read is shown as what it is, with the fault."""
    if not walk.enter():
        return beyond(name, node.start)
    try:
        return _typed(walk, name, syntax, node)
    except WireError as error:
        raw = show_element(walk, node)
        return Entry(name, fault=Fault(error.code.value, error.offset), children=(raw,))
    finally:
        walk.leave()


def elements(node: Node, most: int) -> tuple[list[Node], int, WireError | None]:
    """Return the first elements in a constructed one, how many follow, and where reading ended."""
    found, at, error = first_elements(node, most)
    if error is not None:
        return found, 0, error
    skipped = skip_elements(node.data, at, node.end)
    return found, skipped.passed, skipped.error


def sequence(*fields: Field) -> Syntax:
    """SEQUENCE (or SET) with these fields, in this order."""
    return Syntax(
        frozenset({asn1.SEQUENCE}),
        lambda walk, name, node: Entry(name, children=show_fields(walk, fields, node)),
    )


def show_fields(walk: Walk, fields: tuple[Field, ...], node: Node) -> tuple[Entry, ...]:
    """Return the entries of the fields in a SEQUENCE, what is missing and what is left over."""
    found, more, error = elements(node, _MOST_FIELDS)
    entries: list[Entry] = []
    at = 0
    for field in fields:
        if at < len(found) and field.takes(found[at]):
            entries.append(show(walk, field.name, field.syntax, found[at]))
            at += 1
        elif not field.optional:
            place = found[at].start if at < len(found) else node.end
            entries.append(Entry(field.name, fault=Fault(WireCode.UNEXPECTED.value, place)))
            break
    else:
        if at < len(found):
            entries.append(Entry("", fault=Fault(WireCode.TRAILING.value, found[at].start)))
    entries += [show_element(walk, left) for left in found[at:]]
    return (*entries, *hidden_entries(more, error))


def list_of(item: str, syntax: Syntax, most: int = MOST_ITEMS) -> Syntax:
    """SEQUENCE OF or SET OF, each item under this name."""

    def show_list(walk: Walk, name: str, node: Node) -> Entry:
        return Entry(name, children=show_items(walk, item, syntax, node, most))

    return Syntax(frozenset({asn1.SEQUENCE, asn1.SET}), show_list)


def show_items(
    walk: Walk, item: str, syntax: Syntax, node: Node, most: int = MOST_ITEMS
) -> tuple[Entry, ...]:
    """Return the entries of the items in a SEQUENCE OF or SET OF."""
    found, more, error = elements(node, most)
    field = Field(item, syntax)
    return (
        *(
            show(walk, item, syntax, each) if field.takes(each) else _unexpected(walk, item, each)
            for each in found
        ),
        *hidden_entries(more, error),
    )


def _unexpected(walk: Walk, name: str, node: Node) -> Entry:
    fault = Fault(WireCode.UNEXPECTED.value, node.start)
    return Entry(name, fault=fault, children=(show_element(walk, node),))


def explicit(number: int, syntax: Syntax) -> Syntax:
    """[number] EXPLICIT of a type."""

    def show_inner(walk: Walk, name: str, node: Node) -> Entry:
        return _of_type(walk, name, syntax, only_child(node))

    return Syntax(frozenset({asn1.context(number)}), show_inner)


def _of_type(walk: Walk, name: str, syntax: Syntax, node: Node) -> Entry:
    if syntax.tags and node.tag not in syntax.tags:
        raise WireError(WireCode.UNEXPECTED, node.start)
    return _typed(walk, name, syntax, node)


def _typed(walk: Walk, name: str, syntax: Syntax, node: Node) -> Entry:
    # Attack: a key where a statement should be, whose fields would be shown one by one.
    if is_private_key(node):
        return Entry(name, fault=Fault(SECRET, node.start))
    return syntax.show(walk, name, node)


def enclosed(syntax: Syntax, tag: int = asn1.OCTET_STRING) -> Syntax:
    """A type within the octets of an OCTET STRING, or within a BIT STRING without unused bits."""

    def show_inner(walk: Walk, name: str, node: Node) -> Entry:
        return _of_type(walk, name, syntax, open_string(walk, node, skip=int(tag == asn1.BIT_STRING)))

    return Syntax(frozenset({tag}), show_inner)


def choice(*alternatives: tuple[str, Syntax, int | None]) -> Syntax:
    """CHOICE: name, type and IMPLICIT tag of each; the name of the chosen one is shown."""
    fields = tuple(Field(name, syntax, tag=tag) for name, syntax, tag in alternatives)
    tags = {tag for field in fields for tag in ({field.tag} if field.tag is not None else field.syntax.tags)}

    def show_chosen(walk: Walk, name: str, node: Node) -> Entry:
        for field in fields:
            if field.takes(node):
                return Entry(name, children=(show(walk, field.name, field.syntax, node),))
        raise WireError(WireCode.UNEXPECTED, node.start)

    return Syntax(frozenset(tags), show_chosen)


def later(find: Callable[[], Syntax], tags: frozenset[int]) -> Syntax:
    """A type that is defined further down, or that holds itself."""
    return Syntax(tags, lambda walk, name, node: find().show(walk, name, node))
