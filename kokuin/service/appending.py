"""Signed tokens on their way into the ledger: those of one turn together, with evidence in them where wanted.

Tokens of one turn of the loop are appended together: each append of its own
would wake the ledger's thread, which then commits handfuls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from kokuin.service import metrics
from kokuin.service.evidence.embedding import Embedder, Waiting
from kokuin.service.loopqueue import LoopQueue
from kokuin.trust.journal import AppendRefusal, Refused
from tsa import status
from tsa.status import Refusal

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping
    from concurrent.futures import Future

    from kokuin.service.issuers import Issuers
    from kokuin.service.issuing import Draft
    from kokuin.service.stamping import Stamping
    from kokuin.trust.journal import AppendOutcome, Journal
    from kokuin.trust.records import Record

Result: TypeAlias = "Refusal | tuple[Draft, AppendOutcome]"
"""What became of a request: a refusal, or its token and whether that is durable."""


class Appending:
    """Between those who sign and the ledger; of one worker."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        journal: Journal,
        conclude: Callable[[Stamping, Result], None],
        wanted: Callable[[Stamping], bool],
    ) -> None:
        """Append nothing yet.

        Args:
            loop: the event loop.
            journal: where records become durable.
            conclude: told what became of a request, on the loop; must not raise.
            wanted: says, in any thread, whether whoever asked still waits.
        """
        self._journal, self._told, self._wanted = journal, conclude, wanted
        self._drafts = LoopQueue(loop, self.append)
        self._results: LoopQueue[list[tuple[Stamping, Result]]] = LoopQueue(loop, self._conclude)
        self._embedder: Embedder[Stamping] | None = None
        self._issuers: Issuers | None = None
        self._batches = self._tokens = 0

    def install(self, issuers: Issuers) -> None:
        """Put evidence into tokens by these units from now on."""
        self._issuers = issuers
        if issuers.archives and self._embedder is None:
            self._embedder = Embedder(self._wanted, self._append_together, self.end)

    @property
    def counters(self) -> Mapping[str, float]:
        """What left with its evidence since the start, by metric name."""
        return {metrics.EVIDENCE_BATCHES.name: self._batches, metrics.EVIDENCE_TOKENS.name: self._tokens}

    def close(self) -> None:
        """Let the thread of evidence end."""
        if self._embedder is not None:
            self._embedder.close()

    def put(self, stamping: Stamping, draft: Draft) -> None:
        """Append a draft together with the others of this turn."""
        self._drafts.put((stamping, draft))

    def append(self, drafts: list[tuple[Stamping, Draft]]) -> None:
        """Append what is ready; what is tried again goes alone, so that no neighbour can spoil it.

        Callable from any thread.
        """
        embedding = [item for item in drafts if item[0].embeds]
        if embedding:
            self._embed(embedding)
            drafts = [item for item in drafts if not item[0].embeds]
        first = [item for item in drafts if not item[0].again]
        if first:
            # Those of the former configuration would have the others refused with them.
            for epoch in {draft.records[0].cfg_epoch for _, draft in first}:
                self._append_together([item for item in first if item[1].records[0].cfg_epoch == epoch])
        if len(first) < len(drafts):
            for item in drafts:
                if item[0].again:
                    self._append_together([item])

    def end(self, stampings: list[Stamping], refusal: Refusal) -> None:
        """Let requests end with a refusal; callable from any thread."""
        self._results.put([(stamping, refusal) for stamping in stampings])

    def _embed(self, drafts: list[tuple[Stamping, Draft]]) -> None:
        """Let evidence be made for drafts, which are appended with it."""
        waiting = []
        issuers, embedder = self._issuers, self._embedder
        for stamping, draft in drafts:
            unit = None if issuers is None else issuers.archive(stamping.issuer)
            if issuers is not None and draft.records[0].fields["cfg"] != issuers.configuration:
                # Those at work now may have no unit for it; the ledger would refuse it in any case.
                self._results.put([(stamping, (draft, Refused(AppendRefusal.STALE_EPOCH)))])
            elif unit is None or embedder is None:
                self.end([stamping], status.EVIDENCE)
            else:
                waiting.append(Waiting(stamping, draft, unit, stamping.again))
        if waiting and embedder is not None:
            embedder.put(waiting)

    def _append_together(
        self, drafts: list[tuple[Stamping, Draft]], *before: Record
    ) -> Future[AppendOutcome]:
        """Append the records of all drafts or of none; their tokens stay here until that is durable.

        Args:
            drafts: with whoever asked for them.
            before: what stands before them in the ledger.
        """
        appended = self._journal.append(*before, *[record for _, draft in drafts for record in draft.records])
        appended.add_done_callback(
            lambda future: self._results.put(
                [(stamping, (draft, future.result())) for stamping, draft in drafts]
            )
        )
        return appended

    def _conclude(self, results: list[list[tuple[Stamping, Result]]]) -> None:
        for together in results:
            self._count(together)
            for stamping, result in together:
                self._told(stamping, result)

    def _count(self, together: list[tuple[Stamping, Result]]) -> None:
        """Count the evidence of what was appended together: it has one archive time-stamp, or none."""
        first = together[0][1]
        if isinstance(first, Refusal) or first[0].embedded is None or isinstance(first[1], Refused):
            return
        self._batches += 1
        self._tokens += sum(len(each[0].records) for _, each in together if not isinstance(each, Refusal))
