"""One bad request per rule over HTTP: 200, rejection, the right failInfo bit, a text (RFC 3161 §2.4.2)."""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
import time
from typing import TYPE_CHECKING

import pytest

from tests.der import tlv
from tests.service.asking import (
    CERT_REQ,
    DATA,
    DIGESTS,
    NULL,
    POLICY,
    extension,
    granted,
    imprint,
    integer,
    oid,
    query,
    refusal,
    tst_info,
)
from tests.service.conftest import EXTENSION
from tests.service.running import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from tests.service.running import Service

FORMAT, REQUEST, ALGORITHM = "bad_data_format", "bad_request", "bad_alg"
TEXT = b"\x0c\x01a"
UNKNOWN = "1.3.6.1.4.1.32473.78"
GOOD = query()


def hashed(dotted: str, size: int) -> bytes:
    return query(message_imprint=tlv(0x30, tlv(0x30, oid(dotted), NULL), tlv(0x04, bytes(size))))


def sha256(value: bytes) -> bytes:
    return query(message_imprint=imprint(value=value))


def fields(*parts: bytes) -> bytes:
    return tlv(0x30, integer(1), imprint(), *parts)


BAD: dict[str, tuple[bytes, str]] = {
    "empty body": (b"", FORMAT),
    "garbage": (b"GET / HTTP/1.1", FORMAT),
    "zeros": (bytes(64), FORMAT),
    "JSON": (b'{"hash": "..."}', FORMAT),
    "a response": (bytes.fromhex("30053003020100"), FORMAT),
    "trailing octet": (GOOD + b"\0", FORMAT),
    "trailing request": (GOOD * 2, FORMAT),
    "longer than it says": (b"\x30\x84\x7f\xff\xff\xff" + GOOD[2:], FORMAT),
    "trailing field": (fields(integer(1), CERT_REQ, NULL), FORMAT),
    "fields in another order": (fields(CERT_REQ, integer(1)), FORMAT),
    "no imprint": (tlv(0x30, integer(1)), FORMAT),
    "nested deeper than any request": (b"\x30\x80" * 4_000, FORMAT),
    "extension without value": (fields(tlv(0xA0, tlv(0x30, oid(EXTENSION)))), FORMAT),
    "version 0": (query(version=0), REQUEST),
    "version 2": (query(version=2), REQUEST),
    "version below zero": (query(version=-1), REQUEST),
    "SHA-256 of 31 octets": (sha256(bytes(31)), FORMAT),
    "SHA-256 of 33 octets": (sha256(bytes(33)), FORMAT),
    "SHA-256 of nothing": (sha256(b""), FORMAT),
    "SHA-512 of 32 octets": (hashed(DIGESTS["sha512"], 32), FORMAT),
    "imprint parameters": (query(message_imprint=imprint(parameters=b"\x02\x01\x00")), FORMAT),
    "SHA-1": (query(message_imprint=imprint("sha1")), ALGORITHM),
    "MD5": (query(message_imprint=imprint("md5")), ALGORITHM),
    "SHA-224": (hashed("2.16.840.1.101.3.4.2.4", 28), ALGORITHM),
    "unknown hash": (hashed("1.3.6.1.4.1.32473.79", 32), ALGORITHM),
    "unknown policy": (query(policy=UNKNOWN), "unaccepted_policy"),
    "policy of another profile": (query(policy="1.3.6.1.4.1.32473.3"), "unaccepted_policy"),
    "unknown extension": (query(extensions=(extension(UNKNOWN, TEXT),)), "unaccepted_extensions"),
    "unknown critical extension": (
        query(extensions=(extension(UNKNOWN, TEXT, critical=True),)),
        "unaccepted_extensions",
    ),
    "known extension made critical": (
        query(extensions=(extension(EXTENSION, TEXT, critical=True),)),
        "unaccepted_extensions",
    ),
    "known and unknown extension": (
        query(extensions=(extension(EXTENSION, TEXT), extension(UNKNOWN, TEXT))),
        "unaccepted_extensions",
    ),
    "extension twice": (query(extensions=(extension(EXTENSION, TEXT),) * 2), "unaccepted_extensions"),
    "extension that is no DER": (
        query(extensions=(extension(EXTENSION, b"\x0c\x7fa"),)),
        "add_info_not_available",
    ),
    "extension in BER": (
        query(extensions=(extension(EXTENSION, b"\x30\x80\0\0"),)),
        "add_info_not_available",
    ),
    "nonce of 65 octets": (query(nonce=1 << 515), FORMAT),
}


def check(answer: httpx.Response, bit: str) -> str:
    """Check that an HTTP answer refuses as RFC 3161 does, and return its text."""
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/timestamp-reply"
    status, bits, text = refusal(answer.content)
    assert (status, bits) == ("rejection", {bit})
    assert text
    return text


@pytest.mark.parametrize("name", BAD)
def test_a_bad_request_is_refused_with_its_bit(single: Service, name: str) -> None:
    body, bit = BAD[name]
    check(single.post(body), bit)


@pytest.mark.parametrize("service", ["double", "pq"], indirect=True)
@pytest.mark.parametrize("name", ["empty body", "version 2", "SHA-1", "unknown policy", "unknown extension"])
def test_every_arrangement_refuses_alike(service: Service, name: str) -> None:
    body, bit = BAD[name]
    check(service.post(body), bit)


def test_a_request_cut_short_anywhere_is_refused(single: Service) -> None:
    for size in range(len(GOOD)):
        check(single.post(GOOD[:size]), FORMAT)
    granted(single.post(GOOD).content)


@pytest.mark.parametrize("service", ["single", "double"], indirect=True)
def test_a_profile_that_is_not_offered_is_an_unaccepted_policy(service: Service) -> None:
    check(service.post(GOOD, "/tsa/unknown"), "unaccepted_policy")
    check(service.post(query(policy=POLICY), "/tsa/pq"), "unaccepted_policy")


def test_the_profile_by_its_path_is_granted(single: Service) -> None:
    assert tst_info(granted(single.post(GOOD, "/tsa/classical").content))["policy"].dotted == POLICY
    check(single.post(query(policy=UNKNOWN), "/tsa/classical"), "unaccepted_policy")


def test_indefinite_lengths_are_understood(single: Service) -> None:
    body = b"\x30\x80" + GOOD[2:] + b"\0\0"
    info = tst_info(granted(single.post(body).content))
    assert info["message_imprint"]["hashed_message"].native == hashlib.sha256(DATA).digest()


@pytest.mark.parametrize(
    "label", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]
)
def test_a_request_is_what_it_is_whatever_its_label(single: Service, label: str) -> None:
    granted(single.post(GOOD, content_type=label).content)
    check(single.post(b"data=abc", content_type=label), FORMAT)


def test_a_clock_that_cannot_be_trusted_gives_no_time(clockless: Service) -> None:
    check(clockless.post(GOOD), "time_not_available")
    ready = clockless.client.get("/readyz")
    assert ready.status_code == 503
    assert "CLOCK_SOURCE_LOST" in ready.json()["problems"]
    deadline = time.monotonic() + PATIENCE_S
    while not (unfit := [leaf for leaf in clockless.leaves() if leaf["kind"] == "clock.unfit"]):
        assert time.monotonic() < deadline, "its record is never written"
        time.sleep(0.02)
    assert [leaf["reason"] for leaf in unfit] == ["CLOCK_SOURCE_LOST"]
    check(clockless.post(query(version=2)), REQUEST)  # what the client can mend, it hears first


@contextlib.contextmanager
def write_lock(service: Service) -> Iterator[None]:
    """Hold the ledger's write lock, as a careless tool would."""
    with contextlib.closing(
        sqlite3.connect(service.folder.ledger, isolation_level=None, timeout=PATIENCE_S)
    ) as thief:
        thief.execute("BEGIN IMMEDIATE")
        yield
        thief.execute("ROLLBACK")


@pytest.mark.parametrize("service", ["single", "double", "pq"], indirect=True)
def test_a_ledger_that_cannot_be_written_refuses_and_recovers(service: Service) -> None:
    granted(service.post(GOOD).content)
    with write_lock(service):
        for _ in range(3):
            check(service.post(GOOD), "system_failure")
        check(service.post(query(version=2)), REQUEST)
    granted(service.post(GOOD).content)
    # Others ask this service too, and its keeper may have met the lock a moment ago.
    deadline = time.monotonic() + PATIENCE_S
    while (ready := service.client.get("/readyz")).status_code != 200:
        assert time.monotonic() < deadline, ready.text
        time.sleep(0.05)


def test_all_eight_bits_are_reached_here() -> None:
    tested = {bit for _, bit in BAD.values()} | {"time_not_available", "system_failure"}
    assert len(tested) == 8


def answers(service: Service, code: str) -> tuple[float, str]:
    """Return how often the metrics count a code, and their whole text."""
    answer = service.client.get("/metrics")
    assert answer.status_code == 200
    lines = [line for line in answer.text.splitlines() if "kokuin_tsa_answers_total" in line]
    return sum(float(line.split()[-1]) for line in lines if f'code="{code}"' in line), answer.text


@pytest.mark.parametrize("service", ["single", "double"], indirect=True)
def test_a_profile_name_of_the_clients_making_is_counted_nowhere(service: Service) -> None:
    """Names out of URLs would fill memory, metrics and ledger, and could forge a line of theirs."""
    paths = ["/tsa/made-up", "/tsa/%1fmade-up%1fx", "/tsa/\u9b31made-up", "/tsa/made-up%0a"]
    before, _ = answers(service, "REQUEST_TRAILING")
    for path in paths:
        check(service.post(GOOD + b"\0", path), FORMAT)
    deadline = time.monotonic() + PATIENCE_S
    while (found := answers(service, "REQUEST_TRAILING"))[0] < before + len(paths):
        assert time.monotonic() < deadline, "the answers are never counted"
        time.sleep(0.05)
    assert "made-up" not in found[1]
