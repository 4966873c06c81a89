"""How the routes of sealing describe themselves in OpenAPI: content, answers, every problem."""

from __future__ import annotations

from typing import Any

import orjson

from eseal.profile import Format
from eseal.values import Level
from kokuin.service.eseals.codes import STATUS, SealCode
from kokuin.service.eseals.reception import FORM, OPTIONS, RAW
from kokuin.service.eseals.work import WORKS
from kokuin.service.problems import MEDIA_TYPE, problem_body

SEALS = "/api/v1/seals"
EXTEND = "/api/v1/extend"
JOBS = "/api/v1/jobs"

_NAMES = {Format.PDF: "a PDF (PAdES)", Format.JSON: "JSON (JAdES)", Format.CADES: "any file (CAdES)"}
WHAT = {form: _NAMES[form] for form in WORKS}
"""What each route seals."""
PATHS = (*(f"{SEALS}/{form}" for form in WHAT), EXTEND)
"""Routes that read and bound their content themselves."""

_BINARY = {"type": "string", "format": "binary"}
_LEVELS = {"type": "string", "enum": list(Level)}
_FIELDS: dict[str, dict[str, Any]] = {
    "document": {**_BINARY, "description": "What is sealed, or what is extended."},
    "data": {**_BINARY, "description": "What a detached seal that is extended is about."},
    "profile": {
        "type": "string",
        "description": "Seal profile of the tenant; not needed where there is one.",
    },
    "level": {**_LEVELS, "description": "To be reached; without it, the seal profile's, or B-LTA to extend."},
    "min_level": {**_LEVELS, "description": "To be content with while no time-stamps can be had."},
    "class": {"type": "string", "description": "What kind of document it is."},
    "form": {"type": "string", "description": "Whether the document is in the seal or beside it."},
    "reason": {"type": "string", "description": "Shown by readers."},
    "location": {"type": "string", "description": "Shown by readers."},
    "field": {"type": "string", "description": "Signature field: one that waits, or a new one of this name."},
    "uri": {"type": "string", "description": "Of a detached document: the name that the seal gives it."},
    "serialization": {"type": "string", "enum": ["compact", "flattened", "general"]},
    "canonical": {"type": "string", "enum": ["rfc8785"], "description": "Canonicalised before it is sealed."},
}
_FORMS = {Format.JSON: ["attached", "detached"], Format.CADES: ["detached", "enveloping"]}
_EXAMPLES = {
    Format.PDF: "%PDF-1.7 …",
    Format.JSON: {"invoice": "2026-001", "total": 1200},
    Format.CADES: "any octets",
}
_JOB = {
    "job": "j-00000000000000000000000000000000",
    "state": "done",
    "since": 1796256000,
    "level": "B-T",
    "asked": "B-T",
    "lowered": "",
    "profile": "invoices",
    "record": "019a0000-0000-7000-8000-000000000000",
    "size": 4096,
    "evidence": "",
}


def media_type(form: Format, how: str, beginning: bytes) -> str:
    """Return the type of a sealed document.

    Args:
        form: its format.
        how: `detached` or `enveloping`, of CAdES that is made; empty of CAdES that is extended.
        beginning: its first octets.
    """
    if form is Format.PDF:
        return "application/pdf"
    if form is Format.JSON:
        return "application/jose+json" if beginning[:1] == b"{" else "application/jose"
    return {"": "application/cms", "enveloping": "application/pkcs7-mime"}.get(
        how, "application/pkcs7-signature"
    )


def content(form: Format | None) -> dict[str, Any]:
    """Return the request's content (OpenAPI 3.1 §4.8.13); None: of `extend`."""
    names = ["document", "level", "min_level", "class"]
    names += ["data"] if form is None else ["profile", *OPTIONS[form]]
    properties = {name: _FIELDS[name] for name in names}
    if form in _FORMS:
        properties["form"] = {**_FIELDS["form"], "enum": _FORMS[form], "default": _FORMS[form][0]}
    schema = {
        "type": "object",
        "required": ["document"],
        "properties": properties,
    }
    example = "a sealed document" if form is None else _EXAMPLES[form]
    types = sorted(RAW.get(form, ())) if form is not None else []
    raw = {name: {"schema": _BINARY, "example": example} for name in types or ["application/octet-stream"]}
    fields = {"document": example, "level": "B-T", "min_level": "B-B"}
    return {
        "requestBody": {
            "required": True,
            "content": {**raw, FORM: {"schema": schema, "example": fields}},
        }
    }


def responses(form: Format | None) -> dict[int | str, dict[str, Any]]:
    """Return every answer of a route that seals, or extends, by its status."""
    types = {
        Format.PDF: ["application/pdf"],
        Format.JSON: ["application/jose", "application/jose+json"],
        Format.CADES: ["application/pkcs7-signature", "application/pkcs7-mime"],
        None: ["application/pdf", "application/jose+json", "application/cms"],
    }[form]
    headers = {
        "X-Seal-Level": "The level that was reached.",
        "X-Seal-Record": "Id of the seal's record in the ledger.",
        "X-Seal-Profile": "The seal profile; not of what was extended.",
        "X-Seal-Lowered": "Why the level is lower than the one that was asked for; only then.",
        "X-Seal-Evidence": "Where the evidence record is fetched that is kept beside it; only then.",
    }
    sealed = {
        "description": "The sealed document, or the detached seal.",
        "headers": {
            name: {"description": text, "schema": {"type": "string"}} for name, text in headers.items()
        },
        "content": {name: {"schema": _BINARY} for name in types},
    }
    job = {"job": _JOB["job"], "state": "running"}
    accepted = {
        "description": "A job was begun; `Location` is where it is asked for.",
        "content": {"application/json": {"example": job}},
    }
    return {200: sealed, 202: accepted, **_problems()}


def job_responses() -> dict[int | str, dict[str, Any]]:
    """Return every answer about a job, by its status."""
    shown = {"description": "What is known of the job.", "content": {"application/json": {"example": _JOB}}}
    return {200: shown, **_problems()}


def _problems() -> dict[int | str, dict[str, Any]]:
    found: dict[int | str, dict[str, Any]] = {}
    for status in sorted(set(STATUS.values())):
        names = [code for code in SealCode if STATUS[code] == status]
        examples = {code: {"value": orjson.loads(problem_body(status, code))} for code in names}
        found[status] = {
            "description": ", ".join(names),
            "content": {MEDIA_TYPE: {"examples": examples}},
        }
    return found
