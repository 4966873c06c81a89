"""Sealed documents over `POST /api/v1/verify`: the report of the command, within the bounds of the route."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from eseal.values import Level
from kokuin.service.verify_openapi import PATH
from kokuin.service.verify_reception import MAX_TOKEN
from tests.service.test_verify_api import ask, told, verdict
from tests.verify.test_seals import DATA, SEALED, in_cms, in_pdf

if TYPE_CHECKING:
    from pathlib import Path

    from tests.service.running import Service

AT = "2100-01-01T00:00:00Z"
TYPES = {"pdf": "application/pdf", "jws": "application/jose+json", "cms": "application/pkcs7-signature"}


@pytest.mark.parametrize("form", SEALED)
def test_the_report_of_a_seal_is_that_of_the_command_octet_for_octet(
    form: str, single: Service, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    for level in (Level.B_B, Level.B_LTA):
        sealed = SEALED[form](level)
        answer = ask(single, {"token": sealed}, at=AT)
        assert verdict(answer) == ("INDETERMINATE", "NO_CERTIFICATE_CHAIN_FOUND")
        assert answer.json()["kind"] == f"sealed-{form}"
        assert answer.content == told(single, capfdbinary, tmp_path, sealed, "--at", AT)
        params = {"at": AT}
        alone = single.client.post(PATH, content=sealed, headers={"content-type": TYPES[form]}, params=params)
        assert alone.content == answer.content


def test_the_data_of_a_detached_seal_is_held_against_it(single: Service) -> None:
    sealed = in_cms(inside=False)
    right = ask(single, {"token": sealed, "data": DATA})
    assert verdict(right) == ("INDETERMINATE", "NO_CERTIFICATE_CHAIN_FOUND")
    assert verdict(ask(single, {"token": sealed, "data": b"other"})) == ("FAILED", "HASH_FAILURE")
    digest = hashlib.sha256(DATA).hexdigest()
    assert verdict(ask(single, {"token": sealed}, digest=digest)) == verdict(right)


def test_a_document_beyond_the_bounds_of_the_route_is_refused(single: Service) -> None:
    answer = single.client.post(
        PATH, content=in_pdf() + bytes(MAX_TOKEN), headers={"content-type": "application/pdf"}
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "HTTP_BODY_TOO_LARGE")


@pytest.mark.parametrize(
    "bomb",
    [
        b"{" * 100_000,
        b'{"payload":"' + b"A" * 500_000 + b'","signatures":[' + b"{}," * 100_000 + b"{}]}",
        b"%PDF-1.7\n" + b"1 0 obj<<" * 50_000,
        b"%PDF-1.7\ntrailer<</Root 1 0 R/Prev 0>>\nstartxref\n9\n%%EOF",
        b"eyJ" + b"A" * 900_000 + b".." + b"A" * 1_000,
    ],
    ids=range(5),
)
def test_a_bomb_in_a_document_gets_a_report(bomb: bytes, single: Service) -> None:
    assert verdict(ask(single, {"token": bomb}))[0] == "FAILED"
