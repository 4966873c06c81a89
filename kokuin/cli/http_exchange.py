"""One HTTP request and its whole answer, bounded in octets and in time, whoever answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kokuin.cli.outcome import CommandError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much of an answer is waited for.

    Attributes:
        octets: of its content.
        pause_s: seconds in which nothing arrives, or can be sent.
        whole_s: seconds for all of it.
    """

    octets: int
    pause_s: float
    whole_s: float


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An answer as it came.

    Attributes:
        status: code.
        fields: of its header; names in any case.
        content: undecoded.
    """

    status: int
    fields: Mapping[str, str]
    content: bytes


def exchange(  # noqa: PLR0913  # a request has so many parts
    method: str, url: str, path: str, bounds: Bounds, words: str, *, headers: Mapping[str, str], **sent: Any
) -> HttpAnswer:
    """Send a request and read its answer; no redirect is followed, and nothing is unpacked.

    Args:
        method: of the request.
        url: of whoever is asked, as users name them.
        path: what is asked for, behind that.
        bounds: of the answer.
        words: of the messages, among which are `no_answer` and `no_service`.
        headers: of the request.
        sent: what else it has, as `httpx.AsyncClient.stream` takes it.

    Raises:
        CommandError: nobody answers, or not within the bounds.
    """
    import asyncio

    import httpx

    identity = {"accept-encoding": "identity", **headers}
    try:
        return asyncio.run(_exchange(method, url + path, bounds, headers=identity, **sent))
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
        reason = str(error) or type(error).__name__
        raise CommandError(f"{words}.no_answer", url=url, reason=reason) from None
    except _TooLongError:
        raise CommandError(f"{words}.no_service", url=url) from None


class _TooLongError(Exception):
    """There is more of an answer than is read."""


async def _exchange(method: str, url: str, bounds: Bounds, **sent: Any) -> HttpAnswer:
    import asyncio

    import httpx

    content = bytearray()
    # Attack: an answer that comes octet by octet has no pause that is too long, and no end.
    async with (
        asyncio.timeout(bounds.whole_s),
        httpx.AsyncClient(timeout=bounds.pause_s) as client,
        client.stream(method, url, **sent) as answer,
    ):
        async for piece in answer.aiter_raw():
            content += piece
            if len(content) > bounds.octets:
                raise _TooLongError
    return HttpAnswer(answer.status_code, answer.headers, bytes(content))
