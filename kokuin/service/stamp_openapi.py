"""How `POST /tsa` and `POST /tsa/{profile}` describe themselves in OpenAPI: no router knows them."""

from __future__ import annotations

from typing import Any

from kokuin.service.described import refusals
from kokuin.service.ports import KEEPER_UNAVAILABLE
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
_REFUSED = {
    str(status): answer
    for status, answer in refusals(
        {"DOCUMENT_DIGEST_INVALID": 400, "LEDGER_BEHIND": 503, KEEPER_UNAVAILABLE: 503}
    ).items()
}
_PROFILE = {
    "name": "profile",
    "in": "path",
    "required": True,
    "description": "A profile that is on.",
    "schema": {"type": "string", "pattern": "^[a-z0-9-]{1,64}$"},
}


_DIGEST = {
    "name": "Document-Digest",
    "in": "header",
    "required": False,
    "description": "SHA-512 of what the imprint is of, as of RFC 9530: the evidence covers it too.",
    "schema": {"type": "string", "pattern": "^sha-512=:[A-Za-z0-9+/]{86}==:$"},
}


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """Add the two routes to an OpenAPI document."""
    routes: tuple[tuple[str, str, dict[str, Any]], ...] = (
        (PATH, "stamp", {"parameters": [_DIGEST]}),
        (f"{PATH}/{{profile}}", "stamp_by", {"parameters": [_PROFILE, _DIGEST]}),
    )
    for path, name, more in routes:
        operation = {**_STAMPING, **more, "operationId": name, "responses": {"200": _GRANTED, **_REFUSED}}
        document["paths"][path] = {"post": operation}
    return document
