"""What there is in a part of the ledger, until when it holds, and what a renewal of it would cost."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.service.evidence.owed import Batch
from kokuin.service.evidence.pieces import EMBEDDED, due_batches, due_tokens

if TYPE_CHECKING:
    from kokuin.ledger.reader import StoreReader
    from kokuin.service.evidence.owed import Owed
    from kokuin.service.evidence.standing import Standing
    from kokuin.verify.renewal.planning import Act, Plan


@dataclass(frozen=True, slots=True, order=True)
class Kind:
    """Things of which the same is planned.

    Attributes:
        until: the last moment at which they hold, microseconds since 1970 UTC; `NEVER`: no end is known; 0:
            they do not hold.
        act: what is to be done with them.
        batched: they are batches, else tokens without evidence.
        cause: what ends then, a code; of what is not due or too late for another reason, that.
        what: its name: a certificate, an algorithm.
    """

    until: int
    act: Act
    batched: bool
    cause: str
    what: str


NEVER = 1 << 62
"""`until` of what has no known end."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What a renewal would do.

    Attributes:
        kinds: how many things there are of each kind, those that end first standing first.
        tokens: in them.
        stamps: archive time-stamps that a renewal makes, one signature each.
        octets: that the ledger would grow by, about; None: no archive token shows how long one is.
        embedded: tokens that left with their evidence in them, which is renewed as files.
    """

    kinds: tuple[tuple[Kind, int], ...]
    tokens: int
    stamps: int
    octets: int | None
    embedded: int


def survey(reader: StoreReader, standing: Standing, span: range) -> Survey:
    """Look through a part of the ledger; nothing is written.

    Raises:
        LeafError, OpenRefusedError, sqlite3.Error: the ledger cannot be read.
    """
    counted: Counter[Kind] = Counter()
    newest: list[Batch] = []
    tokens = 0

    def told(item: Batch | Owed, plan: Plan) -> None:
        nonlocal tokens
        counted[_kind(plan, batched=isinstance(item, Batch))] += 1
        tokens += item.count if isinstance(item, Batch) else 1
        if isinstance(item, Batch):
            newest[:] = [item]

    stamps = sum(1 for _ in due_batches(reader, standing, span, told))
    stamps += sum(1 for _ in due_tokens(reader, standing, span, told))
    size = None
    if newest and (stored := reader.by_serial(newest[0].archive)) is not None and stored.token is not None:
        size = len(stored.token) + 2 * len(stored.leaf)
    embedded = sum(1 for each in reader.walk(span.start, span.stop, tokens=False) if EMBEDDED in each.leaf)
    octets = None if size is None else stamps * size
    return Survey(tuple(sorted(counted.items())), tokens, stamps, octets, embedded)


def _kind(plan: Plan, *, batched: bool) -> Kind:
    if plan.until is None:
        return Kind(0 if plan.reason else NEVER, plan.act, batched, plan.reason or "", "")
    params = plan.until.params
    what = str(params.get("certificate", params.get("algorithm", "")))
    return Kind(plan.until.time, plan.act, batched, plan.reason or plan.until.cause.value, what)
