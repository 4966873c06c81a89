"""What the transport refuses, and how it says so: RFC 9457 problems with a stable code."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING

from kokuin.service.access.request_ids import new_request_id

if TYPE_CHECKING:
    from uvicorn._types import ASGISendCallable

RETRY_AFTER_S = 1
"""What a 503 proposes (RFC 9110 §10.2.3): overload of a time-stamp authority passes within seconds."""


class TransportCode(StrEnum):
    """Why the transport refused a request or ended a connection."""

    HEADER_LATE = "HTTP_HEADER_LATE"
    """The header section was not complete at its deadline (408)."""
    BODY_LATE = "HTTP_BODY_LATE"
    """The content stopped arriving (408)."""
    HEADER_TOO_LARGE = "HTTP_HEADER_TOO_LARGE"
    """Request line, fields, trailers and chunk framing together are too long (431)."""
    TOO_MANY_FIELDS = "HTTP_TOO_MANY_FIELDS"
    """Too many header and trailer fields (431)."""
    BODY_TOO_LARGE = "HTTP_BODY_TOO_LARGE"
    """The content is longer than the route takes (413)."""
    MALFORMED = "HTTP_MALFORMED"
    """Not HTTP/1.1, or a message that two readers could read in two ways (400)."""
    TOO_MANY_CONNECTIONS = "HTTP_TOO_MANY_CONNECTIONS"
    """The worker has as many connections as it takes (503)."""
    TOO_MANY_REQUESTS = "HTTP_TOO_MANY_REQUESTS"
    """The worker, or this connection's pipeline, has as many requests as it takes (503)."""
    CLIENT_NOT_READING = "HTTP_CLIENT_NOT_READING"
    """The client does not take its response; the connection is reset without a word."""
    INTERNAL = "INTERNAL"
    """A mistake of ours, which is in the log (500)."""


_STATUS = {
    TransportCode.HEADER_LATE: HTTPStatus.REQUEST_TIMEOUT,
    TransportCode.BODY_LATE: HTTPStatus.REQUEST_TIMEOUT,
    TransportCode.HEADER_TOO_LARGE: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    TransportCode.TOO_MANY_FIELDS: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    TransportCode.BODY_TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    TransportCode.MALFORMED: HTTPStatus.BAD_REQUEST,
    TransportCode.TOO_MANY_CONNECTIONS: HTTPStatus.SERVICE_UNAVAILABLE,
    TransportCode.TOO_MANY_REQUESTS: HTTPStatus.SERVICE_UNAVAILABLE,
    TransportCode.INTERNAL: HTTPStatus.INTERNAL_SERVER_ERROR,
}


@dataclass(frozen=True, slots=True)
class TransportEvent:
    """One refusal, for counters and the log: why, and the client's address (None on a Unix socket)."""

    code: TransportCode
    client: str | None


def problem(code: TransportCode) -> tuple[HTTPStatus, list[tuple[bytes, bytes]], bytes]:
    """Return status, header fields and content of the problem+json of `code` (RFC 9457 §3).

    Raises:
        KeyError: `code` is one that nobody can be told (`CLIENT_NOT_READING`).
    """
    status = _STATUS[code]
    content = json.dumps(
        {"type": "about:blank", "title": status.phrase, "status": status.value, "code": code}
    ).encode()
    fields = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", b"%d" % len(content)),
        (b"cache-control", b"no-store"),
        (b"connection", b"close"),
        (b"x-request-id", new_request_id().encode()),
    ]
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        fields.append((b"retry-after", b"%d" % RETRY_AFTER_S))
    return status, fields, content


async def send_problem(send: ASGISendCallable, code: TransportCode) -> None:
    """Answer an ASGI request with the problem of `code`; the connection closes after it."""
    status, fields, content = problem(code)
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": content})
