"""`tsa policy` as a user meets it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from kokuin.cli.main import main
from kokuin.cli.messages import LANGUAGES, text
from pqc.catalogue import RefusalCode
from pqc.policies import Role, Suitability, Usage, load_policy, shipped_policies

if TYPE_CHECKING:
    from pathlib import Path

ODD = {
    "SecuritySuitabilityPolicy": {
        "PolicyName": {"Name": "Suites"},
        "Publisher": {"Name": "Somebody"},
        "PolicyIssueDate": "2026-01-01T00:00:00Z",
        "Algorithm": [
            {
                "AlgorithmIdentifier": {"Name": name, "ObjectIdentifier": oid},
                "Evaluation": [{"Validity": {"End": "2031-01-01"}, "Recommendation": "R"}],
            }
            for name, oid in (
                ("SHA256", "2.16.840.1.101.3.4.2.1"),
                ("SHA384", "2.16.840.1.101.3.4.2"),
                ("\x1b[2JX", "1.2"),
            )
        ],
    }
}


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_shipped_policies_are_listed(lang: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "list", "--lang", lang]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in shipped_policies())
    assert main(["policy", "list", "--json"]) == 0
    assert [each["name"] for each in json.loads(capsys.readouterr().out)] == list(shipped_policies())


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("name", shipped_policies())
def test_every_row_of_a_policy_is_shown_with_its_source(
    name: str, lang: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["policy", "show", name, "--lang", lang]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = load_policy(name).rows
    assert len(lines) == 1 + len(rows)
    for line, row in zip(lines[1:], rows, strict=True):
        assert row.cited in line
        assert row.until is None or str(row.until) in line
    assert main(["policy", "show", name, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [(each["status"], each["until"]) for each in shown["rows"]] == [
        (row.status, row.until and str(row.until)) for row in rows
    ]


def test_a_catalogue_goes_out_and_comes_back_as_a_policy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, own = tmp_path / "eu.json", tmp_path / "own.toml"
    assert main(["policy", "export", "eu-ts119312", "-o", str(out)]) == 0
    assert "x25519mlkem768" in capsys.readouterr().out
    assert main(["policy", "import", str(out), "-o", str(own), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"file": str(own), "refused": []}
    assert load_policy(own).name == "own"
    assert main(["policy", "export", "us", "-o", str(out), "--json"]) == 0
    assert "x25519" in json.loads(capsys.readouterr().out)["left_out"]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_what_is_refused_of_a_catalogue_is_listed_and_steers_no_terminal(
    lang: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs, own = tmp_path / "theirs.json", tmp_path / "own.toml"
    theirs.write_text(json.dumps(ODD))
    assert main(["policy", "import", str(theirs), "-o", str(own), "--lang", lang]) == 1
    said = capsys.readouterr().out
    assert "SHA384" in said
    assert "/SecuritySuitabilityPolicy/Algorithm/1" in said
    assert "\x1b" not in said
    assert len(load_policy(own).rows) == len(Usage)
    assert main(["policy", "import", str(theirs), "-o", str(own), "--json"]) == 1
    refused = json.loads(capsys.readouterr().out)["refused"]
    assert [each["code"] for each in refused] == ["OID_MISMATCH", "OID_UNKNOWN"]


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("show",),
        ("show", "absent"),
        ("export", "us"),
        ("export", "absent", "-o", "x"),
        ("export", "us", "-o", "absent/x"),
        ("import", "absent", "-o", "x"),
        ("import", ".", "-o", "x"),
        ("import", "text", "-o", "x"),
        ("import", "good", "-o", "absent/x"),
        ("forget",),
    ],
)
def test_wrong_usage_and_files_that_cannot_be_used_exit_with_3(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text").write_text("no catalogue")
    (tmp_path / "good").write_text(json.dumps(ODD))
    try:
        code = main(["policy", *words])
    except SystemExit as error:
        code = int(error.code or 0)
    assert code == 3


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_code_has_a_word_in_both_languages(lang: str) -> None:
    for code in (*Usage, *Role, *RefusalCode, *(each for each in Suitability if each != "unknown")):
        assert text(lang, f"policy.{code}")
