"""How `POST /tsa` and `POST /tsa/{profile}` describe themselves in OpenAPI: no router knows them."""

from __future__ import annotations

from typing import Any

from kokuin.service.stamp_endpoint import PATH

_BINARY = {"type": "string", "format": "binary"}
_STAMPING = {
    "tags": ["stamping"],
    "summary": "Stamp",
    "description": "A DER TimeStampReq in, a TimeStampResp out (RFC 3161 §3.4).",
    "requestBody": {"required": True, "content": {"application/timestamp-query": {"schema": _BINARY}}},
}
_GRANTED = {
    "description": "A TimeStampResp: a token, or why there is none.",
    "content": {"application/timestamp-reply": {"schema": _BINARY}},
}
_PROFILE = {
    "name": "profile",
    "in": "path",
    "required": True,
    "description": "A profile that is on.",
    "schema": {"type": "string", "pattern": "^[a-z0-9-]{1,64}$"},
}


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """Add the two routes to an OpenAPI document."""
    routes: tuple[tuple[str, str, dict[str, Any]], ...] = (
        (PATH, "stamp", {}),
        (f"{PATH}/{{profile}}", "stamp_by", {"parameters": [_PROFILE]}),
    )
    for path, name, more in routes:
        operation = {**_STAMPING, **more, "operationId": name, "responses": {"200": _GRANTED}}
        document["paths"][path] = {"post": operation}
    return document
