"""`tsa verify TOKEN --request FILE`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from kokuin.cli.main import main
from tests.trust.forge import order, pki
from tests.trust.test_token_attacks_request import NONCE, request

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token.tsr").write_bytes(order(nonce=NONCE).make())
    (tmp_path / "root.pem").write_bytes(pki().root.pem)
    (tmp_path / "right.tsq").write_bytes(request())
    (tmp_path / "other.tsq").write_bytes(request(nonce=NONCE + 1))
    (tmp_path / "none.tsq").write_bytes(b"no request")
    (tmp_path / "huge.tsq").write_bytes(bytes(1 << 20))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TSA_LANG", "en")


def verify(name: str, *words: str) -> int:
    trusted = ("token.tsr", "--trust", "root.pem", "--at", "2026-06-01T00:00:00Z")
    return main(["verify", *trusted, "--request", name, *words])


def test_the_exit_code_says_whether_the_token_answers_the_request(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert verify("right.tsq", "--json") == 0
    assert "request-nonce" in {check["id"] for check in json.loads(capsys.readouterr().out)["checks"]}
    assert verify("other.tsq") == 1
    assert "the token is the answer to another request" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "code"),
    [("none.tsq", "WIRE_TRUNCATED"), ("huge.tsq", "WIRE_TOO_LARGE"), ("missing.tsq", "No such file")],
)
def test_a_request_that_cannot_be_read_is_a_mistake_of_the_caller(
    name: str, code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify(name) == 3
    said = capsys.readouterr().err
    assert name in said
    assert len(said.splitlines()) == 1
    assert code in said
