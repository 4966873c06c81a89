"""What the ledger holds of every token that a client received, computed again from what the client has."""

from __future__ import annotations

import hashlib
import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from asn1crypto import pem  # type: ignore[import-untyped]

from tests.service.asking import DATA, granted, imprint, query, serial_of, tst_info
from tests.service.running import PATIENCE_S

if TYPE_CHECKING:
    from tests.service.running import Service

HOUR_US = 3_600_000_000


def sha256(octets: bytes) -> str:
    return hashlib.sha256(octets).hexdigest()


def recorded(service: Service, body: bytes) -> tuple[dict[str, Any], bytes]:
    """Return the leaf and the stored token of a response."""
    stored = service.stored(serial_of(body))
    assert stored is not None
    assert stored.token is not None
    assert stored.leaf_hash == hashlib.sha256(b"\0" + stored.leaf).digest()
    return json.loads(stored.leaf), stored.token


@pytest.mark.parametrize(
    ("service", "profile", "suite"),
    [
        ("single", "classical", "ecdsa-p256-sha256"),
        ("double", "classical", "ecdsa-p256-sha256"),
        ("rsa", "classical-rsa", "rsa3072-pkcs1-sha256"),
        ("pq", "pq", "ml-dsa-65"),
    ],
    indirect=["service"],
)
def test_every_field_of_the_leaf_is_true(service: Service, profile: str, suite: str) -> None:
    request = query(message_imprint=imprint("sha384"), certificates=False)
    body = service.post(request).content
    token = granted(body)
    info, (_, _, unit) = tst_info(token), next(pem.unarmor(service.folder.units.read_bytes(), multiple=True))
    statement = token["content"]["encap_content_info"]["content"].contents
    leaf, stored = recorded(service, body)
    assert stored == token.dump()
    activated = [item for item in service.leaves() if item["kind"] == "cfg.activated"]
    expected = {
        "v": 1,
        "kind": "tst.issued",
        "self": False,
        "tenant": "public",
        "actor": "anonymous",
        "profile": profile,
        "policy": info["policy"].dotted,
        "suites": [suite],
        "serial": f"{info['serial_number'].native:032x}",
        "signer": sha256(unit),
        "req": sha256(request),
        "imp": hashlib.sha384(DATA).hexdigest(),
        "imp_alg": "sha384",
        "tok": sha256(stored),
        "tok512": hashlib.sha512(stored).hexdigest(),
        "tst": sha256(statement),
        "tst512": hashlib.sha512(statement).hexdigest(),
        "gen": round(info["gen_time"].native.timestamp() * 1_000_000),
        "acc": 1_000_000,
        "clk_off": 0,
        "clk_unc": 100_000,
        "cfg": activated[-1]["cfg"],
        "res": "granted",
    }
    assert {name: leaf[name] for name in expected} == expected
    assert leaf["clock"].startswith("system"), "a development clock is marked in every leaf"
    assert set(leaf) == {*expected, "id", "at", "clock", "salt", "unit"}
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", leaf["id"])
    assert re.fullmatch(r"[0-9a-f]{32}", leaf["salt"])
    assert leaf["at"] >= leaf["gen"]


def test_twins_differ_in_salt_id_and_serial(single: Service) -> None:
    first, second = (recorded(single, single.post(query()).content)[0] for _ in range(2))
    assert first["req"] == second["req"]
    for name in ("salt", "id", "serial", "tok"):
        assert first[name] != second[name]


@pytest.mark.parametrize("service", ["single", "double", "pq"], indirect=True)
def test_under_load_every_token_is_recorded_once_and_time_does_not_fall(service: Service) -> None:
    before = time.time_ns() // 1_000
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda nonce: service.post(query(nonce=nonce)), range(200)))
    bodies = [answer.content for answer in answers]
    tokens = {serial_of(body): granted(body) for body in bodies}
    assert len(tokens) == 200
    assert [tst_info(granted(body))["nonce"].native for body in bodies] == list(range(200))
    for serial, token in tokens.items():
        stored = service.stored(serial)
        assert stored is not None
        assert stored.token == token.dump()
    leaves = [leaf for leaf in service.leaves() if leaf.get("serial") in tokens]
    assert len(leaves) == 200
    times = [leaf["at"] for leaf in service.leaves()]
    assert times == sorted(times)
    assert before - HOUR_US < min(leaf["gen"] for leaf in leaves)


def test_what_is_logged_names_the_token_and_holds_no_body_and_no_key(single: Service) -> None:
    marked = imprint(value=hashlib.sha256(b"never to be logged").digest())
    answer = single.post(query(message_imprint=marked, nonce=0x5EC2E75EC2E7))
    headers = {"authorization": f"Bearer {single.operator_key}"}
    assert single.client.get("/api/v1/status", headers=headers).status_code == 200
    serial = serial_of(answer.content)
    event = single.event(serial=serial)
    assert event["request"] == answer.headers["x-request-id"]
    assert (event["event"], event["code"]) == ("tsa.answer", "GRANTED")
    assert {"pid", "role", "timestamp", "level", "ms"} <= set(event)
    log = single.log.read_text().lower()
    secrets = (single.operator_key, hashlib.sha256(b"never to be logged").hexdigest(), "5ec2e75ec2e7")
    for secret in (*secrets, str(0x5EC2E75EC2E7), "traceback"):
        assert secret.lower() not in log


@pytest.mark.parametrize("service", ["single", "double"], indirect=True)
def test_metrics_count_what_was_answered(service: Service) -> None:
    def counted() -> dict[str, float]:
        lines = service.client.get("/metrics").text.splitlines()
        pairs = [line.rsplit(" ", 1) for line in lines if not line.startswith("#")]
        return {name: float(value) for name, value in pairs}

    sent = {service.post(query(version=9)).headers["x-request-id"] for _ in range(5)}
    deadline = time.monotonic() + PATIENCE_S
    while True:
        found, told = counted(), [event for event in service.events() if event.get("event") == "tsa.answer"]
        # Answers to others too, of which any may be counted only now: the log tells how many there were.
        alike = {event["request"] for event in told if event["code"] == "REQUEST_VERSION"}
        count = sum(value for name, value in found.items() if 'answers_total{code="REQUEST_VERSION"' in name)
        if sent <= alike and count == len(alike):
            break
        assert time.monotonic() < deadline, f"{count} were counted of {len(alike)}"
        time.sleep(0.05)
    assert found['kokuin_tsa_answers_total{code="REQUEST_VERSION",profile="classical"}'] >= 5
    assert found["kokuin_ready"] == 1.0
    assert found["kokuin_clock_fit"] == 1.0
    assert found["kokuin_ledger_leaves"] > 0
