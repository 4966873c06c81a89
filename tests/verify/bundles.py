"""Real stores of the ledgers in `ledgers`, and the bundles that the exporter makes of them."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from kokuin.ledger import schema
from kokuin.ledger.bundle_choice import select
from kokuin.ledger.bundle_manifest import Scope
from kokuin.ledger.bundle_plan import plan_bundle
from kokuin.ledger.bundle_write import BundleWriter
from kokuin.ledger.note import read_note
from kokuin.ledger.plan import Append
from kokuin.ledger.published import KeptCheckpoint, KeptStamp, keep_checkpoint, keep_cosignature, keep_stamp
from kokuin.ledger.reader import LedgerReader
from kokuin.ledger.store import SqliteStore
from kokuin.trust.journal import Refused
from tests.ledger.notes import log
from tests.verify import ledgers
from tests.verify.ledgers import COMMIT_US, NOW_US, SECOND

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from kokuin.ledger.log_keys import LogSigner
    from kokuin.trust.records import Record


@dataclass
class Kept:
    """A store with records, its newest checkpoint, and its oldest."""

    path: Path
    checkpoint: KeptCheckpoint
    older: KeptCheckpoint

    def bundle(self, start: int | None = None, stop: int = 0, *, tenant: str = "") -> bytes:
        """Export all records, a range of them, or those of a tenant."""
        with LedgerReader(self.path) as reader:
            indexes = None
            scope = Scope() if start is None else Scope("range", start, stop)
            if tenant:
                scope = Scope("selection", by="tenant", value=tenant)
                indexes = select(reader, self.checkpoint.size, {"tenant": tenant})
            plan = plan_bundle(reader, self.checkpoint, scope, indexes=indexes)
            writer = BundleWriter(reader, plan, certificates=b"", revocation=b"", made_us=NOW_US)
            sink = io.BytesIO()
            writer.write(sink)
        return sink.getvalue()

    def cosign(self, name: str, at_s: int, checkpoint: KeptCheckpoint | None = None) -> None:
        """Keep a witness's line under a checkpoint, by default the newest."""
        chosen = checkpoint or self.checkpoint
        note = read_note(ledgers.cosigner(name, at_s)(chosen.note))
        line = note.signatures[-1].encode()
        store = SqliteStore(self.path)
        store.transact(lambda rows: keep_cosignature(rows, chosen.size, name, line, NOW_US))
        store.close()

    def stamp(self, by: str, at_s: int, checkpoint: KeptCheckpoint | None = None) -> None:
        """Keep a unit's time-stamp over a checkpoint, by default the newest."""
        chosen = checkpoint or self.checkpoint
        (token,) = ledgers.stamped(by, at_s)(chosen.note)
        store = SqliteStore(self.path)
        store.transact(lambda rows: keep_stamp(rows, KeptStamp(chosen.size, by, token, NOW_US)))
        store.close()


def keep(
    path: Path,
    records: Sequence[tuple[Record, int]],
    signer: LogSigner | None = None,
    signed_at_s: int = 600,
    older: int = 0,
) -> Kept:
    """Make a store of records and their times of commit, with a checkpoint at its end.

    Another one stands at the size `older`, where one is wanted.
    """
    schema.create(path)
    store = SqliteStore(path)
    checkpoints = []
    for record, at_us in records:
        (outcome,) = store.commit([Append((record,))], at_us)
        assert not isinstance(outcome, Refused)
        head = store.head
        if head.size in {older, len(records)}:
            moment = at_us if head.size == older else NOW_US + signed_at_s * SECOND
            note = (signer or log()).sign(head.size, head.root, moment // SECOND)
            checkpoint = KeptCheckpoint(head.size, head.root, note, moment)
            checkpoints.append(store.transact(partial(keep_checkpoint, checkpoint=checkpoint)))
    store.close()
    return Kept(path, checkpoints[-1], checkpoints[0])


def genuine_records(other_tenant: Sequence[int] = ()) -> list[tuple[Record, int]]:
    """Return the records of what the service issued; those of these indexes are of another tenant."""
    return [
        (
            ledgers.issued_record(issued, tenant="b" if index in other_tenant else "a"),
            issued.gen_us + COMMIT_US,
        )
        for index, issued in enumerate(ledgers.genuine())
    ]
