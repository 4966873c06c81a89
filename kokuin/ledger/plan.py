"""One batch made ready for its transaction: leaves, tree, rows, receipts, and who is refused beforehand."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from kokuin.ledger.leaf import LeafError, LeafFault, commitment, leaf_hash, make_leaf
from kokuin.ledger.tree import EMPTY_ROOT, grow, root_of
from kokuin.trust.journal import AppendRefusal, Refused
from kokuin.trust.records import Receipt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from kokuin.trust.journal import AppendOutcome
    from kokuin.trust.records import Record

MAX_TOKEN = 256 * 1024
"""Octets of the longest token that is stored."""

MAX_PERSONAL = 4096
"""Octets of the longest text that a leaf only commits to."""

SALT_OCTETS = 32
"""As many as the hash has: what was erased can be guessed no better than the hash be inverted."""

Value: TypeAlias = "int | str | bytes | None"


@dataclass(frozen=True, slots=True)
class Append:
    """Records that stand or fall together; `new_cfg_epoch` and `new_epoch` raise the head's with them."""

    records: tuple[Record, ...]
    new_cfg_epoch: int | None = None
    new_epoch: int | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """The head row: where the ledger ends.

    Attributes:
        epoch: the ledger's epoch; recovery opens a new one.
        cfg_epoch: the configuration epoch in force.
        size: how many leaves there are.
        at: time of the last commit, microseconds since 1970 UTC.
        acted: how many leaves there are up to the last that the service did not cause itself: what the next
            checkpoint must reach. Leaves after it want none, so that an idle log does not grow.
        root: of the tree over all leaves.
        peaks: its perfect subtrees, the largest first (see `tree.grow`).
    """

    epoch: int
    cfg_epoch: int
    size: int
    at: int
    acted: int = 0
    root: bytes = EMPTY_ROOT
    peaks: tuple[bytes, ...] = ()


@dataclass(slots=True)
class Plan:
    """What one transaction writes.

    Attributes:
        before: the head that it stands on.
        epoch: the ledger's epoch after the commit.
        cfg_epoch: configuration epoch after the commit.
        at: time of the commit.
        acted: as of `Head`, after the commit.
        outcomes: one for each append of the batch.
        serials: every serial that the batch brings.
        entry: rows of the table, flattened (as are `ix`, `token`, `side` and `node`).
        hashes: of the leaves, in order.
        gen: highest genTime that the batch brings, by unit.
        octets: of all leaves and tokens.
    """

    before: Head
    epoch: int
    cfg_epoch: int
    at: int
    acted: int
    outcomes: list[AppendOutcome] = field(default_factory=list)
    serials: set[str] = field(default_factory=set)
    entry: list[Value] = field(default_factory=list)
    ix: list[Value] = field(default_factory=list)
    token: list[Value] = field(default_factory=list)
    side: list[Value] = field(default_factory=list)
    node: list[Value] = field(default_factory=list)
    hashes: list[bytes] = field(default_factory=list)
    gen: dict[str, int] = field(default_factory=dict)
    octets: int = 0

    @property
    def size(self) -> int:
        """How many leaves there are after the commit."""
        return self.before.size + len(self.hashes)

    def head(self) -> Head:
        """Return the head after the commit, and fill `node`; to be called once, when all leaves are there."""
        before = self.before
        if not self.hashes:
            return replace(before, epoch=self.epoch, cfg_epoch=self.cfg_epoch, at=self.at)
        grown = grow(before.size, before.peaks, self.hashes)
        for node in grown.nodes:
            self.node += node
        root = root_of(grown.peaks)
        return Head(self.epoch, self.cfg_epoch, grown.size, self.at, self.acted, root, grown.peaks)

    def holds_nothing(self) -> bool:
        """Return whether every append was refused; an append of no records is one that wants a commit."""
        return all(isinstance(outcome, Refused) for outcome in self.outcomes)


def make_plan(
    batch: Sequence[Append], head: Head, now_us: int, taken: AbstractSet[str] = frozenset()
) -> Plan:
    """Give every append of a batch its place, or its refusal.

    Args:
        batch: in the order of arrival.
        head: what the store says now.
        now_us: the wall clock, microseconds since 1970 UTC; `at` never falls below the head's.
        taken: serials of the batch that the ledger holds already.
    """
    plan = Plan(head, head.epoch, head.cfg_epoch, max(now_us, head.at), head.acted)
    for append in batch:
        plan.outcomes.append(_refusal(plan, append, taken) or _place(plan, append))
    return plan


def refuse_all(batch: Sequence[Append], reason: AppendRefusal, detail: str = "") -> list[AppendOutcome]:
    """Return one refusal for every append of a batch."""
    return [Refused(reason, detail)] * len(batch)


def risen(gen: Mapping[str, int], known: Mapping[str, int]) -> dict[str, int]:
    """Return the units whose highest genTime a batch raises."""
    return {unit: value for unit, value in gen.items() if value > known.get(unit, -1)}


def _refusal(plan: Plan, append: Append, taken: AbstractSet[str]) -> Refused | None:
    """Refuse what the head or another serial forbids."""
    if append.new_cfg_epoch is not None and append.new_cfg_epoch <= plan.cfg_epoch:
        return Refused(AppendRefusal.STALE_EPOCH, f"{append.new_cfg_epoch}, in force {plan.cfg_epoch}")
    if append.new_epoch is not None and append.new_epoch != plan.epoch + 1:
        return Refused(AppendRefusal.STALE_EPOCH, f"{append.new_epoch} of the ledger, in force {plan.epoch}")
    own: list[str] = []
    for record in append.records:
        if record.cfg_epoch is not None and record.cfg_epoch != plan.cfg_epoch:
            return Refused(AppendRefusal.STALE_EPOCH, f"{record.cfg_epoch}, in force {plan.cfg_epoch}")
        serial = record.serial
        if serial is not None:
            if serial in plan.serials or serial in taken or serial in own:
                return Refused(AppendRefusal.DUPLICATE_SERIAL, serial[:64])
            own.append(serial)
    return None


def _place(plan: Plan, append: Append) -> AppendOutcome:
    """Add all of an append's rows to the plan, or none."""
    try:
        drafts = [_draft(record, plan.at) for record in append.records]
    except LeafError as error:
        return Refused(AppendRefusal.LEAF_TOO_LARGE, str(error))
    receipts = []
    for record, draft in zip(append.records, drafts, strict=True):
        receipts.append(Receipt(plan.size, plan.at))
        _add_rows(plan, record, *draft)
    if append.new_cfg_epoch is not None:
        plan.cfg_epoch = append.new_cfg_epoch
    if append.new_epoch is not None:
        plan.epoch = append.new_epoch
    return tuple(receipts)


def _draft(record: Record, at: int) -> tuple[bytes, bytes]:
    """Return a record's leaf, and the salt of what it only commits to (empty when there is nothing)."""
    if record.token is not None and len(record.token) > MAX_TOKEN:
        raise LeafError(LeafFault.BESIDE, f"{len(record.token)} octets of token")
    if record.personal is None:
        return make_leaf(record, at), b""
    if len(record.personal.encode("utf-8", "replace")) > MAX_PERSONAL:
        raise LeafError(LeafFault.BESIDE, f"{len(record.personal)} characters of side text")
    if "\0" in record.personal:
        # PostgreSQL holds none in a text, and would refuse all who are in the same transaction.
        raise LeafError(LeafFault.BESIDE, "NUL in side text")
    salt = os.urandom(SALT_OCTETS)
    return make_leaf(record, at, commitment(salt, record.personal)), salt


def _add_rows(plan: Plan, record: Record, leaf: bytes, salt: bytes) -> None:
    index, octets_hash = plan.size, leaf_hash(leaf)
    plan.hashes.append(octets_hash)
    plan.entry += (index, leaf, octets_hash)
    plan.octets += len(leaf) + len(record.token or b"")
    tok = record.fields.get("tok")
    plan.ix += (index, record.serial, record.kind, plan.at, tok if isinstance(tok, str) else None)
    if not record.self_caused:
        plan.acted = index + 1
    if record.serial is not None:
        plan.serials.add(record.serial)
    if record.token is not None:
        plan.token += (index, record.token)
    if record.personal is not None:
        plan.side += (index, salt, record.personal)
    if record.unit is not None and record.gen is not None:
        plan.gen[record.unit] = max(record.gen, plan.gen.get(record.unit, record.gen))
