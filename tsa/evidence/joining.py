"""A record that goes on with the evidence of its own time-stamp (RFC 4998 §5.2, time-stamp renewal)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kokuin.trust.evidence_hashes import climb, digest_of, stamped
from kokuin.wire.algorithms import DIGEST_BY_NAME
from kokuin.wire.errors import WireError
from kokuin.wire.ers import encode_chain, encode_evidence_record
from tsa.evidence.refusals import EvidenceError, EvidenceRefusal

if TYPE_CHECKING:
    from kokuin.wire.ers import ArchiveTimeStamp, EvidenceRecord


def join_record(record: EvidenceRecord, later: EvidenceRecord) -> bytes:
    """Return a record whose last chain goes on with the archive time-stamps of another one.

    An authority makes evidence for its own tokens: a record that covers the time-stamp of this one. Its
    archive time-stamps cover it from within this record as they do from beside it.

    Args:
        record: whose last archive time-stamp is covered.
        later: a record of one chain over that time-stamp, by the same algorithm. What its first list covers
            of its cryptoInfos comes along: the material by which the time-stamp before is judged.

    Raises:
        EvidenceError: HASH_UNKNOWN or NO_TOKEN; OTHER_HASH; OTHER_GROUP when it covers something else, or was
            itself renewed by a further chain, which covers octets that do not stand here.
    """
    *before, last = record.chains
    if len(later.chains) > 1:
        raise EvidenceError(EvidenceRefusal.OTHER_GROUP)
    digest = _algorithm(record)
    if digest != _algorithm(later):
        raise EvidenceError(EvidenceRefusal.OTHER_HASH)
    first = later.chains[0].stamps[0]
    covered = DIGEST_BY_NAME[digest].of(last.stamps[-1].time_stamp)
    if climb(digest, first.reduced, (covered,)) != _imprint(first):
        raise EvidenceError(EvidenceRefusal.OTHER_GROUP)
    chain = encode_chain(each.octets for each in (*last.stamps, *later.chains[0].stamps))
    chains = [*(each.octets for each in before), chain]
    listed = frozenset(first.reduced[0]) if first.reduced else frozenset()
    infos = (each for each in later.crypto_infos if _are_listed(each.values, listed, digest))
    return encode_evidence_record(
        record.digests, chains, crypto_infos=(*record.crypto_infos, *infos), encryption=record.encryption
    )


def _are_listed(values: tuple[bytes, ...], listed: frozenset[bytes], digest: str) -> bool:
    return all(DIGEST_BY_NAME[digest].of(each) in listed for each in values)


def _imprint(stamp: ArchiveTimeStamp) -> bytes:
    try:
        return stamped(stamp.time_stamp).imprint.value
    except WireError:
        raise EvidenceError(EvidenceRefusal.NO_TOKEN) from None


def _algorithm(record: EvidenceRecord) -> str:
    try:
        found = digest_of(record.chains[-1].stamps[0])
    except WireError:
        raise EvidenceError(EvidenceRefusal.NO_TOKEN) from None
    if found is None:
        raise EvidenceError(EvidenceRefusal.HASH_UNKNOWN)
    return found
