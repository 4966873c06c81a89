"""The evidence of tokens that left with it, made again of the ledger."""

from __future__ import annotations

import hashlib
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from kokuin.ledger.leaf import LeafError, read_leaf
from kokuin.service.evidence.archive import DIGEST
from kokuin.service.evidence.embedding import MAX_EMBEDDED
from kokuin.wire.token_form import with_evidence
from tsa.evidence.records import make_record
from tsa.evidence.tree import HashTree

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kokuin.ledger.reader import Stored, StoreReader

_TWINS = 2


def archive_of(leaf: Mapping[str, Any]) -> str | None:
    """Return the serial number of the archive token within a leaf's token; None: it left without evidence."""
    serial = leaf.get("embedded")
    return serial if isinstance(serial, str) else None


def embedded_record(reader: StoreReader, stored: Stored, archive: str) -> bytes | None:
    """Return the evidence record with which a token left, DER.

    Args:
        reader: of the ledger.
        stored: the token's record.
        archive: serial number of the archive token, which its leaf names.

    Returns:
        None when the retention of a record of the batch is over.

    Raises:
        ValueError: the ledger does not hold what was stamped.
    """
    first = reader.by_serial(archive)
    if first is None or first.token is None:
        return None
    try:
        if read_leaf(first.leaf)["tok512"] != hashlib.sha512(first.token).hexdigest():
            raise ValueError(archive)
        # The archive token stands before all that it covers: they are durable together or not at all.
        covered = dict(_covered(reader, first.index + 1, archive))
    except LeafError:
        return None
    tree = HashTree(DIGEST, [(each,) for each in covered.values()])
    return make_record(tree, list(covered).index(stored.index), first.token)


def leaving_token(reader: StoreReader, stored: Stored) -> bytes | None:
    """Return a token as it left: with its evidence, as far as the ledger still has that."""
    if stored.token is None or not stored.leaf:
        return stored.token
    archive = archive_of(read_leaf(stored.leaf))
    if archive is None:
        return stored.token
    try:
        record = embedded_record(reader, stored, archive)
    except ValueError:
        return stored.token
    return stored.token if record is None else with_evidence(stored.token, record)


def _covered(reader: StoreReader, start: int, archive: str) -> Iterator[tuple[int, bytes]]:
    stop = min(reader.size(), start + _TWINS * MAX_EMBEDDED)
    leaves = ((each.index, read_leaf(each.leaf)) for each in reader.walk(start, stop, tokens=False))
    for index, leaf in takewhile(lambda each: archive_of(each[1]) == archive, leaves):
        yield index, bytes.fromhex(str(leaf["tok512"]))
