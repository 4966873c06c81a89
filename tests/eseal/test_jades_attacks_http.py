"""Attacks on JSON seals over HTTP messages: a message that another reader takes for another one."""

from __future__ import annotations

import pytest

from eseal.jades_http import HttpMessage
from kokuin.trust.report import Indication
from kokuin.verify.content import of_octets
from tests.eseal.jades import judge, seal

REQUEST = HttpMessage((("(request-target)", "post /pay"), ("host", "bank.example")), b"900 yen")
DIGEST = f"Digest: {REQUEST.digest_field()}".encode()
ANSWER = HttpMessage((("date", "Sun, 22 Nov 2026 00:00:00 GMT"),), b"900 yen")


def message(start: bytes = b"POST /pay HTTP/1.1", *more: bytes, ends: bytes = b"\r\n") -> bytes:
    lines = (start, b"Host: bank.example", *more, DIGEST, b"", b"900 yen")
    return ends.join(lines)


@pytest.mark.parametrize("ends", [b"\r\n", b"\n"])
def test_a_sealed_request_passes(ends: bytes) -> None:
    report = judge(seal(REQUEST), of_octets(message(ends=ends)))
    assert report.indication is Indication.PASSED


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK", b"HTTP/1.1 404 Not Found", b"HTTP/2 200"])
def test_a_sealed_response_passes(start: bytes) -> None:
    lines = (start, b"Date: Sun, 22 Nov 2026 00:00:00 GMT", DIGEST, b"", b"900 yen")
    assert judge(seal(ANSWER), of_octets(b"\r\n".join(lines))).indication is Indication.PASSED


ATTACKS = {
    "a response with the target of a request for a field": message(
        b"HTTP/1.1 200 OK", b"(request-target): post /pay"
    ),
    "an empty line at which the body begins for others": b"POST /pay HTTP/1.1\nHost: bank.example\n\n"
    + DIGEST
    + b"\r\n\r\n900 yen",
    "a field behind a lone carriage return": message(
        b"POST /pay HTTP/1.1", b"X: 1\rTransfer-Encoding: chunked"
    ),
    "a name that ends early": message(b"POST /pay HTTP/1.1", b"X\x00-Y: 1"),
    "a name with a space": message(b"POST /pay HTTP/1.1", b"Content Length: 3"),
    "a line that goes on": message(b"POST /pay HTTP/1.1", b" Content-Length: 3"),
    "a version that is none": message(b"POST /pay EVIL"),
    "a target with a second one": message(b"POST /pay /other HTTP/1.1"),
}


@pytest.mark.parametrize("octets", ATTACKS.values(), ids=ATTACKS)
def test_a_message_that_two_readers_take_apart_in_two_ways_fails(octets: bytes) -> None:
    assert judge(seal(REQUEST), of_octets(octets)).indication is Indication.FAILED
