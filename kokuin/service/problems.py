"""HTTP errors of the application as RFC 9457 problems with a stable code."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import orjson
from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

MEDIA_TYPE = "application/problem+json"


def problem_body(status: int, code: str, detail: str = "", more: Mapping[str, object] | None = None) -> bytes:
    """Return the JSON of a problem: `status` and `code` always, `detail` (English) where there is one.

    `more` holds members of this kind of problem's own (RFC 9457 §3.2), as `blockers`.
    """
    document = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "code": code,
        **({"detail": detail} if detail else {}),
        **(more or {}),
    }
    return orjson.dumps(document)


def problem_response(
    status: int,
    code: str,
    detail: str = "",
    *,
    headers: Mapping[str, str] | None = None,
    more: Mapping[str, object] | None = None,
) -> Response:
    """Return the same as a response of Starlette."""
    return Response(
        problem_body(status, code, detail, more),
        status_code=status,
        media_type=MEDIA_TYPE,
        headers=dict(headers or {}),
    )
