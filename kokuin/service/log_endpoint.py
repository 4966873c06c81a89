"""The published log over HTTP (C2SP tlog-tiles): checkpoint, tiles, entry bundles, and the keys that sign.

Checkpoint and hash tiles are public. Entries are for the operator's auditors,
unless the configuration opens them (`ledger.public_entries`).
"""

from __future__ import annotations

import asyncio
import gzip
import re
from typing import TYPE_CHECKING

from fastapi import Request  # noqa: TC002  # FastAPI reads the routes' annotations when they are added
from fastapi.responses import Response

from kokuin.ledger.faults import OpenFault, OpenRefusedError
from kokuin.ledger.proving import ProofFault
from kokuin.ledger.tiles import parse_path
from kokuin.service.described import answers
from kokuin.service.problems import problem_response
from kokuin.service.published_log import LogFault, LogRefusedError, PublishedLog

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import FastAPI

    from kokuin.ledger.tiles import TilePath
    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder
    from kokuin.service.described import Answers

_PREFIX = "/log/"
_NOTE = "text/plain; charset=utf-8"
_TILE = "application/octet-stream"
_MUTABLE = {"Cache-Control": "public, max-age=1"}
_FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable"}
_NO_STORE = {"Cache-Control": "no-store"}
_SOON = {**_NO_STORE, "Retry-After": "1"}
_STATUS: dict[str, int] = {
    ProofFault.CHECKPOINT_UNKNOWN: 404,
    LogFault.TILE_UNKNOWN: 404,
    LogFault.ENTRIES_GONE: 410,
    LogFault.UNREADABLE: 503,
}
_GZIP = re.compile(r"gzip(\s*;\s*q=(1(\.0{0,3})?|0\.(?!0{0,3}$)[0-9]{0,3}))?", re.IGNORECASE)


def add(app: FastAPI, folder: DataFolder, config: Config) -> None:
    """Add the routes of the published log."""
    log = PublishedLog(folder, config)
    bundles = _Bundles(log, public=config.ledger.public_entries)

    @app.get("/trust/log.vkey", tags=["trust"], response_class=Response, responses=_said(_NOTE))
    async def keys() -> Response:
        """Verifier keys of the ledger's checkpoints, of all epochs, a line each (C2SP signed-note)."""
        return await _told(lambda: Response(log.keys(), media_type=_NOTE))

    @app.get(
        _PREFIX + "checkpoint",
        tags=["log"],
        response_class=Response,
        responses=_said(_NOTE, ProofFault.CHECKPOINT_UNKNOWN),
    )
    async def checkpoint() -> Response:
        """The newest signed checkpoint (C2SP tlog-checkpoint)."""
        return await _told(lambda: Response(log.checkpoint(), media_type=_NOTE, headers=_MUTABLE))

    # Before the route of tiles, which would take its paths.
    @app.get(
        _PREFIX + "tile/entries/{path:path}",
        tags=["log"],
        response_class=Response,
        responses=_said(_TILE, LogFault.TILE_UNKNOWN, LogFault.ENTRIES_GONE, OpenFault.UNREADABLE),
    )
    async def entries(request: Request) -> Response:
        """An entry bundle `N[.p/W]`: records of all tenants (C2SP tlog-tiles)."""
        named = _named(request)
        if named is None or not named.entries:
            return _unknown()
        return await bundles.send(named, request.headers.get("accept-encoding", ""))

    @app.get(
        _PREFIX + "tile/{path:path}",
        tags=["log"],
        response_class=Response,
        responses=_said(_TILE, LogFault.TILE_UNKNOWN),
    )
    async def tile(request: Request) -> Response:
        """A tile `L/N[.p/W]` (C2SP tlog-tiles)."""
        named = _named(request)
        if named is None or named.entries:
            return _unknown()
        return await _told(lambda: Response(log.tile(named), media_type=_TILE, headers=_FOR_EVER))


def _said(media_type: str, *faults: str) -> Answers:
    codes = {fault: _STATUS.get(fault, 503) for fault in (*faults, LogFault.UNREADABLE)}
    return answers(media_type.partition(";")[0], codes=codes)


def _named(request: Request) -> TilePath | None:
    # As it was sent, not decoded: a tile has one path, so that nothing caches it under two.
    return parse_path(request.scope["raw_path"].decode("latin-1").removeprefix(_PREFIX))


def _unknown() -> Response:
    return problem_response(404, LogFault.TILE_UNKNOWN, headers=_NO_STORE)


class _Bundles:
    """Entry bundles, one at a time: each takes a thread for milliseconds, and others need threads too."""

    def __init__(self, log: PublishedLog, *, public: bool) -> None:
        self._log = log
        self._headers = {**(_FOR_EVER if public else _NO_STORE), "Vary": "Accept-Encoding"}
        self._turn = asyncio.Lock()

    async def send(self, bundle: TilePath, accepted: str) -> Response:
        """Return the bundle, packed when the client takes that."""
        async with self._turn:
            return await _told(lambda: self._made(bundle, accepted))

    def _made(self, bundle: TilePath, accepted: str) -> Response:
        octets, headers = self._log.entries(bundle), self._headers
        if any(_GZIP.fullmatch(coding.strip()) for coding in accepted.split(",")):
            octets = gzip.compress(octets, compresslevel=6, mtime=0)
            headers = {**headers, "Content-Encoding": "gzip"}
        return Response(octets, media_type=_TILE, headers=headers)


async def _told(act: Callable[[], Response]) -> Response:
    """Let a thread answer, and say of a refusal what it is."""
    try:
        return await asyncio.to_thread(act)
    except LogRefusedError as error:
        status = _STATUS[error.fault]
        return problem_response(status, error.fault, headers=_SOON if status == 503 else _NO_STORE)
    except OpenRefusedError as error:
        return problem_response(503, error.fault, headers=_SOON)
