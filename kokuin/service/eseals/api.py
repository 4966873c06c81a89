"""`POST /api/v1/seals/…`, `POST /api/v1/extend` and `/api/v1/jobs`: organisation seals over HTTP."""

from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING, Annotated

import structlog
from fastapi import Header, Query, Request  # FastAPI reads the routes' annotations when they are added
from fastapi.responses import JSONResponse, Response
from starlette.requests import ClientDisconnect

from eseal.profile import Format
from kokuin.service.access.denials import Denial, DenialCode
from kokuin.service.access.gate import principal_of
from kokuin.service.access.refusing import DeniedError
from kokuin.service.eseals import answers, openapi
from kokuin.service.eseals.asked import Asked
from kokuin.service.eseals.codes import SealCode, SealRefusedError
from kokuin.service.eseals.entries import Entry
from kokuin.service.eseals.reception import COMMON, MAX_FORM, OPTIONS, RAW, Reception, most_of
from kokuin.service.eseals.recognising import recognise
from kokuin.service.eseals.tasks import Act

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fastapi import FastAPI

    from kokuin.service.access.doorkeeper import Doorkeeper
    from kokuin.service.access.principal import Principal
    from kokuin.service.eseals.entries import Seen
    from kokuin.service.eseals.jobs import Jobs
    from kokuin.service.ports import KeeperPort

MOST_OPEN = 16
"""Requests of one worker that arrive, wait or are sealed."""
UPLOAD_SECONDS = 300.0
"""How long a request's content may take to arrive."""

_KEY = re.compile(r"[!-~]{1,255}")
_JOB = re.compile(r"j-[0-9a-f]{32}")
_log = structlog.get_logger()

_Text = Annotated[str | None, Query()]
_Key = Annotated[str | None, Header(description="Same key and same request: the same seal, for 24 hours.")]
_Prefer = Annotated[str | None, Header(description="`respond-async` (RFC 7240 §4.1): answered by a job.")]


class SealFace:
    """The routes' way to what seals: who may, how much arrives, and what becomes of it."""

    def __init__(
        self, jobs: Jobs, doorkeeper: Doorkeeper, keeper: KeeperPort, stopped: Callable[[], bool]
    ) -> None:
        """Args: what runs requests; counts acts; is asked for activations; says whether all is stopped."""
        self.jobs = jobs
        self._doorkeeper, self._keeper, self._stopped = doorkeeper, keeper, stopped
        self._open = 0

    async def answer(self, request: Request, act: Act, form: Format | None) -> Response:
        """Answer one request to seal or to extend.

        Raises:
            DeniedError: the caller may not, or not now.
            SealRefusedError: nothing was made.
            ClientDisconnect: nobody is there to be told.
        """
        principal = principal_of(request)
        if self._stopped():
            raise DeniedError(Denial(DenialCode.EMERGENCY_STOP, principal.tenant, 60))
        denial = self._doorkeeper.spend(principal)
        if denial is not None:
            raise DeniedError(denial)
        if self._open >= MOST_OPEN:
            raise SealRefusedError(SealCode.BUSY)
        self._open += 1
        try:
            asked = await self._receive(request, principal, act, form)
            return await self._run(request, asked)
        finally:
            self._open -= 1

    async def _receive(self, request: Request, principal: Principal, act: Act, form: Format | None) -> Asked:
        """Read a request."""
        most = most_of(form)
        length = request.headers.get("content-length", "0").lstrip("0")
        if len(length) > 10 or int(length or "0") > 2 * most + MAX_FORM:
            # Before anything is received: who expects `100 Continue` keeps the content to themselves.
            raise SealRefusedError(SealCode.TOO_LARGE)
        key = request.headers.get("idempotency-key", "")
        if "idempotency-key" in request.headers and not _KEY.fullmatch(key):
            raise SealRefusedError(SealCode.REQUEST_INVALID, "Idempotency-Key")
        names = frozenset({*COMMON, *(OPTIONS[form] if form is not None else ())}) - (
            {"profile"} if act is Act.EXTEND else set()
        )
        reception = Reception(request.query_params.multi_items(), names, most)
        try:
            async with asyncio.timeout(UPLOAD_SECONDS):
                received = await reception.read(
                    request.headers.get("content-type", ""),
                    request.stream(),
                    None if form is None else RAW.get(form),
                )
        except TimeoutError:
            raise SealRefusedError(SealCode.BODY_LATE) from None
        try:
            task = received.task(act, recognise(received.document) if form is None else form)
            _check_class(principal, task.document_class)
        except BaseException:
            received.close()
            raise
        return Asked(task, received.document, received.data, principal, key)

    async def _run(self, request: Request, asked: Asked) -> Response:
        """Run a request, or find what was made of it; its documents are closed."""
        later = "respond-async" in request.headers.get("prefer", "").lower()
        entry: Entry | None = None
        try:
            if later or asked.key:
                name, found = await self.jobs.claim(asked, anew=True)
                if not isinstance(found, Entry):
                    asked.close()
                    return await self._found(name, found, later=later)
                entry = found
            if later:
                assert entry is not None  # noqa: S101  # claimed above
                with self.jobs.turns.place(asked.principal.tenant):
                    self.jobs.start(await self._allowed(asked), entry)
                return answers.accepted(name, {"job": name, "state": "running"})
            asked = await self._allowed(asked)
        except BaseException:
            asked.close()
            if entry is not None:
                await asyncio.to_thread(entry.close, drop=True)
            raise
        try:
            sealed = await self.jobs.run(asked, entry)
        finally:
            asked.close()
        return answers.sealed(sealed, asked.task.format, asked.task.how)

    async def _allowed(self, asked: Asked) -> Asked:
        """Return a request with its seal profile; where an activation is wanted, one act of it is taken."""
        asked = await self.jobs.opened(asked)
        always = asked.opened is not None and asked.opened.profile.activation
        await self._activate(asked.principal, always=always)
        return asked

    async def _found(self, name: str, seen: Seen, *, later: bool) -> Response:
        """Answer from what another request of the same idempotency key began."""
        if later:
            return answers.accepted(name, answers.shown(name, seen))
        if seen.running:
            raise SealRefusedError(SealCode.KEY_IN_PROGRESS)
        return await self.result(name, seen)

    async def result(self, name: str, seen: Seen) -> Response:
        """Answer with what a job made."""
        sealed = await self.jobs.result(name, seen)
        return answers.sealed(sealed, Format(seen.head["format"]), str(seen.head["form"]))

    async def _activate(self, principal: Principal, *, always: bool) -> None:
        """Take one act from the caller's activation, where they or the profile want one."""
        if not principal.activated and not always:
            return
        answer = await self._keeper.ask("activation.spend", {"client": principal.actor, "kind": "seal"})
        if answer["ok"]:
            return
        if answer["code"] == DenialCode.ACTIVATION_WANTED:
            raise DeniedError(Denial(DenialCode.ACTIVATION_WANTED, principal.tenant))
        raise SealRefusedError(SealCode.NOT_RECORDED, reason=answer["code"])


def add(app: FastAPI, face: SealFace) -> None:
    """Add the routes."""

    async def answered(work: Callable[[], Awaitable[Response]]) -> Response:
        """Answer with what work returns, or with why it does not."""
        started = time.perf_counter()
        try:
            answer = await work()
        except SealRefusedError as error:
            _log.info("seal.refused", code=error.code, reason=error.reason)
            return answers.refused(error)
        except ClientDisconnect:
            return Response(status_code=400)  # to nobody
        _log.info(
            "seal.answer", status=answer.status_code, ms=round((time.perf_counter() - started) * 1e3, 2)
        )
        return answer

    def route(form: Format) -> None:
        @app.post(
            f"{openapi.SEALS}/{form}",
            tags=["sealing"],
            summary=f"Seal {openapi.WHAT[form]}",
            operation_id=f"seal_{form}",
            openapi_extra=openapi.content(form),
            responses=openapi.responses(form),
        )
        async def seal(  # noqa: PLR0913, PLR0917  # the query's words, described here and read with the form's
            request: Request,
            profile: _Text = None,
            level: _Text = None,
            min_level: _Text = None,
            document_class: Annotated[str | None, Query(alias="class")] = None,
            idempotency_key: _Key = None,
            prefer: _Prefer = None,
        ) -> Response:
            """The document in; the sealed document, or the detached seal, out: it is on record by then."""
            del profile, level, min_level, document_class, idempotency_key, prefer
            return await answered(lambda: face.answer(request, Act.SEAL, form))

    for form in openapi.WHAT:
        route(form)

    @app.post(
        openapi.EXTEND,
        tags=["sealing"],
        openapi_extra=openapi.content(None),
        responses=openapi.responses(None),
    )
    async def extend(  # noqa: PLR0913, PLR0917  # as above
        request: Request,
        level: _Text = None,
        min_level: _Text = None,
        document_class: Annotated[str | None, Query(alias="class")] = None,
        idempotency_key: _Key = None,
        prefer: _Prefer = None,
    ) -> Response:
        """A sealed document in, the same at a higher level out; at B-LTA its last time-stamp is renewed."""
        del level, min_level, document_class, idempotency_key, prefer
        return await answered(lambda: face.answer(request, Act.EXTEND, None))

    _add_jobs(app, face, answered)


def _add_jobs(app: FastAPI, face: SealFace, answered: Callable[..., Awaitable[Response]]) -> None:
    async def seen(request: Request, job: str) -> Seen:
        if not _JOB.fullmatch(job):
            raise SealRefusedError(SealCode.JOB_UNKNOWN)
        return await face.jobs.look(job, principal_of(request))

    @app.get(openapi.JOBS + "/{job}", tags=["sealing"], responses=openapi.job_responses())
    async def show(request: Request, job: str) -> Response:
        """How far a job is."""

        async def work() -> Response:
            return JSONResponse(answers.shown(job, await seen(request, job)), headers=answers.NO_STORE)

        return await answered(work)

    @app.get(openapi.JOBS + "/{job}/result", tags=["sealing"], responses=openapi.job_responses())
    async def result(request: Request, job: str) -> Response:
        """What a job made: the same octets for 24 hours."""

        async def work() -> Response:
            return await face.result(job, await seen(request, job))

        return await answered(work)

    @app.delete(openapi.JOBS + "/{job}", tags=["sealing"], status_code=204, responses=openapi.job_responses())
    async def delete(request: Request, job: str) -> Response:
        """Forget a job; one at work ends before its seal is recorded, or is done already."""

        async def work() -> Response:
            await face.jobs.end(job, await seen(request, job))
            return Response(status_code=204)

        return await answered(work)


def _check_class(principal: Principal, document_class: str) -> None:
    """Refuse a kind of document that the caller may not act for; who may act for some must say which it is.

    Raises:
        DeniedError: CLASS_NOT_ALLOWED.
    """
    if principal.classes is not None and document_class not in principal.classes:
        raise DeniedError(Denial(DenialCode.CLASS_NOT_ALLOWED, principal.tenant))
