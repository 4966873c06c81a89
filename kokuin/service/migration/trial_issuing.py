"""A trial's requests on their way to durable tokens, with their evidence in them where a profile says so."""

from __future__ import annotations

import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from kokuin.service.access.principal import Principal
from kokuin.service.evidence.embedding import Embedder, Waiting
from kokuin.trust.journal import Refused
from tsa.request import read_request
from tsa.status import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kokuin.service.evidence.embedding import ArchiveUnit
    from kokuin.service.issuing import Draft, Issuer
    from kokuin.trust.journal import AppendOutcome, Journal
    from kokuin.trust.records import Record
    from tsa.client import Query

PATIENCE_SECONDS = 60.0
"""How long one token may take before the trial is given up."""
_PRINCIPAL = Principal("dry-run", "dry-run", frozenset())

_Outcome: TypeAlias = "AppendOutcome | Refusal"


class TrialError(Exception):
    """The trial authority cannot work; the message is one line of English.

    Attributes:
        code: of the blocker that it is, where it is known.
    """

    code = ""


@dataclass(slots=True, eq=False)
class UnderWay:
    """A request under way.

    Attributes:
        query: the request.
        draft: its token.
        since: when it was asked, of a clock that only rises, seconds.
        until: when its record was durable, likewise.
        outcome: of the append; a refusal where no evidence can be had.
    """

    query: Query
    draft: Draft
    since: float
    until: float = 0.0
    outcome: Future[_Outcome] = field(default_factory=Future)

    def settle(self, outcome: _Outcome) -> None:
        """Note what became of it, and when."""
        self.until = time.perf_counter()
        self.outcome.set_result(outcome)


class TrialIssuing:
    """Issues into the scratch ledger as `Responder` does into the real one."""

    def __init__(self, journal: Journal, archives: Mapping[str, ArchiveUnit], broken: list[str]) -> None:
        """Args: the ledger; units that put evidence into tokens, by profile name; why the ledger ended."""
        self._journal, self._archives, self._broken = journal, archives, broken
        self._embedder = Embedder[UnderWay](lambda _: True, self._append, self._refuse)

    def close(self) -> None:
        """Let the thread of evidence end."""
        self._embedder.close()

    def ask(self, issuer: Issuer, query: Query) -> UnderWay | Refusal:
        """Have a request answered; its token is under way.

        Raises:
            TrialError: a signer broke.
        """
        since = time.perf_counter()
        request = read_request(query.der)
        if isinstance(request, Refusal):
            return request
        try:
            draft = issuer.issue(request, query.der, _PRINCIPAL)
        except Exception as error:  # a signer may raise anything; the report must say it
            raise TrialError(f"{type(error).__name__}: {error}") from error
        if isinstance(draft, Refusal):
            return draft
        item = UnderWay(query, draft, since)
        if issuer.embed:
            # Its unit is among them, or nothing would have been loaded.
            self._embedder.put([Waiting(item, draft, self._archives[str(issuer.evidence)], alone=False)])
        else:
            self._append([(item, draft)])
        return item

    def settle(self, item: UnderWay) -> Refusal | None:
        """Wait until a token is durable; return why there will be none.

        Raises:
            TrialError: the ledger refused the record, or gave no answer.
        """
        try:
            outcome = item.outcome.result(PATIENCE_SECONDS)
        except TimeoutError:
            raise TrialError(f"the scratch ledger gave no answer; {' '.join(self._broken)}") from None
        if isinstance(outcome, Refused):
            raise TrialError(f"the scratch ledger refused a record: {outcome.reason} {outcome.detail}")
        return outcome if isinstance(outcome, Refusal) else None

    def _append(self, drafts: list[tuple[UnderWay, Draft]], *before: Record) -> Future[AppendOutcome]:
        for item, draft in drafts:
            item.draft = draft
        records = [record for _, draft in drafts for record in draft.records]
        appended = self._journal.append(*before, *records)

        def settle(future: Future[AppendOutcome]) -> None:
            for item, _ in drafts:
                item.settle(future.result())

        appended.add_done_callback(settle)
        return appended

    @staticmethod
    def _refuse(items: list[UnderWay], refusal: Refusal) -> None:
        for item in items:
            item.settle(refusal)
