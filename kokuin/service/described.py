"""What routes answer, as OpenAPI says it: types of content that is no JSON, problems with their codes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kokuin.service.problems import MEDIA_TYPE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Answers = dict[int | str, dict[str, Any]]
"""As FastAPI takes them for `responses`: by status."""

JSON = "application/json"
_NAME = "Problem"
_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "code"],
    "properties": {
        "type": {"const": "about:blank"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "Stable: programs decide by it."},
        "detail": {"type": "string"},
        "request": {"type": "string", "description": "As in X-Request-Id: name it when you ask why."},
    },
}
"""RFC 9457 §3.1; further members belong to the code."""
_CONTENT = {MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{_NAME}"}}}
_INVALID = {"description": "REQUEST_INVALID", "content": _CONTENT}
_ANY = (
    "Before a route is asked, any request may be answered 400, 405, 408, 413, 431 or 503, at any time 500, "
    f"as {MEDIA_TYPE} with a stable `code`."
)


def answers(*media_types: str, codes: Mapping[str, int] | None = None) -> Answers:
    """Return the answers of a route: 200 of these types, and a problem of each status.

    Args:
        media_types: of the content, without parameters.
        codes: what the route refuses with, and the status of each.
    """
    content = {name: {} if name == JSON else {"schema": _octets(name)} for name in media_types}
    return {200: {"description": "Done.", "content": content}} | refusals(codes or {})


def refusals(codes: Mapping[str, int]) -> Answers:
    """Return the problems of a route that answers JSON: what it refuses with, by status."""
    return {
        status: {
            "description": ", ".join(sorted(code for code in codes if codes[code] == status)),
            "content": _CONTENT,
        }
        for status in sorted(set(codes.values()))
    }


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """Say of an OpenAPI document what holds for all routes: whatever is wrong with a request is a problem."""
    document["info"]["description"] = _ANY
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas[_NAME] = _PROBLEM
    for operation in _operations(document):
        # FastAPI describes an answer of its own, which it does not give here.
        if JSON in operation["responses"].get("422", {}).get("content", ()):
            operation["responses"]["422"] = _INVALID
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    return document


def _operations(document: dict[str, Any]) -> Iterable[dict[str, Any]]:
    for methods in document["paths"].values():
        yield from methods.values()


def _octets(media_type: str) -> dict[str, str]:
    return {"type": "string"} if media_type.startswith("text/") else {"type": "string", "format": "binary"}
