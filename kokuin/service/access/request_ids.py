"""The id under which a request is found in the log, and which its client is told (`X-Request-Id`).

It is ours: one that a client sends could forge a line of the log or name another's request. And it is
random: a number that rises would tell one tenant how much the others ask.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, MutableMapping

    from starlette.types import Message, Send

FIELD = b"x-request-id"
_STATE, _ID = "state", "request_id"
_OCTETS = 12
_AT_ONCE = 256
"""Ids that are drawn together where each microsecond is one of a time-stamp's."""


def new_request_id() -> str:
    """Return an id that nobody had before."""
    return secrets.token_hex(_OCTETS)


def endless_request_ids() -> Iterator[str]:
    """Yield such ids; the kernel is asked for many at once. For one thread of one process."""
    while True:
        drawn = secrets.token_hex(_OCTETS * _AT_ONCE)
        for at in range(0, len(drawn), 2 * _OCTETS):
            yield drawn[at : at + 2 * _OCTETS]


def mark(scope: MutableMapping[str, Any]) -> str:
    """Give the request of an ASGI scope an id and return it."""
    request_id = new_request_id()
    scope[_STATE] = {**scope.get(_STATE, {}), _ID: request_id}
    return request_id


def request_id_of(scope: Mapping[str, Any]) -> str:
    """Return the id that `mark` gave."""
    found: str = scope[_STATE][_ID]
    return found


def telling(send: Send, request_id: str) -> Send:
    """Return a `send` that tells the client the id, unless the response has one already."""

    async def tell(message: Message) -> None:
        """Send one message, with the id where a response begins."""
        if message["type"] == "http.response.start":
            fields = [(name.lower(), value) for name, value in message.get("headers", ())]
            if all(name != FIELD for name, _ in fields):
                fields.append((FIELD, request_id.encode()))
            message = {**message, "headers": fields}
        await send(message)

    return tell
