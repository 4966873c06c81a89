"""The owner socket: whoever may open it is the service's own user (mode 0600), and may operate it.

One JSON object a line in each direction.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import socket
from typing import TYPE_CHECKING, Any, TypeAlias

import orjson

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

MAX_LINE = 1024 * 1024
"""Octets of a question: certificates of the largest suites come with their chain."""
MAX_ANSWER = 16 * MAX_LINE
"""Octets of an answer: a sealed backup."""
ASK_SECONDS = 10.0
OWNER = "owner"
"""The actor of whoever may open the socket."""

Ask: TypeAlias = "Callable[[str, Mapping[str, Any]], Awaitable[dict[str, Any]]]"
"""Answers one operation with its arguments, as `Keeper.ask` does."""


class OwnerUnavailableError(Exception):
    """Nobody answers at the owner socket: the service is not running, or not this user's."""


class OwnerLostError(OwnerUnavailableError):
    """The owner was asked and did not answer: it ended, or needs longer. What became of it is unknown."""


async def listen(ask: Ask, path: Path) -> asyncio.Server:
    """Serve the owner socket; the caller holds the folder's lock, so a socket lying there is a dead one's."""
    path.unlink(missing_ok=True)  # noqa: ASYNC240  # once, at the start

    sock = socket.socket(socket.AF_UNIX)
    try:
        # The mode before the name: with a later chmod anybody could connect between the two. Nor by the mask,
        # which is all threads': a folder that another makes meanwhile could be entered by nobody.
        os.fchmod(sock.fileno(), 0o600)
        sock.bind(str(path))
        return await asyncio.start_unix_server(functools.partial(_serve, ask), sock=sock, limit=MAX_LINE)
    except BaseException:
        sock.close()
        raise


async def _serve(ask: Ask, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError, ValueError):  # a line beyond the limit is a ValueError
        while line := await reader.readline():
            writer.write(orjson.dumps(await _answer(ask, line)) + b"\n")
            await writer.drain()
    writer.close()


async def _answer(ask: Ask, line: bytes) -> dict[str, Any]:
    try:
        question = orjson.loads(line)
        operation, arguments = question["operation"], question.get("arguments", {})
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return {"ok": False, "code": "QUESTION_UNREADABLE"}
    if not isinstance(arguments, dict):
        return {"ok": False, "code": "QUESTION_UNREADABLE"}
    return await ask(str(operation), {**arguments, "actor": OWNER})


def ask_owner(
    path: Path, operation: str, arguments: Mapping[str, Any] | None = None, seconds: float = ASK_SECONDS
) -> dict[str, Any]:
    """Ask the running owner one thing, synchronously.

    Raises:
        OwnerUnavailableError: nobody is there to be asked.
        OwnerLostError: somebody was asked, and did not answer within `seconds`.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(seconds)
        try:
            connection.connect(str(path))
        except OSError as error:
            raise OwnerUnavailableError(str(path)) from error
        question = {"operation": operation, "arguments": dict(arguments or {})}
        try:
            connection.sendall(orjson.dumps(question) + b"\n")
            with connection.makefile("rb") as file:
                answer: dict[str, Any] = orjson.loads(file.readline(MAX_ANSWER))
                return answer
        except (OSError, orjson.JSONDecodeError) as error:
            raise OwnerLostError(str(path)) from error
