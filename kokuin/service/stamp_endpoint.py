"""`POST /tsa` and `POST /tsa/{profile}`: direct or bare ASGI, since a router costs more than a signature.

Limits of the transport come first, as HTTP errors; a request that was read is
answered by RFC 3161 with HTTP 200 whatever it says (RFC 3161 §3.4).
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, NamedTuple

import structlog

from kokuin.service.access.credentials import is_in_url
from kokuin.service.access.denials import Denial, DenialCode
from kokuin.service.access.peers import peer_of
from kokuin.service.access.refusing import refusal
from kokuin.service.access.request_ids import endless_request_ids, request_id_of
from kokuin.service.access.rules import decide, rule_for
from kokuin.service.body_limit import BodyRefusal, read_body, refuse_body
from kokuin.service.evidence.document_digest import (
    FIELD as DOCUMENT_DIGEST,
)
from kokuin.service.evidence.document_digest import (
    DocumentDigestError,
    read_document_digest,
)
from kokuin.service.exchange import DIRECT_OCTETS
from kokuin.service.http_problems import TransportCode, send_problem
from kokuin.service.problems import problem_body

if TYPE_CHECKING:
    from collections.abc import Sequence

    from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, HTTPScope

    from kokuin.service.access.doorkeeper import Doorkeeper
    from kokuin.service.access.peers import Peer
    from kokuin.service.access.principal import Principal
    from kokuin.service.access.rules import Rule
    from kokuin.service.config import Config
    from kokuin.service.exchange import Exchange
    from kokuin.service.metrics import WorkerCounters
    from kokuin.service.ports import KeeperPort
    from kokuin.service.responder import Responder
    from kokuin.service.stamping import Answer

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


class _Asked(NamedTuple):
    """The content of a request, and SHA-512 of the document where the client says it."""

    body: bytes
    document: bytes | None


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
        self._request_ids = endless_request_ids()
        self._config, self._rule = config, _rule()
        self._telling_fields = doorkeeper.telling_fields
        nobody = doorkeeper.anonymous
        self._anonymous = nobody if self._decide(nobody) is None else None
        self.refusals: dict[tuple[str, str], int] = {}
        """Refusals by code and profile since the keeper was last told."""

    @property
    def responder(self) -> Responder:
        """What answers: time-stamps in seals are made by it too."""
        return self._responder

    @staticmethod
    def serves(path: str) -> bool:
        """Say whether a URL path is this endpoint's."""
        return path == PATH or path.startswith(_PREFIX)

    def takes(self, url: bytes, headers: Sequence[tuple[bytes, bytes]], peer: Peer) -> Principal | None:
        """See `DirectEndpoint.takes`: a plain path, a declared length, and a caller who is not refused."""
        if url != _PATH_OCTETS and not _PROFILE_URL.fullmatch(url):
            return None
        length, telling, shows = -1, self._telling_fields, peer.certificate is not None
        for name, value in headers:
            if name == b"content-length":
                length = int(value.lstrip(b"0") or b"0")  # all digits; why so, see `read_body`
            elif name in telling:
                shows = True
            elif name == DOCUMENT_DIGEST:
                return None
        if not 0 <= length <= self._direct_octets or self._keeper.lag() > self._behind_s:
            return None
        return self._shown(headers, peer) if shows else self._anonymous

    def _shown(self, headers: Sequence[tuple[bytes, bytes]], peer: Peer) -> Principal | None:
        """Return who shows a credential, unless they are refused or the keeper must be asked about them."""
        principal = self._doorkeeper.recognise(headers, peer, basic=True)
        if principal is None or principal.activated or self._decide(principal) is not None:
            return None
        return principal if self._doorkeeper.spend(principal) is None else None

    def _decide(self, principal: Principal) -> Denial | None:
        return decide(principal, self._rule, self._config, admin=False)

    def answer(self, exchange: Exchange) -> None:
        """See `DirectEndpoint.answer`."""
        started = time.perf_counter()
        profile = exchange.url[len(_PREFIX) :].decode() or None

        def done(answer: Answer) -> None:
            try:
                request_id = next(self._request_ids)
                self._account(answer, started, request_id)
                fields = _FIELDS % (len(answer.body), request_id.encode())
                if answer.twin:
                    fields += b"link: %s\r\n" % _twin_link(answer.twin)
                exchange.reply(fields, answer.body)
            except Exception:  # noqa: BLE001  # a mistake of ours costs one answer, not those that wait behind it
                self._log.exception("tsa.answer.failed")
                exchange.fail()

        self._responder.ask(exchange.body, exchange.principal, profile, done)

    async def __call__(self, scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Answer one request; part of ASGI."""
        started = time.perf_counter()
        if scope["method"] != "POST":
            await _problem(send, 405, "METHOD_NOT_ALLOWED", (b"allow", b"POST"), *_ending(scope))
            return
        principal = await self._let_in(scope, send)
        if principal is None:
            return
        body = await read_body(scope, receive, limit=self._limit)
        if isinstance(body, BodyRefusal):
            await refuse_body(send, body)
            return
        try:
            document = read_document_digest(list(scope["headers"]))
        except DocumentDigestError:
            await _problem(send, 400, "DOCUMENT_DIGEST_INVALID")
            return
        if await self._is_activated(scope, send, principal):
            await self._stamp(scope, send, _Asked(body, document), principal, started)

    async def _stamp(
        self, scope: HTTPScope, send: ASGISendCallable, asked: _Asked, principal: Principal, started: float
    ) -> None:
        profile = scope["path"][len(_PREFIX) :] or None
        request_id = request_id_of(scope)
        try:
            answer = await self._responder.answer(asked.body, principal, profile, asked.document)
            self._account(answer, started, request_id)
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

    async def _let_in(self, scope: HTTPScope, send: ASGISendCallable) -> Principal | None:
        """Return who asks, or answer that they may not, or not now."""
        found = self._admit(scope)
        if not isinstance(found, Denial):
            if self._keeper.lag() > self._behind_s:
                # Nothing is read that could not be recorded soon: the client knows that it may come again.
                await _problem(send, 503, "LEDGER_BEHIND", (b"retry-after", b"1"), *_ending(scope))
                return None
            found = self._doorkeeper.spend(found) or found
        if isinstance(found, Denial):
            await self._refuse(scope, send, found, *_ending(scope))
            return None
        return found

    def _admit(self, scope: HTTPScope) -> Principal | Denial:
        """Say who asks, or why they may not stamp."""
        if is_in_url(scope["raw_path"] + b"?" + scope["query_string"]):
            return Denial(DenialCode.CREDENTIAL_IN_URL)
        principal = self._doorkeeper.admit(list(scope["headers"]), peer_of(scope), basic=True)
        if isinstance(principal, Denial):
            return principal
        return self._decide(principal) or principal

    async def _is_activated(self, scope: HTTPScope, send: ASGISendCallable, principal: Principal) -> bool:
        """Take one act from the caller's activation, where they need one, or answer that there is none."""
        if not principal.activated or self._responder.stopped:
            return True
        asked = {"client": principal.actor, "kind": "stamp"}
        answer = await self._keeper.ask("activation.spend", asked)
        if answer["ok"]:
            return True
        if answer["code"] == DenialCode.ACTIVATION_WANTED:
            await self._refuse(scope, send, Denial(DenialCode.ACTIVATION_WANTED, principal.tenant))
        else:
            await _problem(send, 503, answer["code"], (b"retry-after", b"1"))
        return False

    async def _refuse(
        self, scope: HTTPScope, send: ASGISendCallable, denial: Denial, *extra: tuple[bytes, bytes]
    ) -> None:
        request_id = request_id_of(scope)
        self._doorkeeper.note(denial)
        self._log.info("access.denied", code=denial.code, tenant=denial.tenant, request=request_id)
        status, fields, content = refusal(denial, request_id, basic=True)
        await send({"type": "http.response.start", "status": status, "headers": [*fields, *extra]})
        await send({"type": "http.response.body", "body": content})

    def _account(self, answer: Answer, started: float, request_id: str) -> None:
        """Count and log an answer under the id under which the client may ask for it."""
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


def _rule() -> Rule:
    rule = rule_for("POST", PATH)
    assert rule is not None  # noqa: S101  # it stands in the table; without it nobody may stamp
    return rule


def _ending(scope: HTTPScope) -> list[tuple[bytes, bytes]]:
    """Return what an answer says before the content was read, which ends the connection (RFC 9112 §9.3)."""
    announced = any(
        name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0"))
        for name, value in scope["headers"]
    )
    return [(b"connection", b"close")] if announced else []


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
