"""`GET /docs`: the routes for people, as one page without scripts and with nothing from elsewhere.

A page of an authority that loads another's program lets that other speak, and
act, in the authority's name. Programs read the same from `/openapi.json`.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from kokuin.service.migration.html_parts import STYLE, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def page(document: Mapping[str, Any]) -> str:
    """Write the page (HTML) of an OpenAPI document."""
    title = escape(f"{document['info']['title']} {document['info']['version']}")
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{STYLE}</style></head><body><h1>{title}</h1>"
        f"{table(('Method', 'Path', 'Parameters', 'What it does'), list(_rows(document)))}"
        "<p>For programs: <code>/openapi.json</code></p></body></html>\n"
    )


def _rows(document: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            asked = ", ".join(each["name"] for each in operation.get("parameters", ()))
            yield method.upper(), path, asked, operation["description"]
