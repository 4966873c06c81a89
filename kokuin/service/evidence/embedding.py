"""Evidence within the token (`er-internal`, RFC 4998 §A): made before the token leaves.

Natural batches: whatever was signed while the last archive time-stamp was made.
One archive time-stamp covers the tree over them, and its record and theirs
become durable together, or none of them leaves. The ledger keeps the bare
tokens; the evidence in each can be made again of their leaves.
"""

from __future__ import annotations

import hashlib
import time
from concurrent.futures import wait
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

import structlog

from kokuin.service.evidence.archive import DIGEST, KEEPER, archive_of
from kokuin.service.evidence.embedded import Embedded
from kokuin.service.evidence.material import gather
from kokuin.service.unit_errors import UnitError
from tsa import status
from tsa.client import make_query
from tsa.evidence.tree import HashTree
from tsa.request import read_request
from tsa.status import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

    from kokuin.service.datafolder import DataFolder
    from kokuin.service.evidence.archive import Archive
    from kokuin.service.evidence.material import Parts
    from kokuin.service.issuing import Draft, Issuer
    from kokuin.trust.journal import AppendOutcome
    from kokuin.trust.records import Record

MAX_EMBEDDED = 512
"""Requests in one batch: each token carries nine hashes at most, ten where all have twins."""
SLOW_EMBEDDING_SECONDS = 0.02
"""A unit whose signature takes longer embeds nothing: every token would wait for it."""
_FRESH_SECONDS = 60.0
_LOOK_SECONDS = 1.0
_BUSY_SECONDS = 1.0

T = TypeVar("T")

_log = structlog.get_logger()


class ArchiveUnit:
    """A worker's unit of evidence, and what its tokens carry beside their signature. Used by one thread."""

    def __init__(self, folder: DataFolder, issuer: Issuer) -> None:
        """Args: the data folder, for certificates and lists; the unit at work."""
        self._folder, self._issuer = folder, issuer
        self._signer = hashlib.sha256(issuer.unit.certificate).hexdigest()
        self._own: Parts | None = None
        self._seen: tuple[tuple[str, int, int], ...] = ()
        self._gathered = self._looked = 0.0

    def stamp(self, root: bytes) -> Archive:
        """Have a tree's root stamped; the token carries its own path with the anchor, and its lists.

        Raises:
            UnitError: the unit is unfit, or a file of certificates or lists cannot be used.
            SignerError, RuntimeError, OSError: as a key device may.
        """
        own = self._material()
        query = make_query(DIGEST, root, certificates=True).der
        request = read_request(query)
        assert not isinstance(request, Refusal)  # noqa: S101  # made above
        draft = self._issuer.issue(request, query, KEEPER)
        if isinstance(draft, Refusal):
            raise UnitError(draft.code)
        return archive_of(draft, own)

    def _material(self) -> Parts:
        """Return certificates and lists, read anew when the files changed, or after a minute."""
        now = time.monotonic()
        if self._own is None or now > self._looked + _LOOK_SECONDS:
            seen = self._files()
            if self._own is None or seen != self._seen or now > self._gathered + _FRESH_SECONDS:
                self._own = gather(self._folder, [self._signer])
                self._seen, self._gathered = seen, now
            self._looked = now
        return self._own

    def _files(self) -> tuple[tuple[str, int, int], ...]:
        trust = self._folder.anchors.parent
        states = ((path.name, path.stat()) for path in sorted((*trust.glob("*.pem"), *trust.glob("*.crl"))))
        return tuple((name, state.st_mtime_ns, state.st_size) for name, state in states)


class Waiting(NamedTuple, Generic[T]):
    """A signed token that waits for its evidence.

    Attributes:
        item: whoever asked for it.
        draft: the token, without a durable record.
        unit: makes the evidence.
        alone: in a batch of its own, so that no neighbour can spoil it.
    """

    item: T
    draft: Draft
    unit: ArchiveUnit
    alone: bool


class Embedder(Generic[T]):
    """One thread that makes archive time-stamps, batch by batch."""

    def __init__(
        self,
        wanted: Callable[[T], bool],
        deliver: Callable[[list[tuple[T, Draft]], Record], Future[AppendOutcome]],
        refuse: Callable[[list[T], Refusal], None],
    ) -> None:
        """Start the thread, in which all of these are called; none may raise.

        Args:
            wanted: says whether whoever asked still waits.
            deliver: takes the drafts of a batch, and the archive token's record, to be appended together;
                returns what is done when they are.
            refuse: takes those for whom no evidence can be made.
        """
        self._wanted, self._deliver, self._refuse = wanted, deliver, refuse
        self._queue: SimpleQueue[list[Waiting[T]] | None] = SimpleQueue()
        Thread(target=self._run, name="embed", daemon=True).start()

    def put(self, waiting: list[Waiting[T]]) -> None:
        """Let evidence be made for these; callable from any thread."""
        self._queue.put(waiting)

    def close(self) -> None:
        """Let the thread end after its present batch; what waits is dropped."""
        with suppress(Empty):
            while True:
                self._queue.get_nowait()
        self._queue.put(None)

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            waiting = [*first]
            with suppress(Empty):
                while (more := self._queue.get_nowait()) is not None:
                    waiting += more
                self._queue.put(None)  # it ends when these have their evidence
            for batch in _batches(waiting):
                self._embed([each for each in batch if self._wanted(each.item)])

    def _embed(self, batch: list[Waiting[T]]) -> None:
        if not batch:
            return
        try:
            drafts, record = _embedded(batch)
        except Exception as error:  # noqa: BLE001  # a key device may raise anything; the clients still get the protocol's words
            _log.warning(
                "evidence.failed", reason=str(error) if isinstance(error, UnitError) else repr(error)
            )
            self._refuse([each.item for each in batch], status.EVIDENCE)
            return
        # What comes meanwhile is the next batch: of a ledger that is busy nothing is gained by more of them.
        wait([self._deliver(drafts, record)], _BUSY_SECONDS)


def _batches(waiting: Iterable[Waiting[T]]) -> Iterator[list[Waiting[T]]]:
    """Part what waits by unit and configuration: one archive token is of one of each."""
    together: dict[tuple[int, int | None], list[Waiting[T]]] = {}
    for each in waiting:
        if each.alone:
            yield [each]
        else:
            together.setdefault((id(each.unit), each.draft.records[0].cfg_epoch), []).append(each)
    for found in together.values():
        yield from (found[at : at + MAX_EMBEDDED] for at in range(0, len(found), MAX_EMBEDDED))


def _embedded(batch: list[Waiting[T]]) -> tuple[list[tuple[T, Draft]], Record]:
    hashes = [str(record.fields["tok512"]) for each in batch for record in each.draft.records]
    tree = HashTree(DIGEST, [(bytes.fromhex(each),) for each in hashes])
    archive = batch[0].unit.stamp(tree.root)
    drafts: list[tuple[T, Draft]] = []
    place = 0
    for each in batch:
        records = tuple(_saying(record, archive.serial) for record in each.draft.records)
        embedded = Embedded(tree, place, archive.token)
        drafts.append((each.item, each.draft._replace(records=records, embedded=embedded)))
        place += len(records)
    return drafts, archive.record


def _saying(record: Record, archive: str) -> Record:
    """Return a token's record that names its archive token: nothing more is owed to it.

    The group of such a token is the token alone, so that no digest of the document stands in its leaf.
    """
    fields = {name: value for name, value in record.fields.items() if name not in {"evidence", "doc512"}}
    return record._replace(fields={**fields, "embedded": archive})
