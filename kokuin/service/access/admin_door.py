"""Administration behind a door of its own: a second listening socket, whose requests carry a mark.

The mark is set where the connection was taken, so no header and no path can claim it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

ADMIN = "kokuin.admin"
"""Key of an ASGI scope: True where the request came in by the socket of administration."""


def admin_door(app: ASGIApp) -> ASGIApp:
    """Return an application that answers as `app` does, with every request marked."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; part of ASGI."""
        scope[ADMIN] = True
        await app(scope, receive, send)

    return answer
