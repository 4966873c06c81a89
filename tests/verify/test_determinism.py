"""The same input and the same time give the same octets, whatever else is loaded, set or judged before."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import kokuin
from kokuin.cli.messages import LANGUAGES
from kokuin.wire import encode
from tests.peers import corpus
from tests.trust.forge import DATA, NOW_US, UNIT, ess_v1, issue, order, pki
from tests.verify import ledgers

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(kokuin.__file__).parents[1]
AT = "2026-06-01T00:00:00Z"
NAMES = "日本標準時局 ①髙﨑 한국 Ελλάδα 🕰 \x1b[2J"
"""A name of characters that cp932 has, of some that it has only by its vendor's extensions, and of others."""
PATCHING = ("pyhanko.sign.signers", "pyhanko.sign.validation", "pyhanko_certvalidator")
JUDGE = """
import base64, hashlib, json, sys
given = json.load(sys.stdin)
for name in given["load"]:
    __import__(name)
from kokuin.trust.anchors import TrustStore
from kokuin.trust.certificate import read_certificate
from kokuin.trust.context import Context
from kokuin.verify.verifying import verify_bytes
trust = TrustStore(tuple(read_certificate(base64.b64decode(each)) for each in given["anchors"]))
for token in given["tokens"]:
    context = Context(given["at"], trust, lambda name: hashlib.new(name, given["data"].encode()).digest())
    print(verify_bytes(base64.b64decode(token), context).to_json())
loaded = {"asn1crypto.core", "pyhanko.sign.signers"} & set(sys.modules)
print(sorted(loaded), file=sys.stderr)
"""


def tokens() -> list[bytes]:
    """Good ones, forged ones, ones of certificates that many others resemble, and no tokens."""
    twins = [issue("Unit", pki().authority, UNIT) for _ in range(8)]
    bag = [each.der for each in (pki().unit, pki().authority, pki().root, *twins)]
    odd = issue(NAMES[:60], pki().authority, UNIT)
    return [
        order().make(),
        order(certificates=bag).make(),
        order(certificates=[*reversed(bag)]).make(),
        order(signer=odd, certificates=[odd.der, pki().authority.der]).make(),
        order(flip_signature=True).make(),
        order(attributes={"1.2.840.113549.1.9.16.2.12": ess_v1(pki().unit.der)}).make(),
        order(tst_extensions=encode.tlv(0xA1, encode.sequence(encode.oid("1.2.3"), b"\x04\x00"))).make(),
        order(nonce=-1, serial=1 << 159).make(),
        b"\x30\x80",
        b"",
    ]


def judged(found: list[bytes], load: tuple[str, ...] = (), **settings: str) -> tuple[str, str]:
    """Judge in a process of its own; return its reports and what it says of what is loaded."""
    given = {
        "load": load,
        "anchors": [base64.b64encode(pki().root.der).decode()],
        "tokens": [base64.b64encode(each).decode() for each in found],
        "at": NOW_US,
        "data": DATA.decode(),
    }
    ended = subprocess.run(
        [sys.executable, "-c", JUDGE],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={**os.environ, **settings},
    )
    return ended.stdout, ended.stderr.splitlines()[-1]


def test_a_loaded_pyhanko_changes_no_octet() -> None:
    """It changes asn1crypto's global tables of attributes and algorithms when it is imported."""
    found = tokens()
    alone, nothing = judged(found)
    assert nothing == "[]"
    beside, loaded = judged(
        found, ("pyhanko.sign.signers", "pyhanko.sign.validation", "pyhanko_certvalidator")
    )
    assert "asn1crypto.core" in loaded
    assert "pyhanko.sign.signers" in loaded
    assert beside == alone
    assert alone.count("\n") == len(found)


def test_a_loaded_pyhanko_changes_no_octet_of_what_is_said_of_real_tokens() -> None:
    files = sorted(each for name in ("tokens", "malformed") for each in (corpus() / name).rglob("*"))
    found = [each.read_bytes() for each in files if each.is_file()]
    assert judged(found)[0] == judged(found, PATCHING)[0]


@pytest.mark.parametrize(
    "settings",
    [
        {"PYTHONHASHSEED": "0"},
        {"PYTHONHASHSEED": "1"},
        {"PYTHONHASHSEED": "4294967295"},
        {"TZ": "Asia/Tokyo", "LANG": "ja_JP.UTF-8", "LC_ALL": "C"},
        {"TSA_LANG": "ja", "PYTHONIOENCODING": "cp932"},
        {"PYTHONOPTIMIZE": "2"},
    ],
    ids=str,
)
def test_neither_the_seed_of_hashes_nor_place_nor_language_changes_an_octet(
    settings: dict[str, str], reference: str, found: list[bytes]
) -> None:
    assert judged(found, (), **settings)[0] == reference


def test_the_order_in_which_tokens_are_judged_changes_no_octet(reference: str, found: list[bytes]) -> None:
    """What was verified is remembered from token to token."""
    backwards = judged([*reversed(found), *found])[0].splitlines()
    assert backwards == [*reversed(reference.splitlines()), *reference.splitlines()]


@pytest.fixture(scope="module")
def found() -> list[bytes]:
    return tokens()


@pytest.fixture(scope="module")
def reference(found: list[bytes]) -> str:
    return judged(found)[0]


# The command, and terminals that have not every character.


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    odd = issue(NAMES[:60], pki().authority, UNIT)
    certificates = [odd.der, pki().authority.der]
    (tmp_path / "token.tsr").write_bytes(order(signer=odd, certificates=certificates).make())
    (tmp_path / "root.pem").write_bytes(pki().root.pem)
    (tmp_path / "データ").write_bytes(DATA)
    return tmp_path


def tsa(folder: Path, *words: str, **settings: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command with its output in a file, as `tsa ... > file` does."""
    with (folder / "output").open("wb") as file:
        ended = subprocess.run(
            [sys.executable, "-m", "kokuin.cli.main", "verify", *words],
            stdout=file,
            stderr=subprocess.PIPE,
            check=False,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "0", **settings},
        )
    ended.stdout = (folder / "output").read_bytes()
    return ended


GIVEN = ("token.tsr", "--trust", "root.pem", "--at", AT, "--data", "データ")


def test_json_is_the_same_in_every_language_and_encoding(folder: Path) -> None:
    outputs = {
        tsa(folder, *GIVEN, "--json", "--lang", lang, PYTHONIOENCODING=encoding).stdout
        for lang in LANGUAGES
        for encoding in ("utf-8", "cp932", "ascii")
    }
    (output,) = outputs
    assert output.isascii()
    assert json.loads(output)["indication"] == "PASSED"


@pytest.mark.parametrize("encoding", ["cp932", "shift_jis", "euc_jp", "cp1252", "ascii", "utf-8", "utf-16"])
@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_terminal_without_some_characters_gets_them_escaped(folder: Path, encoding: str, lang: str) -> None:
    ended = tsa(folder, *GIVEN, "--lang", lang, PYTHONIOENCODING=encoding)
    assert (ended.returncode, ended.stderr) == (0, b"")
    said = ended.stdout.decode(encoding)
    assert said.startswith("PASSED: ")
    assert "\x1b" not in said
    japanese = encoding in {"cp932", "shift_jis", "euc_jp", "utf-8", "utf-16"}
    assert ("タイムスタンプは有効です" in said) == (japanese and lang == "ja")
    assert ("日本標準時局" in said) == japanese
    assert ("\\U0001f570" in said) == (encoding not in {"utf-8", "utf-16"})


@pytest.mark.parametrize("lang", LANGUAGES)
def test_help_and_wrong_usage_can_be_said_in_cp932(folder: Path, lang: str) -> None:
    for words, code in ((("--help",), 0), (("🕰",), 3), (("token.tsr", "--at", "🕰"), 3), ((), 3)):
        ended = tsa(folder, *words, "--lang", lang, PYTHONIOENCODING="cp932")
        assert ended.returncode == code, ended.stderr
        assert b"Traceback" not in ended.stderr
        (ended.stdout + ended.stderr).decode("cp932")


def sentences(lang: str) -> Iterator[tuple[str, str]]:
    """Yield every sentence with its key, in however deep a section."""
    source = ROOT / "kokuin" / "cli" / "messages" / f"{lang}.toml"

    def walk(table: dict[str, object], path: str) -> Iterator[tuple[str, str]]:
        for key, value in table.items():
            if isinstance(value, dict):
                yield from walk(value, f"{path}{key}.")
            else:
                yield f"{path}{key}", str(value)

    return walk(tomllib.loads(source.read_text(encoding="utf-8")), "")


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_sentence_is_written_in_characters_that_cp932_has(lang: str) -> None:
    lacking = {}
    for key, sentence in sentences(lang):
        missing = {each for each in sentence if not each.encode("cp932", "ignore")}
        if missing:
            lacking[key] = missing
    assert lacking == {}


def test_a_proof_s_sentences_too(folder: Path) -> None:
    token = ledgers.genuine()[ledgers.at(0)].token
    (folder / "token.tsr").write_bytes(token)
    (folder / "token.tsr.tlog-proof").write_bytes(ledgers.Ledger().proof(ledgers.at(0)).encode())
    (folder / "root.der").write_bytes(ledgers.authority().certificate.der)
    words = ("token.tsr", "--trust", "root.der", "--at", "2026-06-01T01:00:00Z", "--lang", "ja")
    ended = tsa(folder, *words, PYTHONIOENCODING="cp932")
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert "台帳" in ended.stdout.decode("cp932")
