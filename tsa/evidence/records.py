"""Evidence records over a stamped tree, and the two ways to renew them (RFC 4998 §4.2, §5.2).

Each takes the token over the root of a tree, so that one token serves as many records as the tree has groups.
Nothing is judged here: that what is renewed still holds is for the caller to see first (§5.2).
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from kokuin.trust.evidence_hashes import digest_of, renewed, renewed_sorted, stamped
from kokuin.wire.algorithms import DIGEST_BY_NAME, AlgorithmIdentifier
from kokuin.wire.errors import WireError
from kokuin.wire.ers import encode_archive_time_stamp, encode_chain, encode_evidence_record
from tsa.evidence.refusals import EvidenceError, EvidenceRefusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kokuin.trust.evidence_hashes import Covered
    from kokuin.wire.cms import Attribute
    from kokuin.wire.ers import EvidenceRecord
    from tsa.evidence.tree import HashTree


def make_record(tree: HashTree, place: int, time_stamp: bytes, infos: Iterable[Attribute] = ()) -> bytes:
    """Return the evidence record of one group of a tree (§4.2).

    Args:
        tree: whose groups are hashes of data objects.
        place: number of the group.
        time_stamp: a token over the root of the tree, by the tree's algorithm.
        infos: cryptoInfos.

    Raises:
        EvidenceError: NO_TOKEN or NOT_STAMPED.
    """
    stamp = _archive_time_stamp(tree, place, time_stamp)
    return encode_evidence_record((_identifier(tree.digest),), [encode_chain([stamp])], crypto_infos=infos)


def stamp_group(record: EvidenceRecord) -> tuple[str, tuple[bytes, ...]]:
    """Return what a time-stamp renewal of a record must cover: an algorithm, and the group for its tree.

    §5.2 wants the last time-stamp of the chain covered. Covered are all of the chain: Bouncy Castle writes
    so, and refuses a chain of three whose last archive time-stamp does not cover the first. Records whose
    chains have the same time-stamps have the same group, and share a leaf.

    Raises:
        EvidenceError: HASH_UNKNOWN or NO_TOKEN.
    """
    digest = _digest(record)
    algorithm = DIGEST_BY_NAME[digest]
    return digest, tuple(sorted({algorithm.of(stamp.time_stamp) for stamp in record.chains[-1].stamps}))


def renew_time_stamp(record: EvidenceRecord, tree: HashTree, place: int, time_stamp: bytes) -> bytes:
    """Return a record with a further archive time-stamp in its last chain (§5.2, time-stamp renewal).

    Args:
        record: of which all but the last chain keeps its octets.
        tree: of the chain's algorithm; its group at `place` is that of `stamp_group`.
        place: number of the group.
        time_stamp: a token over the root of the tree.

    Raises:
        EvidenceError: HASH_UNKNOWN, OTHER_HASH, OTHER_GROUP, NO_TOKEN or NOT_STAMPED.
    """
    digest, group = stamp_group(record)
    if tree.digest != digest:
        raise EvidenceError(EvidenceRefusal.OTHER_HASH)
    if tree.group(place) != group:
        raise EvidenceError(EvidenceRefusal.OTHER_GROUP)
    *before, last = record.chains
    stamps = [stamp.octets for stamp in last.stamps]
    chain = encode_chain([*stamps, _archive_time_stamp(tree, place, time_stamp)])
    return _encode(record, [*(each.octets for each in before), chain], tree.digest)


def object_group(
    record: EvidenceRecord, digest: str, objects: Sequence[Covered], *, alone: bool = False
) -> tuple[bytes, ...]:
    """Return what a hash-tree renewal of a record must cover: the group for a tree of `digest` (§5.2, 1-4).

    The first list of the record's last chain says which data objects there are. Those that travel in the
    record as cryptoInfos are taken from there. In the list of a group of one stand neighbours in the tree
    as well, and nothing tells them from further objects of a group: that there is one object the caller
    must know.

    Args:
        record: whose data objects are covered once more.
        digest: name of the new chain's algorithm.
        objects: the data objects; each is asked for its digest by the old algorithm and by the new one.
        alone: the record is known to cover one data object, so further hashes beside it are neighbours.

    Raises:
        EvidenceError: ORIGINAL_MISSING, NOT_COVERED, NOT_ALONE, HASH_UNKNOWN or NO_TOKEN.
    """
    digest_before, members = _digest(record), _first_list(record)
    found = [
        (each, _covered_as(record, digest_before, each) & members) for each in (*objects, *_carried(record))
    ]
    if not all(hashes for _, hashes in found[: len(objects)]):
        raise EvidenceError(EvidenceRefusal.NOT_COVERED)
    covered = frozenset[bytes]().union(*(hashes for _, hashes in found))
    if alone and len(covered) > 1:
        raise EvidenceError(EvidenceRefusal.NOT_ALONE)
    if not covered or (covered != members and not alone):
        # A list without this object's new hash would say of the rest alone that it is the whole group.
        raise EvidenceError(EvidenceRefusal.ORIGINAL_MISSING)
    return tuple(renewed(digest, each(digest), record.sequence) for each, hashes in found if hashes)


def renew_hash_tree(record: EvidenceRecord, tree: HashTree, place: int, time_stamp: bytes) -> bytes:
    """Return a record with a further chain (§5.2, hash-tree renewal).

    Args:
        record: of which all chains keep their octets.
        tree: of any algorithm; its group at `place` is that of `object_group` for this record.
        place: number of the group.
        time_stamp: a token over the root of the tree.

    Raises:
        EvidenceError: NO_TOKEN or NOT_STAMPED.
    """
    chain = encode_chain([_archive_time_stamp(tree, place, time_stamp)])
    return _encode(record, [*(each.octets for each in record.chains), chain], tree.digest)


def _archive_time_stamp(tree: HashTree, place: int, time_stamp: bytes) -> bytes:
    algorithm = _identifier(tree.digest)
    if _imprint(time_stamp) != (algorithm.oid, tree.root):
        raise EvidenceError(EvidenceRefusal.NOT_STAMPED)
    return encode_archive_time_stamp(time_stamp, digest=algorithm, reduced=tree.reduced(place))


def _encode(record: EvidenceRecord, chains: list[bytes], digest: str) -> bytes:
    algorithm, digests = _identifier(digest), record.digests
    if algorithm.oid not in {each.oid for each in digests}:
        digests = (*digests, algorithm)
    return encode_evidence_record(
        digests, chains, crypto_infos=record.crypto_infos, encryption=record.encryption
    )


def _identifier(digest: str) -> AlgorithmIdentifier:
    algorithm = DIGEST_BY_NAME[digest]
    return AlgorithmIdentifier(algorithm.oid, algorithm.parameters)


@functools.lru_cache(maxsize=8)
def _imprint(time_stamp: bytes) -> tuple[str, bytes]:
    """Return algorithm and value; remembered, since one token serves the records of a whole tree."""
    try:
        imprint = stamped(time_stamp).imprint
    except WireError:
        raise EvidenceError(EvidenceRefusal.NO_TOKEN) from None
    return imprint.digest_oid, imprint.value


def _digest(record: EvidenceRecord) -> str:
    """Return the name of the last chain's algorithm, which all its archive time-stamps share (§5.1)."""
    try:
        digest = digest_of(record.chains[-1].stamps[0])
    except WireError:
        raise EvidenceError(EvidenceRefusal.NO_TOKEN) from None
    if digest is None:
        raise EvidenceError(EvidenceRefusal.HASH_UNKNOWN)
    return digest


def _first_list(record: EvidenceRecord) -> frozenset[bytes]:
    """Return the hashes beside which a data object of the last chain stands."""
    stamp = record.chains[-1].stamps[0]
    return frozenset(stamp.reduced[0] if stamp.reduced else [_imprint(stamp.time_stamp)[1]])


def _covered_as(record: EvidenceRecord, digest: str, covered: Covered) -> frozenset[bytes]:
    """Return what may stand for a data object in the last chain."""
    chains = len(record.chains) - 1
    if not chains:
        return frozenset([covered(digest)])
    own, sequence = covered(digest), record.before(chains)
    return frozenset((renewed(digest, own, sequence), renewed_sorted(digest, own, sequence)))


def _carried(record: EvidenceRecord) -> list[Covered]:
    """Return the data objects that travel in the record itself."""
    return [_content(value) for info in record.crypto_infos for value in info.values]


def _content(data: bytes) -> Covered:
    return lambda digest: DIGEST_BY_NAME[digest].of(data)
