"""A token looked for among the records of a ledger, and whether the place where it must be was seen whole."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256, sha512
from typing import TYPE_CHECKING

from kokuin.trust.records import (
    BACKUP_RESTORED,
    EPOCH_OPENED,
    RELEASE_SECONDS,
    TST_ISSUED,
    TST_REENTERED,
)
from kokuin.trust.report import Check
from kokuin.trust.token import read_token
from kokuin.wire.token_form import bare_token

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kokuin.trust.records import LeafValue
    from kokuin.trust.token import TokenFacts

_NOTHING_LOST = frozenset({"begun", "sealed"})
"""Why an epoch was opened, unless it was after a recovery."""

_RELEASE_US = RELEASE_SECONDS * 1_000_000
_MOST = 1 << 53
"""Microseconds from 1970: the year 2255, later than any leaf can say (RFC 7493 §2.2)."""


@dataclass(frozen=True, slots=True)
class Sought:
    """A token as the records name it.

    Attributes:
        tok: SHA-256 of its DER without unsignedAttrs, hex.
        tok512: SHA-512 of the same.
        tst: SHA-256 of its TSTInfo, hex.
        tst512: SHA-512 of the same.
        serial: its serial number, hex.
        gen: its genTime, microseconds since 1970 UTC.
        accuracy: in microseconds; 0 when it states none.
        facts: the token as it was read.
    """

    tok: str
    tok512: str
    tst: str
    tst512: str
    serial: str
    gen: int
    accuracy: int
    facts: TokenFacts

    @classmethod
    def of(cls, token: bytes) -> Sought | None:
        """Return what to look for; None when this is no token, so that no record can name it.

        Args:
            token: a ContentInfo as `kokuin.wire.ber.definite` returned it, with whatever unsigned attributes.
        """
        facts = read_token(token)
        if isinstance(facts, Check):
            return None
        bare, info = bare_token(token), facts.tst_info
        return cls(
            sha256(bare).hexdigest(),
            sha512(bare).hexdigest(),
            sha256(facts.content).hexdigest(),
            sha512(facts.content).hexdigest(),
            f"{info.serial:x}",
            info.gen_time.microseconds,
            0 if info.accuracy is None else max(info.accuracy.microseconds, 0),
            facts,
        )

    @property
    def gen_from(self) -> int:
        """When the token was made at the earliest, by its own word."""
        return max(self.gen - self.accuracy, -_MOST)

    @property
    def gen_to(self) -> int:
        """When it was made at the latest."""
        return min(self.gen + self.accuracy, _MOST)

    @property
    def start(self) -> int:
        """A record of a genTime up to here was written before the token's, had it one."""
        return max(self.gen - self.accuracy - _RELEASE_US, -_MOST)

    @property
    def end(self) -> int:
        """A record of a genTime from here on was written after the token's, had it one."""
        return min(self.gen + self.accuracy + _RELEASE_US, _MOST)


@dataclass(frozen=True, slots=True)
class Entry:
    """The record of a token.

    Attributes:
        index: of the record.
        old_origin: of a token that was entered again: in which log it stood before.
        old_index: and where.
        other_form: whether the record is of the same TSTInfo in other CMS octets.
        displaced: whether it was written at another time than the token's, to which the service never gives a
            token away.
    """

    index: int
    old_origin: str | None = None
    old_index: int | None = None
    other_form: bool = False
    displaced: bool = False

    @property
    def rank(self) -> tuple[bool, bool, bool]:
        """Lower counts more: the very token before its content, its issue before its being entered again."""
        return self.other_form, self.old_origin is not None, self.displaced


def entry_of(sought: Sought, index: int, leaf: Mapping[str, LeafValue]) -> Entry | None:
    """Return the entry when this leaf is the token's; both hashes must be, so that one may break.

    Attack on genuine tokens: certificates and lists in a token, its encoding, even the octets of an ECDSA
    signature can be changed by whoever holds it, and it verifies as before (RFC 5652 §5.1). So the hashes of
    the TSTInfo name it as well: it is what the authority said, and a thief who signs it again says the same.
    """
    other_form = (leaf.get("tok"), leaf.get("tok512")) != (sought.tok, sought.tok512)
    if other_form and (leaf.get("tst"), leaf.get("tst512")) != (sought.tst, sought.tst512):
        return None
    if leaf["kind"] == TST_ISSUED:
        at = leaf["at"]
        # Attack: who stole key and ledger at once enters today what he dates back.
        displaced = not isinstance(at, int) or not sought.start <= at <= sought.end
        return Entry(index, other_form=other_form, displaced=displaced)
    if leaf["kind"] == TST_REENTERED:
        origin, old = leaf.get("old_origin"), leaf.get("old_index")
        return Entry(index, str(origin), old if isinstance(old, int) else -1, other_form)
    return None


def _may_lack(leaf: Mapping[str, LeafValue]) -> bool:
    """Say whether records of an earlier time may be missing before this one although no index is."""
    if leaf["kind"] == EPOCH_OPENED:
        return leaf.get("why") not in _NOTHING_LOST
    return leaf["kind"] == BACKUP_RESTORED


class TokenSearch:
    """Takes the records of a bundle in the order of their indexes, with holes where it has them.

    Attributes:
        entry: the token's record, once it was seen.
        serial_taken: index of a record that gives the serial number to another token.
        bracketed: one run without a hole has a token's record before the time in question and one after it.
    """

    def __init__(self, sought: Sought) -> None:
        self._sought = sought
        self.entry: Entry | None = None
        self.serial_taken: int | None = None
        self.bracketed = False
        self._next = 0
        # The run so far begins before the time in question: the one that begins with the log does.
        self._begun = True

    def visit(self, index: int, leaf: Mapping[str, LeafValue]) -> None:
        """Take the record at `index`."""
        if index != self._next or _may_lack(leaf):
            self._begun = False
        self._next = index + 1
        entry = entry_of(self._sought, index, leaf)
        if entry is not None and (self.entry is None or entry.rank < self.entry.rank):
            self.entry = entry
        if leaf["kind"] != TST_ISSUED:
            return
        if leaf.get("serial") == self._sought.serial and entry is None:
            self.serial_taken = index
        self._bracket(leaf.get("gen"), leaf["at"])

    def _bracket(self, gen: LeafValue, at: LeafValue) -> None:
        if not isinstance(gen, int) or not isinstance(at, int):
            return
        if gen >= self._sought.end and self._begun:
            self.bracketed = True
        # A record that waited long for its commit may stand behind the token's although it was signed before.
        if gen <= self._sought.start and at <= self._sought.gen:
            self._begun = True

    def reaches_end(self, size: int) -> bool:
        """Say whether the last run began before the time in question and goes on to the end of the log."""
        return self._next == size and self._begun
