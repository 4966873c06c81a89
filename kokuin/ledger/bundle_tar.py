"""The one form of tar (POSIX ustar, IEEE Std 1003.1 pax "ustar Interchange Format") that bundles have.

Regular files of mode 0644, owner 0, time 0, no extensions, two zero blocks at
the end. A header has no freedom: the reader makes the header anew from name
and size and compares, so that no octet of it can say anything to anybody.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, Protocol

from kokuin.ledger.bundle_form import BundleFault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from enum import StrEnum

BLOCK = 512
MAX_MEMBER = 8**11 - 1
"""Octets of the largest member whose size the header can hold."""

_PIECE = 1 << 20
_NAME_OCTETS = 100
_SIZE = slice(124, 135)
_END = bytes(2 * BLOCK)
_OCTAL = re.compile(rb"[0-7]{11}")


class Source(Protocol):
    """Where octets come from; fewer than asked for only at the end."""

    def read(self, size: int, /) -> bytes:
        """Return the next octets."""


class Sink(Protocol):
    """Where octets go."""

    def write(self, octets: bytes, /) -> object:
        """Take the next octets."""


class BundleError(Exception):
    """The octets cannot be read any further.

    Attributes:
        fault: the stable code of the reason.
        detail: where or what.
    """

    def __init__(self, fault: StrEnum, detail: str = "") -> None:
        super().__init__(f"{fault}: {detail}" if detail else str(fault))
        self.fault = fault
        self.detail = detail


class Member(NamedTuple):
    """The header of a member: its name, and the octets that it has."""

    name: str
    size: int


def header(name: str, size: int) -> bytes:
    """Return the header block of a member.

    Raises:
        ValueError: the name is no ASCII of at most 100 octets, or the size is beyond `MAX_MEMBER`.
    """
    path = name.encode("ascii")
    if not 0 < len(path) <= _NAME_OCTETS or not 0 <= size <= MAX_MEMBER:
        raise ValueError(name)
    before = (
        path.ljust(_NAME_OCTETS, b"\0")
        + b"0000644\x000000000\x000000000\0"
        + b"%011o\0" % size
        + b"0" * 11
        + b"\0"
    )
    after = (b"0" + bytes(_NAME_OCTETS) + b"ustar\x0000").ljust(BLOCK - len(before) - 8, b"\0")
    return before + b"%06o\0 " % (sum(before) + sum(after) + 8 * ord(" ")) + after


def padding(size: int) -> bytes:
    """Return the zeros between the end of a member and the next block."""
    return bytes(-size % BLOCK)


class TarWriter:
    """Writes members one after the other."""

    def __init__(self, sink: Sink) -> None:
        """Args: where the octets go."""
        self._sink = sink
        self.octets = 0

    def add(self, name: str, octets: bytes) -> None:
        """Write a member.

        Raises:
            ValueError: as `header`.
        """
        for piece in (header(name, len(octets)), octets, padding(len(octets))):
            self._write(piece)

    def finish(self) -> None:
        """Write the end."""
        self._write(_END)

    def _write(self, octets: bytes) -> None:
        self._sink.write(octets)
        self.octets += len(octets)


class TarReader:
    """Reads members one after the other, from whomever. What is not read of a member is skipped.

    Attributes:
        at: octets that were read so far.
    """

    def __init__(self, source: Source) -> None:
        """Args: where the octets come from."""
        self._source = source
        self.at = 0
        self._left = 0
        self._pad = 0

    def next(self) -> Member | None:
        """Return the header of the next member, None at the end.

        Raises:
            BundleError: TAR, TRUNCATED or TRAILING.
        """
        for _octets in self.pieces():
            pass
        if any(self._exactly(self._pad)):
            raise BundleError(BundleFault.TAR, f"octet {self.at}: no zeros behind a member")
        self._pad = 0
        block = self._exactly(BLOCK)
        if block == bytes(BLOCK):
            self._end()
            return None
        name, found, _rest = block[:_NAME_OCTETS].partition(b"\0")
        if not found or not name or not name.isascii() or not _OCTAL.fullmatch(block[_SIZE]):
            raise BundleError(BundleFault.TAR, f"octet {self.at - BLOCK}: no header")
        member = Member(name.decode("ascii"), int(block[_SIZE], 8))
        if header(*member) != block:
            raise BundleError(BundleFault.TAR, f"octet {self.at - BLOCK}: not the one form of a header")
        self._left, self._pad = member.size, -member.size % BLOCK
        return member

    def read(self, size: int) -> bytes:
        """Return the next octets of the member, fewer only at its end.

        Raises:
            BundleError: TRUNCATED.
        """
        octets = self._exactly(min(size, self._left))
        self._left -= len(octets)
        return octets

    def pieces(self) -> Iterator[bytes]:
        """Yield what is left of the member.

        Raises:
            BundleError: TRUNCATED.
        """
        while self._left:
            yield self.read(_PIECE)

    def _end(self) -> None:
        if any(self._exactly(BLOCK)):
            raise BundleError(BundleFault.TAR, f"octet {self.at - BLOCK}: one zero block alone")
        if self._source.read(1):
            raise BundleError(BundleFault.TRAILING, f"octet {self.at}")

    def _exactly(self, size: int) -> bytes:
        octets = self._source.read(size) if size else b""
        while len(octets) < size:
            more = self._source.read(size - len(octets))
            if not more:
                raise BundleError(BundleFault.TRUNCATED, f"octet {self.at + len(octets)}")
            octets += more
        self.at += size
        return octets
