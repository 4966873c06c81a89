"""One batch made ready for its transaction: leaves, rows, receipts, and who is refused beforehand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from kokuin.ledger.leaf import LeafError, LeafFault, leaf_hash, make_leaf
from kokuin.trust.journal import AppendRefusal, Refused
from kokuin.trust.records import Receipt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from kokuin.trust.journal import AppendOutcome
    from kokuin.trust.records import Record

MAX_TOKEN = 256 * 1024
"""Octets of the longest token that is stored."""

Value: TypeAlias = "int | str | bytes | None"


@dataclass(frozen=True, slots=True)
class Append:
    """Records that stand or fall together; `new_cfg_epoch` raises the head's with them."""

    records: tuple[Record, ...]
    new_cfg_epoch: int | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """The head row: where the ledger ends.

    Attributes:
        epoch: the ledger's epoch; recovery opens a new one.
        cfg_epoch: the configuration epoch in force.
        size: how many leaves there are.
        at: time of the last commit, microseconds since 1970 UTC.
    """

    epoch: int
    cfg_epoch: int
    size: int
    at: int


@dataclass(slots=True)
class Plan:
    """What one transaction writes.

    Attributes:
        epoch: the ledger's epoch.
        cfg_epoch: configuration epoch after the commit.
        size: number of leaves after the commit.
        at: time of the commit.
        outcomes: one for each append of the batch.
        serials: every serial that the batch brings.
        entry: rows of the table, flattened (as are `ix` and `token`).
        last_hash: leaf hash of the last leaf, empty when there is none.
        gen: highest genTime that the batch brings, by unit.
        octets: of all leaves and tokens.
    """

    epoch: int
    cfg_epoch: int
    size: int
    at: int
    outcomes: list[AppendOutcome] = field(default_factory=list)
    serials: set[str] = field(default_factory=set)
    entry: list[Value] = field(default_factory=list)
    ix: list[Value] = field(default_factory=list)
    token: list[Value] = field(default_factory=list)
    last_hash: bytes = b""
    gen: dict[str, int] = field(default_factory=dict)
    octets: int = 0

    def head(self) -> Head:
        """Return the head after the commit."""
        return Head(self.epoch, self.cfg_epoch, self.size, self.at)

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
    plan = Plan(head.epoch, head.cfg_epoch, head.size, max(now_us, head.at))
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
        leaves = [_checked_leaf(record, plan.at) for record in append.records]
    except LeafError as error:
        return Refused(AppendRefusal.LEAF_TOO_LARGE, str(error))
    receipts = []
    for record, leaf in zip(append.records, leaves, strict=True):
        receipts.append(Receipt(plan.size, plan.at))
        _add_rows(plan, record, leaf)
    if append.new_cfg_epoch is not None:
        plan.cfg_epoch = append.new_cfg_epoch
    return tuple(receipts)


def _checked_leaf(record: Record, at: int) -> bytes:
    if record.token is not None and len(record.token) > MAX_TOKEN:
        raise LeafError(LeafFault.BESIDE, f"{len(record.token)} octets of token")
    return make_leaf(record, at)


def _add_rows(plan: Plan, record: Record, leaf: bytes) -> None:
    index = plan.size
    plan.size = index + 1
    plan.last_hash = leaf_hash(leaf)
    plan.entry += (index, leaf, plan.last_hash)
    plan.octets += len(leaf) + len(record.token or b"")
    tok = record.fields.get("tok")
    plan.ix += (index, record.serial, record.kind, plan.at, tok if isinstance(tok, str) else None)
    if record.serial is not None:
        plan.serials.add(record.serial)
    if record.token is not None:
        plan.token += (index, record.token)
    if record.unit is not None and record.gen is not None:
        plan.gen[record.unit] = max(record.gen, plan.gen.get(record.unit, record.gen))
