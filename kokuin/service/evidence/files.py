"""Tokens of the ledger and their evidence records as files, as `tsa verify` and `tsa renew` find them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kokuin.ledger.leaf import read_leaf
from kokuin.service.evidence.records import EvidenceFault, EvidenceRecords, EvidenceRefusedError
from kokuin.service.published_log import reading
from kokuin.trust.records import TST_ISSUED
from kokuin.wire.errors import WireError
from kokuin.wire.ers import read_evidence_record
from pqc.newfile import write_durably

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.evidence.renewing import Wanted

_MODE = 0o644
_WITHOUT = frozenset({EvidenceFault.NONE, EvidenceFault.PENDING, EvidenceFault.GONE})


def write_files(
    folder: DataFolder, config: Config, wanted: Wanted, out: Path, show: Callable[[int, int], None] | None
) -> int:
    """Write `SERIAL.tsr`, and `SERIAL.tsr.er` beside it, of the tokens of a period that have evidence.

    A token that lies there stays. A record is replaced by the present one if that goes on from it: what `tsa
    renew` has added to a file is in no ledger.

    Args:
        folder: the data folder.
        config: its settings.
        wanted: whose period counts.
        out: a folder, made where there is none.
        show: told how far it is, of how many leaves.

    Returns:
        Of how many tokens the present record lies there.

    Raises:
        OSError: a file cannot be written.
        OpenRefusedError, LeafError: the ledger cannot be read.
        EvidenceRefusedError: it does not hold what was stamped.
    """
    out.mkdir(parents=True, exist_ok=True)
    records, written = EvidenceRecords(folder, config), 0
    with reading(folder, config) as reader:
        span = wanted.span(reader)
        for stored in reader.walk(span.start, span.stop):
            if show is not None:
                show(stored.index + 1 - span.start, len(span))
            if stored.token is None or not stored.leaf:
                continue
            leaf = read_leaf(stored.leaf)
            if leaf["kind"] != TST_ISSUED or leaf["self"]:
                continue
            try:
                record = records.of(reader, stored)
            except EvidenceRefusedError as error:
                if error.fault in _WITHOUT:
                    continue
                raise
            token, beside = out / f"{leaf['serial']}.tsr", out / f"{leaf['serial']}.tsr.er"
            if not token.exists():
                write_durably(token, stored.token, _MODE)
            if beside.exists() and not _goes_on(record, beside.read_bytes()):
                continue
            write_durably(beside, record, _MODE)
            written += 1
    return written


def _goes_on(record: bytes, held: bytes) -> bool:
    """Whether a record has all archive time-stamps of the one that lies there; of what is none: no."""
    try:
        before = _time_stamps(held)
    except WireError:
        return False
    return before <= _time_stamps(record)


def _time_stamps(record: bytes) -> frozenset[bytes]:
    chains = read_evidence_record(record).chains
    return frozenset(stamp.time_stamp for chain in chains for stamp in chain.stamps)
