"""Who is refused before their content is read is told that the answer ends the connection (RFC 9112 §9.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.service.direct_server import Serving, serving
from tests.service.slow_clients import HOST, connect, read_answers, until_closed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.service.running import Prepared

CONTENT = b"Content-Length: 56\r\n"


@pytest.fixture(scope="module")
def served(folder_of: Callable[[str], Prepared]) -> Iterator[Serving]:
    with serving(folder_of("classical").folder, settings={"TSA_ACCESS__TIMESTAMPS": '"keyed"'}) as server:
        yield server


@pytest.mark.parametrize("framing", [CONTENT, b"Transfer-Encoding: chunked\r\n"])
@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"POST /tsa HTTP/1.1\r\n", 401),
        (b"POST /tsa HTTP/1.1\r\nAuthorization: Bearer wrong\r\n", 401),
        (b"POST /tsa?api_key=x HTTP/1.1\r\n", 400),
        (b"PUT /tsa HTTP/1.1\r\n", 405),
    ],
)
def test_an_answer_before_the_content_says_that_the_connection_ends(
    served: Serving, line: bytes, status: int, framing: bytes
) -> None:
    with connect(served.address, line + HOST + framing + b"\r\n") as client:
        (answer,) = read_answers(client, 1)
        assert (answer.status, answer.fields.get("connection")) == (status, "close")
        client.sendall(b"\0" * 56)
        assert until_closed(client) is not None


def test_a_request_without_content_leaves_the_connection_open(served: Serving) -> None:
    head = b"POST /tsa HTTP/1.1\r\n" + HOST + b"Content-Length: 0\r\n\r\n"
    with connect(served.address, head * 2) as client:
        assert [answer.status for answer in read_answers(client, 2)] == [401, 401]
