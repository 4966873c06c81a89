"""What every answer carries, what nobody reads, and what denials leave in the ledger, of `tsa serve`."""

from __future__ import annotations

import asyncio
import http.client
import re
import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from kokuin.service.access.denials import DenialCode
from kokuin.service.access.response_fields import response_fields
from kokuin.service.config import load_config
from kokuin.service.keeper_process import make_keeper
from kokuin.service.owner import ask_owner
from kokuin.service.ports import WorkerReport
from tests.service.access.callers import ACME
from tests.service.asking import query
from tests.service.running import PATIENCE_S, leaves, serving, unserved

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.service.running import Prepared, Service

KEYED = {"TSA_ACCESS__TIMESTAMPS": "keyed"}
ID = re.compile(rb"[0-9a-f]{24}")


@pytest.fixture(scope="module", params=[1, 2], ids=["one worker", "two workers"])
def served(request: pytest.FixtureRequest, folder_of: Callable[[str], Prepared]) -> Iterator[Service]:
    with serving(folder_of("classical"), KEYED, workers=request.param) as service:
        yield service


def raw(service: Service, octets: bytes) -> tuple[int, list[tuple[bytes, bytes]]]:
    """Send octets and return status and fields of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=PATIENCE_S)
    connection.connect()
    connection.sock.sendall(octets)
    answer = http.client.HTTPResponse(connection.sock)
    answer.begin()
    fields = [(name.lower().encode(), value.encode()) for name, value in answer.getheaders()]
    connection.close()
    return answer.status, fields


def made(method: str, path: str, *fields: str, content: bytes = b"") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: x", f"Content-Length: {len(content)}", *fields, "", ""]
    return "\r\n".join(lines).encode() + content


REQUESTS: dict[str, tuple[bytes, int]] = {
    "a page": (made("GET", "/docs"), 200),
    "a public answer": (made("GET", "/healthz"), 200),
    "the same without content": (made("HEAD", "/trust/ca.pem"), 200),
    "no route": (made("GET", "/nothing"), 404),
    "no method": (made("DELETE", "/healthz"), 405),
    "no method of stamping": (made("GET", "/tsa"), 405),
    "a denial": (made("GET", "/api/v1/status"), 401),
    "a denial of stamping": (made("POST", "/tsa", content=query()), 401),
    "a key in the URL": (made("GET", "/healthz?api_key=x"), 400),
    "unfit words": (made("GET", "/api/v1/ledger/proofs/consistency?from=x"), 422),
    "too much content": (
        made("POST", "/tsa", "Expect: 100-continue").replace(b"Length: 0", b"Length: 99999999"),
        401,
    ),
    "no HTTP": (b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
    "a long header": (made("GET", "/healthz", "X: " + "x" * 20_000), 431),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_every_answer_has_an_id_of_ours_and_the_security_fields(served: Service, name: str) -> None:
    octets, expected = REQUESTS[name]
    status, fields = raw(served, octets)
    assert status == expected
    found = dict(fields)
    names = [name for name, _ in fields if name != b"www-authenticate"]
    assert len(names) == len(set(names)), "a field that stands twice is read in two ways"
    assert ID.fullmatch(found[b"x-request-id"])
    for field, value in response_fields(tls=False):
        assert found[field.lower().encode()] == value.encode()
    assert not {b"set-cookie", b"server", b"x-powered-by", b"strict-transport-security"} & set(found)


def test_a_token_s_answer_has_them_too(single: Service) -> None:
    answer = single.post(query())
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/timestamp-reply"
    assert ID.fullmatch(answer.headers["x-request-id"].encode())
    for field, value in response_fields(tls=False):
        assert answer.headers[field] == value


def test_hsts_is_promised_only_where_tls_is_ours() -> None:
    assert "Strict-Transport-Security" in dict(response_fields(tls=True))


def test_the_id_is_ours_whatever_the_client_sends_and_no_two_are_alike(served: Service) -> None:
    sent = f"X-Request-Id: {'a' * 24}"
    ids = {dict(raw(served, made("GET", "/api/v1/status", sent))[1])[b"x-request-id"] for _ in range(20)}
    assert len(ids) == 20
    assert b"a" * 24 not in ids
    numbers = sorted(int(each, 16) for each in ids)
    assert min(second - first for first, second in pairwise(numbers)) > 1_000_000, "no counter"


def test_the_id_of_a_denial_stands_in_its_problem_and_in_the_log(served: Service) -> None:
    answer = served.client.get("/api/v1/inventory")
    assert answer.json()["request"] == answer.headers["x-request-id"]
    event = served.event(event="access.denied", request=answer.headers["x-request-id"])
    assert (event["code"], event["route"], event["tenant"]) == (
        "CREDENTIAL_WANTED",
        "/api/v1/inventory",
        "none",
    )


@pytest.mark.parametrize("name", ["session", "authorization", "Authorization", "token", "kokuin"])
def test_a_cookie_opens_nothing_and_changes_nothing(served: Service, name: str) -> None:
    for value in (served.operator_key, f"Bearer {served.operator_key}"):
        cookie = {"cookie": f"{name}={value}"}
        answer = served.client.get("/api/v1/status", headers=cookie)
        assert (answer.status_code, answer.json()["code"]) == (401, "CREDENTIAL_WANTED")
    key = {"authorization": f"Bearer {served.operator_key}", "cookie": "authorization=Bearer wrong"}
    assert served.client.get("/api/v1/status", headers=key).status_code == 200


def test_answers_to_one_caller_are_in_nobodys_cache(served: Service) -> None:
    key = {"authorization": f"Bearer {served.operator_key}"}
    for path in ("/api/v1/status", "/api/v1/ledger/records", "/api/v1/profiles/nothing"):
        assert served.client.get(path, headers=key).headers["cache-control"] == "no-store"


def denied(service: Service) -> dict[tuple[str, str], list[int]]:
    """Return the counts of the leaves of denials by reason and tenant."""
    found: dict[tuple[str, str], list[int]] = {}
    for leaf in leaves(service.folder):
        if leaf["kind"] == "access.denied":
            found.setdefault((leaf["reason"], leaf["tenant"]), []).append(leaf["count"])
    return found


def ask(service: Service, operation: str, **arguments: Any) -> dict[str, Any]:
    answer = ask_owner(service.folder.owner_socket, operation, arguments, PATIENCE_S)
    assert answer["ok"], answer
    return answer


def test_denials_are_one_leaf_a_reason_and_tenant_whatever_their_number(
    folder_of: Callable[[str], Prepared],
) -> None:
    with serving(folder_of("classical"), KEYED, workers=2) as service:
        tenant = ask(service, "access.tenant.add", name="Acme")["tenant"]
        client = ask(service, "access.client.add", tenant=tenant, name="Robot", roles=["stamp"])["client"]
        made_key = ask(service, "access.key.create", client=client)
        key = {"authorization": f"Bearer {made_key['text']}"}
        assert service.post(query(), authorization=key["authorization"]).status_code == 200
        started = time.monotonic()
        for _ in range(7):
            service.client.get("/api/v1/status")
            service.post(query())
            service.client.get("/api/v1/ledger/records", headers=key)
        for _ in range(3):
            service.client.get("/api/v1/status", headers={"authorization": "Bearer wrong"})
        ask(service, "access.key.revoke", key=made_key["key"])
        assert service.post(query(), authorization=key["authorization"]).status_code == 401
        assert service.client.get(f"/healthz?k={made_key['text']}").status_code == 400
        early = denied(service)
        within = time.monotonic() - started < 50
        assert not (within and early), "a minute is counted before it is written"
        assert service.stop() == 0
    found = denied(service)
    if within:
        assert all(len(counts) == 1 for counts in found.values())
    assert {place: sum(counts) for place, counts in found.items()} == {
        ("CREDENTIAL_WANTED", "none"): 14,
        ("CREDENTIAL_WRONG", "none"): 3,
        ("ROLE_WANTED", tenant): 7,
        ("KEY_REVOKED", tenant): 1,
        ("CREDENTIAL_IN_URL", "none"): 1,
    }


@pytest.mark.parametrize("workers", [1, 2])
def test_a_service_whose_table_lacks_a_route_does_not_start(
    folder_of: Callable[[str], Prepared], tmp_path: Path, workers: int
) -> None:
    # As a release would be in which somebody added a route and forgot its rule.
    (tmp_path / "sitecustomize.py").write_text(
        "import kokuin.service.access.rules as rules\n"
        "rules.RULES = tuple(rule for rule in rules.RULES if rule.path != '/api/v1/inventory')\n"
    )
    settings = {"PYTHONPATH": str(tmp_path)}
    code, complaint = unserved(folder_of("classical").folder, settings, workers=workers)
    assert code not in {0, -15}
    assert "GET /api/v1/inventory has no rule of access" in complaint


def test_every_class_of_denial_has_one_leaf(folder_of: Callable[[str], Prepared]) -> None:
    folder = folder_of("classical").folder

    async def live() -> None:
        keeper = make_keeper(folder, load_config(folder.root, KEYED))
        await keeper.start()
        for worker in ("worker-1", "worker-2"):
            for _ in range(3):
                denials = tuple((code.value, tenant, 2) for code in DenialCode for tenant in ("none", ACME))
                keeper.report(worker, WorkerReport({}, (), "", {}, denials))
        await keeper.stop()

    asyncio.run(live())
    found = [leaf for leaf in leaves(folder) if leaf["kind"] == "access.denied"]
    assert {leaf["count"] for leaf in found} == {12}
    assert sum(leaf["count"] for leaf in found) == 12 * 2 * len(DenialCode)
    assert {leaf["reason"] for leaf in found} == {code.value for code in DenialCode}
    assert len(found) == 2 * len(DenialCode)
