"""Each rule of the table denies whom it must, at the gate, before any handler is reached."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI

from kokuin.service.access import rules
from kokuin.service.access.principal import NOBODY, OPERATOR_TENANT, PUBLIC_TENANT, Principal, Role
from kokuin.service.access.rules import RULES, Rule, check_routes, decide, rule_for
from kokuin.service.config import Config
from kokuin.service.errors import StartError
from tests.service.access.callers import ACME, OPERATOR, Callers, application, ask, code, shared

if TYPE_CHECKING:
    from kokuin.service.app import Application

KEYED = Config()
WITH_PORT = Config.model_validate({"server": {"admin_port": 3162}})
GUARDED = [rule for rule in RULES if not rule.public]
VALUES = {"index": "0", "serial": "00", "path": "000", "act": "rollback", "profile": "classical"}


def named(rule: Rule) -> str:
    return f"{rule.method} {rule.path}" + (f"?{rule.naming}" if rule.naming else "")


each_guarded = pytest.mark.parametrize("rule", GUARDED, ids=named)
each = pytest.mark.parametrize("rule", RULES, ids=named)


def url(rule: Rule) -> str:
    """Return a path of a route; what its parameters say matters to nobody who is turned away."""
    path = re.sub(r"\{(\w+)(:\w+)?\}", lambda found: VALUES.get(found[1], "0123456789abcdef"), rule.path)
    return path + (f"?{rule.naming}={'0' * 64}" if rule.naming else "")


def closed_to(rule: Rule, config: Config = KEYED, *roles: Role, tenant: str = OPERATOR) -> Any:
    """Ask a route as a client with these roles and return status and code of the answer."""
    callers = Callers()
    key = callers.add(tenant, *roles)
    app, _ = shared(callers, config)
    answer = ask(app, url(rule), key, method=rule.method, admin=rule.admin or config is WITH_PORT)
    return code(answer)


def test_access_is_keyed_where_nothing_is_said() -> None:
    assert KEYED.access.timestamps == "keyed"


@each_guarded
def test_nobody_is_let_in(rule: Rule) -> None:
    config = Config.model_validate({"verify": {"open": False}})
    app, doorkeeper = shared(Callers(), config)
    answer = ask(app, url(rule), method=rule.method, admin=rule.admin)
    assert code(answer) == (401, "CREDENTIAL_WANTED")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert ("Basic" in answer.headers["www-authenticate"]) is rule.basic
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["request"] == answer.headers["x-request-id"]
    assert doorkeeper.drain_denials() == (("CREDENTIAL_WANTED", "none", 1),)


@each_guarded
@pytest.mark.parametrize("credentials", ["Bearer wrong", "Bearer kokuin_aaaaaaaaaaaaaaaa_" + "A" * 43])
def test_a_wrong_credential_is_nobodys(rule: Rule, credentials: str) -> None:
    app, _ = shared(
        Callers(), Config.model_validate({"access": {"timestamps": "open", "failures_per_minute": 9999}})
    )
    headers = {"authorization": credentials}
    answer = ask(app, url(rule), method=rule.method, headers=headers, admin=rule.admin)
    assert code(answer) == (401, "CREDENTIAL_WRONG")


@each_guarded
def test_a_client_without_any_of_the_roles_is_denied(rule: Rule) -> None:
    config = Config.model_validate({"verify": {"open": False}})
    callers = Callers()
    wrong = {role: callers.add(OPERATOR, role) for role in set(Role) - rule.needs}
    everything_else, nothing = callers.add(OPERATOR, *wrong), callers.add(OPERATOR)
    app, _ = shared(callers, config)
    for key in (*wrong.values(), everything_else, nothing):
        answer = ask(app, url(rule), key, method=rule.method, admin=rule.admin)
        assert code(answer) == (403, "ROLE_WANTED")


@pytest.mark.parametrize("rule", [rule for rule in GUARDED if rule.operators_only(KEYED)], ids=named)
def test_what_concerns_all_tenants_is_for_the_operators_alone(rule: Rule) -> None:
    assert closed_to(rule, KEYED, *Role, tenant=ACME) == (403, "TENANT_WRONG")


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.basic], ids=named)
def test_a_closed_service_stamps_for_its_operators_alone(rule: Rule) -> None:
    closed = Config.model_validate({"access": {"timestamps": "closed"}})
    assert closed_to(rule, closed, *Role, tenant=ACME) == (403, "TENANT_WRONG")
    operators = Principal(OPERATOR_TENANT, "c-1", frozenset({Role.STAMP}))
    assert decide(operators, rule, closed, admin=False) is None


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.admin or rule.operates], ids=named)
def test_administration_is_elsewhere_whoever_asks_by_the_common_port(rule: Rule) -> None:
    callers = Callers()
    key = callers.add(OPERATOR, *Role)
    app, _ = shared(callers, WITH_PORT)
    for shown in (None, key):
        answer = ask(app, url(rule), shown, method=rule.method)
        assert code(answer) == (404, "ADMINISTRATION_ELSEWHERE")
    # A field of the request is no socket.
    answer = ask(app, url(rule), key, method=rule.method, headers={"kokuin.admin": "1", "host": "x:3162"})
    assert code(answer) == (404, "ADMINISTRATION_ELSEWHERE")


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.admin], ids=named)
def test_without_a_port_of_its_own_administration_is_nowhere(rule: Rule) -> None:
    everything = Principal(OPERATOR_TENANT, "c-1", frozenset(Role), person=True)
    denial = decide(everything, rule, KEYED, admin=False)
    assert denial is not None
    assert (denial.status, denial.code) == (404, "ADMINISTRATION_ELSEWHERE")


@each
def test_each_role_of_a_rule_is_enough(rule: Rule) -> None:
    for role in rule.needs or Role:
        principal = Principal(OPERATOR_TENANT, "c-1", frozenset({role}))
        for config in (KEYED, WITH_PORT):
            assert decide(principal, rule, config, admin=True) is None
    assert (decide(NOBODY, rule, KEYED, admin=True) is None) is (rule.public or rule.opened_by(KEYED))


@each_guarded
def test_whoever_may_only_stamp_because_all_may_gets_nowhere_else(rule: Rule) -> None:
    anybody = Principal(PUBLIC_TENANT, "anonymous", frozenset({Role.STAMP}))
    config = Config.model_validate({"access": {"timestamps": "open"}, "verify": {"open": False}})
    denial = decide(anybody, rule, config, admin=True)
    assert (denial is None) is (Role.STAMP in rule.needs)
    assert denial is None or (denial.status, denial.code) == (401, "CREDENTIAL_WANTED")


@each
def test_a_key_in_the_url_is_refused_also_where_none_is_wanted(rule: Rule) -> None:
    callers = Callers()
    key = callers.add(OPERATOR, *Role)
    app, _ = shared(callers, KEYED)
    join = "&" if "?" in url(rule) else "?"
    for named_so in (f"k={key}", "access_token=x"):
        answer = ask(app, f"{url(rule)}{join}{named_so}", key, method=rule.method, admin=True)
        assert code(answer) == (400, "CREDENTIAL_IN_URL")


def test_an_open_log_and_open_verifying_ask_nobody() -> None:
    config = Config.model_validate({"ledger": {"public_entries": True}})
    opened = {
        rule.path for rule in RULES if not rule.public and decide(NOBODY, rule, config, admin=False) is None
    }
    assert opened == {
        "/api/v1/verify",
        "/api/v1/ledger/export",
        "/api/v1/ledger/proofs/inclusion",
        "/log/tile/entries/{path:path}",
    }


def test_a_path_that_is_nobodys_is_not_found_and_no_credential_is_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app, doorkeeper = shared(Callers(), KEYED)
    monkeypatch.setattr(doorkeeper, "admit", None)
    assert code(ask(app, "/api/v1/nothing", "wrong")) == (404, "NOT_FOUND")
    assert code(ask(app, "/api/v1/status", "wrong", method="DELETE")) == (405, "METHOD_NOT_ALLOWED")
    assert doorkeeper.drain_denials() == ()


def test_what_is_public_asks_nobody_and_an_old_key_does_not_close_it(monkeypatch: pytest.MonkeyPatch) -> None:
    app, doorkeeper = shared(Callers(), KEYED)
    monkeypatch.setattr(doorkeeper, "admit", None)
    assert ask(app, "/healthz", "wrong").status_code == 200


@pytest.mark.parametrize(
    "path", ["/log/tile/%65ntries/000", "/log/tile//entries/000", "/log/tile/x/../entries/000"]
)
def test_no_spelling_of_a_path_leads_around_its_rule(path: str) -> None:
    app, _ = application(Callers())
    answer = ask(app, path)
    assert code(answer) in {(401, "CREDENTIAL_WANTED"), (404, "TILE_UNKNOWN")}


def test_a_route_without_a_rule_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = next(rule for rule in RULES if rule.path == "/api/v1/inventory")
    monkeypatch.setattr(rules, "RULES", tuple(rule for rule in RULES if rule is not missing))
    with pytest.raises(StartError, match="GET /api/v1/inventory has no rule"):
        application(Callers())


def test_a_rule_without_a_route_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "RULES", (*RULES, Rule("GET", "/api/v1/nothing", frozenset(Role))))
    with pytest.raises(StartError, match="GET /api/v1/nothing has no route"):
        application(Callers())


def _added() -> Application:
    app, _ = application(Callers())
    return app


def test_a_method_that_was_added_to_a_route_wants_a_rule_of_its_own() -> None:
    app = _added()
    app.delete("/api/v1/inventory")(lambda: None)
    with pytest.raises(StartError, match="DELETE /api/v1/inventory"):
        check_routes(app)


def test_an_application_below_another_has_routes_that_nobody_sees_and_stops_the_start() -> None:
    app = _added()
    app.mount("/below", FastAPI())
    with pytest.raises(StartError, match="Mount"):
        check_routes(app)


def test_every_route_of_the_description_has_a_rule_and_says_what_it_wants() -> None:
    document = _added().openapi()
    told = set()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            template = path.replace("{path}", "{path:path}")
            rule = rule_for(method.upper(), template)
            assert rule is not None, (method, path)
            told.add((rule.method, rule.path))
            assert (operation["security"] == []) is rule.public
            assert {"401", "403", "429"} <= set(operation["responses"]) or rule.public
    assert told | {("GET", "/docs"), ("GET", "/openapi.json")} == {(rule.method, rule.path) for rule in RULES}
    schemes = set(document["components"]["securitySchemes"])
    assert {
        name
        for path in document["paths"].values()
        for each in path.values()
        for one in each["security"]
        for name in one
    } == schemes
