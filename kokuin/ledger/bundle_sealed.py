"""A bundle sealed to one recipient: parts that open alone, and a manifest that says that they are all.

Every part is an envelope with fresh keys and names the export and its own
number within, so none can be taken out, put elsewhere, given twice or brought
from another export unseen. Opening keeps one part in memory.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import orjson

from kokuin.ledger.bundle_tar import BLOCK, BundleError, TarReader, TarWriter
from kokuin.wire import strictjson
from pqc.envelope import open_envelope, seal_envelope, stated_content_type
from pqc.envelope_errors import EnvelopeError
from pqc.envelope_syntax import MAX_ENVELOPE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kokuin.ledger.bundle_check import SeekableSource
    from kokuin.ledger.bundle_tar import Sink
    from pqc.envelope_suites import EnvelopeSuite
    from pqc.kem import Recipient, RecipientKey

PART_ARC = ".0.2"
"""Content type of a part below the configured arc; profiles have arcs from 1 on, back-ups .0.1."""
MANIFEST_ARC = ".0.3"
"""Content type of the manifest."""
PART_OCTETS = 4 * 1024 * 1024
"""Octets of the bundle in a part that we write: it is in memory some eight times while it is sealed."""
_MAGIC = b"kokuin-export-part-1\n"
_ID = 32
_HEADER = len(_MAGIC) + _ID + 8
MOST_PARTS = 100_000
_MANIFEST_OCTETS = MOST_PARTS * 131 + 4096
_MANIFEST_NAME = "manifest.p7m"
_BEGINS = (b"part-", b"manifest.p7m\0")
"""Also when parts were taken away or put elsewhere: then it is a wrong sealed bundle, not some other file."""


class SealedFault(StrEnum):
    """What can be wrong with a sealed bundle apart from the bundle."""

    PART_MISSING = "PART_MISSING"
    PART_SWAPPED = "PART_SWAPPED"
    """A part stands behind others that it must precede."""
    PART_TWICE = "PART_TWICE"
    PART_FOREIGN = "PART_FOREIGN"
    """A part of another export."""
    PART_UNREADABLE = "PART_UNREADABLE"
    """An envelope that does not open with this key, or was changed."""
    PART_INSERTED = "PART_INSERTED"
    """A member that no sealed bundle has."""
    MANIFEST_MISSING = "SEALED_MANIFEST_MISSING"
    MANIFEST_DIFFERS = "SEALED_MANIFEST_DIFFERS"
    """The manifest is of other parts than those that are there."""


@dataclass(frozen=True, slots=True)
class Seal:
    """To whom a bundle is sealed.

    Attributes:
        suite: the envelope suite.
        recipient: of the suite's kind.
        arc: the OID below which the content types are.
    """

    suite: EnvelopeSuite
    recipient: Recipient
    arc: str


class SealingSink:
    """Takes a bundle and writes it sealed, part by part."""

    def __init__(self, sink: Sink, seal: Seal) -> None:
        """Args: where the sealed form goes, and to whom it is sealed."""
        self._tar = TarWriter(sink)
        self._seal = seal
        self._id = os.urandom(_ID)
        self._waiting = bytearray()
        self._digests: list[str] = []
        self._octets = 0
        self._digest = hashlib.sha512()

    def write(self, octets: bytes) -> int:
        """Take the next octets of the bundle.

        Raises:
            EnvelopeError: the recipient's key is not of the suite's kind.
        """
        self._waiting += octets
        self._octets += len(octets)
        self._digest.update(octets)
        while len(self._waiting) >= PART_OCTETS:
            self._part(PART_OCTETS)
        return len(octets)

    def finish(self) -> None:
        """Write what waits, the manifest, and the end.

        Raises:
            EnvelopeError: as `write`.
        """
        if self._waiting or not self._digests:
            self._part(len(self._waiting))
        manifest = {
            "v": 1,
            "id": self._id.hex(),
            "parts": self._digests,
            "octets": self._octets,
            "sha512": self._digest.hexdigest(),
        }
        octets = orjson.dumps(manifest, option=orjson.OPT_SORT_KEYS)
        self._tar.add(_MANIFEST_NAME, self._sealed(octets, MANIFEST_ARC))
        self._tar.finish()

    def _part(self, size: int) -> None:
        number = len(self._digests)
        header = _MAGIC + self._id + number.to_bytes(8, "big")
        sealed = self._sealed(header + bytes(self._waiting[:size]), PART_ARC)
        del self._waiting[:size]
        self._tar.add(_part_name(number), sealed)
        self._digests.append(hashlib.sha512(sealed).hexdigest())

    def _sealed(self, octets: bytes, arc: str) -> bytes:
        seal = self._seal
        return seal_envelope(seal.suite, seal.recipient, octets, content_type_oid=seal.arc + arc)


@dataclass(frozen=True, slots=True)
class _Part:
    """An opened part."""

    identity: bytes
    number: int
    octets: bytes


class SealedSource:
    """The octets of the bundle within a sealed one; raises `BundleError` where the sealed form is wrong."""

    def __init__(self, stream: SeekableSource, key: RecipientKey) -> None:
        """Args: the sealed form from its beginning, and the recipient's private key."""
        self._stream = stream
        self._key = key
        self._ready = b""
        self._taken = 0
        self._begin()

    def read(self, size: int, /) -> bytes:
        """Return the next octets of the bundle, fewer only at its end.

        Raises:
            BundleError: a part is not as it was written, not in its place, or not there.
        """
        while len(self._ready) - self._taken < size and not self._ended:
            self._ready = self._ready[self._taken :] + self._next()
            self._taken = 0
        octets = self._ready[self._taken : self._taken + size]
        self._taken += len(octets)
        return octets

    def seek(self, offset: int, /) -> None:
        """Go back to the beginning; `offset` is 0.

        Raises:
            ValueError: another offset.
        """
        if offset:
            raise ValueError(offset)
        self._stream.seek(0)
        self._begin()

    def _begin(self) -> None:
        self._tar = TarReader(self._stream)
        self._ready = b""
        self._taken = 0
        self._ended = False
        self._identity: bytes | None = None
        self._digests: list[str] = []
        self._octets = 0
        self._digest = hashlib.sha512()

    def _next(self) -> bytes:
        """Return the octets of the next part; empty when the manifest said that there is none."""
        member = self._tar.next()
        if member is None:
            raise BundleError(SealedFault.MANIFEST_MISSING)
        if member.size > MAX_ENVELOPE:
            raise BundleError(SealedFault.PART_UNREADABLE, f"{member.name}: {member.size} octets")
        sealed = b"".join(self._tar.pieces())
        if member.name == _MANIFEST_NAME:
            self._finish(sealed)
            return b""
        number = len(self._digests)
        if number == MOST_PARTS:
            raise BundleError(SealedFault.PART_INSERTED, f"more than {MOST_PARTS}")
        part = self._open(sealed, member.name)
        if self._identity is None:
            self._identity = part.identity
        if part.identity != self._identity:
            raise BundleError(SealedFault.PART_FOREIGN, member.name)
        if part.number != number:
            raise self._misplaced(part.number, number)
        if member.name != _part_name(number):
            raise BundleError(SealedFault.PART_INSERTED, ascii(member.name))
        self._digests.append(hashlib.sha512(sealed).hexdigest())
        self._octets += len(part.octets)
        self._digest.update(part.octets)
        return part.octets

    def _misplaced(self, found: int, wanted: int) -> BundleError:
        """Name what it means that one part stands where another belongs."""
        if found < wanted:
            return BundleError(SealedFault.PART_TWICE, _part_name(found))
        swapped = any(part.number == wanted for part in self._rest())
        fault = SealedFault.PART_SWAPPED if swapped else SealedFault.PART_MISSING
        return BundleError(fault, _part_name(wanted))

    def _rest(self) -> Iterator[_Part]:
        while (member := self._tar.next()) is not None:
            if member.name != _MANIFEST_NAME and member.size <= MAX_ENVELOPE:
                yield self._open(b"".join(self._tar.pieces()), member.name)

    def _open(self, sealed: bytes, name: str) -> _Part:
        octets = self._opened(sealed, PART_ARC, name)
        if len(octets) < _HEADER or not octets.startswith(_MAGIC):
            raise BundleError(SealedFault.PART_UNREADABLE, f"{name}: no part")
        identity = octets[len(_MAGIC) : len(_MAGIC) + _ID]
        return _Part(identity, int.from_bytes(octets[_HEADER - 8 : _HEADER], "big"), octets[_HEADER:])

    def _opened(self, sealed: bytes, arc: str, name: str) -> bytes:
        try:
            kind = stated_content_type(sealed)
            if not kind.endswith(arc):
                raise BundleError(SealedFault.PART_UNREADABLE, f"{name}: content type {kind}")
            return open_envelope(self._key, sealed, content_type_oid=kind)
        except EnvelopeError as error:
            raise BundleError(SealedFault.PART_UNREADABLE, f"{name}: {error}") from None

    def _finish(self, sealed: bytes) -> None:
        octets = self._opened(sealed, MANIFEST_ARC, _MANIFEST_NAME)
        try:
            manifest: Any = strictjson.loads(octets, max_octets=_MANIFEST_OCTETS, max_depth=2)
        except strictjson.JsonError as error:
            raise BundleError(SealedFault.MANIFEST_DIFFERS, str(error)) from None
        parts = manifest.get("parts") if isinstance(manifest, dict) else None
        if (
            isinstance(parts, list)
            and len(parts) > len(self._digests)
            and parts[: len(self._digests)] == self._digests
        ):
            raise BundleError(SealedFault.PART_MISSING, _part_name(len(self._digests)))
        if manifest != {
            "v": 1,
            "id": (self._identity or b"").hex(),
            "parts": self._digests,
            "octets": self._octets,
            "sha512": self._digest.hexdigest(),
        }:
            raise BundleError(SealedFault.MANIFEST_DIFFERS)
        if self._tar.next() is not None:
            raise BundleError(SealedFault.PART_INSERTED, "behind the manifest")
        self._ended = True


def is_sealed(stream: SeekableSource) -> bool:
    """Say whether a file begins as a sealed bundle does; it is read from its beginning afterwards."""
    block = stream.read(BLOCK)
    stream.seek(0)
    return block.startswith(_BEGINS)


def _part_name(number: int) -> str:
    return f"part-{number:06}.p7m"
