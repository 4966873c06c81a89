"""From the octets of a request to the octets of a response, with the durable record between (RFC 3161 §2.4).

One way for all suites: issue, append, answer. Fast signatures are made where
the request is read; slow ones in threads, since the signature releases the
interpreter. Tokens of one turn of the loop are appended together: each append
of its own would wake the ledger's thread, which then commits handfuls.
"""

from __future__ import annotations

import asyncio
import functools
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import structlog

from kokuin.service.loopqueue import LoopQueue
from kokuin.trust.journal import AppendRefusal, Refused
from tsa import status
from tsa.request import read_request
from tsa.status import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kokuin.service.issuing import Draft, Issuer
    from kokuin.service.principal import Principal
    from kokuin.trust.journal import AppendOutcome, Journal
    from kokuin.wire.tsp import TimeStampReq
    from tsa.unit import IssuedToken

_AGAIN = frozenset({AppendRefusal.STALE_EPOCH, AppendRefusal.DUPLICATE_SERIAL, AppendRefusal.LEAF_TOO_LARGE})
"""Refusals that a fresh token in an append of its own cures, whether it or a neighbour earned them."""

NO_PROFILE = "none"
"""Stands in metrics and leaves for a profile that does not exist."""

PATIENCE_SECONDS = 20.0
"""How long a request waits for its signature and its durable record: less than clients wait for an answer."""
SWEEP_SECONDS = 1.0

_log = structlog.get_logger()

_Result: TypeAlias = "Refusal | tuple[Draft, AppendOutcome]"
_Waiter: TypeAlias = "asyncio.Future[_Result]"


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes to the client, and what the log and the metrics say of it.

    Attributes:
        body: DER of the TimeStampResp.
        refusal: None when a token was granted.
        profile: the profile that answered.
        serial: the token's serial number, hex; empty for a refusal.
    """

    body: bytes
    refusal: Refusal | None
    profile: str
    serial: str = ""


def _complete(results: list[list[tuple[_Waiter, _Result]]]) -> None:
    for together in results:
        for waiter, result in together:
            if not waiter.done():  # a client that has gone cancelled its request
                waiter.set_result(result)


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
        self._issuers = issuers
        self._by_policy = {issuer.rules.policy: issuer for issuer in issuers.values()}
        self._default = issuers[default]
        self._journal = journal
        self._slow = slow
        self._loop = asyncio.get_running_loop()
        self._drafts = LoopQueue(self._loop, self._append)
        self._results = LoopQueue(self._loop, _complete)
        self._pool = ThreadPoolExecutor(len(os.sched_getaffinity(0)), "sign") if slow else None
        self._waiting: dict[asyncio.Future[_Result], float] = {}
        self._sweep = self._loop.call_later(SWEEP_SECONDS, self._give_up)

    async def answer(self, body: bytes, principal: Principal, profile: str | None = None) -> Answer:
        """Answer one request body; never raises for anything that the body may hold.

        Args:
            body: the octets of the request.
            principal: who asks.
            profile: the profile named in the URL path, None for the default.
        """
        request = read_request(body)
        if isinstance(request, Refusal):
            return self._refuse(request, self._known(profile))
        issuer = self._choose(request, profile)
        if issuer is None:
            return self._refuse(status.POLICY_UNKNOWN, NO_PROFILE)
        result = await self._stamp(issuer, request, body, principal)
        if isinstance(result, Refusal):
            return self._refuse(result, issuer.profile)
        return Answer(status.granted(result.token), None, issuer.profile, result.serial)

    def close(self) -> None:
        """Let the signing threads end."""
        self._sweep.cancel()
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _choose(self, request: TimeStampReq, profile: str | None) -> Issuer | None:
        """By path, else by reqPolicy, else the default; an unknown reqPolicy is left to the decision."""
        if profile is not None:
            return self._issuers.get(profile)
        if request.policy is None:
            return self._default
        return self._by_policy.get(request.policy, self._default)

    def _known(self, profile: str | None) -> str:
        """Name a profile that exists: a path that a client made up becomes no metric's label and no leaf."""
        if profile is None:
            return self._default.profile
        return profile if profile in self._issuers else NO_PROFILE

    async def _stamp(
        self, issuer: Issuer, request: TimeStampReq, body: bytes, principal: Principal
    ) -> IssuedToken | Refusal:
        """Issue and record; once more when the epoch moved or the serial was taken meanwhile."""
        for last in (False, True):
            waiter: _Waiter = self._loop.create_future()
            deliver = self._append_alone if last else self._drafts.put
            self._waiting[waiter] = self._loop.time()
            if issuer.profile in self._slow and self._pool is not None:
                self._pool.submit(self._issue, issuer, request, body, principal, waiter, deliver)
            else:
                self._issue(issuer, request, body, principal, waiter, deliver)
            try:
                result = await waiter
            finally:
                del self._waiting[waiter]
            if isinstance(result, Refusal):
                return result
            draft, outcome = result
            if not isinstance(outcome, Refused):
                return draft.issued
            if last or outcome.reason not in _AGAIN:
                _log.warning("append.refused", reason=outcome.reason.value, detail=outcome.detail)
                break
            # The push of the new configuration is behind this loop's back: let it be read first.
            await asyncio.sleep(0.01)
        return status.LEDGER

    def _give_up(self) -> None:
        """Refuse what a stalled disk or key has kept too long; should its record come later, its token stays.

        One look a second over the oldest serves all requests, so that none pays for a timer of its own.
        """
        self._sweep = self._loop.call_later(SWEEP_SECONDS, self._give_up)
        limit = self._loop.time() - PATIENCE_SECONDS
        for waiter, started in self._waiting.items():
            if started > limit:
                break
            if not waiter.done():
                waiter.set_result(status.LEDGER)

    def _issue(  # noqa: PLR0913, PLR0917  # what a thread of the pool needs to know, handed over once
        self,
        issuer: Issuer,
        request: TimeStampReq,
        body: bytes,
        principal: Principal,
        waiter: _Waiter,
        deliver: Callable[[tuple[_Waiter, Draft]], None],
    ) -> None:
        """Deliver a draft, or let the waiter have a refusal; runs in the loop or in a thread."""
        try:
            draft = issuer.issue(request, body, principal)
        except Exception:  # noqa: BLE001  # a key device may raise anything; the client still gets the protocol's words
            _log.exception("signing.failed", profile=issuer.profile)
            draft = status.SIGNING
        if isinstance(draft, Refusal):
            self._results.put([(waiter, draft)])
        else:
            deliver((waiter, draft))

    def _append_alone(self, draft: tuple[_Waiter, Draft]) -> None:
        self._append([draft])

    def _append(self, drafts: list[tuple[_Waiter, Draft]]) -> None:
        """Append the records of all drafts or of none; their tokens stay here until that is durable."""
        appended = self._journal.append(*(draft.record for _, draft in drafts))
        appended.add_done_callback(
            lambda future: self._results.put([(waiter, (draft, future.result())) for waiter, draft in drafts])
        )

    @staticmethod
    def _refuse(refusal: Refusal, profile: str) -> Answer:
        return Answer(_rejection(refusal), refusal, profile)


@functools.cache
def _rejection(refusal: Refusal) -> bytes:
    return status.rejected(refusal)
