"""How `POST /api/v1/batches` describes itself in OpenAPI: content, answer, every problem."""

from __future__ import annotations

import base64
from typing import Any

import orjson

from kokuin.service.batch_codes import STATUS, BatchCode
from kokuin.service.batch_reading import MAX_CONTENT, MAX_ID, MAX_ITEMS, MAX_ITEMS_WITH_EVIDENCE, PROFILE
from kokuin.service.problems import MEDIA_TYPE, problem_body

PATH = "/api/v1/batches"

_ID = {"type": "string", "minLength": 1, "maxLength": MAX_ID}
_BASE64 = {"type": "string", "contentEncoding": "base64"}
_DIGEST = {**_BASE64, "pattern": "^[A-Za-z0-9+/]{86}==$", "description": "SHA-512 of the item."}
_DATA = {**_BASE64, "description": "The item itself, hashed and not kept."}
_ITEM = {
    "type": "object",
    "required": ["id"],
    "additionalProperties": False,
    "oneOf": [{"required": ["digest"]}, {"required": ["data"]}],
    "properties": {"id": _ID, "digest": _DIGEST, "data": _DATA},
}
_REQUEST = {
    "type": "object",
    "required": ["items"],
    "additionalProperties": False,
    "properties": {
        "items": {
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_ITEMS,
            "items": _ITEM,
            "description": "Each `id` once.",
        },
        "profile": {
            "type": "string",
            "pattern": f"^{PROFILE}$",
            "description": "Whose unit stamps; the default without it.",
        },
        "evidence": {
            "type": "boolean",
            "default": False,
            "description": "Put the evidence for the time-stamp into each record, "
            f"of at most {MAX_ITEMS_WITH_EVIDENCE} items.",
        },
    },
}
_EXAMPLE = {"items": [{"id": "pump 17, 2026-06-01", "data": base64.b64encode(b'{"bar": 4.1}').decode()}]}
_ANSWER = {
    "type": "object",
    "required": ["token", "serial", "gen_time", "root", "items"],
    "properties": {
        "token": {**_BASE64, "description": "TimeStampToken (DER) over the root."},
        "serial": {"type": "string", "pattern": "^[0-9a-f]{1,64}$"},
        "gen_time": {"type": "string", "format": "date-time"},
        "root": {**_BASE64, "description": "Of the tree over all items: the token's imprint, SHA-512."},
        "items": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["id", "evidence"],
                "properties": {
                    "id": _ID,
                    "evidence": {**_BASE64, "description": "EvidenceRecord (DER, RFC 4998) of the item."},
                },
            },
        },
    },
}

CONTENT: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": f"At most {MAX_CONTENT >> 20} MiB.",
        "content": {"application/json": {"schema": _REQUEST, "example": _EXAMPLE}},
    }
}
"""The request's content (OpenAPI 3.1 §4.8.13)."""


def responses() -> dict[int | str, dict[str, Any]]:
    """Return every answer by its status, with an example of each problem."""
    found: dict[int | str, dict[str, Any]] = {
        200: {
            "description": "A record for each item, in the order of the request; the token is on record.",
            "content": {"application/json": {"schema": _ANSWER}},
        },
    }
    for status in sorted(set(STATUS.values())):
        examples = {
            code: {"value": orjson.loads(problem_body(status, code))}
            for code in BatchCode
            if STATUS[code] == status
        }
        found[status] = {"description": ", ".join(examples), "content": {MEDIA_TYPE: {"examples": examples}}}
    return found
