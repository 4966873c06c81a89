"""From the octets of a request to the octets of a response, with the durable record between (RFC 3161 §2.4).

One way for all suites: issue, append, answer. Fast signatures are made where
the request is read; slow ones in threads, since the signature releases the
interpreter.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import os
from types import MappingProxyType
from typing import TYPE_CHECKING

import structlog

from kokuin.service.appending import Appending
from kokuin.service.issuers import NO_PROFILE, Issuers
from kokuin.service.ports import PATIENCE_SECONDS
from kokuin.service.signing_threads import SigningThreads
from kokuin.service.stamping import Answer, Stamping
from kokuin.trust.journal import AppendRefusal, Refused
from tsa import status
from tsa.request import read_request
from tsa.status import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kokuin.service.access.principal import Principal
    from kokuin.service.appending import Result
    from kokuin.service.evidence.embedding import ArchiveUnit
    from kokuin.service.issuing import Draft, Issuer
    from kokuin.trust.journal import Journal

_AGAIN = frozenset({AppendRefusal.DUPLICATE_SERIAL, AppendRefusal.LEAF_TOO_LARGE})
"""Refusals that a fresh token in an append of its own cures, whether it or a neighbour earned them."""

SWEEP_SECONDS = 1.0

_log = structlog.get_logger()

_NOBODY: Mapping[str, ArchiveUnit] = MappingProxyType({})


class Responder:
    """Answers time-stamp requests for every profile that is on."""

    def __init__(
        self,
        issuers: Mapping[str, Issuer],
        default: str,
        journal: Journal,
        slow: frozenset[str],
        archives: Mapping[str, ArchiveUnit] = _NOBODY,
    ) -> None:
        """Bind to the running event loop.

        Args:
            issuers: by profile name.
            default: the profile of `POST /tsa` without reqPolicy.
            journal: where records become durable.
            slow: profiles whose signatures are made in threads.
            archives: units that put evidence into tokens, by profile name.
        """
        self._loop = asyncio.get_running_loop()
        self._appending = Appending(self._loop, journal, self._conclude, lambda each: each in self._open)
        self._threads: SigningThreads[Stamping, Draft] | None = None
        self._open: dict[Stamping, None] = {}
        self._stale: list[Stamping] = []
        self.stopped = False
        """Whether an operator has stopped issuing; set by the worker, from the keeper's word."""
        self.unproven: tuple[str, ...] = ()
        """Profiles that make no evidence now; set likewise."""
        self.install(issuers, default, slow, archives)
        self._sweep = self._loop.call_later(SWEEP_SECONDS, self._give_up)

    def install(
        self,
        issuers: Mapping[str, Issuer],
        default: str,
        slow: frozenset[str],
        archives: Mapping[str, ArchiveUnit] = _NOBODY,
    ) -> None:
        """Issue with these from now on; what the ledger refused as stale meanwhile is made again."""
        self._issuers = Issuers(issuers, default, slow, archives)
        if slow and self._threads is None:
            self._threads = SigningThreads(self._issue, self._appending.append, len(os.sched_getaffinity(0)))
        self._appending.install(self._issuers)
        self._restart_stale()

    @property
    def configuration(self) -> str:
        """Digest of the configuration under which it issues."""
        return self._issuers.configuration

    @property
    def counters(self) -> Mapping[str, float]:
        """What left with its evidence since the start, by metric name."""
        return self._appending.counters

    @property
    def certificate(self) -> bytes:
        """Of the unit that answers requests which name no profile, DER."""
        return self._issuers.certificate

    def embeds(self, profile: str | None) -> bool:
        """Say whether tokens of a profile, None for the default, can leave with their evidence in them."""
        return self._issuers.embeds(profile)

    def owes(self, profile: str) -> bool:
        """Say whether evidence is made for tokens of a profile."""
        return self._issuers.owes(profile)

    async def answer(
        self,
        body: bytes,
        principal: Principal,
        profile: str | None = None,
        document: bytes | None = None,
        *,
        embed: bool = False,
    ) -> Answer:
        """Answer one request body; see `ask`."""
        answer: asyncio.Future[Answer] = self._loop.create_future()

        def take(result: Answer) -> None:
            """Hand the answer to whoever waits."""
            if not answer.done():  # a client that has gone cancelled its request
                answer.set_result(result)

        self.ask(body, principal, profile, take, document, embed=embed)
        return await answer

    def ask(  # noqa: PLR0913  # what whoever asks says, and who is told
        self,
        body: bytes,
        principal: Principal,
        profile: str | None,
        done: Callable[[Answer], None],
        document: bytes | None = None,
        *,
        embed: bool = False,
    ) -> None:
        """Answer one request body; never raises for anything that the body may hold.

        Args:
            body: the octets of the request.
            principal: who asks.
            profile: the profile named in the URL path, None for the default.
            done: told the answer once, on the event loop, after this call; must not raise.
            document: SHA-512 of what the imprint is of, where the client says it; see `Issuer.issue`.
            embed: the token leaves with its evidence in it, also of a profile that does not say so; refused
                where it cannot, see `embeds`.
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
        unable = (embed or issuer.embed) and self._issuers.archive(issuer) is None
        if unable or issuer.evidence in self.unproven:
            self._loop.call_soon(done, _refused(status.EVIDENCE, issuer.profile))
            return
        stamping = Stamping(
            issuer, request, body, principal, profile, done, self._loop.time(), document, embed=embed
        )
        self._open[stamping] = None
        self._start(stamping)

    def close(self) -> None:
        """Refuse what still waits, for patience is longer than a stop, and let the signing threads end."""
        self._sweep.cancel()
        for stamping in tuple(self._open):
            self._finish(stamping, _refused(status.LEDGER, stamping.issuer.profile))
        if self._threads is not None:
            self._threads.close()
        self._appending.close()

    def _start(self, stamping: Stamping) -> None:
        if self._threads is not None and stamping.issuer.profile in self._issuers.slow:
            self._threads.put(stamping)
            return
        draft = self._issue(stamping)
        if draft is not None:
            self._appending.put(stamping, draft)

    def _issue(self, stamping: Stamping) -> Draft | None:
        """Return a draft to be appended, or let the request end with a refusal; runs in loop or thread."""
        if stamping not in self._open:
            # Its patience ended: a queue that only grows must not keep the key busy for nobody.
            return None
        try:
            draft = stamping.issuer.issue(
                stamping.request, stamping.body, stamping.principal, stamping.document
            )
        except Exception:  # noqa: BLE001  # a key device may raise anything; the client still gets the protocol's words
            _log.exception("signing.failed", profile=stamping.issuer.profile)
            draft = status.SIGNING
        if isinstance(draft, Refusal):
            self._appending.end([stamping], draft)
            return None
        return draft

    def _conclude(self, stamping: Stamping, result: Result) -> None:
        """Answer, or issue and record again when the epoch moved or, once, when the serial was taken."""
        if stamping not in self._open:
            return  # its answer was given when patience ended
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
            token, serial = status.granted(draft.leaving), issued.serial
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

    def _renew(self, stamping: Stamping, draft: Draft) -> None:
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

    def _finish(self, stamping: Stamping, answer: Answer) -> None:
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
