"""The hashes of evidence records (RFC 4998): from a data object to the imprint of its archive time-stamp.

Who writes records and who judges them have these rules from one place.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING

from kokuin.wire import oids
from kokuin.wire.algorithms import DIGEST_BY_NAME, DIGEST_BY_OID
from kokuin.wire.cms import read_signed_data
from kokuin.wire.errors import WireCode, WireError
from kokuin.wire.tsp import TSTInfo, read_tst_info

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from kokuin.wire.ers import ArchiveTimeStamp

Covered = Callable[[str], bytes]
"""A data object: its digest by the name of an algorithm of `kokuin.wire.algorithms.DIGESTS`."""


class ClimbFault(StrEnum):
    """Why no value follows from a data object's hash and the lists of an archive time-stamp."""

    NOT_LISTED = "NOT_LISTED"
    """The first list lacks one of the hashes, or there is no list and more than one hash (§4.3, step 2)."""
    HASH_LENGTH = "HASH_LENGTH"
    """A hash is not as long as the algorithm makes it: where one ends in a concatenation would be open."""


def combine(digest: str, hashes: Collection[bytes]) -> bytes:
    """Return the one value of a list of hashes, or of a group's (§4.2, steps 3 and 4).

    One hash stands for itself; several are concatenated in binary ascending order and hashed.

    Args:
        digest: name of the algorithm.
        hashes: at least one.
    """
    if len(hashes) == 1:
        return next(iter(hashes))
    return DIGEST_BY_NAME[digest].of(b"".join(sorted(hashes)))


def climb(
    digest: str, reduced: Sequence[Collection[bytes]] | None, start: Collection[bytes]
) -> bytes | ClimbFault:
    """Return what the time-stamp of an archive time-stamp must cover (§4.3, steps 2 and 3).

    Whether the first list has no hashes beside a group's is not looked at: those of neighbours in the tree
    cannot be told from those of further objects.

    Args:
        digest: name of the algorithm.
        reduced: reducedHashtree; None or empty when the time-stamp covers the one hash itself.
        start: hashes of the data objects, all of which the first list must hold; at least one.
    """
    wanted = frozenset(start)
    if not reduced:
        return combine(digest, wanted) if len(wanted) == 1 else ClimbFault.NOT_LISTED
    size = DIGEST_BY_NAME[digest].size
    if any(len(each) != size for hashes in reduced for each in hashes):
        return ClimbFault.HASH_LENGTH
    first, *others = reduced
    if not wanted <= set(first):
        return ClimbFault.NOT_LISTED
    value = combine(digest, first)
    for hashes in others:
        value = combine(digest, (*hashes, value))
    return value


def renewed(digest: str, object_hash: bytes, sequence: bytes) -> bytes:
    """Return a data object's hash in a hash-tree renewal: H(h(i) || H(sequence)), §5.2, step 4.

    The text says in that order, and Bouncy Castle writes so; so do we.

    Args:
        digest: name of the new chain's algorithm.
        object_hash: of the data object, by it.
        sequence: the archiveTimeStampSequence before the new chain, DER.
    """
    algorithm = DIGEST_BY_NAME[digest]
    return algorithm.of(object_hash + algorithm.of(sequence))


def renewed_sorted(digest: str, object_hash: bytes, sequence: bytes) -> bytes:
    """Return the same with both hashes in binary ascending order, as figure 4 of §5.2 has them.

    The document contradicts itself. Who reads takes both: each binds the object and the whole sequence.
    """
    algorithm = DIGEST_BY_NAME[digest]
    return combine(digest, (object_hash, algorithm.of(sequence)))


def stamped(time_stamp: bytes) -> TSTInfo:
    """Return the TSTInfo in the timeStamp field of an archive time-stamp; nothing of it is judged.

    Raises:
        WireError: it is no time-stamp token.
    """
    signed_data = read_signed_data(time_stamp)
    if signed_data.content_type != oids.ID_CT_TST_INFO or signed_data.content is None:
        raise WireError(WireCode.UNEXPECTED, 0)
    return read_tst_info(signed_data.content)


def digest_of(stamp: ArchiveTimeStamp) -> str | None:
    """Return the name of an archive time-stamp's hash algorithm; None when this release has no such.

    When digestAlgorithm is absent it is that of the time-stamp's messageImprint (§4.1).

    Raises:
        WireError: it is absent, and the field timeStamp is no time-stamp token.
    """
    oid = stamped(stamp.time_stamp).imprint.digest_oid if stamp.digest is None else stamp.digest.oid
    known = DIGEST_BY_OID.get(oid)
    return None if known is None else known.name
