"""Bundles of the ledger over HTTP, for auditors: made in a niced child, streamed, from any chunk on."""

from __future__ import annotations

import contextlib
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import orjson
from fastapi import Query, Request  # FastAPI reads the routes' annotations when they are added
from fastapi.responses import Response, StreamingResponse

from kokuin.service.access.gate import principal_of
from kokuin.service.access.principal import OPERATOR_TENANT
from kokuin.service.child_start import end_child, start_child
from kokuin.service.described import answers
from kokuin.service.exporting import EXPORT_CHANGED, Asked
from kokuin.service.problems import problem_response

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from fastapi import FastAPI
    from starlette.types import Receive, Scope, Send

    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder

EXPORT_BUSY = "EXPORT_BUSY"
"""Another bundle is being made."""
EXPORT_FAILED = "EXPORT_FAILED"
"""The child that makes bundles ended before it said anything."""

ONLY_HEADERS = "kokuin.only_headers"
"""In the scope of a request that came as HEAD: nobody will read the content."""

_CHILD = "kokuin.service.exporting"
_TAR = "application/x-tar"
_PIECE = 1 << 16
_STATUS = {"CHECKPOINT_UNKNOWN": 404, EXPORT_CHANGED: 412, EXPORT_BUSY: 503, EXPORT_FAILED: 500}
_Moment = Annotated[int | None, Query(ge=0, lt=2**63)]


class ExportBrokenError(Exception):
    """A bundle ended too early; the connection must not end as if it were whole."""


def add(app: FastAPI, folder: DataFolder, config: Config) -> None:
    """Add the route of bundles."""
    desk = ExportDesk(folder, config)

    @app.get(
        "/api/v1/ledger/export",
        tags=["ledger"],
        response_class=Response,
        responses=answers(_TAR, codes={**_STATUS, "REQUEST_INVALID": 422}),
    )
    async def export(  # noqa: PLR0913, PLR0917  # the query's words
        request: Request,
        since_us: _Moment = None,
        until_us: _Moment = None,
        serial: Annotated[str | None, Query(pattern="^[0-9a-f]{1,64}$")] = None,
        size: _Moment = None,
        chunk: Annotated[int, Query(ge=0, lt=10**6)] = 0,
        head: Annotated[str, Query(pattern="^([0-9a-f]{64})?$")] = "",
    ) -> Response:
        """A bundle for `tsa ledger check`, whole or from a chunk on; a tenant's has its own records alone."""
        tenant = principal_of(request).tenant
        own = None if tenant == OPERATOR_TENANT or config.ledger.public_entries else tenant
        if (serial is not None or own is not None) and (since_us, until_us) != (None, None):
            # No bundle says of itself that it has a period of one tenant's records.
            return problem_response(422, "REQUEST_INVALID")
        only_headers = request.scope.get(ONLY_HEADERS, False)
        asked = Asked(size, since_us, until_us, serial, own)
        return await desk.send(asked, chunk, head, only_headers=only_headers)


class ExportDesk:
    """Where a worker has bundles made: in a child, one at a time."""

    def __init__(self, folder: DataFolder, config: Config) -> None:
        """Args: the folder that is served, and the configuration in force."""
        self._folder, self._config = folder, config
        self._turn: object | None = None

    async def send(self, asked: Asked, chunk: int, head: str, *, only_headers: bool) -> Response:
        """Answer with a bundle from a chunk on, or as if; `head` is that of the bundle which was begun."""
        if self._turn is not None:
            return problem_response(503, EXPORT_BUSY, headers={"Retry-After": "10"})
        turn = self._turn = object()
        child = None
        try:
            child = await start_child(_CHILD)
            answer = await self._ask(child, {"asked": asdict(asked), "chunk": chunk, "head": head})
        except BaseException:
            await self._end(turn, child)
            raise
        if not answer["ok"]:
            await self._end(turn, child)
            return problem_response(_STATUS.get(answer["code"], 503), answer["code"])
        headers = {"Cache-Control": "no-store", "X-Export-Head": answer["head"]}
        if only_headers:
            await self._end(turn, child)
            return StreamingResponse(iter(()), media_type=_TAR, headers=headers)
        return _Bundle(self._pieces(turn, child), lambda: self._end(turn, child), headers)

    async def _ask(self, child: Process, question: dict[str, Any]) -> dict[str, Any]:
        assert child.stdin is not None and child.stdout is not None  # noqa: S101, PT018  # pipes were asked for
        place = {"folder": str(self._folder.root), "config": self._config.model_dump(mode="json")}
        child.stdin.write(orjson.dumps({**question, **place}))
        with contextlib.suppress(ConnectionError):
            await child.stdin.drain()
        child.stdin.close()
        try:
            answer: dict[str, Any] = orjson.loads(await child.stdout.readline())
        except orjson.JSONDecodeError:
            return {"ok": False, "code": EXPORT_FAILED}
        return answer

    async def _pieces(self, turn: object, child: Process) -> AsyncIterator[bytes]:
        assert child.stdout is not None  # noqa: S101  # as above
        while piece := await child.stdout.read(_PIECE):
            yield piece
        if await child.wait() != 0:
            raise ExportBrokenError
        # Before the end goes out: who has it may ask for the next bundle at once.
        self._pass_on(turn)

    async def _end(self, turn: object, child: Process | None) -> None:
        """Let the next one come; when the one who asked has gone, nobody reads what is still made."""
        self._pass_on(turn)
        if child is not None:
            await end_child(child)

    def _pass_on(self, turn: object) -> None:
        """End a turn; by now it may be another's."""
        if self._turn is turn:
            self._turn = None


class _Bundle(StreamingResponse):
    """What a child writes, as long as somebody reads it."""

    def __init__(
        self, pieces: AsyncIterator[bytes], end: Callable[[], Awaitable[None]], headers: Mapping[str, str]
    ) -> None:
        super().__init__(pieces, media_type=_TAR, headers=headers)
        self._end = end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            # Also when the one who asked went before the first octet.
            await self._end()
