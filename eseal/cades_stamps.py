"""The time-stamps of one SignerInfo, in the order in which they cover each other (EN 319 122-1 §5.3, §5.5).

What an archive time-stamp lists was there before it, whatever either says of its time. So the order comes
from the lists, never from the times that the tokens state.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from eseal.cades_archive import UnsignedDigests, archive_covered, read_index, unsigned_values
from eseal.rules import SEAL_STAMPS, SealReason
from eseal.values import MAX_STAMPS, Stamp, StampRole
from kokuin.trust.report import SubIndication
from kokuin.trust.revocation_sources import certificates_of, revocation_of
from kokuin.wire import oids
from kokuin.wire.algorithms import DIGEST_BY_NAME
from kokuin.wire.cms import Attribute

if TYPE_CHECKING:
    from collections.abc import Callable

    from eseal.cades_archive import Digests, HashIndex, UnsignedValue
    from eseal.cms_parts import SignedDataParts, SignerParts
    from kokuin.trust.report import Check
    from kokuin.wire.cms import SignerInfo

OLDER = frozenset(
    {
        oids.ID_AA_ETS_ARCHIVE_TIMESTAMP,
        oids.ID_AA_ETS_ARCHIVE_TIMESTAMP_V2,
        oids.ID_AA_ETS_ESC_TIME_STAMP,
        oids.ID_AA_ETS_CERT_CRL_TIMESTAMP,
    }
)
"""Time-stamps of older editions, over encodings that nobody keeps: what they cover is not computed."""
_VALUES = frozenset({oids.ID_AA_ETS_CERT_VALUES, oids.ID_AA_ETS_REVOCATION_VALUES})
_STAMPS = OLDER | {oids.ID_AA_TIME_STAMP_TOKEN, oids.ID_AA_ETS_ARCHIVE_TIMESTAMP_V3}


_Covered: TypeAlias = "tuple[bytes, Callable[[str], bytes] | None, StampRole, frozenset[bytes]]"
"""A token, what gives the digest of what it covers, what that is, and the validation data in it."""


@dataclass(frozen=True, slots=True)
class FoundStamps:
    """Time-stamps by their index, at most MAX_STAMPS + 1, and the checks of what they list."""

    stamps: tuple[Stamp, ...]
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class _Archive:
    """An archive-time-stamp-v3 whose index can be used.

    Attributes:
        place: of its value among the unsigned attributes' values.
        index: its index.
        listed: places of the values that it lists; none where not all is there.
        whole: all that it lists is there.
    """

    place: int
    index: HashIndex
    listed: frozenset[int]
    whole: bool


def find_stamps(
    parts: SignedDataParts,
    place: int,
    info: SignerInfo,
    content: Callable[[str], bytes] | None,
    digests: Digests,
) -> FoundStamps:
    """Find every time-stamp of a SignerInfo.

    Args:
        parts: the SignedData.
        place: of the SignerInfo in it.
        info: the same SignerInfo, read.
        content: digest of the sealed data by the name of the algorithm; None: it is not at hand.
        digests: of the SignedData.

    Raises:
        WireError: an unsigned attribute cannot be read.
    """
    values = unsigned_values(parts.signers[place])
    archives = _read_archives(values, digests)
    order = _order(values, archives)[: MAX_STAMPS + 1]
    covered: list[_Covered] = [
        (token, content, StampRole.CONTENT, frozenset()) for token in _content_stamps(info)
    ]
    signed, carried = _signed_items(info), _unsigned_items(values)
    for at, each in enumerate(order):
        value = values[each]
        if value.oid == oids.ID_AA_TIME_STAMP_TOKEN:
            covered.append((value.value, _of_octets(info.signature), StampRole.SIGNATURE, signed))
            continue
        archive = archives.get(each)
        of, held = None, signed
        if (
            content is not None
            and archive is not None
            and archive.whole
            and archive.listed.issuperset(order[:at])
        ):
            of = functools.partial(_of_archive, parts, parts.signers[place], content, archive.index)
            beside = (each for at, each in carried.items() if at in archive.listed)
            held = signed.union(digests.listed(archive.index), *beside)
        covered.append((value.value, of, StampRole.ARCHIVE, held))
    stamps = tuple(
        Stamp(token, of, role, index, held)
        for index, (token, of, role, held) in enumerate(covered[: MAX_STAMPS + 1])
    )
    broken = any(not archive.whole for archive in archives.values())
    return FoundStamps(stamps, (_INDEX_BROKEN,) if broken else ())


def _signed_items(info: SignerInfo) -> frozenset[bytes]:
    """Return the lists and answers among signed attributes, which every time-stamp but of content covers."""
    data = revocation_of(info.signed_attributes or ())
    return frozenset((*data.lists, *data.answers))


def _unsigned_items(values: tuple[UnsignedValue, ...]) -> dict[int, frozenset[bytes]]:
    """Return the certificates, lists and answers in unsigned attributes, by the place of the value.

    Attack: each of many time-stamps lists the same long values, which are read once.
    """
    found = {}
    for place, value in enumerate(values):
        if value.oid in _VALUES:
            attribute = (Attribute(value.oid, (value.value,)),)
            data = revocation_of(attribute)
            found[place] = frozenset((*certificates_of(attribute), *data.lists, *data.answers))
    return found


_INDEX_BROKEN = SEAL_STAMPS.indeterminate(
    SealReason.STAMP_LIST_BROKEN, SubIndication.SIG_CONSTRAINTS_FAILURE, role=StampRole.ARCHIVE.value
)


def _content_stamps(info: SignerInfo) -> list[bytes]:
    return [
        token
        for attribute in info.signed_attributes or ()
        if attribute.oid == oids.ID_AA_ETS_CONTENT_TIMESTAMP
        for token in attribute.values
    ]


def _read_archives(values: tuple[UnsignedValue, ...], digests: Digests) -> dict[int, _Archive]:
    unsigned = UnsignedDigests(values)
    found: dict[int, _Archive] = {}
    for place, value in enumerate(values):
        if value.oid != oids.ID_AA_ETS_ARCHIVE_TIMESTAMP_V3 or len(found) > MAX_STAMPS:
            continue
        index = read_index(value.value)
        if index is not None:
            # Attack: revocation data that spoke against the seal is taken out.
            listed = unsigned.places(index) if digests.has_all(index) else None
            found[place] = _Archive(place, index, listed or frozenset(), listed is not None)
    return found


def _order(values: tuple[UnsignedValue, ...], archives: dict[int, _Archive]) -> list[int]:
    """Return the places of all time-stamps so that each archive time-stamp follows what it lists.

    One that leaves out what is before it all the same (two that were added side by side) proves nothing of
    it; the caller sees to that.
    """
    order: dict[int, None] = {}
    for archive in sorted(archives.values(), key=lambda each: (len(each.listed), each.place)):
        for place in sorted(archive.listed):
            if values[place].oid in _STAMPS:
                order.setdefault(place)
        order.setdefault(archive.place)
    for place, value in enumerate(values):
        if value.oid in _STAMPS:
            order.setdefault(place)
    return list(order)


def _of_octets(covered: bytes) -> Callable[[str], bytes]:
    return lambda algorithm: DIGEST_BY_NAME[algorithm].of(covered)


def _of_archive(
    parts: SignedDataParts,
    signer: SignerParts,
    content: Callable[[str], bytes],
    index: HashIndex,
    algorithm: str,
) -> bytes:
    digest, data = DIGEST_BY_NAME[algorithm], content(algorithm)
    # Of data of which only another digest is known, nothing can be said: no digest of this length.
    return digest.of(archive_covered(parts, signer, data, index.der)) if len(data) == digest.size else b""
