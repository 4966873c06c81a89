"""`POST /tsa` and `POST /tsa/{profile}`: direct or bare ASGI, since a router costs more than a signature.

Limits of the transport come first, as HTTP errors; a request that was read is
answered by RFC 3161 with HTTP 200 whatever it says (RFC 3161 §3.4).
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import structlog

from kokuin.service.access.principal import Role
from kokuin.service.access.request_ids import new_request_id
from kokuin.service.body_limit import BodyRefusal, read_body, refuse_body
from kokuin.service.exchange import DIRECT_OCTETS
from kokuin.service.http_problems import TransportCode, send_problem
from kokuin.service.problems import problem_body

if TYPE_CHECKING:
    from collections.abc import Sequence

    from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, HTTPScope

    from kokuin.service.access.principal import Doorkeeper
    from kokuin.service.config import Config
    from kokuin.service.exchange import Exchange
    from kokuin.service.metrics import WorkerCounters
    from kokuin.service.ports import KeeperPort
    from kokuin.service.responder import Answer, Responder

PATH = "/tsa"
TOKENS = "/api/v1/timestamps"
"""Below it every token is fetched by its serial number."""
GRANTED = "GRANTED"
_PREFIX = PATH + "/"
_PATH_OCTETS = PATH.encode()
_PROFILE_URL = re.compile(_PREFIX.encode() + rb"[a-z0-9-]{1,64}")
_REPLY = b"application/timestamp-reply"
_NO_STORE = (b"cache-control", b"no-store")
_FIELDS = (
    b"content-type: " + _REPLY + b"\r\ncache-control: no-store\r\ncontent-length: %d\r\nx-request-id: %s\r\n"
)


class StampEndpoint:
    """The hot path; one for each worker."""

    def __init__(
        self,
        config: Config,
        responder: Responder,
        doorkeeper: Doorkeeper,
        keeper: KeeperPort,
        counters: WorkerCounters,
    ) -> None:
        self._responder, self._doorkeeper, self._keeper = responder, doorkeeper, keeper
        self._counters = counters
        self._limit = config.server.body_octets
        self._direct_octets = min(self._limit, DIRECT_OCTETS)
        self._behind_s = config.ledger.behind_seconds
        self._log = structlog.get_logger().bind()
        self.refusals: dict[tuple[str, str], int] = {}
        """Refusals by code and profile since the keeper was last told."""

    @staticmethod
    def serves(path: str) -> bool:
        """Say whether a URL path is this endpoint's."""
        return path == PATH or path.startswith(_PREFIX)

    def takes(self, url: bytes, headers: Sequence[tuple[bytes, bytes]]) -> bool:
        """See `DirectEndpoint.takes`: a plain path, a declared length, and a caller who is not refused."""
        if url != _PATH_OCTETS and not _PROFILE_URL.fullmatch(url):
            return False
        length = -1
        for name, value in headers:
            if name == b"content-length":
                length = int(value.lstrip(b"0") or b"0")  # all digits; why so, see `read_body`
        return (
            0 <= length <= self._direct_octets
            and self._keeper.lag() <= self._behind_s
            and self._doorkeeper.principal(headers).may(Role.STAMP)
        )

    def answer(self, exchange: Exchange) -> None:
        """See `DirectEndpoint.answer`."""
        started = time.perf_counter()
        profile = exchange.url[len(_PREFIX) :].decode() or None

        def done(answer: Answer) -> None:
            try:
                request_id = self._account(answer, started)
                fields = _FIELDS % (len(answer.body), request_id.encode())
                if answer.twin:
                    fields += b"link: %s\r\n" % _twin_link(answer.twin)
                exchange.reply(fields, answer.body)
            except Exception:  # noqa: BLE001  # a mistake of ours costs one answer, not those that wait behind it
                self._log.exception("tsa.answer.failed")
                exchange.fail()

        self._responder.ask(exchange.body, self._doorkeeper.principal(exchange.headers), profile, done)

    async def __call__(self, scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Answer one request; part of ASGI."""
        started = time.perf_counter()
        if scope["method"] != "POST":
            await _problem(send, 405, "METHOD_NOT_ALLOWED", (b"allow", b"POST"))
            return
        principal = self._doorkeeper.principal(scope["headers"])
        if not principal.may(Role.STAMP):
            await _problem(send, 403, "STAMPING_NOT_ALLOWED")
            return
        if self._keeper.lag() > self._behind_s:
            # Nothing is read that could not be recorded soon: the client knows that it may come again.
            await _problem(send, 503, "LEDGER_BEHIND", (b"retry-after", b"1"))
            return
        body = await read_body(scope, receive, limit=self._limit)
        if isinstance(body, BodyRefusal):
            await refuse_body(send, body)
            return
        profile = scope["path"][len(_PREFIX) :] or None
        try:
            answer = await self._responder.answer(body, principal, profile)
            request_id = self._account(answer, started)
        except Exception:
            await send_problem(send, TransportCode.INTERNAL)
            raise  # uvicorn logs it and closes
        fields = [
            (b"content-type", _REPLY),
            _NO_STORE,
            (b"content-length", b"%d" % len(answer.body)),
            (b"x-request-id", request_id.encode()),
            *([(b"link", _twin_link(answer.twin))] if answer.twin else []),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        await send({"type": "http.response.body", "body": answer.body})

    def _account(self, answer: Answer, started: float) -> str:
        """Count and log an answer; return the id under which the client may ask for it."""
        request_id = new_request_id()
        refusal = answer.refusal
        code = refusal.code if refusal else GRANTED
        seconds = time.perf_counter() - started
        self._counters.answered(answer.profile, code, seconds)
        if refusal is not None:
            key = (code, answer.profile)
            self.refusals[key] = self.refusals.get(key, 0) + 1
        self._log.info(
            "tsa.answer", request=request_id, code=code, serial=answer.serial, ms=round(seconds * 1e3, 2)
        )
        return request_id


def _twin_link(serial: str) -> bytes:
    """Where the second token over the same imprint is fetched (RFC 8288)."""
    return f'<{TOKENS}/{serial}>; rel="related"; type="application/timestamp-reply"'.encode()


async def _problem(send: ASGISendCallable, status: int, code: str, *extra: tuple[bytes, bytes]) -> None:
    body = problem_body(status, code)
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", b"%d" % len(body)),
        _NO_STORE,
        *extra,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
