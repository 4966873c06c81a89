"""The archive time-stamps of an evidence record taken apart: trees, chains and times (RFC 4998 §4, §5).

Nothing here is about who signed a time-stamp, nor about the data that the record is for.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.trust.evidence_hashes import ClimbFault, climb, stamped
from kokuin.trust.report import SubIndication, iso_time
from kokuin.trust.rules import EVIDENCE_CHAIN, EVIDENCE_ORDER, EVIDENCE_TREE, Reason
from kokuin.trust.token_checks import is_after, slack
from kokuin.wire.algorithms import DIGEST_BY_OID
from kokuin.wire.errors import WireError

if TYPE_CHECKING:
    from kokuin.trust.report import Check
    from kokuin.wire.algorithms import DigestAlgorithm
    from kokuin.wire.ers import ArchiveTimeStamp, EvidenceRecord
    from kokuin.wire.tsp import TSTInfo


@dataclass(frozen=True, slots=True)
class FoundStamp:
    """One archive time-stamp and its place.

    Attributes:
        number: of all in the record, from 1, as reports name it.
        chain: number of its chain, from 1.
        stamp: as it was read.
        info: the TSTInfo of its time-stamp; None where that is no token.
        digest_oid: its hash algorithm, dotted; None where nothing names one.
        listed: the hashes that it covers by themselves: the first list, or the imprint where there is none.
    """

    number: int
    chain: int
    stamp: ArchiveTimeStamp
    info: TSTInfo | None
    digest_oid: str | None
    listed: frozenset[bytes]

    @property
    def digest(self) -> DigestAlgorithm | None:
        """Its hash algorithm; None where it is unknown."""
        return None if self.digest_oid is None else DIGEST_BY_OID.get(self.digest_oid)

    @property
    def gen_time(self) -> int | None:
        """When its time-stamp was made, microseconds since 1970 UTC; None where that is no token."""
        return None if self.info is None else self.info.gen_time.microseconds

    def root(self) -> bytes | None:
        """Return what its time-stamp must cover; None where that cannot be computed."""
        digest = self.digest
        if digest is None or self.info is None:
            return None
        if not self.stamp.reduced:
            return self.info.imprint.value
        found = climb(digest.name, self.stamp.reduced, ())
        return None if isinstance(found, ClimbFault) else found


def find_stamps(record: EvidenceRecord) -> tuple[FoundStamp, ...]:
    """Return the archive time-stamps of a record, the oldest first."""
    found: list[FoundStamp] = []
    for number, chain in enumerate(record.chains, 1):
        for stamp in chain.stamps:
            found.append(_find(len(found) + 1, number, stamp))
    return tuple(found)


def _find(number: int, chain: int, stamp: ArchiveTimeStamp) -> FoundStamp:
    try:
        info = stamped(stamp.time_stamp)
    except WireError:
        info = None
    # §4.1: where it is absent it is that of the time-stamp.
    named = None if info is None else info.imprint.digest_oid
    oid = named if stamp.digest is None else stamp.digest.oid
    covered = () if info is None else (info.imprint.value,)
    return FoundStamp(
        number, chain, stamp, info, oid, frozenset(stamp.reduced[0] if stamp.reduced else covered)
    )


def there_by(stamps: tuple[FoundStamp, ...], at: int) -> tuple[FoundStamp, ...]:
    """Return the archive time-stamps before the first that is from after a time; all when that is the oldest.

    They are a record by themselves, which anybody can cut out: who adds more, and dates them as he likes,
    makes nothing hold that would not hold without. None is left out from between: the next one covers it.

    Args:
        stamps: of a record, the oldest first.
        at: the time, microseconds since 1970 UTC.
    """
    there = tuple(itertools.takewhile(lambda each: each.info is None or not is_after(each.info, at), stamps))
    return there or stamps


def first_of_chains(stamps: tuple[FoundStamp, ...]) -> tuple[FoundStamp, ...]:
    """Return the first archive time-stamp of each chain."""
    return tuple(next(group) for _, group in itertools.groupby(stamps, lambda each: each.chain))


def check_trees(stamps: tuple[FoundStamp, ...]) -> Check:
    """Each reduced hash tree leads to the imprint of its time-stamp (§4.3, steps 3 and 4)."""
    unknown = None
    for each in stamps:
        if each.info is None or each.digest_oid is None:
            continue  # of which the judgement of the time-stamp says what is wrong
        if each.digest_oid != each.info.imprint.digest_oid:
            return EVIDENCE_TREE.failed(
                Reason.EVIDENCE_DIGESTS_DIFFER, SubIndication.SIG_CONSTRAINTS_FAILURE, stamp=each.number
            )
        if each.digest is None:
            unknown = unknown or EVIDENCE_TREE.indeterminate(
                Reason.DIGEST_UNKNOWN, SubIndication.CRYPTO_CONSTRAINTS_FAILURE, algorithm=each.digest_oid
            )
            continue
        root = each.root()
        if root is None:
            return EVIDENCE_TREE.failed(
                Reason.EVIDENCE_HASH_LENGTH, SubIndication.FORMAT_FAILURE, stamp=each.number
            )
        if root != each.info.imprint.value:
            return EVIDENCE_TREE.failed(
                Reason.EVIDENCE_ROOT_DIFFERS, SubIndication.HASH_FAILURE, stamp=each.number
            )
    return unknown or EVIDENCE_TREE.ok(count=len(stamps))


def check_chains(stamps: tuple[FoundStamp, ...]) -> Check:
    """Within a chain, each archive time-stamp covers the time-stamp before it, by one hash (§5.3, step 2).

    Attack: an archive time-stamp taken out of the middle, or another one put in its place.
    """
    for before, each in itertools.pairwise(stamps):
        if before.chain != each.chain or each.digest is None:
            continue
        if before.digest_oid != each.digest_oid:
            return EVIDENCE_CHAIN.failed(
                Reason.EVIDENCE_DIGEST_CHANGED,
                SubIndication.SIG_CONSTRAINTS_FAILURE,
                stamp=each.number,
                chain=each.chain,
            )
        if each.digest.of(before.stamp.time_stamp) not in each.listed:
            return EVIDENCE_CHAIN.failed(
                Reason.EVIDENCE_GAP, SubIndication.HASH_FAILURE, stamp=each.number, before=before.number
            )
    return EVIDENCE_CHAIN.ok(chains=stamps[-1].chain, count=len(stamps))


def check_order(stamps: tuple[FoundStamp, ...]) -> Check:
    """Times ascend (§5.1).

    Attack: a time-stamp from before what it covers shows that one of the two is not what it says.
    """
    for before, each in itertools.pairwise(stamps):
        if before.info is None or each.info is None:
            continue
        earlier, later = before.info.gen_time.microseconds, each.info.gen_time.microseconds
        if earlier - slack(before.info) > later + slack(each.info):
            return EVIDENCE_ORDER.indeterminate(
                Reason.EVIDENCE_TIMES_FALL,
                SubIndication.TIMESTAMP_ORDER_FAILURE,
                stamp=each.number,
                gen_time=iso_time(later),
                before=iso_time(earlier),
            )
    return EVIDENCE_ORDER.ok()
