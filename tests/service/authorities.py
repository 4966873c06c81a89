"""Authorities that stamp checkpoints in tests, and who asks them."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from kokuin.service.checkpoint_stamps import Stamper
from kokuin.wire.tsp import TimeStampReq
from tsa import status
from tsa.request import read_request

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.service.vouched import Vouched
    from tsa.unit import TimeStampUnit


def stamper(life: Vouched) -> Stamper:
    """Return who has the checkpoints of a log stamped by the authority of its settings."""

    def nobody() -> Any:
        raise AssertionError("no unit stamps here")

    return Stamper(life.folder, life.config, life.journal, life.publisher, life.records, nobody)


def look(asking: Stamper, count: int = 1) -> None:
    """Let it look so many times."""

    async def looked() -> None:
        for _ in range(count):
            await asking.look()
            await asyncio.sleep(0.002)

    asyncio.run(looked())


class FalseAuthority:
    """An authority with a genuine key that answers otherwise than it was asked."""

    def __init__(self, unit: TimeStampUnit, answer: Callable[[TimeStampUnit, TimeStampReq], bytes]) -> None:
        self._unit, self._answer = unit, answer
        self.asked = 0

    async def __call__(self, _scope: Any, receive: Any, send: Any) -> None:
        """Serve one ASGI scope."""
        self.asked += 1
        request = read_request((await receive())["body"])
        assert isinstance(request, TimeStampReq)
        body = self._answer(self._unit, request)
        await send({"type": "http.response.start", "status": 307 if not body else 200, "headers": []})
        await send({"type": "http.response.body", "body": body})


def now_us() -> int:
    """Return the present, microseconds since 1970 UTC."""
    return time.time_ns() // 1_000


def answered(unit: TimeStampUnit, request: TimeStampReq, gen_us: int | None = None) -> bytes:
    """Return the response that an honest authority gives, now or at another time."""
    issued = unit.issue(request, gen_us or now_us())
    assert not isinstance(issued, status.Refusal)
    return status.granted(issued.token)
