"""Who may use each route, in OpenAPI: how they show who they are, and every no that the table can say."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from kokuin.service.access.denials import STATUS, DenialCode
from kokuin.service.access.rules import RULES
from kokuin.service.problems import MEDIA_TYPE

if TYPE_CHECKING:
    from collections.abc import Collection

    from kokuin.service.access.rules import Rule
    from kokuin.service.config import Config

_BEARER, _CERTIFICATE, _BASIC = "bearer", "certificate", "basic"
SCHEMES = {
    _BEARER: {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key, the operator key, or a JWT of a configured issuer.",
    },
    _CERTIFICATE: {
        "type": "mutualTLS",
        "description": "A client certificate that is bound to a client, shown to us or to a trusted proxy.",
    },
    _BASIC: {
        "type": "http",
        "scheme": "basic",
        "description": "An API key as password, for clients of RFC 3161 that know nothing else.",
    },
}
"""Security schemes (OpenAPI 3.1 §4.8.27)."""
_NAME = "Denial"
_DENIAL = {
    "type": "object",
    "required": ["type", "title", "status", "code", "request"],
    "properties": {
        "type": {"const": "about:blank"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"enum": sorted(DenialCode)},
        "request": {"type": "string", "description": "As in X-Request-Id: name it when you ask why."},
    },
}
_SCHEMA = {"$ref": f"#/components/schemas/{_NAME}"}
_OF_ROLES = {DenialCode.CREDENTIAL_WANTED, DenialCode.ROLE_WANTED}
_OF_ACTS = {
    DenialCode.CLASS_NOT_ALLOWED,
    DenialCode.ACTIVATION_WANTED,
    DenialCode.EMERGENCY_STOP,
    DenialCode.RATE_EXCEEDED,
    DenialCode.QUOTA_EXCEEDED,
}
"""What only stamping and sealing are answered."""


def secured(document: dict[str, Any], config: Config) -> dict[str, Any]:
    """Add to an OpenAPI document who may use what, under a configuration."""
    parts = document.setdefault("components", {})
    parts["securitySchemes"] = SCHEMES
    parts.setdefault("schemas", {})[_NAME] = _DENIAL
    # The last of two rules for one route is the stricter one; the other opens the route for some requests.
    strict = {_place(rule): rule for rule in RULES}
    opened = {_place(rule) for rule in RULES if rule.public}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            rule = strict[method.upper(), path]
            free = rule.opened_by(config) or _place(rule) in opened
            operation["security"] = _security(rule, free=free)
            _tell(operation["responses"], _codes(rule, config))
    return document


def _place(rule: Rule) -> tuple[str, str]:
    """Return method and path as the document writes them: without the converters of a template."""
    return rule.method, re.sub(r":[a-z]+}", "}", rule.path)


def _security(rule: Rule, *, free: bool) -> list[dict[str, list[str]]]:
    """Return the requirements of which one must be met; an empty one stands for nothing at all."""
    if rule.public:
        return []
    names = [_BEARER, _CERTIFICATE, *([_BASIC] if rule.basic else [])]
    nothing: list[dict[str, list[str]]] = [{}] if free else []
    return [*nothing, *({name: list[str]()} for name in names)]


def _codes(rule: Rule, config: Config) -> Collection[DenialCode]:
    if rule.public:
        return {DenialCode.CREDENTIAL_IN_URL}
    stamping = rule.basic
    told = set(DenialCode) - {DenialCode.CLASS_NOT_ALLOWED} - (set() if stamping else _OF_ACTS)
    if rule.opened_by(config):
        told -= _OF_ROLES
    if stamping:
        # A stopped service says so in the words of RFC 3161.
        told -= {DenialCode.CREDENTIAL_NOT_HERE, DenialCode.EMERGENCY_STOP}
    if not (rule.admin or rule.operates):
        told.discard(DenialCode.ADMINISTRATION_ELSEWHERE)
    return told


def _tell(answers: dict[str, Any], codes: Collection[DenialCode]) -> None:
    for status in sorted({STATUS.get(code, 403) for code in codes}):
        names = sorted(code for code in codes if STATUS.get(code, 403) == status)
        # What the route itself answers with this status stays beside it.
        answer = answers.setdefault(str(status), {"description": ""})
        if names[0] in answer["description"]:
            continue  # told before: FastAPI keeps the document
        content = answer.setdefault("content", {}).setdefault(MEDIA_TYPE, {})
        if not answer["description"]:
            content["schema"] = _SCHEMA
        answer["description"] = ", ".join(filter(None, [answer["description"], *names]))
