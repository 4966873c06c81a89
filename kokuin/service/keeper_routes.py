"""Routes that the keeper answers: a question in the name of who asks, and its answer as HTTP says it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import orjson
from fastapi.responses import JSONResponse, Response

from kokuin.service.access.gate import principal_of
from kokuin.service.problems import problem_response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import Request

    from kokuin.service.ports import KeeperPort

Operate: TypeAlias = Callable[..., Awaitable[Response]]
"""Takes the request, an operation, its arguments (None: none), and the status of a yes (200)."""


def asking(keeper: KeeperPort, statuses: Mapping[str, int]) -> Operate:
    """Return what asks a keeper; `statuses` are those of answers that say no, 409 for all others."""

    async def operate(
        request: Request, operation: str, arguments: dict[str, Any] | None = None, status: int = 200
    ) -> Response:
        """Ask in the name of who asks."""
        asked = {**(arguments or {}), "actor": principal_of(request).actor}
        try:
            orjson.dumps(asked)
        except orjson.JSONEncodeError:
            # JSON has numbers and lone surrogates that no question to the keeper, and no leaf, can hold.
            return problem_response(422, "REQUEST_INVALID")
        answer: dict[str, Any] = await keeper.ask(operation, asked)
        return JSONResponse(answer, status) if answer.pop("ok") else problem_of(answer, statuses)

    return operate


def problem_of(answer: dict[str, Any], statuses: Mapping[str, int]) -> Response:
    """Return a no as a problem: `detail` where there is one, and whatever else the answer says beside."""
    code = answer.pop("code")
    return problem_response(statuses.get(code, 409), code, answer.pop("detail", ""), more=answer)
