"""A store with records, checkpoints, witnesses and time-stamps, and bundles exported from it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from kokuin.ledger.bundle_check import check_bundle
from kokuin.ledger.bundle_choice import select
from kokuin.ledger.bundle_manifest import Scope
from kokuin.ledger.bundle_plan import plan_bundle
from kokuin.ledger.bundle_write import BundleWriter
from kokuin.ledger.checkpoint import read_checkpoint, sign_line
from kokuin.ledger.log_keys import LogVerifier, verifier_key
from kokuin.ledger.note import SignatureType
from kokuin.ledger.plan import Append
from kokuin.ledger.published import (
    KeptCheckpoint,
    KeptStamp,
    checkpoint_covering,
    keep_checkpoint,
    keep_cosignature,
    keep_stamp,
)
from kokuin.ledger.reader import LedgerReader
from kokuin.ledger.store import SqliteStore
from kokuin.ledger.tile_proofs import root_at
from kokuin.trust.records import CLOCK_FIT, Record
from kokuin.wire.pem import read_blocks, write_block
from tests.ledger import issued_records
from tests.ledger.notes import NOW, log, signer, verifier

if TYPE_CHECKING:
    from array import array
    from collections.abc import Iterable
    from pathlib import Path

    from kokuin.ledger.bundle_verdict import BundleVerdict
    from kokuin.ledger.checkpoint import SignedCheckpoint
    from kokuin.ledger.port import LedgerStore
    from kokuin.ledger.published import Rows
    from kokuin.ledger.reader import StoreReader

WITNESS = "witness.example/w"
AT = NOW * 1_000_000
EVERY = 7
"""One record in so many is no time-stamp."""


def wanted_record(number: int) -> Record:
    """Return the record that stands at an index."""
    if number % EVERY == EVERY - 1:
        return Record(CLOCK_FIT, {"reason": f"number {number}", "tenant": "alpha" if number % 2 else "beta"})
    return issued_records.record(number)


def fill(path: Path, size: int, batch: int = 500, first: int = 0) -> None:
    """Append records up to `size`; each batch is a second later than the last."""
    store = SqliteStore(path)
    append(store, size, batch, first)
    store.close()


def append(store: LedgerStore, size: int, batch: int = 500, first: int = 0) -> None:
    """Append records up to `size` to an open store."""
    for start in range(first, size, batch):
        appends = [Append((wanted_record(number),)) for number in range(start, min(start + batch, size))]
        store.commit(appends, AT + start * 1_000_000)


def sign(path: Path, sizes: Iterable[int], *, cosigned: bool = False, stamped: bool = False) -> None:
    """Keep checkpoints of these sizes, signed, and cosigned and time-stamped if wanted."""
    store = SqliteStore(path)
    with LedgerReader(path) as reader:
        vouch(store, reader, sizes, cosigned=cosigned, stamped=stamped)
    store.close()


def vouch(
    store: LedgerStore, reader: StoreReader, sizes: Iterable[int], *, cosigned: bool, stamped: bool
) -> None:
    """Do what `sign` does in an open store."""
    witness = signer("ml-dsa-44", WITNESS)
    key = verifier_key(WITNESS, SignatureType.ML_DSA_44_COSIGNATURE, witness)
    for size in sizes:
        root = root_at(reader, size)
        note = log().sign(size, root, NOW + size)
        kept = KeptCheckpoint(size, root, note, AT)
        line = sign_line(key, witness, read_checkpoint(note).checkpoint, NOW + size).encode()
        stamp = KeptStamp(size, "unit-2", issued_records.token_over(note), AT)

        def keep(rows: Rows, kept: KeptCheckpoint = kept, line: str = line, stamp: KeptStamp = stamp) -> None:
            keep_checkpoint(rows, kept)
            if cosigned:
                keep_cosignature(rows, kept.size, key.encode(), line, AT)
            if stamped:
                keep_stamp(rows, stamp)

        store.transact(keep)


def witness_policy() -> bytes:
    """Return a policy that wants the one witness."""
    key = verifier_key(WITNESS, SignatureType.ML_DSA_44_COSIGNATURE, signer("ml-dsa-44", WITNESS))
    return f"witness w {key.encode()}\nquorum w\n".encode()


def certificates() -> bytes:
    """Return the bundle's certificates in their one form."""
    return b"".join(write_block(*block) for block in read_blocks(issued_records.certificates_pem(), 10))


def writer(  # noqa: PLR0913 - all that a bundle may be asked for
    reader: StoreReader,
    scope: Scope | None = None,
    *,
    size: int | None = None,
    indexes: array[int] | None = None,
    since: SignedCheckpoint | None = None,
    revocation: bytes = b"",
) -> BundleWriter:
    """Return what writes a bundle of the checkpoint of a size, the newest unless one is named."""
    newest = reader.execute("SELECT max(size) FROM checkpoint")[0][0]
    kept = checkpoint_covering(reader, (size or newest) - 1)
    assert kept is not None
    scope = scope or Scope()
    if scope.kind == "selection" and indexes is None:
        indexes = select(reader, kept.size, {scope.by: scope.value})
    plan = plan_bundle(reader, kept, scope, indexes=indexes, since=since)
    return BundleWriter(reader, plan, certificates=certificates(), revocation=revocation, made_us=AT)


def export(path: Path, scope: Scope | None = None, **more: object) -> bytes:
    """Return a bundle."""
    with LedgerReader(path) as reader:
        return written(writer(reader, scope, **more))  # type: ignore[arg-type]


def written(writer: BundleWriter) -> bytes:
    """Return what is written."""
    sink = io.BytesIO()
    writer.write(sink)
    return sink.getvalue()


def check(bundle: bytes, logs: LogVerifier | None = None, **more: object) -> BundleVerdict:
    """Check a bundle with the log's keys."""
    return check_bundle(io.BytesIO(bundle), logs or verifier(log()), **more)  # type: ignore[arg-type]


def codes(verdict: BundleVerdict) -> set[str]:
    """Return the codes of all findings."""
    return {str(finding.code) for finding in verdict.findings}
