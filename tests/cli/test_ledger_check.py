"""What `tsa ledger check` tells an auditor of a bundle, beside the verdict itself, in either language."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from kokuin.cli import messages
from kokuin.cli.main import main
from kokuin.cli.outcome import Exit
from kokuin.ledger import schema
from tests.ledger import exported
from tests.ledger.notes import log, verifier

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SIZE = 60
LANGUAGES = pytest.mark.parametrize("lang", messages.LANGUAGES)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("told") / "ledger.db"
    schema.create(path)
    exported.fill(path, SIZE)
    exported.sign(path, [2, 20, SIZE])
    return path


@pytest.fixture
def check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Check octets as a bundle with the log's keys, or others; return exit code and what was printed."""

    def run(octets: bytes, *words: str, keys: str = "") -> tuple[int, str]:
        (tmp_path / "bundle").write_bytes(octets)
        (tmp_path / "log.vkey").write_text(keys or verifier(log()).encode())
        given = ("ledger", "check", str(tmp_path / "bundle"), "--log-key", str(tmp_path / "log.vkey"))
        code = main([*given, *words])
        return code, capsys.readouterr().out

    return run


def document(told: tuple[int, str]) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(told[1])
    return read


@LANGUAGES
def test_an_auditor_with_older_keys_is_told_to_get_newer_ones(
    store: Path, check: Callable[..., tuple[int, str]], lang: str
) -> None:
    older = verifier(log("log.example/kokuin/0")).encode()
    code, said = check(exported.export(store), "--lang", lang, keys=older)
    assert (code, said.partition(":")[0]) == (Exit.INDETERMINATE, "INDETERMINATE")
    (line,) = [line for line in said.splitlines() if "ORIGIN_UNKNOWN" in line]
    assert log().origin in line
    assert "log.vkey" in line
