"""What the routes of sealing answer: sealed documents, what is known of jobs, problems."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi.responses import JSONResponse, Response, StreamingResponse

from kokuin.service.eseals import openapi
from kokuin.service.eseals.codes import STATUS, SealCode, SealRefusedError
from kokuin.service.eseals.spool import pieces
from kokuin.service.evidence.api import EVIDENCE
from kokuin.service.problems import problem_response

if TYPE_CHECKING:
    from collections.abc import Iterator

    from eseal.profile import Format
    from kokuin.service.eseals.entries import Seen
    from kokuin.service.eseals.sealed import Sealed

NO_STORE = {"Cache-Control": "no-store"}
# Content that was not read ends the connection (RFC 9112 §9.3): a client must be told not to use it again.
_REFUSED = {**NO_STORE, "Connection": "close"}


def shown(name: str, seen: Seen) -> dict[str, Any]:
    """Return what is told of a job."""
    state = "running" if seen.running else "lost"
    if seen.outcome is not None:
        state = "done" if seen.outcome["ok"] else "failed"
    told: dict[str, Any] = {"job": name, "state": state, "since": int(seen.head["since"])}
    if state == "running":
        told["progress"] = "sealed" if seen.made is not None else "working"
    if state == "done" and seen.made is not None:
        told |= {name: seen.made[name] for name in ("level", "asked", "lowered", "profile", "record", "size")}
        told["evidence"] = _place(str(seen.made.get("evidence", "")))
    if state == "failed" and seen.outcome is not None:
        told |= {name: seen.outcome[name] for name in ("code", "field", "reason") if seen.outcome[name]}
    if state == "lost":
        told["code"] = SealCode.JOB_LOST
    return told


def accepted(name: str, known: dict[str, Any]) -> Response:
    """Answer that a job was begun, or is known: where it is asked for, and what is told of it."""
    headers = {**NO_STORE, "Location": f"{openapi.JOBS}/{name}", "Preference-Applied": "respond-async"}
    return JSONResponse(known, status_code=202, headers=headers)


def sealed(sealed: Sealed, form: Format, how: str) -> Response:
    """Send a sealed document, and what is known of it in header fields."""
    facts = sealed.facts()
    headers = {
        **NO_STORE,
        "Content-Length": str(sealed.document.size),
        "X-Seal-Level": facts["level"],
        "X-Seal-Record": facts["record"],
        **({"X-Seal-Profile": facts["profile"]} if facts["profile"] else {}),
        **({"X-Seal-Lowered": facts["lowered"]} if facts["lowered"] else {}),
        **({"X-Seal-Evidence": _place(facts["evidence"])} if facts["evidence"] else {}),
    }

    def octets() -> Iterator[bytes]:
        try:
            yield from pieces(sealed.document)
        finally:
            sealed.document.file.close()

    sealed.document.file.seek(0)
    kind = openapi.media_type(form, how, sealed.document.file.read(1))
    return StreamingResponse(octets(), media_type=kind, headers=headers)


def _place(serial: str) -> str:
    """Return where the record beside a document is fetched; empty: there is none."""
    return f"{EVIDENCE}/{serial}" if serial else ""


def refused(error: SealRefusedError) -> Response:
    """Answer why nothing was sealed."""
    status = STATUS[error.code]
    more = {name: text for name, text in (("field", error.field), ("reason", error.reason)) if text}
    soon = {"Retry-After": "10"} if status == 503 else {}
    return problem_response(status, error.code, headers={**_REFUSED, **soon}, more=more or None)
