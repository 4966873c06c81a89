"""Writing an export bundle: strict, in order, one chunk in memory, going on where another broke off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kokuin.ledger.bundle_form import Part, Place, Rank, name_of
from kokuin.ledger.bundle_manifest import Manifest, epoch_of
from kokuin.ledger.bundle_plan import ExportError, ExportFault, note_of, stamp_octets
from kokuin.ledger.bundle_readme import README
from kokuin.ledger.bundle_tar import TarWriter
from kokuin.ledger.checkpoint import read_checkpoint
from kokuin.ledger.tile_proofs import consistency_proof, subtree
from kokuin.ledger.tlog_proof import encode_hashes
from kokuin.ledger.tree import cover

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kokuin.ledger.bundle_plan import BundlePlan, ChunkPlan
    from kokuin.ledger.bundle_tar import Sink
    from kokuin.ledger.reader import Stored, StoreReader


class BundleWriter:
    """Writes what a plan says."""

    def __init__(
        self, source: StoreReader, plan: BundlePlan, *, certificates: bytes, revocation: bytes, made_us: int
    ) -> None:
        """Args: the store, the plan made of it, PEM in its one form of both kinds, and the present moment."""
        self._source = source
        self._plan = plan
        self._certificates = certificates
        self._revocation = revocation
        checkpoint = read_checkpoint(plan.checkpoint.note).checkpoint
        self.manifest = Manifest(
            checkpoint.origin,
            epoch_of(checkpoint.origin),
            checkpoint.size,
            checkpoint.root.hex(),
            plan.scope,
            len(plan.chunks),
            plan.records,
            len(plan.history),
            len(plan.stamps),
            made_us,
        )

    def write(
        self,
        sink: Sink,
        first: int = 0,
        *,
        on_chunk: Callable[[], None] | None = None,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """Write the bundle.

        Args:
            sink: takes the octets.
            first: the first chunk that is still to be written; 0 writes all, what comes before chunks too.
            on_chunk: called at the end of what is before the chunks, and of each chunk.
            on_progress: told how many leaves are done, and of how many.

        Raises:
            ExportError: the store lacks what it had when the plan was made.
        """
        tar = TarWriter(sink)
        if first == 0:
            self.write_head(sink)
            if on_chunk is not None:
                on_chunk()
        chunks = self._plan.chunks
        size = self._plan.checkpoint.size
        for number in range(first, len(chunks)):
            at = 0 if number == 0 else self._after(chunks[number - 1])
            at = self._write_chunk(tar, number, at)
            if on_chunk is not None:
                on_chunk()
            if on_progress is not None:
                on_progress(at, size)
        tar.finish()

    def records(self, on_progress: Callable[[int, int], None] | None = None) -> Iterator[Stored]:
        """Yield the records of the scope, without those whose retention is over.

        Args:
            on_progress: told after every chunk how many leaves are done, and of how many.
        """
        size = self._plan.checkpoint.size
        for chunk in self._plan.chunks:
            yield from (stored for stored in self._stored(chunk) if stored.leaf)
            if on_progress is not None:
                on_progress(size if chunk is self._plan.chunks[-1] else self._after(chunk), size)

    def write_head(self, sink: Sink) -> None:
        """Write what stands before the chunks."""
        plan, tar = self._plan, TarWriter(sink)
        size = plan.checkpoint.size
        tar.add("README.txt", README)
        tar.add("manifest.json", self.manifest.encode())
        tar.add("checkpoint", note_of(self._source, plan.checkpoint))
        for voucher in plan.history:
            proof = encode_hashes(consistency_proof(self._source, voucher.size, size)).encode()
            tar.add(name_of(Place(Rank.HISTORY, voucher.size)), proof + b"\n" + voucher.note)
        for stamped, number in plan.stamps:
            name = name_of(Place(Rank.STAMP, stamped, number))
            tar.add(name, stamp_octets(self._source, stamped, number))
        tar.add("certificates.pem", self._certificates)
        tar.add("revocation.pem", self._revocation)

    def _after(self, chunk: ChunkPlan) -> int:
        """Return the index behind the last record of a chunk, up to which everything was written."""
        if self._plan.indexes is not None:
            return self._plan.indexes[chunk.stop - 1] + 1 if chunk.stop else 0
        for index in range(chunk.stop - 1, chunk.first - 1, -1):
            stored = self._source.by_index(index)
            if stored is not None and stored.leaf:
                return index + 1
        return 0

    def _write_chunk(self, tar: TarWriter, number: int, at: int) -> int:
        """Write a chunk whose hashes begin at the leaf `at`; return the index behind what was written."""
        hashes, records, tokens = bytearray(), bytearray(), bytearray()
        for stored in self._stored(self._plan.chunks[number]):
            if not stored.leaf:
                # Its retention is over: its hash stands with those around it.
                continue
            self._cover(hashes, at, stored.index)
            at = stored.index + 1
            records += b"%d %b\n" % (stored.index, stored.leaf)
            tokens += stored.token or b""
        if number == len(self._plan.chunks) - 1:
            size = self._plan.checkpoint.size
            self._cover(hashes, at, size)
            at = size
        for part, octets in ((Part.HASHES, hashes), (Part.RECORDS, records), (Part.TOKENS, tokens)):
            tar.add(name_of(Place(Rank.CHUNK, number, part)), bytes(octets))
        return at

    def _stored(self, chunk: ChunkPlan) -> Iterator[Stored]:
        if self._plan.indexes is None:
            yield from self._source.walk(chunk.first, chunk.stop)
            return
        for index in self._plan.indexes[chunk.first : chunk.stop]:
            stored = self._source.by_index(index)
            if stored is not None:
                yield stored

    def _cover(self, hashes: bytearray, start: int, stop: int) -> None:
        try:
            for first, height in cover(start, stop):
                hashes += f"{first} {height} {subtree(self._source, first, height).hex()}\n".encode()
        except ValueError as error:
            # A row that is gone from the store is no leaf whose retention is over, and is not made one here.
            raise ExportError(ExportFault.STORE, f"leaves {start} to {stop - 1}: {error}") from error
