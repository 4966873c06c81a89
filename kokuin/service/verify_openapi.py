"""How `POST /api/v1/verify` describes itself in OpenAPI: content, the report's schema, every problem."""

from __future__ import annotations

from typing import Any

import orjson

from kokuin.service.problems import MEDIA_TYPE, problem_body
from kokuin.service.verify_codes import STATUS, VerifyCode
from kokuin.service.verify_reception import FORM, MODES, RAW
from kokuin.verify.schema import report_schema
from pqc.policies import shipped_policies

PATH = "/api/v1/verify"

_BINARY = {"type": "string", "format": "binary"}
_SEVERAL = {"type": "array", "items": _BINARY}
_FORM = {
    "type": "object",
    "required": ["token"],
    "properties": {
        "token": {
            **_BINARY,
            "description": "TimeStampResp, TimeStampToken, EvidenceRecord or CMS seal (DER, BER or PEM), "
            "sealed PDF or JWS; up to 1 MiB.",
        },
        "data": {
            **_BINARY,
            "description": "What was stamped or sealed, up to 100 MiB: hashed, not kept.",
        },
        "digest": {"type": "string", "description": "In place of data: its digest, hexadecimal digits."},
        "request": {**_BINARY, "description": "The TimeStampReq that the token must answer, DER."},
        "evidence": {**_BINARY, "description": "The token's evidence record (RFC 4998), DER or BER."},
        "proof": {**_BINARY, "description": "The token's tlog-proof."},
        "crl": {**_SEVERAL, "description": "Revocation lists, DER or PEM."},
        "ocsp": {**_SEVERAL, "description": "OCSP answers, DER or PEM."},
        "at": {"type": "string", "description": "Validation time, ISO 8601; now without it."},
        "policy": {"type": "string", "enum": list(shipped_policies()), "default": "baseline"},
        "revocation": {"type": "string", "enum": list(MODES), "default": MODES[0]},
    },
}
EXAMPLE = "no time-stamp"
EXAMPLE_AT = "2026-06-01T00:00:00Z"
EXAMPLE_REPORT = {
    "checks": [
        {
            "clause": "ETSI EN 319 102-1 §5.2.2",
            "id": "format",
            "params": {"code": "WIRE_TRUNCATED", "offset": 0},
            "reason": "UNREADABLE",
            "status": "failed",
            "sub_indication": "FORMAT_FAILURE",
        }
    ],
    "indication": "FAILED",
    "kind": "timestamp-token",
    "limits": [],
    "parts": [],
    "policy": {"edition": "1", "name": "baseline"},
    "proofs_of_existence": [],
    "rule": "all-checks",
    "schema": 1,
    "sub_indication": "FORMAT_FAILURE",
    "subject": {},
    "validation_time": EXAMPLE_AT,
    "verifiable_until": None,
}
"""What is answered to `EXAMPLE` at `EXAMPLE_AT`: also what is no time-stamp gets a report."""

CONTENT: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            **{name: {"schema": _BINARY, "example": EXAMPLE} for name in sorted(RAW)},
            FORM: {"schema": _FORM, "example": {"token": EXAMPLE, "at": EXAMPLE_AT}},
        },
    }
}
"""The request's content (OpenAPI 3.1 §4.8.13)."""


def responses() -> dict[int | str, dict[str, Any]]:
    """Return every answer by its status, with the schema of reports and an example of each problem."""
    report = {"schema": orjson.loads(report_schema())}
    found: dict[int | str, dict[str, Any]] = {
        200: {"description": "The report, whatever its verdict.", "content": {"application/json": report}},
    }
    for status in sorted(set(STATUS.values())):
        found[status] = _problems({code: status for code in VerifyCode if STATUS[code] == status})
    return found


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """Add to an OpenAPI document the example of a report, out of which FastAPI would leave every null."""
    answers = document["paths"][PATH]["post"]["responses"]
    answers["200"]["content"]["application/json"]["example"] = EXAMPLE_REPORT
    return document


def _problems(codes: dict[str, int]) -> dict[str, Any]:
    examples = {code: {"value": orjson.loads(problem_body(status, code))} for code, status in codes.items()}
    return {"description": ", ".join(codes), "content": {MEDIA_TYPE: {"examples": examples}}}
