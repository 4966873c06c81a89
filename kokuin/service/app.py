"""The HTTP application: stamping on the hot path, everything else through FastAPI."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.exceptions import HTTPException

import kokuin
from kokuin.ledger.faults import OpenFault, OpenRefusedError
from kokuin.service import (
    api_page,
    batch_api,
    batch_openapi,
    export_api,
    ledger_api,
    log_endpoint,
    operator_api,
    proof_api,
    stamp_openapi,
    verify_api,
    verify_openapi,
)
from kokuin.service.access import admin_api, openapi, request_ids
from kokuin.service.access.gate import AccessGate, principal_of
from kokuin.service.access.principal import PUBLIC_TENANT
from kokuin.service.access.rules import check_routes
from kokuin.service.body_limit import BodyLimitMiddleware
from kokuin.service.described import JSON, Answers, answers, complete
from kokuin.service.eseals import api as seal_api
from kokuin.service.eseals import offers
from kokuin.service.eseals import openapi as seal_openapi
from kokuin.service.eseals.face import make_face
from kokuin.service.evidence import api as evidence_api
from kokuin.service.evidence.embedded_records import leaving_token
from kokuin.service.ledger_search import SearchDesk, tenant_of
from kokuin.service.ledger_store import open_reader
from kokuin.service.migration.desk import InventoryDesk
from kokuin.service.ports import KEEPER_UNAVAILABLE
from kokuin.service.problems import problem_response
from kokuin.service.stamp_endpoint import TOKENS, StampEndpoint
from kokuin.service.verify_api import VerifyDesk
from tsa.status import granted

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from starlette.types import Receive, Scope, Send

    from kokuin.service.access.doorkeeper import Doorkeeper
    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.eseals.api import SealFace
    from kokuin.service.ports import KeeperPort, Readiness

_PEM = "application/x-pem-file"
_TEXT = "text/plain"
_SERIAL = re.compile(r"[0-9a-f]{1,64}")


class Application(FastAPI):
    """FastAPI with the stamp endpoint before its router, and with what must be closed at the end."""

    config: Config
    stamp: StampEndpoint
    verify: VerifyDesk
    seals: SealFace

    def openapi(self) -> dict[str, Any]:
        """Describe the routes, also those beside the router, and who may use them."""
        document = complete(stamp_openapi.complete(verify_openapi.complete(super().openapi())))
        return openapi.secured(document, self.config)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; part of ASGI."""
        if scope["type"] == "http":
            send = request_ids.telling(send, request_ids.mark(scope))
        if scope["type"] == "http" and StampEndpoint.serves(scope["path"]):
            await self.stamp(scope, receive, send)  # type: ignore[arg-type]  # uvicorn's and starlette's names for ASGI
            return
        if scope["type"] == "http" and scope["method"] == "HEAD":
            # RFC 9110 §9.3.2: as GET; the connection leaves the content out. Who makes much of it may ask.
            scope = {**scope, "method": "GET", export_api.ONLY_HEADERS: True}
        await super().__call__(scope, receive, send)


def make_app(  # noqa: PLR0913, PLR0917  # the parts of one worker, joined at one place
    folder: DataFolder,
    config: Config,
    stamp: StampEndpoint,
    doorkeeper: Doorkeeper,
    keeper: KeeperPort,
    readiness: Callable[[], Readiness],
) -> Application:
    """Build the application of one worker.

    Raises:
        StartError: a route has no rule of access, or a rule no route.
    """
    # A path has one spelling: a redirect to another would lead where the client's own Host field says.
    app = Application(
        title="kokuin", version=kokuin.__version__, docs_url=None, redoc_url=None, redirect_slashes=False
    )
    app.config, app.stamp, app.verify = config, stamp, VerifyDesk(config)
    app.seals = make_face(folder, config, keeper, doorkeeper, lambda: stamp.responder)
    streamed = frozenset({verify_openapi.PATH, batch_openapi.PATH, *seal_openapi.PATHS})
    # What is added last is asked first: content is bounded before anybody's credentials are looked at.
    app.add_middleware(
        AccessGate, routes=app.router.routes, doorkeeper=doorkeeper, config=config, unread=streamed
    )
    app.add_middleware(BodyLimitMiddleware, limit=config.server.body_octets, streamed=streamed)
    app.add_exception_handler(HTTPException, _http_problem)
    app.add_exception_handler(RequestValidationError, _validation_problem)
    app.add_exception_handler(Exception, _our_fault)
    _add_health(app, readiness, keeper)
    _add_trust(app, folder)
    _add_tokens(app, folder, config)
    evidence_api.add(app, folder, config)
    batch_api.add(app, batch_api.BatchDesk(config, doorkeeper, keeper, lambda: stamp.responder))
    operator_api.add(app, keeper, InventoryDesk(folder, config))
    admin_api.add(app, keeper)
    log_endpoint.add(app, folder, config)
    proof_api.add(app, folder, config)
    export_api.add(app, folder, config)
    ledger_api.add(app, SearchDesk(folder, config))
    verify_api.add(app, app.verify)
    seal_api.add(app, app.seals)
    offers.add(app, folder, config)
    _add_docs(app)
    check_routes(app)
    return app


def _add_health(app: FastAPI, readiness: Callable[[], Readiness], keeper: KeeperPort) -> None:
    @app.get("/healthz", tags=["operation"], response_class=Response, responses=answers(_TEXT))
    async def healthz() -> PlainTextResponse:
        """The process answers."""
        return PlainTextResponse("ok\n")

    unready: Answers = {503: {"description": "Not fit, and why.", "content": {JSON: {}}}}

    @app.get("/readyz", tags=["operation"], responses=answers(JSON) | unready)
    async def readyz() -> JSONResponse:
        """Clock, ledger, keys and workers are fit: 200; else 503 with every reason."""
        state = readiness()
        content = {"ready": state.ready, "problems": list(state.problems)}
        return JSONResponse(content, status_code=200 if state.ready else 503)

    @app.get(
        "/metrics",
        tags=["operation"],
        response_class=Response,
        responses=answers(_TEXT, codes={KEEPER_UNAVAILABLE: 503}),
    )
    async def metrics() -> Response:
        """All workers' metrics in the Prometheus text format."""
        answer = await keeper.ask("metrics")
        if not answer["ok"]:
            return problem_response(503, answer["code"], headers={"Retry-After": "1"})
        return PlainTextResponse(answer["text"], media_type="text/plain; version=1.0.0")


def _add_trust(app: FastAPI, folder: DataFolder) -> None:
    def download(name: str, path: Path, help_text: str) -> None:
        async def send_file() -> Response:
            if not await asyncio.to_thread(path.exists):
                return problem_response(404, "NOT_FOUND")
            return FileResponse(path, media_type=_PEM, filename=path.name)

        send_file.__doc__ = help_text
        told = answers(_PEM, codes={"NOT_FOUND": 404})
        route = f"/trust/{name}"
        app.get(route, tags=["trust"], name=name, response_class=Response, responses=told)(send_file)

    download("ca.pem", folder.anchors, "Roots that vouch for this authority's tokens.")
    download("units.pem", folder.units, "Certificates of the time-stamp units and what lies above them.")
    download(
        "seals.pem", folder.seal_anchors, "Roots that vouch for tenants' seals; 404 while there are none."
    )


def _add_tokens(app: FastAPI, folder: DataFolder, config: Config) -> None:
    def find(serial: str, sees: Callable[[str], bool]) -> bytes | None:
        with open_reader(folder, config) as reader:
            stored = reader.by_serial(serial)
            if stored is None:
                return None
            tenant = tenant_of(stored)
            return leaving_token(reader, stored) if tenant == PUBLIC_TENANT or sees(tenant) else None

    @app.get(
        TOKENS + "/{serial}",
        tags=["stamping"],
        response_class=Response,
        responses=answers(
            "application/timestamp-reply", codes={"TOKEN_UNKNOWN": 404, OpenFault.UNREADABLE: 503}
        ),
    )
    async def token(request: Request, serial: str) -> Response:
        """A token that was issued, as a granted TimeStampResp; its serial number in lower-case hex."""
        sees = principal_of(request).sees
        try:
            found = await asyncio.to_thread(find, serial, sees) if _SERIAL.fullmatch(serial) else None
        except OpenRefusedError as error:
            return problem_response(503, error.fault, headers={"Retry-After": "1"})
        if found is None:
            return problem_response(404, "TOKEN_UNKNOWN")
        return Response(granted(found), media_type="application/timestamp-reply")


def _add_docs(app: FastAPI) -> None:
    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(api_page.page(app.openapi()))


async def _http_problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  # the type it is registered for
    codes = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED"}
    return problem_response(
        error.status_code, codes.get(error.status_code, "HTTP_ERROR"), headers=error.headers
    )


async def _validation_problem(_: Request, error: Exception) -> Response:
    del error
    return problem_response(422, "REQUEST_INVALID")


async def _our_fault(_: Request, error: Exception) -> Response:
    # The server logs the exception; the client learns nothing about our inside.
    del error
    return problem_response(500, "INTERNAL")
