"""`GET /api/v1/evidence/{serial}`: a token's evidence record, to whom the token itself is shown."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from fastapi import Request  # noqa: TC002  # FastAPI reads the routes' annotations when they are added
from fastapi.responses import Response

from kokuin.ledger.faults import OpenFault, OpenRefusedError
from kokuin.service.access.gate import principal_of
from kokuin.service.described import answers
from kokuin.service.evidence.records import EvidenceFault, EvidenceRecords, EvidenceRefusedError
from kokuin.service.problems import problem_response

if TYPE_CHECKING:
    from fastapi import FastAPI

    from kokuin.service.config import Config
    from kokuin.service.datafolder import DataFolder

EVIDENCE = "/api/v1/evidence"
"""Below it every record is fetched by its token's serial number."""

_SERIAL = re.compile(r"[0-9a-f]{1,64}")
_SOON = {"Cache-Control": "no-store", "Retry-After": "1"}
_STATUS: dict[str, int] = {
    EvidenceFault.TOKEN_UNKNOWN: 404,
    EvidenceFault.NONE: 404,
    EvidenceFault.GONE: 404,
    EvidenceFault.PENDING: 409,
    EvidenceFault.DAMAGED: 500,
}
_TYPE = "application/octet-stream"


def add(app: FastAPI, folder: DataFolder, config: Config) -> None:
    """Add the route of evidence."""
    records, turn = EvidenceRecords(folder, config), asyncio.Lock()

    @app.get(
        EVIDENCE + "/{serial}",
        tags=["stamping"],
        response_class=Response,
        responses=answers(_TYPE, codes={**_STATUS, OpenFault.UNREADABLE: 503}),
    )
    async def evidence(request: Request, serial: str) -> Response:
        """The evidence record (RFC 4998) of a token, by its serial number in lower-case hex."""
        if not _SERIAL.fullmatch(serial):
            return problem_response(404, EvidenceFault.TOKEN_UNKNOWN)
        shows = principal_of(request).sees
        try:
            # One thread for all: a tree is built while the others wait for it.
            async with turn:
                found = await asyncio.to_thread(records.record, serial, shows)
        except EvidenceRefusedError as error:
            pending = error.fault is EvidenceFault.PENDING
            return problem_response(_STATUS[error.fault], error.fault, headers=_SOON if pending else None)
        except OpenRefusedError as error:
            return problem_response(503, error.fault, headers=_SOON)
        named = {"Content-Disposition": f'attachment; filename="{serial}.er"'}
        return Response(found, media_type=_TYPE, headers=named)
