"""Retention: the octets of sealed records that are old enough go; their hashes and places stay for ever."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from kokuin.ledger.faults import WorkRefusedError
from kokuin.ledger.leaf import LeafError, read_leaf
from kokuin.service.erasing import erase
from kokuin.service.ledger_store import open_reader
from kokuin.service.sealing import newest_seal
from kokuin.trust.journal import Refused
from kokuin.trust.records import (
    CFG_ACTIVATED,
    CFG_SCHEDULED,
    CFG_UNSCHEDULED,
    CLOCK_FIT,
    CLOCK_RESUMED,
    CLOCK_UNFIT,
    EPOCH_OPENED,
    EPOCH_SEALED,
    LEDGER_PRUNED,
    TST_ISSUED,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kokuin.ledger.published import Rows
    from kokuin.ledger.reader import StoreReader
    from kokuin.service.config import Config
    from kokuin.service.ledger_scene import Scene
    from kokuin.trust.records import LeafValue

YEAR_US = 366 * 86_400_000_000
"""Of a year of retention: never shorter than the calendar's."""

KEPT = frozenset({CFG_ACTIVATED, EPOCH_OPENED, EPOCH_SEALED, LEDGER_PRUNED})
"""Kinds that are kept for ever. A start reads every snapshot that was in force, for a rollback may need it;
epochs and seals say whose keys and which roots are right; that something was pruned must be known for ever.
"""

NEWEST_KEPT = (CFG_SCHEDULED, CFG_UNSCHEDULED, CLOCK_FIT, CLOCK_UNFIT, CLOCK_RESUMED)
"""Kinds of which the newest is kept: a start reads whether a switch is to come, and what the clock said."""

_BATCH = 1024
_PAGE = "SELECT idx, leaf FROM entry WHERE idx >= ? AND idx < ? AND length(leaf) > 0 ORDER BY idx LIMIT ?"


@dataclass(frozen=True, slots=True)
class Due:
    """What may go: indexes, rising, and the index behind the last record that was looked at for it."""

    indexes: tuple[int, ...]
    upto: int


def due(reader: StoreReader, config: Config, now_us: int) -> Due:
    """Find the records whose retention is over and that lie under a seal.

    Raises:
        ActivationError: the leaf of the last seal cannot be read.
    """
    seal = newest_seal(reader)
    sealed = 0 if seal is None else seal.size
    needed = {index for kind in NEWEST_KEPT if (index := reader.act(kind, reader.size())) is not None}
    found = []
    for index, leaf in _leaves(reader, sealed):
        try:
            fields = read_leaf(leaf)
        except LeafError:
            continue  # nothing that this product wrote: it is for the check to show, not for us to remove
        kind, at = str(fields["kind"]), int(str(fields["at"]))
        if kind not in KEPT and index not in needed and at + _years(config, kind) * YEAR_US <= now_us:
            found.append(index)
    return Due(tuple(found), found[-1] + 1 if found else 0)


async def prune(scene: Scene, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Empty what is due, and put on record how much; `ok` is False with `code`."""
    if scene.config.ledger.postgres is not None:
        return {"ok": False, "code": "LEDGER_IN_POSTGRESQL", "detail": "the ledger's role may only insert"}
    # A clock that was set forward must not end anything early: the ledger's own time is a bound as well.
    now_us = min(time.time_ns() // 1_000, scene.journal.head.at)
    found = await asyncio.to_thread(_due, scene, now_us)
    answer = {"ok": True, "upto": found.upto, "count": len(found.indexes), "done": False}
    if arguments.get("dry_run") or not found.indexes:
        return answer
    # A crash after this leaf leaves some of the octets: the next attempt counts these again.
    fields: dict[str, LeafValue] = {
        "upto": found.upto,
        "count": len(found.indexes),
        "actor": str(arguments["actor"]),
    }
    outcome = await asyncio.wrap_future(scene.records.record(LEDGER_PRUNED, fields))
    if isinstance(outcome, Refused):
        return {"ok": False, "code": outcome.reason.value, "detail": outcome.detail}
    try:
        for start in range(0, len(found.indexes), _BATCH):
            part = found.indexes[start : start + _BATCH]
            await erase(scene.journal, partial(_empty, part))
    except WorkRefusedError as error:
        return {"ok": False, "code": "ERASE_UNFINISHED", "detail": str(error)}
    return {**answer, "done": True}


def _due(scene: Scene, now_us: int) -> Due:
    with open_reader(scene.folder, scene.config) as reader:
        return due(reader, scene.config, now_us)


def _years(config: Config, kind: str) -> int:
    """Return the years of a kind; tokens stay as long as they must be verifiable, evidence as they do."""
    years = config.ledger.retention.years(kind)
    if kind.startswith("evidence."):
        # A renewal covers batches of up to a year: for the youngest the leaf of the oldest is needed.
        return max(years, _years(config, TST_ISSUED) + 1)
    return max(years, config.retention_years) if kind.startswith("tst.") else years


def _leaves(reader: StoreReader, stop: int) -> Iterator[tuple[int, bytes]]:
    start = 0
    while page := reader.execute(_PAGE, (start, stop, _BATCH)):
        yield from page
        start = page[-1][0] + 1


def _empty(indexes: tuple[int, ...], rows: Rows) -> None:
    for index in indexes:
        # The leaf first: the store lets a token go only where its leaf went.
        rows.execute("UPDATE entry SET leaf = x'' WHERE idx = ?", (index,))
        rows.execute("DELETE FROM token WHERE idx = ?", (index,))
        rows.execute("DELETE FROM side WHERE idx = ?", (index,))
