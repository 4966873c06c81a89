"""How much of a bundle is there already, for whoever fetches or writes it in several attempts."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from kokuin.ledger.bundle_form import Part, Rank
from kokuin.ledger.bundle_manifest import read_manifest
from kokuin.ledger.bundle_read import BundleReader
from kokuin.ledger.bundle_tar import BLOCK, BundleError

if TYPE_CHECKING:
    from typing import BinaryIO

    from kokuin.ledger.bundle_write import BundleWriter


@dataclass(frozen=True, slots=True)
class Begun:
    """The beginning of a bundle.

    Attributes:
        size: of its checkpoint, as its manifest says.
        head: SHA-256 of everything before the first chunk, hex: what the bundle is of, and who vouches.
        chunk: number of the chunk that was begun last.
        octets: how many there are before that chunk.
    """

    size: int
    head: str
    chunk: int
    octets: int


def survey(part: BinaryIO) -> Begun | None:
    """Say how far a bundle came; None when no chunk of it is whole."""
    part.seek(0)
    size = None
    begins: list[int] = []
    reader = BundleReader(part, lambda _finding: None)
    try:
        for place in reader.places():
            if place.rank == Rank.MANIFEST:
                manifest = read_manifest(reader.whole())
                size = None if manifest is None else manifest.size
            elif place.rank == Rank.CHUNK and place.minor == Part.HASHES:
                begins.append(reader.at - BLOCK)
    except BundleError:
        # It ends somewhere: that is what it is unfinished for.
        pass
    if size is None or len(begins) < 2:
        return None
    part.seek(0)
    head = sha256(part.read(begins[0])).hexdigest()
    return Begun(size, head, len(begins) - 1, begins[-1])


def head_of(writer: BundleWriter) -> str:
    """Return what `Begun.head` will be of the bundle that is going to be written.

    Raises:
        ExportError: the store lacks what it had when the plan was made.
    """
    digest = _Digest()
    writer.write_head(digest)
    return digest.hexdigest()


class _Digest:
    """A sink that hashes."""

    def __init__(self) -> None:
        self._digest = sha256()

    def write(self, octets: bytes) -> None:
        self._digest.update(octets)

    def hexdigest(self) -> str:
        return self._digest.hexdigest()
