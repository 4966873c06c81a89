"""Every operation of the API, asked by schemathesis as each kind of caller, by both ports of `tsa serve`."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from starlette.routing import compile_path

from kokuin.service.access.denials import DenialCode
from kokuin.service.access.principal import NOBODY, OPERATOR_TENANT, Principal, Role
from kokuin.service.access.rules import RULES, decide, rule_for
from kokuin.service.config import load_config
from kokuin.service.owner import ask_owner
from tests.docs.markdown import literals, read, tables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kokuin.service.access.rules import Rule
    from kokuin.service.config import Config
    from tests.service.running import Service

SETTINGS = {
    "TSA_SERVER__ADMIN_PORT": "0",
    "TSA_ACCESS__TIMESTAMPS": "keyed",
    "TSA_ACCESS__FAILURES_PER_MINUTE": "1000000",
    "TSA_VERIFY__OPEN": "false",
}
"""What a service under test is started with: as closed as can be, and nobody who guesses is held up."""

DENIED = {401, 403, 404, 429}
"""What a request may be answered that the table denies."""
COSTLY = {"/api/v1/ledger/export", "/api/v1/inventory"}
"""Routes for which a child works for seconds: each caller gets through once."""
UNREAD = {400, 413, 431}
"""What one is answered that was refused before it had a route."""
OF_THE_TRANSPORT = {405, 408, 413, 431}
"""What any request may be answered, as the description says of all."""
_WRONG = "kokuin_aaaaaaaaaaaaaaaa_" + "A" * 43
_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who asks.

    Attributes:
        name: for whoever reads what went wrong.
        key: what is borne; None: nothing.
        principal: who that is; None: nobody, whatever is asked for.
    """

    name: str
    key: str | None
    principal: Principal | None


@dataclass(slots=True)
class ApiRun:
    """What a run found.

    Attributes:
        asked: requests.
        statuses: answers by status.
        operations: operations of the description that were asked.
        reached: (caller, operation) that were answered with 2xx.
        violations: what should not have been.
    """

    asked: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    operations: set[str] = field(default_factory=set)
    reached: set[tuple[str, str]] = field(default_factory=set)
    violations: list[str] = field(default_factory=list)


@schemathesis.serializer("application/timestamp-query")
def _octets(_: Any, value: Any) -> bytes:
    """Send what was generated as it is."""
    found: bytes = value if isinstance(value, bytes) else getattr(value, "data", repr(value).encode())
    return found


def run_api(service: Service, examples: int, seed: int) -> ApiRun:
    """Ask every operation as every caller, by both ports.

    Args:
        service: started with `SETTINGS`.
        examples: requests of each operation, caller and port.
        seed: of what is asked.
    """
    run = ApiRun()
    config = load_config(service.folder.root, SETTINGS)
    document = service.client.get("/openapi.json").json()
    document["paths"] = dict(sorted(document["paths"].items(), key=lambda item: _late(item[0])))
    schema = schemathesis.openapi.from_dict(document)
    ports = {False: service.port, True: int(service.event(event="serving")["admin_port"])}
    callers = list(_callers(service))
    documented = {
        code
        for table in tables(read("docs/operations.md"))
        for row in table.rows
        for code in literals(row[0])
    }
    judges = [
        _Judge(run, config, caller, documented, port, admin=admin)
        for admin, port in ports.items()
        for caller in callers
    ]
    for result in schema.get_all_operations():
        operation: Any = result.ok()  # type: ignore[union-attr]  # of a description that is in order
        run.operations.add(operation.label)
        _ask(operation, judges, examples, seed)
    return run


def _late(path: str) -> bool:
    """Sort what stops the service behind everything that it would stop."""
    return path.startswith("/api/v1/stop")


def _ask(operation: Any, judges: list[_Judge], examples: int, seed: int) -> None:
    @seeded(seed)
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        for judge in judges:
            judge.ask(operation, case)

    ask()


@dataclass(slots=True)
class _Judge:
    """Asks as one caller by one port, and says of each answer what is wrong with it."""

    run: ApiRun
    config: Config
    caller: Caller
    documented: set[str]
    port: int
    admin: bool

    def ask(self, operation: Any, case: Any) -> None:
        """Send one request."""
        run = self.run
        if operation.path in COSTLY and (self.caller.name, operation.label) in run.reached:
            return
        key = self.caller.key
        headers = {
            name: value for name, value in (case.headers or {}).items() if name.lower() != "authorization"
        }
        case.headers = headers
        shown = {} if key is None else {"authorization": f"Bearer {key}"}
        answer = case.call(base_url=f"http://127.0.0.1:{self.port}", headers=shown, timeout=_SECONDS)
        status = answer.status_code
        run.asked += 1
        run.statuses[status] += 1
        if 200 <= status < 300:
            run.reached.add((self.caller.name, operation.label))
        port = "admin" if self.admin else "common"
        place = f"{self.caller.name} by the {port} port: {answer.request.method} {answer.request.url}"
        problems = [
            *self._of_every_answer(answer),
            *self._of_the_denied(operation, answer),
            *_of_the_undescribed(operation, answer),
        ]
        run.violations += [f"{place}: {status} {problem}" for problem in problems]

    def _of_every_answer(self, answer: Any) -> Iterator[str]:
        headers = {name.lower(): " ".join(value) for name, value in answer.headers.items()}
        if answer.status_code >= 500 and not self._is_documented(answer):
            yield f"an undocumented failure: {answer.content[:200]!r}"
        if not re.fullmatch("[0-9a-f]{24}", headers.get("x-request-id", "")):
            yield "without a request id"
        if headers.get("x-content-type-options") != "nosniff":
            yield "without the security fields"
        if "set-cookie" in headers:
            yield "sets a cookie"

    def _is_documented(self, answer: Any) -> bool:
        if answer.status_code != 503:
            return False
        document = json.loads(answer.content)
        return document.get("ready") is False or document.get("code") in self.documented

    def _of_the_denied(self, operation: Any, answer: Any) -> Iterator[str]:
        rule = _rule_of(operation, answer.request)
        if rule is None or rule.public:
            return
        denial = None
        if self.caller.principal is not None:
            denial = decide(self.caller.principal, rule, self.config, admin=self.admin)
            if denial is None:
                return
        if answer.status_code not in DENIED | UNREAD:
            yield f"reached what the table denies ({denial})"
        elif answer.status_code in DENIED and json.loads(answer.content)["code"] not in set(DenialCode):
            yield f"was turned away by somebody else than the table: {answer.content[:200]!r}"


def _of_the_undescribed(operation: Any, answer: Any) -> Iterator[str]:
    """Hold an answer against what the description says of its operation: status, and type of the content."""
    status, sent = answer.status_code, answer.request.url
    if _rule_of(operation, answer.request) is None or status in OF_THE_TRANSPORT:
        return
    described = operation.definition.raw["responses"].get(str(status))
    if described is None:
        yield f"a status that is not described: {answer.content[:100]!r}"
        return
    types = set(described.get("content", ()))
    found = " ".join(answer.headers.get("content-type", ())).partition(";")[0]
    if found != "" and found not in types:
        yield f"content of type {found}, where {sorted(types)} is described for {sent}"


def _rule_of(operation: Any, request: Any) -> Rule | None:
    """Return the rule of what was really asked: some values lead a client to another path."""
    parts = urlsplit(request.url)
    named = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    for template in {rule.path for rule in RULES if re.sub(r":[a-z]+}", "}", rule.path) == operation.path}:
        if compile_path(template)[0].fullmatch(unquote(parts.path)):
            return rule_for(request.method, template, named)
    return None


def _callers(service: Service) -> Iterator[Caller]:
    """Make clients with various roles; the owner socket is asked as `tsa client` asks it."""

    def ask(operation: str, **arguments: Any) -> dict[str, Any]:
        answer = ask_owner(service.folder.owner_socket, operation, arguments)
        assert answer["ok"], answer
        return answer

    yield Caller("nobody", None, NOBODY)
    yield Caller("a wrong key", _WRONG, None)
    operator = Principal(OPERATOR_TENANT, "operator-key", frozenset({Role.OPERATE, Role.AUDIT, Role.APPROVE}))
    yield Caller("operator", service.operator_key, operator)
    tenant = ask("access.tenant.add", name="Acme")["tenant"]
    for name, place, roles in (
        ("a tenant's everything", tenant, tuple(set(Role) - {Role.OPERATE})),
        ("a tenant's stamper", tenant, (Role.STAMP,)),
        ("a tenant's auditor", tenant, (Role.AUDIT,)),
        ("an approver", OPERATOR_TENANT, (Role.APPROVE,)),
    ):
        client = ask("access.client.add", tenant=place, name=name, roles=list(roles), person=True)["client"]
        key = ask("access.key.create", client=client)["text"]
        yield Caller(name, key, Principal(place, client, frozenset(roles)))
