"""The keeper's witnesses: each published checkpoint is cosigned by others, who remember what this log said.

A witness can prove that this store is not the log (a copy was put back, or
somebody signs another history with the log's keys), and only by a checkpoint
that the log's own keys have signed. Then nothing is issued any more, and what
was learned is kept where the next start looks. Whatever else a witness does or
leaves undone cannot stop the service.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import structlog

from kokuin.ledger.checked import stored_root
from kokuin.ledger.checkpoint import read_checkpoint, verify_line
from kokuin.ledger.faults import OpenRefusedError, StoreLostError, WorkRefusedError
from kokuin.ledger.published import cosignatures, keep_cosignature
from kokuin.ledger.tile_proofs import consistency_proof
from kokuin.ledger.witness_exchange import Conflict, Cosigned, WitnessRefusal
from kokuin.service.ledger_store import open_reader
from kokuin.service.log_signing import published_keys
from kokuin.service.publishing import with_cosignatures
from kokuin.service.unit_errors import UnitError
from kokuin.service.witness_client import WitnessClient, WitnessFault, within
from kokuin.trust.records import CHECKPOINT_WITNESSED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kokuin.ledger.checkpoint import SignedCheckpoint
    from kokuin.ledger.committer import Committer
    from kokuin.ledger.note import SignatureLine, VerifierKey
    from kokuin.ledger.published import KeptCheckpoint, Rows
    from kokuin.ledger.reader import StoreReader
    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.publishing import Publisher
    from kokuin.service.recording import Recorder
    from kokuin.service.witness_client import Fault, Place, Witnesses

LOOK_SECONDS = 1.0
"""How often it is looked whether there is something to ask for."""

PATIENCE_SECONDS = 10.0
"""How long one witness may take for all that it is asked in a round."""

STRICT_SECONDS = 60.0
"""With `witness_strict`: for how long a checkpoint may lack its quorum, unless six rounds take longer."""

SPLIT_VIEW = "LEDGER_SPLIT_VIEW"
"""A witness holds another history of the same length, signed with this log's keys."""
BEHIND_WITNESS = "LEDGER_BEHIND_WITNESS"
"""A witness holds a longer history than this store, signed with this log's keys."""
UNWITNESSED = "LEDGER_UNWITNESSED"
"""With `witness_strict`: the quorum of witnesses has not been reached for too long."""

_STORE_ERRORS = (OpenRefusedError, WorkRefusedError, UnitError, OSError, ValueError)

_log = structlog.get_logger()


@dataclass(slots=True)
class _Standing:
    """What is known of one witness: the size that it cosigned last, and what was wrong last time."""

    place: Place
    size: int = 0
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class Contradiction:
    """What a witness proves against this store: the code, and the checkpoint that it serves."""

    code: str
    served: SignedCheckpoint
    size: int = field(kw_only=True)
    """How many leaves this store has."""


class Witnessing:
    """Asks the witnesses of one log; on the keeper's loop, reading and writing in threads."""

    def __init__(  # noqa: PLR0913, PLR0917  # what it reads, asks, writes and tells
        self,
        folder: DataFolder,
        config: Config,
        journal: Committer,
        publisher: Publisher,
        witnesses: Witnesses,
        records: Recorder,
        *,
        on_problem: Callable[[], None],
    ) -> None:
        """Args: folder and settings; the ledger's writer; its publisher; whom to ask; what writes leaves.

        `on_problem` is told whenever `problem` changed.
        """
        self._folder, self._config = folder, config
        self._journal, self._publisher, self._records = journal, publisher, records
        self._policy = witnesses.policy
        self._standings = [_Standing(place) for place in witnesses.places]
        self._on_problem = on_problem
        self._witnessed = 0
        self.problem = ""
        """Code of why nothing is issued; empty when nothing speaks against it."""
        self.unwitnessed_since: int | None = None
        """When the first checkpoint was signed that still wants its quorum, microseconds since 1970 UTC."""

    def status(self) -> dict[str, Any]:
        """Return what `ledger.status` says of the witnesses."""
        return {
            "unwitnessed_since": self.unwitnessed_since,
            "witnesses": [
                {"url": one.place.url, "size": one.size, "problem": one.fault.value if one.fault else ""}
                for one in self._standings
            ],
        }

    async def run(self) -> None:
        """Ask for ever."""
        async with WitnessClient() as client:
            asked = float("-inf")
            while True:
                self.look()
                if time.monotonic() - asked >= self._config.ledger.witness_seconds:
                    asked = time.monotonic()
                    await self.round(client)
                await asyncio.sleep(min(LOOK_SECONDS, self._config.ledger.witness_seconds))

    def look(self) -> None:
        """See whether what is published has its quorum, and whether that took too long."""
        kept = self._publisher.published
        if kept is None or kept.size <= self._witnessed:
            self.unwitnessed_since = None
        elif self.unwitnessed_since is None:
            self.unwitnessed_since = kept.at
        if self._config.ledger.witness_strict:
            self._judge_delay()

    async def round(self, client: WitnessClient) -> None:
        """Ask every witness that has not cosigned the published checkpoint yet, all at once."""
        kept = self._publisher.published
        if kept is None or self._stopped():
            return
        try:
            offered = read_checkpoint(kept.note)
            before = cosigners = await asyncio.to_thread(self._cosigners, kept)
            wanting = [one for one in self._standings if not before.intersection(one.place.keys)]
            if wanting:
                await asyncio.gather(*(self._ask(client, one, kept, offered) for one in wanting))
                cosigners = await asyncio.to_thread(self._cosigners, kept)
            if self._policy.satisfied_by(cosigners):
                self._witnessed = max(self._witnessed, kept.size)
                self.unwitnessed_since = None
                self.look()
                # At most one leaf a checkpoint: whoever comes after the quorum adds a line and no leaf.
                if cosigners and not (before and self._policy.satisfied_by(before)):
                    names = sorted(f"{key.name}+{key.key_id.hex()}" for key in cosigners)
                    await self._records.caused(CHECKPOINT_WITNESSED, {"size": kept.size, "witnesses": names})
        except StoreLostError:
            return  # the committer ends the process
        except _STORE_ERRORS as error:
            _log.warning("checkpoint.unwitnessed", reason=str(error))

    async def _ask(
        self, client: WitnessClient, one: _Standing, kept: KeptCheckpoint, offered: SignedCheckpoint
    ) -> None:
        """Ask one witness; what it says is kept before anybody sees it."""
        found: list[Fault | None] = [WitnessFault.UNREACHABLE]

        async def asking() -> None:
            found[0] = await self._answer(client, one, kept, offered)

        reason = await within(PATIENCE_SECONDS, asking())
        (fault,) = found
        if fault != one.fault:
            one.fault = fault
            told = _log.warning if fault else _log.info
            told("witness.unfit" if fault else "witness.fit", url=one.place.url, code=fault, detail=reason)

    async def _answer(
        self, client: WitnessClient, one: _Standing, kept: KeptCheckpoint, offered: SignedCheckpoint
    ) -> Fault | None:
        async def prove(old_size: int) -> Sequence[bytes]:
            return await asyncio.to_thread(self._proof, old_size, kept.size)

        try:
            answer = await client.cosign(one.place, offered, min(one.size, kept.size), prove)
            if isinstance(answer, Cosigned):
                one.size = kept.size
                await asyncio.to_thread(self._keep, one.place, kept, answer.lines)
                return None
            if isinstance(answer, Conflict) and not answer.ahead:
                return WitnessFault.SIZE_UNKNOWN
            if isinstance(answer, Conflict) or answer.code is WitnessRefusal.INCONSISTENT:
                return await self._doubted(client, one.place, offered.checkpoint.origin)
        except _STORE_ERRORS as error:
            _log.warning("witness.unanswered", url=one.place.url, reason=str(error))
            return WitnessFault.STORE
        return answer.code

    async def _doubted(self, client: WitnessClient, place: Place, origin: str) -> Fault:
        """A witness says that this store does not follow: let it show what it holds."""
        logs = published_keys(self._folder)
        served = await client.served(place, origin, logs)
        if served is not None:
            found = await asyncio.to_thread(self._contradiction, served)
            if found is not None:
                await self._stop(place, found)
                return WitnessRefusal.INCONSISTENT
        # Its word alone stops nobody: whoever runs a witness would decide whether this service may issue.
        return WitnessFault.UNCONFIRMED

    def _contradiction(self, served: SignedCheckpoint) -> Contradiction | None:
        # Anew: another node may have taken the log further since it was asked.
        with open_reader(self._folder, self._config) as reader:
            return contradiction(reader, served)

    async def _stop(self, place: Place, found: Contradiction) -> None:
        checkpoint = found.served.checkpoint
        _log.critical(
            found.code, url=place.url, witnessed=checkpoint.size, root=checkpoint.root.hex(), ours=found.size
        )
        self._journal.hold(found.code)
        self.problem = found.code
        self._on_problem()
        await asyncio.to_thread(self._publisher.halt, found.served.octets)

    def _stopped(self) -> bool:
        return self.problem in {SPLIT_VIEW, BEHIND_WITNESS}

    def _judge_delay(self) -> None:
        """Stop issuing while the quorum is missing for too long, and let it go on when it is there."""
        patience = max(STRICT_SECONDS, 6 * self._config.ledger.witness_seconds)
        since = self.unwitnessed_since
        late = since is not None and time.time_ns() // 1_000 - since > patience * 1_000_000
        problem = UNWITNESSED if late else ""
        if not self._stopped() and problem != self.problem:
            self.problem = problem
            self._journal.hold(problem)
            self._on_problem()

    def _proof(self, old_size: int, size: int) -> list[bytes]:
        with open_reader(self._folder, self._config) as reader:
            return consistency_proof(reader, old_size, size)

    def _cosigners(self, kept: KeptCheckpoint) -> set[VerifierKey]:
        with open_reader(self._folder, self._config) as reader:
            octets = with_cosignatures(kept.note, cosignatures(reader, kept.size))
        signed = read_checkpoint(octets)
        keys = (key for one in self._standings for key in one.place.keys)
        return {key for key in keys if verify_line(key, signed) is not None}

    def _keep(self, place: Place, kept: KeptCheckpoint, lines: Sequence[SignatureLine]) -> None:
        """Keep verified lines, durably, and then show them."""
        now_us = time.time_ns() // 1_000

        def keep(rows: Rows) -> None:
            for line in lines:
                (vkey,) = (key.encode() for key in place.keys if line.is_of(key))
                keep_cosignature(rows, kept.size, vkey, line.encode().removesuffix("\n"), now_us)

        self._journal.work(lambda store: store.transact(keep)).result()
        self._publisher.show_again(kept)


def contradiction(reader: StoreReader, served: SignedCheckpoint) -> Contradiction | None:
    """Say what a checkpoint of this log proves against a store; None when the store begins with it."""
    size, checkpoint = reader.head().size, served.checkpoint
    if checkpoint.size > size:
        return Contradiction(BEHIND_WITNESS, served, size=size)
    if stored_root(reader, checkpoint.size) != checkpoint.root:
        return Contradiction(SPLIT_VIEW, served, size=size)
    return None
