"""What a command refuses: never on standard output, where a script would take it for an answer."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from kokuin.cli.main import main
from kokuin.cli.messages import LANGUAGES
from kokuin.service import operating
from tests.docs.markdown import ROOT, read

if TYPE_CHECKING:
    from collections.abc import Callable

APPROVAL = "p-cccccccccccccccc"
MESSAGES = ROOT / "kokuin/cli/messages"


@pytest.fixture
def answered(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run `tsa WORDS` where the folder's owner gives this answer; return exit code, output and errors."""

    def run(answer: dict[str, Any], *words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(operating, "operate", lambda *_: dict(answer))
        code = main(list(words))
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("tenant", "add", "n"), "VALUE_UNFIT"),
        (("stop", "release"), "STOP_NONE"),
        (("seal-profile", "csr", "main"), "SEAL_PROFILE_UNKNOWN"),
        (("keys", "csr", "pq"), "KEY_MISSING"),
        (("profile", "rollback"), "ROLLBACK_NOTHING"),
        (("ledger", "seal"), "NOTHING_TO_SEAL"),
    ],
)
def test_a_refusal_is_told_aside_with_what_to_do(
    words: tuple[str, ...], code: str, lang: str, answered: Callable[..., tuple[int, str, str]]
) -> None:
    """A script's variable, and the file that a request goes to, hold what was asked for or nothing."""
    refused = {"ok": False, "code": code, "detail": "the owner's word"}
    ended, out, err = answered(refused, *words, "--lang", lang)
    assert (ended, out) == (1, "")
    first, second = err.splitlines()
    assert re.fullmatch(rf".*{code}[.。]\s*\S.+", first)
    assert second.strip() == "the owner's word"


@pytest.mark.parametrize("words", [("profile", "use", "pq"), ("keys", "rotate", "pq"), ("stop", "release")])
def test_a_proposal_prints_its_id_alone(
    words: tuple[str, ...], answered: Callable[..., tuple[int, str, str]]
) -> None:
    ended, out, err = answered({"ok": True, "state": "proposed", "approval": APPROVAL}, *words)
    assert (ended, out) == (0, f"{APPROVAL}\n")
    # Whoever types on the machine is the proposer, so the command to approve would lead nowhere.
    assert f"POST /api/v1/approvals/{APPROVAL}/approve" in err


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize(
    ("section", "begins", "ends"),
    [
        ("ledger.code", "What acts on the ledger answer:", "## Two nodes over PostgreSQL"),
        ("profile.code", "Nothing changes unless all is ready.", "With `approvals = 2` under `[switch]`"),
        ("profile.code", "The former key signs nothing from then on", "## Access"),
        ("profile.code", "What is wrong with a backup is said before", "\n## never"),
    ],
)
def test_every_code_of_an_act_has_a_sentence(section: str, begins: str, ends: str, lang: str) -> None:
    told = read("docs/operations.md").partition(begins)[2].partition(ends)[0]
    codes = {
        code
        for row in re.findall(r"^\| (`[^|]+) \|", told, re.MULTILINE)
        for code in re.findall(r"[A-Z_]{6,}", row)
    }
    sentences = tomllib.loads((MESSAGES / f"{lang}.toml").read_text(encoding="utf-8"))[section]
    assert codes
    assert not codes - sentences.keys()
