"""From the octets of a request to the octets of a response, with the durable record between (RFC 3161 §2.4).

One way for all suites: issue, append, answer. Fast signatures are made where
the request is read; slow ones in threads, since the signature releases the
interpreter. Tokens of one turn of the loop are appended together: each append
of its own would wake the ledger's thread, which then commits handfuls.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import structlog

from kokuin.service.issuers import NO_PROFILE, Issuers
from kokuin.service.loopqueue import LoopQueue
from kokuin.service.ports import PATIENCE_SECONDS
from kokuin.service.signing_threads import SigningThreads
from kokuin.trust.journal import AppendRefusal, Refused
from kokuin.trust.records import RELEASE_SECONDS
from tsa import status
from tsa.clock.machine import boot_ns
from tsa.request import read_request
from tsa.status import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kokuin.service.access.principal import Principal
    from kokuin.service.issuing import Draft, Issuer
    from kokuin.trust.journal import AppendOutcome, Journal
    from kokuin.wire.tsp import TimeStampReq

_AGAIN = frozenset({AppendRefusal.DUPLICATE_SERIAL, AppendRefusal.LEAF_TOO_LARGE})
"""Refusals that a fresh token in an append of its own cures, whether it or a neighbour earned them."""

SWEEP_SECONDS = 1.0

_RELEASE_NS = RELEASE_SECONDS * 1_000_000_000

_log = structlog.get_logger()

_Result: TypeAlias = "Refusal | tuple[Draft, AppendOutcome]"


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes to the client, and what the log and the metrics say of it.

    Attributes:
        body: DER of the TimeStampResp.
        refusal: None when a token was granted.
        profile: the profile that answered.
        serial: the token's serial number, hex; empty for a refusal.
        twin: serial number of its twin; empty when there is none.
    """

    body: bytes
    refusal: Refusal | None
    profile: str
    serial: str = ""
    twin: str = ""


class _Stamping:
    """A request on its way to a token; whoever asked is answered once."""

    __slots__ = ("again", "body", "boot_ns", "done", "issuer", "principal", "profile", "request", "since")

    def __init__(  # noqa: PLR0913, PLR0917  # what a signing thread needs to know, and whom to tell
        self,
        issuer: Issuer,
        request: TimeStampReq,
        body: bytes,
        principal: Principal,
        profile: str | None,
        done: Callable[[Answer], None],
        since: float,
    ) -> None:
        self.issuer, self.request, self.body, self.principal = issuer, request, body, principal
        self.profile, self.done, self.since = profile, done, since
        self.again = False
        self.boot_ns = boot_ns()

    def has_slept(self) -> bool:
        """Say whether the machine slept since, so long that no clock but this one would tell."""
        return boot_ns() - self.boot_ns > _RELEASE_NS


class Responder:
    """Answers time-stamp requests for every profile that is on."""

    def __init__(
        self, issuers: Mapping[str, Issuer], default: str, journal: Journal, slow: frozenset[str]
    ) -> None:
        """Bind to the running event loop.

        Args:
            issuers: by profile name.
            default: the profile of `POST /tsa` without reqPolicy.
            journal: where records become durable.
            slow: profiles whose signatures are made in threads.
        """
        self._journal = journal
        self._loop = asyncio.get_running_loop()
        self._drafts = LoopQueue(self._loop, self._append)
        self._results = LoopQueue(self._loop, self._conclude)
        self._threads: SigningThreads[_Stamping, Draft] | None = None
        self._open: dict[_Stamping, None] = {}
        self._stale: list[_Stamping] = []
        self.stopped = False
        """Whether an operator has stopped issuing; set by the worker, from the keeper's word."""
        self.install(issuers, default, slow)
        self._sweep = self._loop.call_later(SWEEP_SECONDS, self._give_up)

    def install(self, issuers: Mapping[str, Issuer], default: str, slow: frozenset[str]) -> None:
        """Issue with these from now on; what the ledger refused as stale meanwhile is made again."""
        self._issuers = Issuers(issuers, default, slow)
        if slow and self._threads is None:
            self._threads = SigningThreads(self._issue, self._append, len(os.sched_getaffinity(0)))
        self._restart_stale()

    @property
    def configuration(self) -> str:
        """Digest of the configuration under which it issues."""
        return self._issuers.configuration

    @property
    def certificate(self) -> bytes:
        """Of the unit that answers requests which name no profile, DER."""
        return self._issuers.certificate

    async def answer(self, body: bytes, principal: Principal, profile: str | None = None) -> Answer:
        """Answer one request body; see `ask`."""
        answer: asyncio.Future[Answer] = self._loop.create_future()

        def take(result: Answer) -> None:
            """Hand the answer to whoever waits."""
            if not answer.done():  # a client that has gone cancelled its request
                answer.set_result(result)

        self.ask(body, principal, profile, take)
        return await answer

    def ask(
        self, body: bytes, principal: Principal, profile: str | None, done: Callable[[Answer], None]
    ) -> None:
        """Answer one request body; never raises for anything that the body may hold.

        Args:
            body: the octets of the request.
            principal: who asks.
            profile: the profile named in the URL path, None for the default.
            done: told the answer once, on the event loop, after this call; must not raise.
        """
        request = read_request(body)
        if isinstance(request, Refusal):
            self._loop.call_soon(done, _refused(request, self._issuers.known(profile)))
            return
        if self.stopped:
            self._loop.call_soon(done, _refused(status.STOPPED, self._issuers.known(profile)))
            return
        issuer = self._issuers.choose(request, profile, principal)
        if isinstance(issuer, Refusal):
            self._loop.call_soon(done, _refused(issuer, NO_PROFILE))
            return
        stamping = _Stamping(issuer, request, body, principal, profile, done, self._loop.time())
        self._open[stamping] = None
        self._start(stamping)

    def close(self) -> None:
        """Refuse what still waits, for patience is longer than a stop, and let the signing threads end."""
        self._sweep.cancel()
        for stamping in tuple(self._open):
            self._finish(stamping, _refused(status.LEDGER, stamping.issuer.profile))
        if self._threads is not None:
            self._threads.close()

    def _start(self, stamping: _Stamping) -> None:
        if self._threads is not None and stamping.issuer.profile in self._issuers.slow:
            self._threads.put(stamping)
            return
        draft = self._issue(stamping)
        if draft is not None:
            self._drafts.put((stamping, draft))

    def _issue(self, stamping: _Stamping) -> Draft | None:
        """Return a draft to be appended, or let the request end with a refusal; runs in loop or thread."""
        if stamping not in self._open:
            # Its patience ended: a queue that only grows must not keep the key busy for nobody.
            return None
        try:
            draft = stamping.issuer.issue(stamping.request, stamping.body, stamping.principal)
        except Exception:  # noqa: BLE001  # a key device may raise anything; the client still gets the protocol's words
            _log.exception("signing.failed", profile=stamping.issuer.profile)
            draft = status.SIGNING
        if isinstance(draft, Refusal):
            self._results.put([(stamping, draft)])
            return None
        return draft

    def _append(self, drafts: list[tuple[_Stamping, Draft]]) -> None:
        """Append what is ready; what is tried again goes alone, so that no neighbour can spoil it."""
        first = [item for item in drafts if not item[0].again]
        if first:
            # Those of the former configuration would have the others refused with them.
            for epoch in {draft.records[0].cfg_epoch for _, draft in first}:
                self._append_together([item for item in first if item[1].records[0].cfg_epoch == epoch])
        if len(first) < len(drafts):
            for item in drafts:
                if item[0].again:
                    self._append_together([item])

    def _append_together(self, drafts: list[tuple[_Stamping, Draft]]) -> None:
        """Append the records of all drafts or of none; their tokens stay here until that is durable."""
        appended = self._journal.append(*[record for _, draft in drafts for record in draft.records])
        appended.add_done_callback(
            lambda future: self._results.put(
                [(stamping, (draft, future.result())) for stamping, draft in drafts]
            )
        )

    def _conclude(self, results: list[list[tuple[_Stamping, _Result]]]) -> None:
        for together in results:
            for stamping, result in together:
                if stamping in self._open:  # else its answer was given when patience ended
                    self._conclude_one(stamping, result)

    def _conclude_one(self, stamping: _Stamping, result: _Result) -> None:
        """Answer, or issue and record again when the epoch moved or, once, when the serial was taken."""
        if isinstance(result, Refusal):
            self._finish(stamping, _refused(result, stamping.issuer.profile))
            return
        draft, outcome = result
        if not isinstance(outcome, Refused):
            issued = draft.issued
            if stamping.has_slept():
                # A machine that slept between signature and record: whoever looks for the record of such a
                # token would not find it where it must stand, and call it forged.
                _log.warning("token.withheld", serial=issued.serial)
                self._finish(stamping, _refused(status.LEDGER, stamping.issuer.profile))
                return
            token, serial = status.granted(issued.token), issued.serial
            self._finish(stamping, Answer(token, None, stamping.issuer.profile, serial, draft.twin))
        elif outcome.reason is AppendRefusal.STALE_EPOCH:
            self._renew(stamping, draft)
        elif outcome.reason is AppendRefusal.STOPPED:
            # Signed before this worker heard of the stop: the token ends here.
            self._finish(stamping, _refused(status.STOPPED, stamping.issuer.profile))
        elif stamping.again or outcome.reason not in _AGAIN:
            _log.warning("append.refused", reason=outcome.reason.value, detail=outcome.detail)
            self._finish(stamping, _refused(status.LEDGER, stamping.issuer.profile))
        else:
            stamping.again = True
            self._start(stamping)

    def _renew(self, stamping: _Stamping, draft: Draft) -> None:
        """Make a token of the former configuration again under the new one, as soon as that is installed."""
        issuer = self._issuers.choose(stamping.request, stamping.profile, stamping.principal)
        if isinstance(issuer, Refusal):
            self._finish(stamping, _refused(issuer, NO_PROFILE))
            return
        stamping.issuer, stamping.again = issuer, True
        if issuer.epoch != draft.records[0].cfg_epoch:
            self._start(stamping)
        else:
            # The push of the new configuration is behind this loop's back: `install` goes on with it.
            self._stale.append(stamping)

    def _restart_stale(self) -> None:
        waiting, self._stale = self._stale, []
        for stamping in waiting:
            if stamping in self._open:
                issuer = self._issuers.choose(stamping.request, stamping.profile, stamping.principal)
                if isinstance(issuer, Refusal):
                    self._finish(stamping, _refused(issuer, NO_PROFILE))
                else:
                    stamping.issuer = issuer
                    self._start(stamping)

    def _finish(self, stamping: _Stamping, answer: Answer) -> None:
        del self._open[stamping]
        stamping.done(answer)

    def _give_up(self) -> None:
        """Refuse what a stalled disk or key has kept too long; should its record come later, its token stays.

        One look a second over the oldest serves all requests, so that none pays for a timer of its own.
        """
        self._sweep = self._loop.call_later(SWEEP_SECONDS, self._give_up)
        self._restart_stale()
        limit = self._loop.time() - PATIENCE_SECONDS
        late = list(itertools.takewhile(lambda stamping: stamping.since <= limit, self._open))
        for stamping in late:
            self._finish(stamping, _refused(status.LEDGER, stamping.issuer.profile))


def _refused(refusal: Refusal, profile: str) -> Answer:
    return Answer(_rejection(refusal), refusal, profile)


@functools.cache
def _rejection(refusal: Refusal) -> bytes:
    return status.rejected(refusal)
