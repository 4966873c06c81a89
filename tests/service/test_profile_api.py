"""Profiles over HTTP: with the operator key alone, and with codes that say what stands against an act."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.service.asking import imprint, query, serial_of
from tests.service.running import Service, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

    from tests.service.running import Prepared

pytestmark = pytest.mark.timeout(300)
ROUTES = [
    ("GET", "/api/v1/profiles"),
    ("GET", "/api/v1/profiles/pq"),
    ("POST", "/api/v1/profiles/pq/use"),
    ("POST", "/api/v1/profiles/classical/disable"),
    ("POST", "/api/v1/switches/rollback"),
    ("POST", "/api/v1/switches/unschedule"),
]


@pytest.fixture(scope="module", params=[1, 2])
def service(request: pytest.FixtureRequest, folder_of: Callable[[str], Prepared]) -> Iterator[Service]:
    with serving(folder_of("classical"), workers=request.param) as service:
        yield service


def call(service: Service, path: str, method: str = "POST", key: str = "") -> httpx.Response:
    headers = {"authorization": f"Bearer {key or service.operator_key}"}
    return service.client.request(method, f"/api/v1/{path}", headers=headers)


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert (document["status"], document["code"]) == (status, code)
    return document


def last(service: Service, kind: str) -> dict[str, Any]:
    return dict([leaf for leaf in service.leaves() if leaf["kind"] == kind][-1])


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_without_the_operator_key_nobody_sees_or_changes_a_profile(
    service: Service, method: str, path: str
) -> None:
    before = len([leaf for leaf in service.leaves() if leaf["kind"].startswith("cfg.")])
    for shown in (None, "Bearer wrong", service.operator_key):
        headers = {} if shown is None else {"authorization": shown}
        answer = service.client.request(method, path, headers=headers)
        problem(answer, 401, "CREDENTIAL_WANTED" if shown is None else "CREDENTIAL_WRONG")
        assert answer.headers["www-authenticate"] == 'Bearer realm="kokuin"'
    assert len([leaf for leaf in service.leaves() if leaf["kind"].startswith("cfg.")]) == before


def test_a_folder_without_an_operator_key_lets_nobody_operate(folder_of: Callable[[str], Prepared]) -> None:
    prepared = folder_of("classical")
    prepared.folder.operator.unlink()
    with serving(prepared) as service:
        for method, path in ROUTES:
            headers = {"authorization": f"Bearer {service.operator_key}"}
            problem(service.client.request(method, path, headers=headers), 401, "CREDENTIAL_WRONG")


def test_profiles_are_listed_and_shown_with_their_toml(service: Service) -> None:
    listed = {item["name"]: item for item in call(service, "profiles", "GET").json()["profiles"]}
    assert listed["classical"]["state"] == "default"
    assert listed["bundle"]["suites"] == ["ecdsa-p256-sha256", "ml-dsa-65"]
    assert listed["pq"]["policy"] == "1.3.6.1.4.1.32473.3"
    shown = call(service, "profiles/cnsa2", "GET").json()
    assert shown["profile"] == listed["cnsa2"]
    assert 'tst = "ml-dsa-87"' in shown["toml"]
    problem(call(service, "profiles/nonsense", "GET"), 404, "PROFILE_UNKNOWN")
    problem(call(service, "profiles/..%2fclassical", "GET"), 404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("path", "blocker"),
    [
        ("profiles/nonsense/use", "PROFILE_UNFIT"),
        ("profiles/classical/disable", "PROFILE_IS_DEFAULT"),
        ("profiles/cnsa2/disable", "PROFILE_NOT_ENABLED"),
        (f"profiles/{'x' * 5_000}/use", "PROFILE_UNFIT"),
    ],
)
def test_what_stands_against_an_act_is_a_conflict_with_blockers(
    service: Service, path: str, blocker: str
) -> None:
    document = problem(call(service, path), 409, "SWITCH_BLOCKED")
    assert [item["code"] for item in document["blockers"]] == [blocker]
    leaf = last(service, "cfg.refused")
    assert (leaf["actor"], leaf["reasons"]) == ("operator-key", [blocker])


@pytest.mark.parametrize(
    "path", ["profiles/pq/use?at_us=tomorrow", "profiles/pq/use?at_us=1.5", "switches/nonsense"]
)
def test_what_cannot_be_read_is_unprocessable(service: Service, path: str) -> None:
    problem(call(service, path), 422, "REQUEST_INVALID")


def test_other_conflicts_have_codes_of_their_own(service: Service) -> None:
    problem(call(service, "switches/unschedule"), 409, "SCHEDULE_NONE")
    problem(call(service, "profiles/pq/use?at_us=1"), 409, "SCHEDULE_OUT_OF_RANGE")
    problem(call(service, "profiles/pq/use", "GET"), 405, "METHOD_NOT_ALLOWED")


def test_an_operator_switches_schedules_and_goes_back_and_stands_in_every_leaf(service: Service) -> None:
    used = call(service, "profiles/cnsa2/use")
    assert used.status_code == 200, used.text
    assert (used.json()["default"], used.json()["enabled"]) == ("cnsa2", ["classical", "cnsa2"])
    leaf = last(service, "cfg.activated")
    assert (leaf["act"], leaf["actor"], leaf["profile"]) == ("use", "operator-key", "cnsa2")
    assert leaf["cfg"] == used.json()["cfg"]
    for kind in ("key.generated", "certificate.issued", "anchor.added"):
        assert last(service, kind)["actor"] == "operator-key"
    granted = service.post(query(message_imprint=imprint("sha384")))
    stored = service.stored(serial_of(granted.content))
    assert stored is not None
    assert b'"profile":"cnsa2"' in stored.leaf
    at_us = time.time_ns() // 1_000 + 10**9
    assert call(service, f"profiles/pq/use?at_us={at_us}").json()["state"] == "scheduled"
    assert last(service, "cfg.scheduled")["actor"] == "operator-key"
    assert call(service, "switches/unschedule").json() == {"state": "unscheduled"}
    back = call(service, "switches/rollback").json()
    assert (back["default"], back["turned_off"]) == ("classical", ["cnsa2"])
    problem(call(service, "profiles/cnsa2/disable"), 409, "SWITCH_BLOCKED")


def test_over_http_one_key_proposes_and_changes_nothing(folder_of: Callable[[str], Prepared]) -> None:
    with serving(folder_of("classical"), {"TSA_SWITCH__APPROVALS": "2"}) as service:
        proposed = call(service, "profiles/pq/use").json()
        assert proposed["state"] == "proposed"
        problem(call(service, f"approvals/{proposed['approval']}/approve"), 404, "ADMINISTRATION_ELSEWHERE")
        assert [leaf["profile"] for leaf in service.leaves() if leaf["kind"] == "cfg.activated"] == [
            "classical"
        ]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (f"profiles/pq/use?at_us={10**30}", None),
        ("dry-runs", f'{{"profile":"pq","requests":{10**30}}}'),
        ("dry-runs", '{"profile":"\\ud800"}'),
    ],
)
def test_what_no_question_to_the_keeper_can_hold_is_refused(
    service: Service, path: str, body: str | None
) -> None:
    headers = {"authorization": f"Bearer {service.operator_key}", "content-type": "application/json"}
    problem(service.client.post(f"/api/v1/{path}", content=body, headers=headers), 422, "REQUEST_INVALID")
