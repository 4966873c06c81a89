"""`POST /api/v1/batches`: many records of a client under one time-stamp, and evidence for each of them.

The token over the root of their tree is issued as any other, and on record before the answer begins. Nothing
else is kept: what the ledger has is the root, and each record needs no more than itself.
"""

from __future__ import annotations

import asyncio
import base64
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson
import structlog
from fastapi import Request  # noqa: TC002  # FastAPI reads the routes' annotations when they are added
from fastapi.responses import Response, StreamingResponse
from starlette.requests import ClientDisconnect

from kokuin.service.access.denials import Denial, DenialCode
from kokuin.service.access.gate import principal_of
from kokuin.service.access.refusing import DeniedError
from kokuin.service.batch_codes import STATUS, BatchCode, BatchRefusedError
from kokuin.service.batch_openapi import CONTENT, PATH, responses
from kokuin.service.batch_reading import MAX_CONTENT, read_batch
from kokuin.service.problems import problem_response
from kokuin.trust.evidence_hashes import stamped
from kokuin.trust.report import iso_time
from kokuin.wire.ers import read_evidence_record
from kokuin.wire.token_form import bare_token, evidence_in
from kokuin.wire.tsp import read_timestamp_response
from tsa.client import make_query
from tsa.evidence.joining import join_record
from tsa.evidence.records import make_record
from tsa.evidence.tree import HashTree
from tsa.status import FailInfo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fastapi import FastAPI

    from kokuin.service.access.doorkeeper import Doorkeeper
    from kokuin.service.access.principal import Principal
    from kokuin.service.batch_reading import Batch
    from kokuin.service.config import Config
    from kokuin.service.ports import KeeperPort
    from kokuin.service.responder import Responder

DIGEST = "sha512"
MOST_OPEN = 4
"""Batches of one worker that arrive or are stamped; with what each may have they bound its memory."""
UPLOAD_SECONDS = 60.0
"""How long a request's content may take to arrive."""
_PIECE = 64
"""Records that are made, and sent, at a time."""

_log = structlog.get_logger()
_NO_STORE = {"Cache-Control": "no-store"}


@dataclass(frozen=True, slots=True)
class Stamped:
    """A batch whose token is on record.

    Attributes:
        batch: what was asked.
        tree: over its items.
        token: TimeStampToken (DER) over the root, with its evidence where that is within.
        serial: of the token, hex.
    """

    batch: Batch
    tree: HashTree
    token: bytes
    serial: str

    def content(self) -> Iterator[bytes]:
        """Yield the answer as JSON; the records are made on the way, since all together may be large."""
        info = stamped(self.token)
        head = orjson.dumps(
            {
                "token": _text(self.token),
                "serial": self.serial,
                "gen_time": iso_time(info.gen_time.microseconds),
                "root": _text(self.tree.root),
            }
        )
        yield head[:-1] + b',"items":['
        token, within = bare_token(self.token), evidence_in(self.token) if self.batch.evidence else ()
        later = read_evidence_record(within[0]) if within else None
        pieces: list[bytes] = []
        for place, name in enumerate(self.batch.ids):
            record = make_record(self.tree, place, token)
            if later is not None:
                record = join_record(read_evidence_record(record), later)
            pieces.append(orjson.dumps({"id": name, "evidence": _text(record)}))
            if len(pieces) == _PIECE:
                yield b",".join(pieces) + (b"," if place + 1 < len(self.batch.ids) else b"")
                pieces = []
        yield b",".join(pieces) + b"]}"


class BatchDesk:
    """Where a worker takes batches."""

    def __init__(
        self,
        config: Config,
        doorkeeper: Doorkeeper,
        keeper: KeeperPort,
        responder: Callable[[], Responder],
    ) -> None:
        """Args: the configuration; counts acts; is asked for activations; returns what stamps."""
        self._behind_s = config.ledger.behind_seconds
        self._doorkeeper, self._keeper, self._responder = doorkeeper, keeper, responder
        self._open = 0

    async def stamp(self, request: Request) -> Stamped:
        """Have what a request holds stamped, as one act of the caller.

        Raises:
            DeniedError: the caller may not, or not now.
            BatchRefusedError: nothing is stamped.
            ClientDisconnect: nobody is there to be told.
        """
        principal = principal_of(request)
        if self._responder().stopped:
            raise DeniedError(Denial(DenialCode.EMERGENCY_STOP, principal.tenant, 60))
        if self._keeper.lag() > self._behind_s:
            raise BatchRefusedError(BatchCode.BEHIND)
        if self._open >= MOST_OPEN:
            raise BatchRefusedError(BatchCode.BUSY)
        denial = self._doorkeeper.spend(principal)
        if denial is not None:
            raise DeniedError(denial)
        self._open += 1
        try:
            batch = await asyncio.to_thread(read_batch, await _receive(request))
            tree = await asyncio.to_thread(HashTree, DIGEST, [(each,) for each in batch.hashes])
            await self._activate(principal)
            return await self._stamp(batch, tree, principal)
        finally:
            self._open -= 1

    async def _activate(self, principal: Principal) -> None:
        """Take one act from the caller's activation, where they need one."""
        if not principal.activated:
            return
        answer = await self._keeper.ask("activation.spend", {"client": principal.actor, "kind": "stamp"})
        if answer["ok"]:
            return
        if answer["code"] == DenialCode.ACTIVATION_WANTED:
            raise DeniedError(Denial(DenialCode.ACTIVATION_WANTED, principal.tenant))
        raise BatchRefusedError(BatchCode.NOT_ACTIVATED, reason=answer["code"])

    async def _stamp(self, batch: Batch, tree: HashTree, principal: Principal) -> Stamped:
        responder = self._responder()
        if batch.evidence and not responder.embeds(batch.profile):
            raise BatchRefusedError(BatchCode.EVIDENCE_ABSENT)
        query = make_query(DIGEST, tree.root, certificates=True)
        answer = await responder.answer(query.der, principal, batch.profile, embed=batch.evidence)
        if answer.refusal is not None:
            own = answer.refusal.fail_info is FailInfo.UNACCEPTED_POLICY
            code = BatchCode.PROFILE if own else BatchCode.NOT_STAMPED
            raise BatchRefusedError(code, reason=answer.refusal.code)
        token = read_timestamp_response(answer.body).token
        assert token is not None  # noqa: S101  # of an answer that grants
        return Stamped(batch, tree, token, answer.serial)


async def _receive(request: Request) -> bytes:
    """Return the whole content.

    Raises:
        BatchRefusedError: it is too long, of another type, or late.
        ClientDisconnect: nobody is there to be told.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise BatchRefusedError(BatchCode.MEDIA_TYPE)
    length = request.headers.get("content-length", "0").lstrip("0")
    if len(length) > 10 or int(length or "0") > MAX_CONTENT:
        # Before anything is received: who expects `100 Continue` keeps the content to themselves.
        raise BatchRefusedError(BatchCode.TOO_LARGE)
    content = bytearray()
    try:
        async with asyncio.timeout(UPLOAD_SECONDS):
            async for piece in request.stream():
                content += piece
                if len(content) > MAX_CONTENT:
                    raise BatchRefusedError(BatchCode.TOO_LARGE)
    except TimeoutError:
        raise BatchRefusedError(BatchCode.BODY_LATE) from None
    return bytes(content)


def add(app: FastAPI, desk: BatchDesk) -> None:
    """Add the route."""

    @app.post(PATH, tags=["stamping"], openapi_extra=CONTENT, responses=responses())
    async def batches(request: Request) -> Response:
        """Up to 10,000 items in; one time-stamp out, and an evidence record (RFC 4998) for each item."""
        started = time.perf_counter()
        try:
            made = await desk.stamp(request)
        except BatchRefusedError as error:
            _log.info("batch.refused", code=error.code, reason=error.reason)
            return _refused(error)
        except ClientDisconnect:
            return Response(status_code=400)  # to nobody
        ms = round((time.perf_counter() - started) * 1e3, 2)
        _log.info("batch.answer", serial=made.serial, items=len(made.batch.ids), ms=ms)
        return StreamingResponse(made.content(), media_type="application/json", headers=_NO_STORE)


def _refused(error: BatchRefusedError) -> Response:
    status = STATUS[error.code]
    told = {"field": error.field, "reason": error.reason}
    # Content that was not read ends the connection (RFC 9112 §9.3): a client must be told.
    headers = {**_NO_STORE, "Connection": "close"} | ({"Retry-After": "1"} if status == 503 else {})
    more = {name: value for name, value in told.items() if value}
    return problem_response(status, error.code, headers=headers, more=more or None)


def _text(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii")
