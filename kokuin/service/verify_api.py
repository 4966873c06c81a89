"""`POST /api/v1/verify`: the report of `tsa verify --json` over HTTP, judged in a bounded child."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Annotated

import structlog
from fastapi import Query, Request  # FastAPI reads the routes' annotations when they are added
from fastapi.responses import Response
from starlette.requests import ClientDisconnect

from kokuin.service import verify_openapi
from kokuin.service.problems import problem_response
from kokuin.service.verify_codes import STATUS, VerifyCode, VerifyRefusedError
from kokuin.service.verify_pool import VerifyPool
from kokuin.service.verify_reception import MAX_CONTENT, Reception

if TYPE_CHECKING:
    from fastapi import FastAPI

    from kokuin.service.config import Config

MOST_OPEN = 16
"""Requests of one worker that arrive, wait or are judged; with what each may keep they bound its memory."""
UPLOAD_SECONDS = 120.0
"""How long a request's content may take to arrive."""

_log = structlog.get_logger()
_NO_STORE = {"Cache-Control": "no-store"}
# Content that was not read ends the connection (RFC 9112 §9.3): a client must be told not to use it again.
_REFUSED = {**_NO_STORE, "Connection": "close"}

_Text = Annotated[str | None, Query()]


class VerifyDesk:
    """Where a worker has time-stamps judged."""

    def __init__(self, config: Config) -> None:
        """Args: the configuration in force."""
        self._pool = VerifyPool(config.verify.trust, config.verify.children)
        self._hashing = asyncio.Lock()
        self._open = 0

    async def report(self, request: Request) -> bytes:
        """Return the report (JSON) that a request asks for.

        Raises:
            VerifyRefusedError: there is none.
            ClientDisconnect: nobody is there to be told.
        """
        if self._open >= MOST_OPEN:
            raise VerifyRefusedError(VerifyCode.BUSY)
        length = request.headers.get("content-length", "0").lstrip("0")
        if len(length) > 10 or int(length or "0") > MAX_CONTENT:
            # Before anything is received: who expects `100 Continue` keeps the content to themselves.
            raise VerifyRefusedError(VerifyCode.TOO_LARGE)
        self._open += 1
        try:
            reception = Reception(request.query_params.multi_items(), self._hashing)
            content_type = request.headers.get("content-type", "")
            try:
                async with asyncio.timeout(UPLOAD_SECONDS):
                    question = await reception.read(content_type, request.stream())
            except TimeoutError:
                raise VerifyRefusedError(VerifyCode.BODY_LATE) from None
            return await self._pool.judge(question)
        finally:
            self._open -= 1

    async def close(self) -> None:
        """End the children."""
        await self._pool.close()


def add(app: FastAPI, desk: VerifyDesk) -> None:
    """Add the route."""

    @app.post(
        verify_openapi.PATH,
        tags=["verification"],
        openapi_extra=verify_openapi.CONTENT,
        responses=verify_openapi.responses(),
    )
    async def verify(
        request: Request,
        at: _Text = None,
        policy: _Text = None,
        revocation: _Text = None,
        digest: _Text = None,
    ) -> Response:
        """Judge a time-stamp against this service's trust store; a report whatever the octets, 200 always."""
        del at, policy, revocation, digest  # described here, read with the form's fields of the same names
        started = time.perf_counter()
        try:
            report = await desk.report(request)
        except VerifyRefusedError as error:
            _log.info("verify.refused", code=error.code)
            return _refused(error)
        except ClientDisconnect:
            return Response(status_code=400)  # to nobody
        _log.info("verify.answer", ms=round((time.perf_counter() - started) * 1e3, 2))
        return Response(report, media_type="application/json", headers=_NO_STORE)


def _refused(error: VerifyRefusedError) -> Response:
    status = STATUS[error.code]
    more = {"field": error.field} if error.field else None
    soon = {"Retry-After": "1"} if status == 503 else {}
    return problem_response(status, error.code, headers={**_REFUSED, **soon}, more=more)
