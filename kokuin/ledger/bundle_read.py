"""Reading a bundle from front to back: members in their order, and what they consist of."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from kokuin.ledger.bundle_form import (
    LINE_OCTETS,
    MAX_HISTORY,
    BundleFault,
    Part,
    Place,
    Rank,
    limit_of,
    name_of,
    place_of,
)
from kokuin.ledger.bundle_tar import BundleError, TarReader
from kokuin.ledger.checkpoint import read_checkpoint
from kokuin.ledger.findings import Finding
from kokuin.ledger.leaf import MAX_LEAF
from kokuin.ledger.note_faults import NoteError, NoteFault
from kokuin.ledger.plan import MAX_TOKEN
from kokuin.ledger.tlog_proof import read_hashes
from kokuin.wire import asn1
from kokuin.wire.errors import WireError
from kokuin.wire.header import INDEFINITE, read_header

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kokuin.ledger.bundle_tar import Source
    from kokuin.ledger.checkpoint import SignedCheckpoint

RECORD_LINE = MAX_LEAF + 21
"""Octets of the longest line of `records`."""

_MUST = (Rank.README, Rank.MANIFEST, Rank.CHECKPOINT, Rank.CERTIFICATES, Rank.REVOCATION)
_HASH_FORM = re.compile(rb"(0|[1-9][0-9]{0,18}) (0|[1-9]|[1-5][0-9]|6[0-2]) ([0-9a-f]{64})")
_RECORD_FORM = re.compile(rb"(0|[1-9][0-9]{0,18}) (.*)", re.DOTALL)
_MOST_PROOF = 64
_HEADER = 16
_MOST_MISSING = 300
"""Members that are named as missing, a hundred chunks of them."""


class HashLine(NamedTuple):
    """A line of `hashes`: the subtree of 2**height leaves that begins at `start`."""

    start: int
    height: int
    octets: bytes


@dataclass(frozen=True, slots=True)
class RecordLine:
    """A line of `records`."""

    index: int
    leaf: bytes


class BundleReader:
    """The members of a bundle in their order. Members at a wrong place are told of and passed over."""

    def __init__(self, source: Source, tell: Callable[[Finding], None]) -> None:
        """Args: where the octets come from, and who is told what is wrong with the order."""
        self._tar = TarReader(source)
        self._tell = tell
        self._missing: dict[Place, Finding] = {}
        self._passed: set[Place] = set()

    @property
    def at(self) -> int:
        """Octets that were read so far."""
        return self._tar.at

    def places(self) -> Iterator[Place]:
        """Yield the place of each member, to be read before the next one.

        Raises:
            BundleError: the octets cannot be read any further.
        """
        last = Place(-1)
        seen: dict[int, set[Place]] = {Rank.HISTORY: set(), Rank.STAMP: set()}
        while (member := self._tar.next()) is not None:
            place = place_of(member.name)
            if place is None:
                self._tell(Finding(BundleFault.MEMBER_INSERTED, None, ascii(member.name)))
                continue
            if member.size > limit_of(place):
                raise BundleError(BundleFault.LIMIT, f"{member.name}: {member.size} octets")
            if place <= last:
                self._late(place, member.name, once_more=place in seen.get(place.rank, ()))
                continue
            self._pass(last, place)
            last = place
            if place.rank in seen:
                seen[place.rank].add(place)
                if len(seen[place.rank]) > MAX_HISTORY:
                    raise BundleError(BundleFault.LIMIT, f"more than {MAX_HISTORY} as {member.name}")
            yield place
        self._pass(last, Place(Rank.CHUNK, last.major + 1 if last.rank == Rank.CHUNK else 1))
        self.tell_missing()

    def tell_missing(self) -> None:
        """Tell of the members that were not found; to be called once more when reading ended early."""
        for finding in self._missing.values():
            self._tell(finding)
        self._missing.clear()

    def whole(self) -> bytes:
        """Return all octets of the member.

        Raises:
            BundleError: the octets end.
        """
        return b"".join(self._tar.pieces())

    def lines(self, longest: int) -> Iterator[bytes]:
        """Yield the member's lines without their newlines.

        Args:
            longest: octets of the longest line with its newline.

        Raises:
            BundleError: LINE_FORM for a longer line, or when the last one does not end; or the octets end.
        """
        rest = b""
        for piece in self._tar.pieces():
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                if len(line) >= longest:
                    raise BundleError(BundleFault.LINE_FORM, "a line that is too long")
                yield line
            if len(rest) >= longest:
                raise BundleError(BundleFault.LINE_FORM, "a line that is too long")
        if rest:
            raise BundleError(BundleFault.LINE_FORM, "the last line has no end")

    def tokens(self) -> Iterator[bytes]:
        """Yield the DER elements that the member consists of.

        Raises:
            BundleError: TOKENS_UNREADABLE where an element is none; or the octets end.
        """
        while head := self._tar.read(_HEADER):
            try:
                # Filled up, so that a header cut short is read as one that is none.
                tag, content, length = read_header(head.ljust(_HEADER, b"\0"), 0, MAX_TOKEN)
            except WireError as error:
                raise BundleError(BundleFault.TOKENS_UNREADABLE, str(error)) from None
            if tag != asn1.SEQUENCE or length == INDEFINITE or content + length < len(head):
                raise BundleError(BundleFault.TOKENS_UNREADABLE, "no token")
            token = head + self._tar.read(content + length - len(head))
            if len(token) != content + length:
                raise BundleError(BundleFault.TOKENS_UNREADABLE, "the last one is cut short")
            yield token

    def _late(self, place: Place, name: str, *, once_more: bool) -> None:
        """Tell of a member that stands behind others that it must precede."""
        self._missing.pop(place, None)
        swapped = place in self._passed or (place.rank in {Rank.HISTORY, Rank.STAMP} and not once_more)
        self._passed.discard(place)
        self._tell(
            Finding(BundleFault.MEMBER_SWAPPED if swapped else BundleFault.MEMBER_INSERTED, None, name)
        )

    def _pass(self, last: Place, place: Place) -> None:
        """Note what must stand between two members and does not."""
        missing = [Place(rank) for rank in _MUST if last < Place(rank) < place]
        chunk, part = (last.major, last.minor + 1) if last.rank == Rank.CHUNK else (0, 0)
        while place.rank == Rank.CHUNK and len(missing) < _MOST_MISSING:
            chunk, part = (chunk, part) if part <= Part.TOKENS else (chunk + 1, Part.HASHES)
            if Place(Rank.CHUNK, chunk, part) >= place:
                break
            missing.append(Place(Rank.CHUNK, chunk, part))
            part += 1
        if len(self._passed) < _MOST_MISSING:
            self._passed.update(missing)
            self._missing |= {
                each: Finding(BundleFault.MEMBER_MISSING, None, name_of(each)) for each in missing
            }


def read_hash_lines(octets: bytes, tell: Callable[[Finding], None]) -> Iterator[HashLine]:
    """Yield the hashes of a chunk; lines that are none are told as `HASH_FORM` and passed over."""
    at = 0
    while at < len(octets):
        end = octets.find(b"\n", at, at + LINE_OCTETS)
        line = _read_hash_line(octets[at:end]) if end >= 0 else None
        if line is None:
            tell(Finding(BundleFault.HASH_FORM, None, ascii(octets[at : at + 40])))
        else:
            yield line
        if end < 0:
            return
        at = end + 1


def _read_hash_line(line: bytes) -> HashLine | None:
    """Read a line of `hashes`; None when it is none."""
    match = _HASH_FORM.fullmatch(line)
    return None if match is None else HashLine(int(match[1]), int(match[2]), bytes.fromhex(match[3].decode()))


def read_record_line(line: bytes) -> RecordLine | None:
    """Read a line of `records`; None when it is none."""
    match = _RECORD_FORM.fullmatch(line)
    return None if match is None else RecordLine(int(match[1]), match[2])


def read_records_again(source: Source) -> Iterator[RecordLine]:
    """Yield the records of a bundle from its beginning; its faults were told when it was read before."""
    reader = BundleReader(source, lambda _finding: None)
    for place in reader.places():
        if place.rank == Rank.CHUNK and place.minor == Part.RECORDS:
            lines = map(read_record_line, reader.lines(RECORD_LINE))
            yield from (line for line in lines if line is not None)


def read_history(octets: bytes) -> tuple[tuple[bytes, ...], SignedCheckpoint]:
    """Read an earlier checkpoint: its consistency proof, an empty line, the signed note.

    Raises:
        NoteError: it is something else.
    """
    if octets.startswith(b"\n"):
        lines, note = [], octets[1:]
    else:
        head, blank, note = octets.partition(b"\n\n")
        if not blank or not head.isascii():
            raise NoteError(NoteFault.CHECKPOINT_FORM, "no proof before the note")
        lines = head.decode("ascii").split("\n")
    return read_hashes(lines, _MOST_PROOF), read_checkpoint(note)
