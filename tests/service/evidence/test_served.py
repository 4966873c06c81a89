"""A service with the profile `hybrid`: a token at once, its evidence record soon, and what hinders them."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import os
import signal
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from kokuin.trust.anchors import load_trust
from kokuin.trust.context import Context
from kokuin.trust.report import Indication
from kokuin.verify.verifying import verify_bytes
from kokuin.wire.tsp import read_timestamp_response
from pqc.policies import load_policy
from tests.service.asking import granted, imprint, query, refusal, serial_of
from tests.service.evidence.evidencing import see
from tests.service.running import QUERY, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

    from tests.service.running import Prepared, Service

PATIENCE_S = 60.0
EVIDENCE = "/api/v1/evidence/"
DOCUMENT = b"a letter"


@pytest.fixture(scope="module")
def hybrid(folder_of: Callable[[str], Prepared]) -> Iterator[Service]:
    """Parent, keeper and two workers."""
    with serving(folder_of("hybrid"), workers=2) as service:
        yield service


def stamp(service: Service, digest: str = "sha256", **headers: str) -> tuple[bytes, str]:
    """Have a document stamped; return the token and its serial number."""
    body = query(message_imprint=imprint(digest, hashlib.new(digest, DOCUMENT).digest()), nonce=None)
    answer = service.post(body, **headers)
    assert answer.status_code == 200
    return granted(answer.content).dump(), serial_of(answer.content)


def record(service: Service, serial: str) -> httpx.Response:
    """Ask for a record until it is there."""
    deadline = time.monotonic() + PATIENCE_S
    while (answer := service.client.get(EVIDENCE + serial)).status_code == 409:
        assert answer.json()["code"] == "EVIDENCE_PENDING"
        assert answer.headers["retry-after"] == "1"
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return answer


def told(digest: bytes) -> str:
    """Write a field as RFC 9530 has it."""
    return f"sha-512=:{base64.b64encode(digest).decode()}:"


def test_a_record_comes_soon_and_covers_the_token_its_certificates_and_the_document(hybrid: Service) -> None:
    token, serial = stamp(hybrid, document_digest=told(hashlib.sha512(DOCUMENT).digest()))
    answer = record(hybrid, serial)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == f'attachment; filename="{serial}.er"'
    seen = see(answer.content)
    covered = {token, *seen.infos.values(), DOCUMENT}
    assert {hashlib.sha512(each).digest() for each in covered} == seen.group
    assert hybrid.client.head(EVIDENCE + serial).headers["content-length"] == str(len(answer.content))


def test_a_token_passes_by_its_evidence_when_its_own_algorithm_has_fallen(hybrid: Service) -> None:
    token, serial = stamp(hybrid, document_digest=told(hashlib.sha512(DOCUMENT).digest()))
    evidence = record(hybrid, serial).content
    at = dt.datetime(2033, 1, 1, tzinfo=dt.UTC)
    context = Context(
        int(at.timestamp()) * 1_000_000,
        load_trust(hybrid.folder.anchors),
        content=lambda digest: hashlib.new(digest, DOCUMENT).digest(),
        policy=load_policy("eu-ts119312"),
    )
    assert verify_bytes(token, context).indication is Indication.INDETERMINATE
    report = verify_bytes(token, replace(context, evidence=(evidence,)))
    assert report.indication is Indication.PASSED, report


@pytest.mark.parametrize(
    "value",
    [
        "sha-512",
        "sha-512=abc",
        "sha-512=:abc:",
        f"sha-512=:{base64.b64encode(bytes(63)).decode()}:",
        f"sha-512=:{base64.b64encode(bytes(64)).decode()}",
        f"sha-512=:{base64.b64encode(bytes(64)).decode()}:, =",
        ",",
        "a" * 2000,
    ],
)
def test_a_digest_of_the_document_that_cannot_be_read_is_refused(hybrid: Service, value: str) -> None:
    answer = hybrid.post(query(), document_digest=value)
    assert (answer.status_code, answer.json()["code"]) == (400, "DOCUMENT_DIGEST_INVALID")


def test_other_algorithms_of_the_field_are_passed_over(hybrid: Service) -> None:
    own = hashlib.sha512(DOCUMENT).digest()
    _, serial = stamp(
        hybrid, document_digest=f"sha-256=:{base64.b64encode(bytes(32)).decode()}:, {told(own)}"
    )
    assert own in see(record(hybrid, serial).content).group
    _, serial = stamp(hybrid, document_digest=f"md5=:{base64.b64encode(bytes(16)).decode()}:")
    assert len(see(record(hybrid, serial).content).group) == 3


def test_a_digest_that_is_not_the_imprints_own_is_a_bad_request(hybrid: Service) -> None:
    body = query(message_imprint=imprint("sha512"))
    answer = hybrid.post(body, document_digest=told(bytes(64)))
    assert refusal(answer.content)[1] == {"bad_request"}


def test_the_unit_that_makes_evidence_answers_nobody(hybrid: Service) -> None:
    answer = hybrid.client.post("/tsa/evidence", content=query(), headers={"content-type": QUERY})
    assert refusal(answer.content)[1] == {"unaccepted_policy"}
    answer = hybrid.post(query(policy="1.3.6.1.4.1.32473.8", message_imprint=imprint("sha512")))
    assert refusal(answer.content)[1] == {"unaccepted_policy"}


def test_what_has_no_evidence_is_told_apart(hybrid: Service) -> None:
    for serial in ("ab", "AB", "x", "f" * 65):
        answer = hybrid.client.get(EVIDENCE + serial)
        assert (answer.status_code, answer.json()["code"]) == (404, "TOKEN_UNKNOWN")
    _, serial = stamp(hybrid)
    record(hybrid, serial)
    archive = next(leaf["archive"] for leaf in hybrid.leaves() if leaf["kind"] == "evidence.stamped")
    answer = hybrid.client.get(EVIDENCE + archive)
    assert answer.status_code == 404


def test_metrics_tell_batches_tokens_and_backlog(hybrid: Service) -> None:
    def counted() -> dict[str, float]:
        lines = hybrid.client.get("/metrics").text.splitlines()
        values = (line.split(" ") for line in lines if line.startswith("kokuin_evidence"))
        return {name: float(value) for name, value in values}

    record(hybrid, stamp(hybrid)[1])
    deadline = time.monotonic() + PATIENCE_S
    while (values := counted())["kokuin_evidence_batches_total"] < 1:  # counted once it is on record
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert values["kokuin_evidence_tokens_total"] >= values["kokuin_evidence_batches_total"]
    assert "kokuin_evidence_backlog_seconds" in values


def test_every_token_that_was_granted_gets_its_evidence_although_the_keeper_was_killed(
    folder_of: Callable[[str], Prepared],
) -> None:
    with serving(folder_of("hybrid"), workers=2) as service:
        serials = _granted(service, 20)
        killed: set[int] = set()
        for _ in range(2):
            _kill_keeper(service, killed)
            serials += _granted(service, 20)
        for serial in serials:
            seen = see(record(service, serial).content)
            token = service.client.get(f"/api/v1/timestamps/{serial}").content
            assert hashlib.sha512(granted(token).dump()).digest() in seen.group
        found = service.leaves()
        covered = sum(leaf["count"] for leaf in found if leaf["kind"] == "evidence.stamped")
        assert covered == sum(leaf["kind"] == "tst.issued" and not leaf["self"] for leaf in found)


def _granted(service: Service, count: int) -> list[str]:
    """Ask until so many tokens were granted: without a keeper there is none."""
    found: list[str] = []
    deadline = time.monotonic() + PATIENCE_S
    while len(found) < count:
        assert time.monotonic() < deadline
        answer = service.post(query(message_imprint=imprint("sha256", os.urandom(32))))
        response = read_timestamp_response(answer.content)
        if response.token is None:
            time.sleep(0.05)
        else:
            found.append(serial_of(answer.content))
    return found


def _kill_keeper(service: Service, killed: set[int]) -> None:
    """Kill the keeper that is at work, and remember which it was: the next has a number of its own."""
    deadline = time.monotonic() + PATIENCE_S
    while not (
        alive := {event["pid"] for event in service.events() if event.get("role") == "keeper"} - killed
    ):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    (pid,) = alive
    os.kill(pid, signal.SIGKILL)
    killed.add(pid)
