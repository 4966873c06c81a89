"""What may be done by whom: one table, which has every route, and the one function that decides.

All is denied that no rule allows. A route that is missing here keeps the service from starting, and so does
a rule without a route: it would look as if something were kept that nobody keeps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from starlette.routing import Route

from kokuin.service.access.denials import Denial, DenialCode
from kokuin.service.access.principal import OPERATOR_TENANT, Role
from kokuin.service.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from starlette.applications import Starlette

    from kokuin.service.access.principal import Principal
    from kokuin.service.config import Config


class _Where(Protocol):
    """Says of a configuration whether something holds there."""

    def __call__(self, config: Config, /) -> bool: ...


def _never(_: Config) -> bool:
    return False


def _always(_: Config) -> bool:
    return True


def _open_log(config: Config) -> bool:
    return config.ledger.public_entries


def _open_verifying(config: Config) -> bool:
    return config.verify.open


def _closed(config: Config) -> bool:
    return config.access.timestamps == "closed"


PUBLIC: frozenset[Role] = frozenset()
"""What a rule needs that lets everybody in."""
SEAL = frozenset({Role.SEAL})
STAMP, AUDIT, OPERATE = frozenset({Role.STAMP}), frozenset({Role.AUDIT}), frozenset({Role.OPERATE})
_ADMINISTERING = frozenset({Role.OPERATE, Role.APPROVE})


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may use a route.

    Attributes:
        method: of HTTP; GET stands for HEAD too (RFC 9110 §9.3.2).
        path: the route's template.
        needs: roles of which the caller must have one; `PUBLIC` wants none.
        opened_by: a configuration for which this is true opens the route to everybody.
        operators_only: a configuration for which this is true keeps the route for the operator's tenant:
            what it shows or does concerns all tenants.
        naming: a member of the query; the rule holds for requests that have it, before the route's other.
        admin: administration of access, which has a port of its own.
        basic: whether HTTP Basic is taken, for clients of RFC 3161 that know nothing else.
    """

    method: str
    path: str
    needs: frozenset[Role]
    opened_by: _Where = _never
    operators_only: _Where = _never
    naming: str = ""
    admin: bool = False
    basic: bool = False

    @property
    def public(self) -> bool:
        """Whether nobody's credentials are asked for, whatever is configured."""
        return not self.needs

    @property
    def operates(self) -> bool:
        """Whether only those who run the service have business here."""
        return bool(self.needs) and self.needs <= _ADMINISTERING


def _operating(method: str, path: str) -> Rule:
    return Rule(method, path, OPERATE, operators_only=_always)


def _administering(method: str, path: str) -> Rule:
    return Rule(method, path, OPERATE, operators_only=_always, admin=True)


RULES = (
    Rule("POST", "/tsa", STAMP, operators_only=_closed, basic=True),
    Rule("POST", "/tsa/{profile}", STAMP, operators_only=_closed, basic=True),
    Rule("POST", "/api/v1/batches", STAMP, operators_only=_closed),
    Rule("GET", "/api/v1/timestamps/{serial}", STAMP | AUDIT),
    Rule("GET", "/api/v1/evidence/{serial}", STAMP | SEAL | AUDIT),
    Rule("POST", "/api/v1/verify", OPERATE | AUDIT, opened_by=_open_verifying),
    Rule("POST", "/api/v1/seals/pdf", SEAL),
    Rule("POST", "/api/v1/seals/json", SEAL),
    Rule("POST", "/api/v1/seals/cades", SEAL),
    Rule("POST", "/api/v1/extend", SEAL),
    # The caller's own tenant's; adding and withdrawing are the owner's commands.
    Rule("GET", "/api/v1/seal-profiles", SEAL),
    # A job is its tenant's: the routes look whose it is.
    Rule("GET", "/api/v1/jobs/{job}", SEAL),
    Rule("GET", "/api/v1/jobs/{job}/result", SEAL),
    Rule("DELETE", "/api/v1/jobs/{job}", SEAL),
    Rule("GET", "/healthz", PUBLIC),
    Rule("GET", "/readyz", PUBLIC),
    Rule("GET", "/metrics", PUBLIC),
    Rule("GET", "/docs", PUBLIC),
    Rule("GET", "/openapi.json", PUBLIC),
    Rule("GET", "/trust/ca.pem", PUBLIC),
    Rule("GET", "/trust/units.pem", PUBLIC),
    Rule("GET", "/trust/seals.pem", PUBLIC),
    Rule("GET", "/trust/log.vkey", PUBLIC),
    # Hashes and checkpoints tell no record; entries are the records of all tenants.
    Rule("GET", "/log/checkpoint", PUBLIC),
    Rule("GET", "/log/tile/{path:path}", PUBLIC),
    Rule("GET", "/log/tile/entries/{path:path}", AUDIT, opened_by=_open_log, operators_only=_always),
    Rule("GET", "/api/v1/ledger/checkpoint", PUBLIC),
    Rule("GET", "/api/v1/ledger/proofs/consistency", PUBLIC),
    # Whoever names a token by its digest holds it; index and serial number can be guessed.
    Rule("GET", "/api/v1/ledger/proofs/inclusion", PUBLIC, naming="token"),
    Rule("GET", "/api/v1/ledger/proofs/inclusion", AUDIT, opened_by=_open_log),
    Rule("GET", "/api/v1/ledger/export", AUDIT, opened_by=_open_log),
    Rule("GET", "/api/v1/ledger/records", AUDIT),
    Rule("GET", "/api/v1/ledger/records/{index}", AUDIT),
    _operating("GET", "/api/v1/status"),
    _operating("GET", "/api/v1/ledger/status"),
    _operating("POST", "/api/v1/clock/resume"),
    _operating("GET", "/api/v1/inventory"),
    _operating("GET", "/api/v1/profiles"),
    _operating("GET", "/api/v1/profiles/{name}"),
    _operating("POST", "/api/v1/profiles/{name}/use"),
    _operating("POST", "/api/v1/profiles/{name}/disable"),
    _operating("POST", "/api/v1/switches/{act}"),
    _operating("POST", "/api/v1/dry-runs"),
    _operating("GET", "/api/v1/dry-runs/{run_id}"),
    _administering("GET", "/api/v1/tenants"),
    _administering("POST", "/api/v1/tenants"),
    _administering("POST", "/api/v1/tenants/{tenant}/{act}"),
    _administering("GET", "/api/v1/clients"),
    _administering("POST", "/api/v1/clients"),
    _administering("GET", "/api/v1/clients/{client}"),
    _administering("PATCH", "/api/v1/clients/{client}"),
    _administering("POST", "/api/v1/clients/{client}/{act}"),
    _administering("GET", "/api/v1/keys"),
    _administering("POST", "/api/v1/keys"),
    _administering("POST", "/api/v1/keys/{key}/rotate"),
    _administering("POST", "/api/v1/keys/{key}/revoke"),
    _administering("GET", "/api/v1/bindings"),
    _administering("POST", "/api/v1/bindings"),
    _administering("DELETE", "/api/v1/bindings/{binding}"),
    # A tenant's people see and approve what concerns their tenant; the keeper knows which that is.
    Rule("GET", "/api/v1/approvals", _ADMINISTERING, admin=True),
    Rule("POST", "/api/v1/approvals/{approval}/{act}", _ADMINISTERING, admin=True),
    Rule("GET", "/api/v1/activations", _ADMINISTERING, admin=True),
    Rule("POST", "/api/v1/activations", _ADMINISTERING, admin=True),
    Rule("GET", "/api/v1/stop", _ADMINISTERING, operators_only=_always, admin=True),
    _administering("POST", "/api/v1/stop"),
    Rule("POST", "/api/v1/stop/release", _ADMINISTERING, operators_only=_always, admin=True),
)
"""Every route of the service; of two for one path the first that fits holds."""

BESIDE_THE_ROUTER = frozenset({("POST", "/tsa"), ("POST", "/tsa/{profile}")})
"""Routes that no router knows, see `stamp_endpoint`."""


def rule_for(method: str, path: str, named: Collection[str] = ()) -> Rule | None:
    """Return the rule of a route, None where there is none.

    Args:
        method: of HTTP.
        path: the route's template.
        named: the members of the request's query.
    """
    wanted = "GET" if method == "HEAD" else method
    for rule in RULES:
        if (rule.method, rule.path) == (wanted, path) and (not rule.naming or rule.naming in named):
            return rule
    return None


def decide(principal: Principal, rule: Rule, config: Config, *, admin: bool) -> Denial | None:
    """Say whether a caller may use a route; None: they may.

    Which records of a route are theirs to see, their tenant decides: see `Principal.sees`.

    Args:
        principal: who asks.
        rule: of the route.
        config: the configuration in force.
        admin: whether the request came in by the port of administration.
    """
    if not admin and (rule.admin or (rule.operates and config.server.admin_port is not None)):
        return Denial(DenialCode.ADMINISTRATION_ELSEWHERE, principal.tenant)
    if rule.public or rule.opened_by(config):
        return None
    if not principal.roles & rule.needs:
        code = DenialCode.ROLE_WANTED if principal.known else DenialCode.CREDENTIAL_WANTED
        return Denial(code, principal.tenant)
    if rule.operators_only(config) and principal.tenant != OPERATOR_TENANT:
        return Denial(DenialCode.TENANT_WRONG, principal.tenant)
    return None


def check_routes(app: Starlette) -> None:
    """Hold the table against the routes of the application.

    Raises:
        StartError: a route has no rule, or a rule has no route.
    """
    ruled = {(rule.method, rule.path) for rule in RULES}
    # HEAD goes the way of GET.
    routed = {each for each in _routes(app.routes) if each[0] != "HEAD"} | BESIDE_THE_ROUTER
    for method, path in sorted(routed - ruled):
        raise StartError(f"{method} {path} has no rule of access")
    for method, path in sorted(ruled - routed):
        raise StartError(f"the rule of access for {method} {path} has no route")


def _routes(routes: Iterable[object]) -> Iterable[tuple[str, str]]:
    for route in routes:
        if not isinstance(route, Route):
            # A mounted application has routes that nobody here can see.
            raise StartError(f"{type(route).__name__} among the routes: no rule of access can be held to it")
        for method in route.methods or ("*",):
            yield method, route.path
