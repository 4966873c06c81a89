"""Administration has a socket of its own: what is for it answers there, and on no other."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from kokuin.service.owner import ask_owner
from tests.service.access.desks import proposed, until_us
from tests.service.asking import granted, query, read
from tests.service.running import PATIENCE_S, PLAIN, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.service.running import Prepared, Service

pytestmark = pytest.mark.timeout(300)
ADMINISTRATION = [
    ("GET", "tenants"),
    ("POST", "tenants"),
    ("GET", "clients"),
    ("GET", "keys"),
    ("GET", "bindings"),
    ("GET", "approvals"),
    ("GET", "activations"),
    ("GET", "stop"),
    ("POST", "stop"),
]
OPERATION = [("GET", "status"), ("GET", "profiles"), ("POST", "clock/resume"), ("GET", "inventory")]


@pytest.fixture(scope="module", params=[1, 2])
def service(request: pytest.FixtureRequest, folder_of: Callable[[str], Prepared]) -> Iterator[Service]:
    settings = {"TSA_SERVER__ADMIN_PORT": "0"}
    with serving(folder_of("classical"), settings, workers=request.param) as service:
        yield service


def ask(
    service: Service, method: str, path: str, *, admin: bool = True, key: str | None = None, **content: Any
) -> httpx.Response:
    """Ask one of the two ports, with the operator key, over a connection of its own."""
    port = service.event(event="serving")["admin_port" if admin else "port"]
    shown = service.operator_key if key is None else key
    headers = {"authorization": f"Bearer {shown}"} if shown else {}
    url = f"http://127.0.0.1:{port}/api/v1/{path}"
    body = {"json": content} if content else {}
    with httpx.Client(timeout=PATIENCE_S, trust_env=False, verify=PLAIN) as client:
        return client.request(method, url, headers=headers, **body)  # type: ignore[arg-type]  # json, or nothing


@pytest.mark.parametrize(("method", "path"), [*ADMINISTRATION, *OPERATION])
def test_what_is_for_operators_answers_on_the_port_of_administration_alone(
    service: Service, method: str, path: str
) -> None:
    elsewhere = ask(service, method, path, admin=False)
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (404, "ADMINISTRATION_ELSEWHERE")
    nobody = ask(service, method, path, key="")
    assert (nobody.status_code, nobody.json()["code"]) == (401, "CREDENTIAL_WANTED")
    there = ask(service, method, path)
    assert there.status_code not in {401, 403, 404}, there.text
    assert there.status_code < 500


def test_no_field_and_no_path_makes_a_request_one_of_administration(service: Service) -> None:
    headers = {
        "authorization": f"Bearer {service.operator_key}",
        "host": "127.0.0.1:1",
        "kokuin.admin": "true",
        "x-kokuin-admin": "true",
        "x-forwarded-port": "1",
    }
    for path in ("/api/v1/tenants", "/api/v1/tenants?kokuin.admin=true", "/tsa/../api/v1/tenants"):
        assert service.client.get(path, headers=headers).status_code == 404


def test_time_stamps_are_answered_as_before(service: Service) -> None:
    granted(service.post(query()).content)


def test_an_operator_adds_a_tenants_client_whose_key_works_until_it_is_revoked(service: Service) -> None:
    tenant = ask(service, "POST", "tenants", name=f"Murasaki {service.port}").json()["tenant"]
    added = ask(service, "POST", "clients", tenant=tenant, name="archive", roles=["stamp"])
    assert added.status_code == 200, added.text
    client = added.json()["client"]
    made = ask(service, "POST", "keys", client=client)
    assert made.headers["cache-control"] == "no-store"
    key, text = made.json()["key"], made.json()["text"]
    granted(service.post(query(), authorization=f"Bearer {text}").content)
    assert ask(service, "PATCH", f"clients/{client}", per_day=100).status_code == 200
    shown = ask(service, "GET", f"clients/{client}").json()
    assert (shown["client"]["per_day"], [each["key"] for each in shown["keys"]]) == (100, [key])
    assert text not in str(shown)
    denied = ask(service, "GET", "tenants", key=text)
    assert (denied.status_code, denied.json()["code"]) == (403, "ROLE_WANTED")
    assert ask(service, "POST", f"keys/{key}/revoke").status_code == 200
    answer = service.post(query(), authorization=f"Bearer {text}")
    assert (answer.status_code, answer.json()["code"]) == (401, "KEY_REVOKED")


@pytest.mark.parametrize(
    ("method", "path", "content", "status", "code"),
    [
        ("POST", "tenants", {"name": ""}, 422, "VALUE_UNFIT"),
        ("POST", "tenants", {"name": "x", "enabled": False}, 422, "REQUEST_INVALID"),
        (
            "POST",
            "clients",
            {"tenant": "t-aaaaaaaaaaaaaaaa", "name": "x", "roles": []},
            404,
            "TENANT_UNKNOWN",
        ),
        ("POST", "keys", {"client": "c-aaaaaaaaaaaaaaaa"}, 404, "CLIENT_UNKNOWN"),
        ("POST", "keys/aaaaaaaaaaaaaaaa/revoke", {}, 404, "KEY_UNKNOWN"),
        ("DELETE", "bindings/b-aaaaaaaaaaaaaaaa", {}, 404, "BINDING_UNKNOWN"),
        ("POST", "approvals/p-aaaaaaaaaaaaaaaa/approve", {}, 404, "APPROVAL_UNKNOWN"),
        ("POST", "approvals/p-aaaaaaaaaaaaaaaa/forget", {}, 422, "REQUEST_INVALID"),
        ("POST", "stop/release", {}, 409, "STOP_NONE"),
    ],
)
def test_what_cannot_be_done_has_a_code(  # noqa: PLR0913, PLR0917  # what is asked, and what is answered
    service: Service, method: str, path: str, content: dict[str, Any], status: int, code: str
) -> None:
    answer = ask(service, method, path, **content)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_stop_is_set_over_http_and_released_by_two(service: Service) -> None:
    assert ask(service, "POST", "stop", reason="a drill").status_code == 200
    shown = ask(service, "GET", "stop").json()
    assert (shown["stopped"], shown["actor"]) == (True, "operator-key")
    release = ask(service, "POST", "stop/release").json()
    alone = ask(service, "POST", f"approvals/{release['approval']}/approve")
    assert (alone.status_code, alone.json()["code"]) == (403, "SELF_APPROVAL")
    approving = {"approval": release["approval"]}
    other = ask_owner(service.folder.owner_socket, "approval.approve", approving, PATIENCE_S)
    assert other == {"ok": True}
    assert ask(service, "GET", "stop").json() == {"stopped": False}
    # Workers hear of it in a moment, and other tests ask them next.
    deadline = time.monotonic() + PATIENCE_S
    while read(service.post(query()).content)["status"]["status"].native != "granted":
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_what_one_proposes_over_the_socket_the_other_approves_over_http(service: Service) -> None:
    client = ask(service, "POST", "clients", tenant="operator", name="bulk", roles=["stamp"]).json()["client"]
    asked = {"client": client, "kind": "stamp", "count": 3, "until_us": 1}
    socket = service.folder.owner_socket
    assert ask_owner(socket, "activation.propose", asked, PATIENCE_S)["code"] == "VALUE_UNFIT"
    asked["until_us"] = until_us()
    waiting = proposed(ask_owner(socket, "activation.propose", asked, PATIENCE_S))
    listed = ask(service, "GET", "approvals").json()["approvals"]
    assert [each["approval"] for each in listed] == [waiting]
    assert ask(service, "POST", f"approvals/{waiting}/approve").status_code == 200
    (activation,) = ask(service, "GET", "activations").json()["activations"]
    assert (activation["client"], activation["left"]) == (client, 3)


def test_without_a_port_of_its_own_administration_answers_nowhere(
    folder_of: Callable[[str], Prepared],
) -> None:
    with serving(folder_of("classical")) as service:
        headers = {"authorization": f"Bearer {service.operator_key}"}
        for method, path in ADMINISTRATION:
            answer = service.client.request(method, f"/api/v1/{path}", headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (404, "ADMINISTRATION_ELSEWHERE")
        assert service.client.get("/api/v1/status", headers=headers).status_code == 200
        assert "admin_port" not in service.event(event="serving")


def test_a_port_of_administration_that_is_taken_keeps_the_service_from_starting(
    folder_of: Callable[[str], Prepared],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = {"TSA_SERVER__ADMIN_PORT": str(taken.getsockname()[1])}
        with pytest.raises(AssertionError, match="cannot listen"), serving(folder_of("classical"), settings):
            pass
