"""Forms as senders write them, in any pieces; and what is no form."""

from __future__ import annotations

import asyncio
import email.policy
import subprocess
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import TYPE_CHECKING, ClassVar

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokuin.service import verify_multipart, verify_reception
from kokuin.service.verify_codes import VerifyCode, VerifyRefusedError
from kokuin.service.verify_multipart import (
    MAX_HEADERS,
    MAX_PARTS,
    MultipartError,
    MultipartReader,
    parameters,
)
from kokuin.service.verify_reception import MAX_KEPT, MAX_TOKEN, Reception
from kokuin.wire.algorithms import DIGESTS
from tests.peers import need

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path

    from kokuin.service.verify_question import Question

LINE = b"\r\n"
BOUNDARY = "edge"


def part(name: str, content: bytes, more: bytes = b"") -> bytes:
    disposition = f'Content-Disposition: form-data; name="{name}"'.encode()
    return b"--edge" + LINE + disposition + more + LINE + LINE + content + LINE


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--edge--" + LINE


def read(pieces: Iterable[bytes], boundary: str = BOUNDARY) -> list[tuple[str, bytes]]:
    reader, found = MultipartReader(boundary), list[tuple[str, bytes]]()
    for octets in pieces:
        for piece in reader.feed(octets):
            if piece.first:
                found.append((piece.name, b""))
            found[-1] = (piece.name, found[-1][1] + piece.octets)
    reader.finish()
    return found


def received(content: bytes, content_type: str = f"multipart/form-data; boundary={BOUNDARY}") -> Question:
    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(content), 50_000):
            yield content[at : at + 50_000]

    async def receive() -> Question:
        return await Reception((), asyncio.Lock()).read(content_type, pieces())

    return asyncio.run(receive())


def fault(content: bytes, content_type: str = f"multipart/form-data; boundary={BOUNDARY}") -> tuple[str, str]:
    with pytest.raises(VerifyRefusedError) as caught:
        received(content, content_type)
    return caught.value.code.value, caught.value.field


ODD = [
    b"",
    b"\r\n",
    b"\r\n--edg",
    b"--edge",
    b"\r\n--",
    b"\r\n\r\n",
    b"\n--edge\n",
    b"\r\r\n-\r\n--\r\n--e\r\n--ed",
    bytes(range(256)) * 40,
]


@pytest.mark.parametrize("content", ODD)
def test_a_content_like_a_delimiter_is_content_however_it_is_cut(content: bytes) -> None:
    whole = form(part("token", content), part("data", b"x"), part("at", b""))
    wanted = [("token", content), ("data", b"x"), ("at", b"")]
    assert read([whole]) == wanted
    assert read(whole[at : at + 1] for at in range(len(whole))) == wanted
    for at in range(min(len(whole), 400)):
        assert read([whole[:at], whole[at:]]) == wanted


@given(st.lists(st.binary(max_size=300), max_size=5), st.randoms(use_true_random=False))
def test_any_contents_come_out_as_they_went_in(contents: list[bytes], dice: random.Random) -> None:
    delimiter = b"\r\n--edge"
    contents = [each for each in contents if delimiter not in LINE + each + delimiter[:-1]]
    whole = form(*(part(f"n{number}", content) for number, content in enumerate(contents)))
    whole = whole if contents else b"--edge--"
    cuts = sorted(dice.randrange(len(whole) + 1) for _ in range(4))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert read(pieces) == [(f"n{number}", content) for number, content in enumerate(contents)]


@given(st.binary(max_size=200), st.integers(0, 400))
def test_whatever_octets_come_a_form_or_a_refusal(octets: bytes, at: int) -> None:
    whole = form(part("token", b"abc"), part("data", b"def"))
    for candidate in (octets, whole[:at] + octets + whole[at:], whole[:at]):
        try:
            read([candidate])
        except MultipartError:
            continue


def test_httpx_curl_and_the_standard_library_are_understood(tmp_path: Path) -> None:
    contents = {"token": bytes(range(256)), "data": b"\r\n--\r\n" * 3000}
    request = httpx.Request("POST", "http://x/", files=contents, data={"at": "2026-06-01"})
    boundary = parameters(request.headers["content-type"])[1]["boundary"]
    wanted = {("at", b"2026-06-01"), *contents.items()}
    assert set(read([request.read()], boundary)) == wanted

    message = EmailMessage(policy=email.policy.HTTP)
    message["Content-Type"] = "multipart/form-data"
    for name, content in (*contents.items(), ("at", b"2026-06-01")):
        inner = EmailMessage(policy=email.policy.HTTP)
        inner.set_content(content, "application", "octet-stream", cte="8bit" if name == "at" else "binary")
        inner["Content-Disposition"] = f'form-data; name="{name}"; filename="a; name=\\"b\\""'
        del inner["Content-Transfer-Encoding"]
        message.attach(inner)
    head, _, body = message.as_bytes().partition(b"\r\n\r\n")
    assert b"multipart/form-data" in head
    assert {name for name, _ in read([body], message.get_boundary() or "")} == {"token", "data", "at"}


class _Taking(BaseHTTPRequestHandler):
    """Keeps what is posted."""

    taken: ClassVar[list[tuple[str, bytes]]] = []

    def do_POST(self) -> None:
        """Take one content."""
        body = self.rfile.read(int(self.headers["content-length"]))
        self.taken.append((self.headers["content-type"], body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_curl_is_understood(tmp_path: Path) -> None:
    curl = need("curl")
    token = tmp_path / 'to"ken; name=data.tsr'
    token.write_bytes(bytes(range(256)) * 1000)
    with HTTPServer(("127.0.0.1", 0), _Taking) as server:
        taking = Thread(target=server.handle_request, daemon=True)
        taking.start()
        words = ["-s", "-F", f'token=@"{token}"'.replace('to"ken', r"to\"ken"), "-F", "at=2026-06-01"]
        subprocess.run([curl, *words, f"http://127.0.0.1:{server.server_port}/"], check=True, timeout=60)
        taking.join()
    ((content_type, body),) = _Taking.taken
    assert read([body], parameters(content_type)[1]["boundary"]) == [
        ("token", token.read_bytes()),
        ("at", b"2026-06-01"),
    ]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"--edge",
        b"preamble\r\n" + form(part("token", b"x")),
        part("token", b"x"),
        part("token", b"x") + b"--edge",
        part("token", b"x") + b"--edge-",
        form(b"--edge\r\n\r\nno header\r\n"),
        form(b"--edge\r\nContent-Disposition: attachment; name=token\r\n\r\nx\r\n"),
        form(b"--edge\r\nContent-Disposition: form-data\r\n\r\nx\r\n"),
        form(b"--edge\r\nContent-Disposition: form-data; name=a; name=b\r\n\r\nx\r\n"),
        form(b'--edge\r\nContent-Disposition: form-data; name="a\r\n\r\nx\r\n'),
        form(part("token", b"x", b"\r\nContent-Disposition: form-data; name=data")),
        form(part("token", b"eA==", b"\r\nContent-Transfer-Encoding: base64")),
        form(part("token", b"x", b"\r\nX: " + bytes(MAX_HEADERS))),
        b"--edge" + b" " * 100 + LINE + part("token", b"x"),
        b"--edgex" + form(part("token", b"x"))[6:],
        form(*[part("crl", b"")] * (MAX_PARTS + 1)),
    ],
)
def test_what_is_no_form_is_refused(content: bytes) -> None:
    assert fault(content) == ("REQUEST_INVALID", "")


def test_what_follows_the_last_delimiter_means_nothing_and_has_an_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = form(part("token", b"x")) + part("data", b"y") * 1000
    assert read([whole]) == [("token", b"x")]
    assert received(whole).digests is None
    monkeypatch.setattr(verify_reception, "MAX_CONTENT", 10_000)
    assert fault(whole) == ("HTTP_BODY_TOO_LARGE", "")


@pytest.mark.parametrize("boundary", ["", "a" * 71, "edge ", "ed\r\nge", "edgeé", "ed{ge"])
def test_a_boundary_that_cannot_be_is_refused(boundary: str) -> None:
    with pytest.raises(MultipartError):
        MultipartReader(boundary)


@pytest.mark.parametrize(
    ("parts", "wanted"),
    [
        ((), "token"),
        ((part("data", b"x"),), "token"),
        ((part("token", b"x"), part("token", b"y")), "token"),
        ((part("token", b"x"), part("data", b"y"), part("data", b"z")), "data"),
        ((part("token", b"x"), part("at", b"2026-06-01"), part("at", b"2027-06-01")), "at"),
        ((part("token", b"x"), part("trust", b"-----BEGIN CERTIFICATE-----")), "trust"),
        ((part("token", b"x"), part("digest", b"00"), part("data", b"")), "digest"),
        ((part("token", b"x"), part("digest", b"xyz")), "digest"),
        ((part("token", b"x"), part("at", b"yesterday")), "at"),
        ((part("token", b"x"), part("at", b"0001-01-01T00:00+14:00")), "at"),
        ((part("token", b"x"), part("at", b"\xff")), "at"),
        ((part("token", b"x"), part("revocation", b"never")), "revocation"),
        ((part("token", b"x"), part("request", b"no request")), "request"),
    ],
)
def test_a_field_that_cannot_be_is_named(parts: tuple[bytes, ...], wanted: str) -> None:
    assert fault(form(*parts)) == ("REQUEST_INVALID", wanted)


@pytest.mark.parametrize("name", ["/etc/passwd", "../baseline", "baseline.toml", "", "BASELINE"])
def test_a_policy_is_no_path(name: str) -> None:
    assert fault(form(part("token", b"x"), part("policy", name.encode()))) == ("POLICY_UNKNOWN", "")


@pytest.mark.parametrize(
    ("parts", "wanted"),
    [
        ((part("token", bytes(MAX_TOKEN + 1)),), "token"),
        ((part("token", b"x"), part("proof", bytes(MAX_TOKEN + 1))), "proof"),
        ((part("token", b"x"), part("evidence", bytes(MAX_TOKEN + 1))), "evidence"),
        ((part("token", b"x"), part("at", bytes(2000))), "at"),
        ((part("token", b"x"), part("crl", bytes(MAX_KEPT))), "crl"),
        ((part("token", b"x"), *[part("crl", bytes(MAX_KEPT // 10))] * 11), "crl"),
    ],
)
def test_what_is_kept_is_bounded(parts: tuple[bytes, ...], wanted: str) -> None:
    assert fault(form(*parts)) == ("HTTP_BODY_TOO_LARGE", wanted)


def test_data_is_bounded_and_none_of_it_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify_reception, "MAX_DATA", 256 * 11_718 + 4)
    data = bytes(range(256)) * 11_718 + b"tail"
    question = received(form(part("token", b"x"), part("data", data)))
    assert question.digests == {digest.name: digest.of(data) for digest in DIGESTS}
    assert len(question.encode()) < 4096
    assert fault(form(part("token", b"x"), part("data", data + b"x"))) == ("HTTP_BODY_TOO_LARGE", "data")


@pytest.mark.parametrize(
    "content_type",
    ["application/x-www-form-urlencoded", "text/plain", "multipart/mixed; boundary=edge", "a;;"],
)
def test_a_type_that_is_not_read_here_is_refused(content_type: str) -> None:
    assert fault(b"x", content_type) == (VerifyCode.MEDIA_TYPE.value, "")


@pytest.mark.parametrize(
    "content_type", ["", "Application/Timestamp-Reply", "application/octet-stream; charset=binary"]
)
def test_a_content_of_a_type_of_time_stamps_is_one(content_type: str) -> None:
    assert received(b"x", content_type).token == b"x"


def test_no_reader_holds_more_than_it_must() -> None:
    reader = MultipartReader(BOUNDARY)
    list(reader.feed(form(part("data", b""))[: -len(b"\r\n--edge--\r\n")]))
    for _ in range(100):
        list(reader.feed(bytes(100_000)))
        assert len(reader._buffer) < len(BOUNDARY) + 4
    assert verify_multipart.MAX_PARTS == MAX_PARTS
