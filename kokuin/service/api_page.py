"""`GET /docs`: the routes for people, as one page without scripts and with nothing from elsewhere.

A page of an authority that loads another's program lets that other speak, and
act, in the authority's name. Programs read the same from `/openapi.json`.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from kokuin.service.migration.html_parts import STYLE, table
from kokuin.service.stamp_endpoint import PATH

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
"""Should a script find its way into the page, no browser runs it."""
_STAMPING = "A DER TimeStampReq in, a TimeStampResp out (RFC 3161 §3.4)."


def page(document: Mapping[str, Any]) -> str:
    """Write the page (HTML) of an OpenAPI document, and of the two routes beside the router."""
    title = escape(f"{document['info']['title']} {document['info']['version']}")
    rows = [("POST", path, "", _STAMPING) for path in (PATH, f"{PATH}/{{profile}}")]
    rows += _rows(document)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{STYLE}</style></head><body><h1>{title}</h1>"
        f"{table(('Method', 'Path', 'Parameters', 'What it does'), rows)}"
        "<p>For programs: <code>/openapi.json</code></p></body></html>\n"
    )


def _rows(document: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            asked = ", ".join(each["name"] for each in operation.get("parameters", ()))
            yield method.upper(), path, asked, operation["description"]
