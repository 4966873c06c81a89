"""Evidence of a part of the ledger renewed (RFC 4998 §5.2): what has none gets some, what ends is covered.

One archive time-stamp a piece, each recorded together with the leaf that says what it covers. What each crash
point leaves: before the append, an archive token that nobody has seen, and the next attempt finds the same
piece due; once the append is durable, the piece is no longer due. So nothing is lost, and nothing done twice.
"""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kokuin.ledger.bundle_choice import within
from kokuin.ledger.faults import OpenRefusedError
from kokuin.ledger.leaf import LeafError
from kokuin.service.evidence.archive import DIGEST
from kokuin.service.evidence.batching import Made, archive_fields, make_batch
from kokuin.service.evidence.material import gather
from kokuin.service.evidence.owed import added
from kokuin.service.evidence.pieces import due_batches, due_tokens
from kokuin.service.evidence.records import EvidenceRecords
from kokuin.service.evidence.renewals import Renewals, group_of
from kokuin.service.evidence.stamping import EvidenceUnit
from kokuin.service.evidence.standing import Standing, terms
from kokuin.service.installation import evidence_profiles
from kokuin.service.ledger_store import open_reader
from kokuin.service.long_operations import RENEW
from kokuin.service.unit_errors import UnitError
from kokuin.trust.records import EVIDENCE_ADDED, EVIDENCE_RENEWED
from pqc.profiles import ProfileError
from tsa.evidence.tree import HashTree

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kokuin.ledger.reader import StoreReader
    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.evidence.owed import Batch, Owed
    from kokuin.service.evidence.pieces import Piece
    from kokuin.service.evidence.renewals import Renewal
    from kokuin.service.recording import Recorder
    from kokuin.service.snapshot import Snapshot
    from kokuin.service.unit_alone import Present
    from kokuin.trust.records import LeafValue

TURN_SECONDS = 20.0
"""After which an answer says where to go on: whoever asks shows how far it is."""
SHIPPED = "evidence"
"""The profile whose unit renews where no profile that is on has evidence."""

_STORE_ERRORS = (OpenRefusedError, LeafError, sqlite3.Error)

RUNNING = "RENEWAL_RUNNING"
NOT_ISSUING = "RENEWAL_NOT_ISSUING"
UNFIT = "RENEWAL_UNIT_UNFIT"
REFUSED = "RENEWAL_REFUSED"
UNREADABLE = "RENEWAL_UNREADABLE"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for.

    Attributes:
        begins: only what was recorded from then on, microseconds since 1970 UTC; None: from the beginning.
        ends: and before then; None: until now.
        within_us: what ends within so many microseconds from now is due.
    """

    begins: int | None
    ends: int | None
    within_us: int

    def span(self, reader: StoreReader) -> range:
        """Return the indexes of the period."""
        return within(reader, reader.size(), self.begins, self.ends)


@dataclass(frozen=True, slots=True)
class _Place:
    """How far a renewal is: up to a batch first, which is None when they are done, then the tokens."""

    batches_after: int | None
    tokens_from: int


@dataclass(frozen=True, slots=True)
class _Due:
    """A piece that is due, of batches or of tokens; how many leaves there were; where to go on behind it."""

    batches: Piece[Batch] | None
    tokens: Piece[Owed] | None
    seen: int
    behind: _Place


class Renewer:
    """Renews in the keeper, one attempt at a time; on its loop, the work itself in threads."""

    def __init__(
        self,
        folder: DataFolder,
        config: Config,
        records: Recorder,
        present: Callable[[], Present],
        stopped: Callable[[], bool],
    ) -> None:
        """Args: folder and settings; what records; what is in force; whether an operator stopped issuing."""
        self._folder, self._config = folder, config
        self._records, self._present, self._stopped = records, present, stopped
        self._one = asyncio.Lock()
        self._units: dict[str, EvidenceUnit] = {}

    async def ask(self, operation: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Renew for a while; the answer's `next` says where to go on, None: nothing is due any more."""
        if operation != RENEW:
            return {"ok": False, "code": "OPERATION_UNKNOWN"}
        if self._one.locked():
            return {"ok": False, "code": RUNNING}
        async with self._one:
            try:
                return await self._renew(_wanted(arguments), _place(arguments), str(arguments["actor"]))
            except (UnitError, ProfileError) as error:
                return {"ok": False, "code": UNFIT, "detail": str(error)}
            except _STORE_ERRORS as error:
                return {"ok": False, "code": UNREADABLE, "detail": str(error)}
            except (KeyError, TypeError, ValueError):
                return {"ok": False, "code": "QUESTION_UNREADABLE"}

    async def _renew(self, wanted: Wanted, place: _Place, actor: str) -> dict[str, Any]:
        until = time.monotonic() + TURN_SECONDS
        under = await asyncio.to_thread(terms, self._folder, self._config, wanted.within_us)
        own = await asyncio.to_thread(self._own, self._present())
        records = EvidenceRecords(self._folder, self._config)
        done = {"batches": 0, "tokens": 0, "stamps": 0}
        while True:  # once at least, or a slow machine would never come to an end
            present = self._present()
            if self._stopped() or present.clock is None or present.clock.fault is not None:
                return {"ok": False, "code": NOT_ISSUING}
            standing = Standing(under, records, own)
            due = await asyncio.to_thread(self._next, wanted, standing, place)
            if due is None:
                return {"ok": True, **done, "next": None}
            made = await asyncio.to_thread(self._made, due, present)
            if await asyncio.to_thread(self._taken, due):
                continue  # another node was faster; what was made here has gone to nobody
            kind = EVIDENCE_RENEWED if due.tokens is None else EVIDENCE_ADDED
            # A crash before this line: as if nothing had been stamped. After it: this piece is due no more.
            if not await self._records.caused(kind, {**made.fields, "actor": actor}, made.archive):
                return {"ok": False, "code": REFUSED}
            done["stamps"] += 1
            done["batches"] += 0 if due.batches is None else len(due.batches.items)
            done["tokens"] += 0 if due.tokens is None else len(due.tokens.items)
            place = due.behind
            if time.monotonic() >= until:
                return {"ok": True, **done, "next": [place.batches_after, place.tokens_from]}

    def _own(self, present: Present) -> str:
        """Return SHA-256 of the certificate that renewals will lie under."""
        return hashlib.sha256(self._unit(present).require(present).unit.certificate).hexdigest()

    def _unit(self, present: Present) -> EvidenceUnit:
        name = unit_name(present.snapshot)
        return self._units.setdefault(name, EvidenceUnit(self._folder, self._config, name))

    def _next(self, wanted: Wanted, standing: Standing, place: _Place) -> _Due | None:
        """Return the first piece that is due from a place on."""
        with open_reader(self._folder, self._config) as reader:
            span, seen = wanted.span(reader), reader.size()
            if place.batches_after is not None:
                for batches in due_batches(reader, standing, span, after=place.batches_after):
                    return _Due(batches, None, seen, _Place(batches.stop - 1, place.tokens_from))
            start = max(span.start, place.tokens_from)
            for tokens in due_tokens(reader, standing, range(start, span.stop)):
                return _Due(None, tokens, seen, _Place(None, tokens.stop))
        return None

    def _made(self, due: _Due, present: Present) -> Made:
        name, unit = unit_name(present.snapshot), self._unit(present)
        try:
            if due.batches is not None:
                return self._renewal(name, unit, due.batches, due.seen, present)
            assert due.tokens is not None  # noqa: S101  # one of the two is there
            made = make_batch(self._folder, name, unit, due.tokens.items, present)
        except (UnitError, ProfileError, *_STORE_ERRORS):
            raise
        except Exception as error:  # noqa: BLE001  # a key device may raise anything; it is asked again
            raise UnitError(repr(error)) from None
        return replace(made, fields={**made.fields, "signers": sorted(due.tokens.signers)})

    def _renewal(
        self, name: str, unit: EvidenceUnit, piece: Piece[Batch], seen: int, present: Present
    ) -> Made:
        """Have stamped what covers the archive tokens of batches."""
        renewals = Renewals()
        with open_reader(self._folder, self._config) as reader:
            renewals.look(reader)
        tree = HashTree(DIGEST, [group_of(each, renewals.over(each, seen)) for each in piece.items])
        archive = unit.stamp(tree.root, gather(self._folder, piece.signers), present)
        fields: dict[str, LeafValue] = {
            "unit_of": name,
            "start": piece.start,
            "stop": piece.stop,
            "seen": seen,
            "signers": sorted(piece.signers),
            "count": len(piece.items),
            "digest": DIGEST,
            "root": tree.root.hex(),
            **archive_fields(archive),
        }
        return Made(fields, archive.record, archive.complete)

    def _taken(self, due: _Due) -> bool:
        """Whether somebody else covered a part of a piece since it was found due."""
        with open_reader(self._folder, self._config) as reader:
            if due.tokens is not None:
                return any(_overlap(each, due.tokens) for each in added(reader, due.seen - 1))
            renewals = Renewals()
            renewals.look(reader)
        return any(due.batches and _overlap(each, due.batches) for each in renewals.since(due.seen))


def unit_name(snapshot: Snapshot) -> str:
    """Return the profile whose unit renews: that of the default, else of a profile that is on.

    Raises:
        ProfileError: a profile cannot be used.
    """
    own = snapshot.profile(snapshot.default).evidence
    return own or min(evidence_profiles(snapshot), default=SHIPPED)


def own_certificate(snapshot: Snapshot) -> str:
    """Return SHA-256 (hex) of the certificate of the unit that renews; empty: none is in force yet.

    Raises:
        ProfileError: a profile cannot be used.
    """
    reference = snapshot.units.get(unit_name(snapshot))
    return "" if reference is None else reference.certificate


def _overlap(other: Batch | Renewal, piece: Piece[Any]) -> bool:
    both = other.start < piece.stop and piece.start < other.stop
    return both and not other.signers.isdisjoint(piece.signers)


def _wanted(arguments: Mapping[str, Any]) -> Wanted:
    begins, ends = (arguments.get(name) for name in ("from_us", "to_us"))
    return Wanted(
        None if begins is None else int(begins),
        None if ends is None else int(ends),
        int(arguments["within_us"]),
    )


def _place(arguments: Mapping[str, Any]) -> _Place:
    behind, start = arguments.get("place") or (-1, 0)
    return _Place(None if behind is None else int(behind), int(start))
