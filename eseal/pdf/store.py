"""What a document carries for its verification: the document security store (ETSI EN 319 142-1 §5.4.2)."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from eseal.pdf.objects import Dictionary, PdfError, Stream
from eseal.values import MAX_CERTIFICATES, MAX_REVOCATION
from kokuin.trust.context import RevocationData

if TYPE_CHECKING:
    from eseal.pdf.document import Document

_MAX_OCTETS = 16 * 1024 * 1024
"""Of one certificate, list or answer."""


@dataclass(frozen=True, slots=True)
class SecurityStore:
    """Certificates (DER), lists and answers, and whether there is a store."""

    certificates: tuple[bytes, ...] = ()
    revocation: RevocationData = field(default_factory=RevocationData)
    ignored: bool = False
    """Something of it was left out: there is more than is looked at, or it cannot be read."""

    places: tuple[tuple[bytes, int, int], ...] = ()
    """Of each of them: where its stored octets begin and end; the same thing may stand at several places."""

    def within(self, end: int, gap_start: int, gap_end: int) -> frozenset[bytes]:
        """Return what is made of octets before `end` that are not in a gap.

        That the store named it then is not asked: whoever adds the reference later, or another filter, cannot
        make of octets that were there a list that he signs now.
        """
        return frozenset(
            octets
            for octets, first, last in self.places
            if last <= end and (last <= gap_start or first >= gap_end)
        )


def read_store(document: Document) -> SecurityStore:
    """Read the store; what cannot be read of it is left out."""
    try:
        store = document.dictionary(document.catalog.get("DSS"))
    except PdfError:
        return SecurityStore(ignored=True)
    if store is None:
        return SecurityStore()
    reader = _Reader(document)
    certificates = reader.streams(store, "Certs", MAX_CERTIFICATES)
    lists = reader.streams(store, "CRLs", MAX_REVOCATION)
    answers = reader.streams(store, "OCSPs", MAX_REVOCATION)
    revocation = RevocationData(lists, answers)
    return SecurityStore(certificates, revocation, reader.ignored, tuple(reader.places))


class _Reader:
    def __init__(self, document: Document) -> None:
        self._document = document
        self.ignored = False
        self.places: list[tuple[bytes, int, int]] = []

    def streams(self, store: Dictionary, key: str, most: int) -> tuple[bytes, ...]:
        found: dict[bytes, None] = {}
        try:
            listed = self._document.array(store.get(key))
        except PdfError:
            self.ignored = True
            return ()
        self.ignored = self.ignored or len(listed) > most
        for value in listed[:most]:
            with contextlib.suppress(PdfError):
                stream = self._document.resolve(value)
                octets = self._document.decoded(stream) if isinstance(stream, Stream) else b""
                if isinstance(stream, Stream) and 0 < len(octets) <= _MAX_OCTETS:
                    found.setdefault(octets)
                    self.places.append((octets, *self._document.span(stream)))
                    continue
            self.ignored = True
        return tuple(found)
