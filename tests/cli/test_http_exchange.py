"""Whatever answers a command over HTTP: it is bounded in octets and in time, and told as what it is."""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from kokuin.cli.http_exchange import Bounds, exchange
from kokuin.cli.outcome import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

HEAD = b"HTTP/1.1 200 OK\r\n"
BOUNDS = Bounds(octets=1_000, pause_s=60, whole_s=60)
SHORT = Bounds(octets=1_000, pause_s=10, whole_s=0.5)
"""For an answer that has no end."""


@contextlib.contextmanager
def answering(pieces: Iterable[bytes], pause_s: float = 0) -> Iterator[str]:
    """Answer one connection with these octets, each after a pause."""
    gone = threading.Event()

    def answer() -> None:
        with contextlib.suppress(OSError):
            connection, _ = server.accept()
            with connection:
                connection.recv(65_536)
                for piece in pieces:
                    if gone.wait(pause_s) if pause_s else gone.is_set():
                        return
                    connection.sendall(piece)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65_536):
                    pass

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            gone.set()
            server.close()
            thread.join()


def ask(url: str, bounds: Bounds = BOUNDS) -> bytes:
    return exchange("POST", url, "", bounds, "stamp", headers={}, content=b"?").content


def test_an_answer_comes_as_it_was_sent() -> None:
    with answering([HEAD + b"content-length: 4\r\nX-Odd: 1\r\n\r\n", b"\x1f\x8b", b"\x00\x01"]) as url:
        answer = exchange("POST", url, "", BOUNDS, "stamp", headers={}, content=b"?")
    assert (answer.status, answer.fields["x-odd"], answer.content) == (200, "1", b"\x1f\x8b\x00\x01")


@pytest.mark.parametrize("head", [b"content-length: 1001\r\n\r\n", b"\r\n"])
def test_an_answer_that_is_too_long_is_none_of_such_a_service(head: bytes) -> None:
    with answering([HEAD + head, *([b"0123456789"] * 101)]) as url, pytest.raises(CommandError) as error:
        ask(url)
    assert error.value.key == "stamp.no_service"


@pytest.mark.parametrize("begin", [HEAD, HEAD + b"\r\n"])
def test_an_answer_that_comes_octet_by_octet_ends(begin: bytes) -> None:
    # Attack: no pause is too long, in the header or behind it, and there is no end.
    pieces = itertools.chain([begin], itertools.repeat(b"x"))
    with answering(pieces, 0.05) as url, pytest.raises(CommandError) as error:
        ask(url, SHORT)
    assert (error.value.key, error.value.params["reason"]) == ("stamp.no_answer", "TimeoutError")


@pytest.mark.parametrize("octets", [b"", b"SSH-2.0-OpenSSH\r\n", HEAD + b"content-length: 9\r\n\r\nshort"])
def test_what_is_no_http_is_told(octets: bytes) -> None:
    with answering([octets]) as url, pytest.raises(CommandError) as error:
        ask(url)
    assert error.value.key == "stamp.no_answer"


@pytest.mark.parametrize(
    "url", ["nowhere", "ftp://localhost/", "http://[::1", "http://127.0.0.1:1/", "http://a b/"]
)
def test_what_cannot_be_asked_is_told(url: str) -> None:
    with pytest.raises(CommandError) as error:
        ask(url)
    assert error.value.key == "stamp.no_answer"


def test_an_answer_packed_all_the_same_is_not_unpacked(tmp_path: Path) -> None:
    # Attack: a few octets that become gigabytes.
    (tmp_path / "sent").write_bytes(b"document")
    packed = HEAD + b"content-encoding: gzip\r\ncontent-length: 3\r\n\r\n\x1f\x8b\x08"
    with answering([packed]) as url, (tmp_path / "sent").open("rb") as file:
        answer = exchange("POST", url, "", BOUNDS, "stamp", headers={}, files={"document": file})
    assert answer.content == b"\x1f\x8b\x08"
