"""`tsa inspect` as a user meets it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import kokuin
from kokuin.cli.main import main
from kokuin.cli.messages import LANGUAGES, text
from kokuin.ledger import schema
from kokuin.verify.inspecting.kinds import Kind
from tests.ledger import exported
from tests.trust.forge import issue, order, pki

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(kokuin.__file__).parents[1]


@pytest.fixture
def tsa(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    (tmp_path / "token.tsr").write_bytes(order(certificates=pki().chain).make())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TSA_LANG", "en")
    return lambda *words: main(["inspect", *words])


def test_a_token_is_a_tree_and_no_verdict(
    tsa: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert tsa("token.tsr") == 0
    first, *lines, last = capsys.readouterr().out.splitlines()
    assert first.startswith("Time-stamp token (RFC 3161), DER, ")
    assert last == "This is what is written there; nothing was verified."
    assert "      eContentType: 1.2.840.113549.1.9.16.1.4 (id-ct-TSTInfo)" in lines
    assert "        genTime: 2026-06-01T00:00:00Z" in lines
    assert not any(word in " ".join(lines) for word in ("PASSED", "FAILED", "INDETERMINATE"))


def test_the_tree_is_the_same_in_both_languages_and_json_has_none(
    tsa: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    said = []
    for lang in LANGUAGES:
        tsa("token.tsr", "--json", "--lang", lang)
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]
    found = json.loads(said[0])
    assert (found["schema_version"], found["kind"], found["encoding"]) == (1, "timestamp-token", "DER")
    assert found["entries"][0] == {
        "name": "contentType",
        "value": "1.2.840.113549.1.7.2",
        "note": "id-signedData",
    }
    tsa("token.tsr", "--lang", "ja")
    assert "検証は行っていません" in capsys.readouterr().out


def test_what_cannot_be_read_is_named_and_the_exit_code_says_so(
    tsa: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    token = order(gen_time=b"20260230000000Z").make()
    Path("odd").write_bytes(token)
    assert tsa("odd") == 1
    at = token.index(b"20260230000000Z") - 2
    assert f"genTime <cannot be read at octet {at}: WIRE_BAD_VALUE>" in capsys.readouterr().out
    Path("odd").write_bytes(b"words")
    assert tsa("odd") == 1
    assert capsys.readouterr().out.startswith("Unknown: ")


def test_a_private_key_is_refused(tsa: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    Path("key").write_bytes(
        b"-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA==\n-----END PRIVATE KEY-----\n"
    )
    assert tsa("key") == 1
    out = capsys.readouterr().out
    assert out.splitlines()[1] == "  <private key: not shown>"
    assert "MC4" not in out


def test_a_file_of_several_certificates_shows_each(
    tsa: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("chain.pem").write_bytes(b"Unit\n" + pki().unit.pem + pki().authority.pem)
    assert tsa("chain.pem") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines.count("  CERTIFICATE: certificate") == 2


def test_a_bundle_is_gone_through(
    tsa: Callable[..., int], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    schema.create(tmp_path / "ledger.db")
    exported.fill(tmp_path / "ledger.db", 10)
    exported.sign(tmp_path / "ledger.db", [10])
    (tmp_path / "bundle").write_bytes(exported.export(tmp_path / "ledger.db"))
    assert tsa("bundle") == 0
    out = capsys.readouterr().out
    assert out.startswith("Export bundle of a ledger, tar, ")
    assert "    records: 10\n" in out


@pytest.mark.parametrize("name", ["absent", "."])
def test_a_file_that_cannot_be_opened_is_wrong_usage(
    tsa: Callable[..., int], capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert tsa(name) == 3
    assert capsys.readouterr().err.startswith(f"tsa inspect: {name}: ")


@pytest.mark.parametrize(
    ("lang", "size"), [("en", "larger than 16777216 octets"), ("ja", "16777216 オクテットより大きい")]
)
@pytest.mark.parametrize("begins", [b"", pki().root.pem], ids=["nothing", "a certificate"])
def test_of_a_file_above_the_limit_it_says_so_and_the_limit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], begins: bytes, lang: str, size: str
) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.write(begins)
        file.truncate(20_000_000)
    assert main(["inspect", str(tmp_path / "large"), "--lang", lang]) == 1
    assert capsys.readouterr().out.splitlines()[0].endswith(f", {size}")
    assert main(["inspect", str(tmp_path / "large"), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["size"], told["larger_than"]) == (None, 16_777_216)


def test_what_comes_through_a_pipe_is_shown(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    command = [sys.executable, "-m", "kokuin.cli.main", "inspect", str(tmp_path / "pipe")]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, env={**os.environ, "TSA_LANG": "en"}
    ) as child:
        (tmp_path / "pipe").write_bytes(pki().unit.der)
        out, _ = child.communicate(timeout=60)
    assert (child.returncode, out.decode().startswith("X.509 certificate, DER, ")) == (0, True)


def test_a_japanese_name_is_shown_on_a_japanese_terminal_and_any_name_on_any(tmp_path: Path) -> None:
    (tmp_path / "cert").write_bytes(issue("時刻認証局 é", None, ()).pem)
    for encoding, lang in (("cp932", "ja"), ("ascii", "en"), ("utf-8", "ja")):
        done = subprocess.run(
            [sys.executable, "-m", "kokuin.cli.main", "inspect", str(tmp_path / "cert"), "--lang", lang],
            cwd=ROOT,
            env={**os.environ, "PYTHONIOENCODING": encoding},
            check=True,
            capture_output=True,
        )
        assert done.stderr == b""
        assert ("時刻認証局".encode(encoding, "backslashreplace")) in done.stdout


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_kind_has_its_sentence_and_no_other_kind_has_one(lang: str) -> None:
    for kind in Kind:
        assert text(lang, f"inspect.{kind.name.lower()}")
    source = (ROOT / "kokuin/cli/messages" / f"{lang}.toml").read_text(encoding="utf-8")
    others = {
        "file_help",
        "cannot_read",
        "no_verdict",
        "octets",
        "larger",
        "hidden",
        "secret",
        "fault",
        "fault_at",
    }
    assert set(tomllib.loads(source)["inspect"]) == others | {kind.name.lower() for kind in Kind}


def test_inspecting_loads_no_server_library() -> None:
    program = (
        "import sys; from kokuin.cli.main import main; main(['inspect', sys.argv[1]]);"
        "print({'fastapi', 'sqlalchemy', 'uvicorn', 'httpx', 'pyhanko'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(ROOT / "pyproject.toml")],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    assert done.stdout.splitlines()[-1] == b"set()"
