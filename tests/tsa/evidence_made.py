"""Stamped trees and records to order, and RFC 4998 §4.3 written once more, by hashlib alone."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from kokuin.wire.algorithms import DIGEST_BY_NAME
from kokuin.wire.ber import definite
from kokuin.wire.ers import RECORD_LIMITS, EvidenceRecord, read_evidence_record
from tests.trust.forge import order

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tsa.evidence.tree import HashTree


def token_over(tree: HashTree, **changes: object) -> bytes:
    """Return a token of the test unit over the root of a tree."""
    return order(**{"imprint_oid": DIGEST_BY_NAME[tree.digest].oid, "imprint": tree.root, **changes}).make()


def read(octets: bytes) -> EvidenceRecord:
    """Read what was written, as any verifier does."""
    return read_evidence_record(definite(octets, RECORD_LIMITS))


def hashes(digest: str, *objects: bytes) -> tuple[bytes, ...]:
    """Return the hashes of data objects."""
    return tuple(hashlib.new(digest, each).digest() for each in objects)


def top(digest: str, reduced: Sequence[Sequence[bytes]] | None, group: Iterable[bytes]) -> bytes | None:
    """Return the root that follows from a group, None when the first list lacks one of it."""
    values = list(set(group))
    if reduced is None:
        return values[0] if len(values) == 1 else None
    if not set(values) <= set(reduced[0]):
        return None
    value: list[bytes] = []
    for place, listed in enumerate(reduced):
        joined = sorted([*listed, *value])
        # A list of one is not hashed; only the first can be, and the writer avoids it (§4.2, figure 2).
        assert place or len(joined) > 1
        value = [hashlib.new(digest, b"".join(joined)).digest()]
    return value[0]
