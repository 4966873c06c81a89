"""What stands beside a signature of a JSON seal unsigned, and what each time-stamp in it covers."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from eseal.jades_form import JadesError
from eseal.jades_unsigned import (
    CANONICAL,
    KNOWN,
    archive_covered,
    carried_certificates,
    carried_revocation,
    carried_tokens,
    read_unsigned,
    signature_covered,
)
from eseal.rules import JWS_UNSIGNED, SealReason
from eseal.values import MAX_STAMPS, Stamp, StampRole
from kokuin.trust.context import RevocationData
from kokuin.trust.report import SubIndication
from kokuin.wire.algorithms import DIGEST_BY_NAME, hasher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from eseal.jades_content import Covered
    from eseal.jades_form import JwsSignature
    from eseal.jades_header import Protected
    from eseal.jades_unsigned import CarriedToken, Element
    from kokuin.trust.report import Check
    from kokuin.wire.algorithms import Hasher


class Archive:
    """Data under archive time-stamps, digested once for all of them.

    Attack: each of many signatures has many time-stamps over the same long payload.
    """

    def __init__(self, octets: bytes) -> None:
        """Args: the data, as `eseal.jades_payload.Payload.archived` gives it."""
        self._octets = octets
        self._begun: dict[str, Hasher] = {}

    def digest(self, name: str, parts: Iterable[bytes] = ()) -> bytes:
        """Return the digest of the data and what follows it, by our name of the algorithm."""
        begun = self._begun.get(name)
        if begun is None:
            begun = self._begun[name] = hasher(name)
            begun.update(self._octets)
        state = begun.copy()
        for part in parts:
            state.update(part)
        return state.digest()


@dataclass(frozen=True, slots=True)
class Unsigned:
    """The unsigned part of a signature as far as it could be read, and the check of it."""

    check: Check
    elements: tuple[Element, ...] = ()
    certificates: tuple[bytes, ...] = ()
    revocation: RevocationData = field(default_factory=RevocationData)
    tokens: tuple[CarriedToken, ...] = ()


def unsigned_of(signature: JwsSignature) -> Unsigned:
    """Read what stands beside a signature unsigned."""
    try:
        elements = read_unsigned(signature.header)
        unknown = ", ".join(sorted({each.name for each in elements} - KNOWN))
        weak = JWS_UNSIGNED.weak(SealReason.UNSIGNED_UNKNOWN, what=shown(unknown))
        return Unsigned(
            weak if unknown else JWS_UNSIGNED.ok(),
            elements,
            carried_certificates(elements),
            carried_revocation(elements),
            carried_tokens(elements),
        )
    except JadesError as error:
        return Unsigned(
            JWS_UNSIGNED.failed(error.reason, SubIndication.FORMAT_FAILURE, what=shown(error.what))
        )


def stamps_of(
    protected: Protected,
    signature: JwsSignature,
    unsigned: Unsigned,
    covered: Covered,
    archives: dict[bytes, Archive],
) -> tuple[tuple[Stamp, ...], tuple[Check, ...]]:
    """Return the time-stamps with what they cover, and a check where that cannot be put together.

    Args:
        protected: the protected header.
        signature: the signature.
        unsigned: what stands beside it.
        covered: the data.
        archives: the data of signatures before this one, which is the same most of the time.
    """
    tokens = (*protected.stamps, *unsigned.tokens)[: MAX_STAMPS + 1]
    needs_data = any(each.role is not StampRole.SIGNATURE for each in tokens)
    octets = covered.archived() if needs_data else None
    archive = None if octets is None else archives.setdefault(octets, Archive(octets))
    before = _before(unsigned.elements, tokens)
    items = tuple(map(_items, unsigned.elements))  # read once for all
    stamps, checks = [], []
    seen: set[int] = set()
    for index, each in enumerate(tokens):
        content: Callable[[str], bytes] | None = None
        if each.role is StampRole.SIGNATURE:
            content = _digest_of(signature_covered(signature))
        elif archive is not None and each.role is StampRole.CONTENT:
            content = archive.digest
        elif each.place in seen:
            # Attack: what stands beside a time-stamp in its container is not covered by it, and does not
            # cover it. So it proves nothing: everything has its place in one order.
            pass
        elif archive is not None and each.whole and before is not None and _is_canonical(each, unsigned):
            parts = archive_covered(signature, before[: each.place])
            content = functools.partial(archive.digest, parts=parts)
        seen |= {each.place} if each.role is StampRole.ARCHIVE else set()
        if each.role is StampRole.ARCHIVE and not _is_canonical(each, unsigned):
            text = shown(each.canonical or "")
            checks.append(JWS_UNSIGNED.weak(SealReason.CANONICALISATION_UNKNOWN, what=text))
        held = frozenset() if each.role is StampRole.CONTENT else frozenset(protected.chain)
        if each.role is StampRole.ARCHIVE:
            held = held.union(*items[: each.place])
        stamps.append(Stamp(each.token, content, each.role, index, held))
    return tuple(stamps), tuple(checks[:1])


def _items(element: Element) -> frozenset[bytes]:
    """Return the certificates, lists and answers in an element."""
    data = carried_revocation((element,))
    return frozenset((*carried_certificates((element,)), *data.lists, *data.answers))


def _is_canonical(token: CarriedToken, unsigned: Unsigned) -> bool:
    """Whether the octets of what stands before a time-stamp in `etsiU` are known."""
    clear = any(each.text is None for each in unsigned.elements)
    return not clear or token.canonical in CANONICAL


def _before(elements: tuple[Element, ...], tokens: tuple[CarriedToken, ...]) -> tuple[bytes, ...] | None:
    """Return the elements as archive time-stamps cover them, made once for all; None: one cannot be."""
    last = max((each.place for each in tokens if each.role is StampRole.ARCHIVE), default=0)
    try:
        return tuple(each.covered() for each in elements[:last])
    except JadesError:
        return None


def _digest_of(octets: bytes) -> Callable[[str], bytes]:
    return lambda name: DIGEST_BY_NAME[name].of(octets)


def shown(text: str) -> str:
    """Return a text as it may stand on a terminal: what a stranger wrote must not steer it."""
    return text[:200] if text.isprintable() else ascii(text[:200])
