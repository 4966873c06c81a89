"""`GET /docs` speaks of every route and asks nobody else for anything."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kokuin.service.api_page import page

if TYPE_CHECKING:
    from tests.service.running import Service

EVIL = "<script src='https://elsewhere.example/x.js'></script>"


def test_the_page_of_the_routes_loads_nothing_and_runs_no_script(single: Service) -> None:
    answer = single.client.get("/docs")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert not re.search(r"<(script|link|img|iframe|object|embed)|\s(src|href)=", answer.text)
    assert not re.search(r"url\(|@import|https?:", answer.text)
    assert single.client.get("/docs/oauth2-redirect").status_code == 404
    assert single.client.get("/redoc").status_code == 404


def test_the_page_names_every_route_and_its_parameters(single: Service) -> None:
    text = single.client.get("/docs").text
    paths = single.client.get("/openapi.json").json()["paths"]
    assert "/api/v1/dry-runs/{run_id}" in paths
    for path in ("/tsa", "/tsa/{profile}", *paths):
        assert f"<td>{path}</td>" in text
    assert "<td>format, policy, years</td>" in text
    assert "<td>TRACE</td>" not in text
    assert "<td>The process answers.</td>" in text


def test_programs_are_told_of_what_type_each_answer_is(single: Service) -> None:
    document = single.client.get("/openapi.json").json()
    operator = {"authorization": f"Bearer {single.operator_key}"}
    asked = 0
    for path, methods in document["paths"].items():
        if "get" not in methods or "{" in path:
            continue
        answer = single.client.get(path, headers=operator)
        described = methods["get"]["responses"][str(answer.status_code)]["content"]
        assert answer.headers["content-type"].partition(";")[0] in described, path
        asked += 1
    assert asked > 10
    assert "HTTPValidationError" not in str(document)
    assert set(document["paths"]["/readyz"]["get"]["responses"]) >= {"200", "503"}


def test_what_a_description_says_is_text() -> None:
    operation = {"description": EVIL, "parameters": [{"name": EVIL}]}
    written = page({"info": {"title": EVIL, "version": EVIL}, "paths": {EVIL: {EVIL: operation}}})
    assert "<script" not in written.lower()
    assert written.lower().count("&lt;script") == 8
