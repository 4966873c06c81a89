"""A response that is known as a whole, written at once.

uvicorn takes a response as two messages, checks every field by regular
expression and writes twice; for a time-stamp that costs a third of what its
signature costs. This ASGI extension lets the stamp endpoint hand over fields
that it made itself and the content together. An endpoint that does not find
it, or is refused by it, sends as ASGI wants.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

EXTENSION = "kokuin.whole_reply"
"""Name of the extension in the ASGI scope."""
REPLY = "reply"
"""Where the extension keeps the request's `WholeReply`."""


class DefaultFields:
    """The server's own fields (`date`) as octets, made anew when uvicorn replaces them once a second."""

    def __init__(self) -> None:
        self._seen: list[tuple[bytes, bytes]] | None = None
        self._octets = b""

    def octets(self, fields: list[tuple[bytes, bytes]]) -> bytes:
        """Return status line 200 and these fields, uvicorn's present ones."""
        if fields is not self._seen:
            self._seen = fields
            self._octets = STATUS_LINE[200] + b"".join(
                name + b": " + value + b"\r\n" for name, value in fields
            )
        return self._octets


class WholeReply:
    """The right to answer one request with status 200 and a whole response."""

    __slots__ = ("_cycle", "_defaults")

    def __init__(self, cycle: RequestResponseCycle, defaults: DefaultFields) -> None:
        self._cycle, self._defaults = cycle, defaults

    def __call__(self, fields: bytes, content: bytes) -> bool:
        """Write the response and end the request.

        Args:
            fields: header fields as they stand on the wire, each with its line end; Content-Length among
                them, `connection` not.
            content: the content.

        Returns:
            False when nothing was written: the client is gone, reads too slowly, or was answered already.
        """
        cycle = self._cycle
        if cycle.disconnected or cycle.response_started or cycle.flow.write_paused:
            return False
        end = b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n"
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        cycle.transport.write(b"".join((self._defaults.octets(cycle.default_headers), fields, end, content)))
        cycle.message_event.set()
        if not cycle.keep_alive:
            cycle.transport.close()
        cycle.on_response()
        return True
