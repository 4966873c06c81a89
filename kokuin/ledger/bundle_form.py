"""The form of an export bundle: its members, their order and limits, and what can be wrong.

`docs/bundle.md` describes the format for whoever writes another reader.
"""

from __future__ import annotations

import re
from enum import IntEnum, StrEnum
from typing import NamedTuple

from kokuin.ledger.leaf import MAX_LEAF
from kokuin.ledger.note import MAX_NOTE
from kokuin.ledger.plan import MAX_TOKEN
from kokuin.ledger.tree import MAX_SIZE

CHUNK_RECORDS = 4096
"""Most records of a chunk."""
CHUNK_OCTETS = 8 * 1024 * 1024
"""Octets after which a writer closes a chunk: it holds one in memory."""
MAX_HISTORY = 1024
"""Most earlier checkpoints, and most time-stamps."""
MAX_STAMP_OCTETS = 32 * 1024 * 1024
"""Octets of all time-stamps together: whoever checks keeps them."""
LINE_OCTETS = len(f"{MAX_SIZE} 62 {'0' * 64}\n")
"""Octets of the longest line of `hashes`."""

MANIFEST_OCTETS = 64 * 1024

_COVER_LINES = 2 * 63


class BundleFault(StrEnum):
    """What can be wrong with a bundle beside its records (`LedgerFault`), or cannot be known from it."""

    STRANGE = "NOT_A_BUNDLE"
    """The octets begin as no bundle does: it is another file."""
    TAR = "BUNDLE_TAR"
    """Octets between the members that no bundle has."""
    TRUNCATED = "BUNDLE_TRUNCATED"
    """The octets end before the bundle does."""
    TRAILING = "BUNDLE_TRAILING"
    """Octets follow the end."""
    LIMIT = "BUNDLE_LIMIT"
    """A member is larger than any that is read, or there are too many."""
    MEMBER_MISSING = "MEMBER_MISSING"
    MEMBER_INSERTED = "MEMBER_INSERTED"
    MEMBER_SWAPPED = "MEMBER_SWAPPED"
    MANIFEST_FORM = "MANIFEST_FORM"
    MANIFEST_DIFFERS = "MANIFEST_DIFFERS"
    """The manifest promises something else than the bundle holds."""
    CHECKPOINT_REFUSED = "CHECKPOINT_REFUSED"
    """No checkpoint that both keys of its log have signed."""
    ORIGIN_UNKNOWN = "ORIGIN_UNKNOWN"
    """A checkpoint of an origin of which no keys are at hand: a newer epoch's, or another log's."""
    WITNESS_QUORUM = "WITNESS_QUORUM"
    """Fewer witnesses have signed the checkpoint than the policy wants."""
    ROOT_DIFFERS = "ROOT_DIFFERS"
    """Records and hashes make another root than the checkpoint's: one of them was changed."""
    HASH_FORM = "HASH_FORM"
    HASH_MISSING = "HASH_MISSING"
    HASH_INSERTED = "HASH_INSERTED"
    HASH_SWAPPED = "HASH_SWAPPED"
    LINE_FORM = "LINE_FORM"
    """A line of `records` is none."""
    TOKENS_UNREADABLE = "TOKENS_UNREADABLE"
    """Octets among the tokens that are none; what follows them in the chunk is not read."""
    RECORDS_HIDDEN = "RECORDS_HIDDEN"
    """Leaves of the promised range are hashes alone: their retention is over, or they are withheld."""
    RECORD_OUTSIDE = "RECORD_OUTSIDE"
    """A record that the manifest's scope does not have."""
    HISTORY_REFUSED = "HISTORY_REFUSED"
    """An earlier checkpoint is none, or not signed by both keys of its log."""
    HISTORY_INCONSISTENT = "HISTORY_INCONSISTENT"
    """The checkpoint's tree does not begin with the tree of an earlier checkpoint: the log was rewritten."""
    STAMP_UNREADABLE = "STAMP_UNREADABLE"
    STAMP_FOREIGN = "STAMP_FOREIGN"
    """A time-stamp over something else than a checkpoint of the bundle."""
    CERTIFICATES_UNREADABLE = "CERTIFICATES_UNREADABLE"
    REVOCATION_UNREADABLE = "REVOCATION_UNREADABLE"
    SINCE_FORK = "SINCE_FORK"
    """The log does not begin with what the saved checkpoint signs: it was rewritten."""
    SINCE_LATER = "SINCE_LATER"
    """The saved checkpoint is newer than the bundle."""
    SINCE_UNKNOWN = "SINCE_UNKNOWN"
    """The bundle cannot show whether the log begins with what the saved checkpoint signs."""


class Rank(IntEnum):
    """What a member is; the order is that of the members."""

    README = 0
    MANIFEST = 1
    CHECKPOINT = 2
    HISTORY = 3
    STAMP = 4
    CERTIFICATES = 5
    REVOCATION = 6
    CHUNK = 7


class Part(IntEnum):
    """What a member of a chunk is."""

    HASHES = 0
    RECORDS = 1
    TOKENS = 2


class Place(NamedTuple):
    """Where a member stands: members come in the order of their places.

    Attributes:
        rank: what it is, a `Rank`; another number stands for an end.
        major: of an earlier checkpoint or a time-stamp the size, of a chunk its number.
        minor: of a time-stamp its number, of a chunk the `Part`.
    """

    rank: int
    major: int = 0
    minor: int = 0


FIRST = b"README.txt\0"
"""What every bundle begins with: the name of its first member."""
_SINGLE = {
    "README.txt": Rank.README,
    "manifest.json": Rank.MANIFEST,
    "checkpoint": Rank.CHECKPOINT,
    "certificates.pem": Rank.CERTIFICATES,
    "revocation.pem": Rank.REVOCATION,
}
_NAMES = re.compile(
    r"history/(?P<history>[0-9]{20})|stamps/(?P<stamp>[0-9]{20})-(?P<number>0|[1-9][0-9]{0,3})\.tst"
    r"|chunk/(?P<chunk>[0-9]{6,12})/(?P<part>hashes|records|tokens)"
)
_LIMITS = {
    Rank.README: 64 * 1024,
    Rank.MANIFEST: MANIFEST_OCTETS,
    Rank.CHECKPOINT: MAX_NOTE,
    Rank.HISTORY: MAX_NOTE + 8192,
    Rank.STAMP: MAX_TOKEN,
    Rank.CERTIFICATES: 4 * 1024 * 1024,
    Rank.REVOCATION: 32 * 1024 * 1024,
}
_CHUNK_LIMITS = (
    CHUNK_RECORDS * _COVER_LINES * LINE_OCTETS,
    CHUNK_RECORDS * (MAX_LEAF + len(f"{MAX_SIZE} \n")),
    CHUNK_RECORDS * MAX_TOKEN,
)


def place_of(name: str) -> Place | None:
    """Return where a member of this name stands; None when no bundle has it."""
    if name in _SINGLE:
        return Place(_SINGLE[name])
    match = _NAMES.fullmatch(name)
    if match is None:
        return None
    if match["history"]:
        place = Place(Rank.HISTORY, int(match["history"]))
    elif match["stamp"]:
        place = Place(Rank.STAMP, int(match["stamp"]), int(match["number"]))
    else:
        place = Place(Rank.CHUNK, int(match["chunk"]), Part[match["part"].upper()])
    # A number has one spelling, so that no member stands under two names.
    return place if name_of(place) == name and place.major <= MAX_SIZE else None


def name_of(place: Place) -> str:
    """Return the name of the member at a place."""
    match place.rank:
        case Rank.HISTORY:
            return f"history/{place.major:020}"
        case Rank.STAMP:
            return f"stamps/{place.major:020}-{place.minor}.tst"
        case Rank.CHUNK:
            return f"chunk/{place.major:06}/{Part(place.minor).name.lower()}"
    return next(name for name, rank in _SINGLE.items() if rank == place.rank)


def limit_of(place: Place) -> int:
    """Return the octets of the largest member that is read at a place."""
    return _CHUNK_LIMITS[place.minor] if place.rank == Rank.CHUNK else _LIMITS[Rank(place.rank)]
