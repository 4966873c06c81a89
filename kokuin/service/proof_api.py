"""Proofs over HTTP: that a record is in the log, and that the log only grew.

Whoever names a token by its digest holds it, and gets its proof with the leaf,
without which the proof shows nothing. By index or serial number, which others
can guess, records are for auditors, unless the configuration opens them.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from functools import partial
from typing import TYPE_CHECKING, Annotated

from fastapi import Query, Request  # FastAPI reads the routes' annotations when they are added
from fastapi.responses import JSONResponse, Response

from kokuin.ledger.faults import OpenFault, OpenRefusedError
from kokuin.ledger.proving import ProofFault, ProofRefusedError
from kokuin.ledger.search_file import SearchRefusedError
from kokuin.service.access.gate import principal_of
from kokuin.service.access.principal import PUBLIC_TENANT
from kokuin.service.described import answers, refusals
from kokuin.service.problems import problem_response
from kokuin.service.proofs import Proofs, Wanted, as_text, consistency_document
from kokuin.service.published_log import LogFault

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fastapi import FastAPI

    from kokuin.service.access.principal import Principal
    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder

WAIT_SECONDS = 3.0
"""How long `wait` waits for the next checkpoint; one comes every second."""
_POLL_SECONDS = 0.1
_SOON = {"Cache-Control": "no-store", "Retry-After": "1"}
_NO_STORE = {"Cache-Control": "no-store"}
_STATUS: dict[str, int] = {
    ProofFault.PENDING: 503,
    ProofFault.SEARCHING: 503,
    ProofFault.RECORD_UNKNOWN: 404,
    ProofFault.CHECKPOINT_UNKNOWN: 404,
    ProofFault.SIZES: 422,
    ProofFault.TREE: 500,
}
_CODES: dict[str, int] = {**_STATUS, OpenFault.UNREADABLE: 503, LogFault.UNREADABLE: 503}
_NO = refusals({code: status for code, status in _CODES.items() if status != 422})

_Size = Annotated[int | None, Query(ge=0, lt=2**63)]
_Hex = r"^[0-9a-fA-F]+$"


def add(app: FastAPI, folder: DataFolder, config: Config) -> None:
    """Add the routes of proofs."""
    desk, public = ProofDesk(Proofs(folder, config)), config.ledger.public_entries

    @app.get("/api/v1/ledger/checkpoint", tags=["ledger"], responses=_NO)
    async def checkpoint() -> Response:
        """The published checkpoint as JSON: origin, size, root (base64) and the signed note."""
        return await _told(desk.checkpoint)

    @app.get(
        "/api/v1/ledger/proofs/consistency",
        tags=["ledger"],
        responses=refusals({**_CODES, "REQUEST_INVALID": 422}),
    )
    async def consistency(
        from_: Annotated[int, Query(alias="from", ge=0, lt=2**63)], to: _Size = None
    ) -> Response:
        """That the log of `to` records (default: the published one) begins with that of `from` records."""
        return await _told(lambda: desk.consistency(from_, to))

    @app.get(
        "/api/v1/ledger/proofs/inclusion",
        tags=["ledger"],
        response_class=Response,
        responses=answers("text/plain", codes={**_CODES, "REQUEST_INVALID": 422}),
    )
    async def inclusion(  # noqa: PLR0913, PLR0917  # the query's words
        request: Request,
        token: Annotated[str | None, Query(pattern=_Hex, min_length=64, max_length=64)] = None,
        serial: Annotated[str | None, Query(pattern=_Hex, max_length=64)] = None,
        index: _Size = None,
        size: _Size = None,
        wait: bool = False,  # noqa: FBT001, FBT002  # likewise
    ) -> Response:
        """That a record is in the log (C2SP tlog-proof): by its token's SHA-256, or for auditors."""
        if index is None and serial is None and token is None:
            return problem_response(422, "REQUEST_INVALID")
        wanted = Wanted(index, serial and serial.lower(), token and token.lower())
        shows = partial(_shows, principal_of(request), wanted, public=public)
        return await _told(lambda: desk.inclusion(wanted, shows, size, wait=wait))


def _shows(principal: Principal, wanted: Wanted, tenant: str, *, public: bool) -> bool:
    """Say whether a record of a tenant is proved to whoever asks; of others' not even that they are there."""
    named = wanted.token is not None or wanted.serial is not None
    return public or principal.sees(tenant) or (named and tenant == PUBLIC_TENANT)


class ProofDesk:
    """Where a worker has proofs made: in threads, one at a time, never on its loop."""

    def __init__(self, proofs: Proofs) -> None:
        """Args: of the folder that is served."""
        self._proofs = proofs
        # Two, since a search may wait long for its index, which other processes use too.
        self._turn, self._search_turn = asyncio.Lock(), asyncio.Lock()
        self._look: asyncio.Task[int] | None = None

    async def checkpoint(self) -> Response:
        """Answer with the published checkpoint."""
        signed = await asyncio.to_thread(self._proofs.checkpoint)
        checkpoint = signed.checkpoint
        content = {
            "origin": checkpoint.origin,
            "size": checkpoint.size,
            "root": as_text(checkpoint.root),
            "note": signed.octets.decode(),
        }
        return JSONResponse(content, headers=_NO_STORE)

    async def consistency(self, old_size: int, size: int | None) -> Response:
        """Answer with a consistency proof."""
        async with self._turn:
            found = await asyncio.to_thread(self._proofs.consistency, old_size, size)
        return JSONResponse(consistency_document(found), headers=_NO_STORE)

    async def inclusion(
        self, wanted: Wanted, shows: Callable[[str], bool], size: int | None, *, wait: bool
    ) -> Response:
        """Answer with an inclusion proof; `wait` for the checkpoint that makes it possible."""
        async with self._search_turn if wanted.is_searched else self._turn:
            stored = await asyncio.to_thread(self._proofs.find, wanted, shows)
        if wait:
            await self._covered(stored.index)
        async with self._turn:
            proof = await asyncio.to_thread(self._proofs.inclusion, stored, size)
        return Response(proof.encode(), media_type="text/plain; charset=utf-8", headers=_NO_STORE)

    async def _covered(self, index: int) -> None:
        """Wait until the published log has a record, or for as long as one may wait."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WAIT_SECONDS):
                size = await self._size()
                while size <= index:
                    size = await self._next_size()

    async def _next_size(self) -> int:
        """Return soon how long the published log is; all who wait look with the same eyes."""
        if self._look is None or self._look.done():
            self._look = asyncio.create_task(self._look_soon(), name="published size")
        return await asyncio.shield(self._look)

    async def _look_soon(self) -> int:
        await asyncio.sleep(_POLL_SECONDS)
        return await self._size()

    async def _size(self) -> int:
        try:
            signed = await asyncio.to_thread(self._proofs.checkpoint)
        except (ProofRefusedError, OSError):
            return 0
        return signed.checkpoint.size


async def _told(act: Callable[[], Awaitable[Response]]) -> Response:
    """Answer, and say of a refusal what it is."""
    try:
        return await act()
    except ProofRefusedError as error:
        status, code = _STATUS[error.fault], str(error.fault)
    except (OpenRefusedError, SearchRefusedError) as error:
        status, code = 503, error.fault
    except sqlite3.Error:
        status, code = 503, OpenFault.UNREADABLE
    except OSError:
        status, code = 503, LogFault.UNREADABLE
    return problem_response(status, code, headers=_SOON if status == 503 else _NO_STORE)
