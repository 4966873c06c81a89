"""`tsa init`, `serve`, `stamp`, `clock` as a user meets them."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import sys
from typing import TYPE_CHECKING, NoReturn

import pytest

from kokuin.cli.main import main
from kokuin.service import serving, single
from kokuin.service.access.doorkeeper import read_operator_digest
from kokuin.service.config import load_config
from tests.peers import need
from tests.service import running
from tests.service.running import TSA, Service, prepare

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.service.running import Prepared

LIBRARIES = ("fastapi", "httpx", "orjson", "pydantic", "sqlalchemy", "sqlmodel", "starlette", "structlog")
HEAVY = (*LIBRARIES, "uvicorn", "uvloop", "cryptography", "argparse", "tomllib")


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TSA_LANG", "en")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def _not_serving(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that starts although it must not fails its test at once instead of running for ever."""

    def started(*_: object) -> NoReturn:
        raise AssertionError("it serves")

    monkeypatch.setattr(single, "_answer", started)
    monkeypatch.setattr(serving, "configure_logs", lambda _role: None)  # this process is pytest's


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return prepare(tmp_path_factory.mktemp("cli") / "data", "classical")


@pytest.fixture
def data(_not_serving: None, prepared: Prepared, tmp_path: Path) -> Path:
    """Give a folder that `tsa init` made, to be spoilt."""
    return prepared.copy(tmp_path / "data").folder.root


@pytest.fixture(scope="module")
def service(prepared: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running.serving(prepared.copy(tmp_path_factory.mktemp("served") / "data")) as service:
        yield service


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "document"
    path.write_bytes(b"a document\n")
    return path


def complaint(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Run a command that must fail by its usage, and return its one line."""
    assert main(list(words)) == 3
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    assert line.startswith(f"tsa {words[0]}: ")
    return line


def test_version_loads_no_library() -> None:
    code = "import sys; from kokuin.cli.main import main; main(['--version']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    version, modules = done.stdout.splitlines()
    assert re.fullmatch(r"kokuin \d+\.\d+\.\d+", version)
    assert not {name.partition(".")[0] for name in modules.split()} & set(HEAVY)
    script = subprocess.run([TSA, "--version"], capture_output=True, text=True, check=True)
    assert script.stdout.strip() == version


@pytest.mark.parametrize("profile", ["classical", "classical-rsa", "pq"])
def test_init_makes_a_folder_for_its_owner_alone(
    profile: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, keys = tmp_path / "data", tmp_path / "keys"
    assert main(["init", "--dir", str(root), "--keys", str(keys), "--profile", profile]) == 0
    printed = capsys.readouterr().out
    assert (root / "format").read_text() == "3\n"
    assert stat.S_IMODE(root.stat().st_mode) == 0o700
    assert stat.S_IMODE((keys / f"unit-{profile}.pem").stat().st_mode) == 0o600
    assert stat.S_IMODE((root / "ledger" / "ledger.db").stat().st_mode) == 0o600
    assert not list(root.rglob("unit-*.pem")), "the key lies where it was asked to"
    assert not [path for path in root.rglob("*.pem") if "PRIVATE" in path.read_text()]
    assert f"Private keys of the audit log, not encrypted either, in {keys}" in printed
    assert f"{root / 'trust' / 'log.vkey'}; give this file to auditors" in printed
    assert "for trying out, not for evidence" in printed, "a development clock and CA are named as such"
    assert 'kind = "system"' in (root / "config.toml").read_text()


def test_the_operator_key_is_shown_once_and_stored_hashed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "data"
    assert main(["init", "--dir", str(root)]) == 0
    (key,) = re.findall(r"shown this once: (\S+)", capsys.readouterr().out)
    assert len(key) >= 43, "256 bits"
    stored = root / "operator.sha256"
    assert stored.read_text().strip() == hashlib.sha256(key.encode()).hexdigest()
    assert stat.S_IMODE(stored.stat().st_mode) == 0o600
    holders = [path for path in root.rglob("*") if path.is_file() and key.encode() in path.read_bytes()]
    assert holders == []


@pytest.mark.parametrize("stored", [b"", b"\xff\n", b"A" * 64])
def test_a_stored_hash_that_is_none_lets_nobody_operate(stored: bytes, tmp_path: Path) -> None:
    (tmp_path / "operator.sha256").write_bytes(stored)
    assert read_operator_digest(tmp_path / "operator.sha256") is None


def test_a_key_from_before_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["init", "--keys", str(tmp_path / "keys"), "--dir"]
    assert main([*words, str(tmp_path / "one")]) == 0
    key = (tmp_path / "keys" / "unit-classical.pem").read_bytes()
    assert main([*words, str(tmp_path / "two")]) == 0
    assert (tmp_path / "keys" / "unit-classical.pem").read_bytes() == key
    assert "kept from before" in capsys.readouterr().out


@pytest.mark.usefixtures("_not_serving")
def test_a_passphrase_encrypts_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TSA_PASSPHRASE", "a long passphrase")
    assert main(["init", "--dir", str(tmp_path / "data")]) == 0
    assert "a long passphrase" not in capsys.readouterr().out
    path = tmp_path / "data" / "keys" / "unit-classical.pem"
    assert path.read_text().startswith("-----BEGIN ENCRYPTED PRIVATE KEY-----")
    for wrong in (None, "another passphrase"):
        monkeypatch.delenv("TSA_PASSPHRASE", raising=False)
        if wrong:
            monkeypatch.setenv("TSA_PASSPHRASE", wrong)
        line = complaint(capsys, "serve", "--dir", str(tmp_path / "data"), "--port", "0")
        assert "passphrase" in line.lower()
        assert str(wrong) not in line


def test_init_refuses_a_folder_that_holds_anything(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}
    assert "not empty" in complaint(capsys, "init", "--dir", str(data))
    assert {path: path.read_bytes() for path in data.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--production", "--organisation", "Example"), "--clock"),
        (("--production", "--organisation", "Example", "--clock", "system"), "--clock"),
        (("--production", "--clock", "chrony"), "--organisation"),
        (("--profile", "rot13"), "rot13"),
        (("--organisation", "x" * 65), "64 characters"),
        (("--clock", "ntp"), "CLOCK_SERVERS_FEW"),
        (("--clock", "ntp", "--ntp-server", "ntp.example", "--ntp-server", "a b"), "CLOCK_SERVER_UNREADABLE"),
        (("--clock", "chrony", "--ntp-server", "ntp.example"), "--ntp-server"),
        (("--origin", "https://tsa.example/log"), "--origin tsa.example/log"),
    ],
)
def test_init_refuses_what_it_cannot_stand_for(
    words: tuple[str, ...], reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert reason in complaint(capsys, "init", "--dir", str(tmp_path / "data"), *words)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(("content", "mode"), [("no key", 0o600), ("no key", 0o644), (None, 0o700)])
def test_init_says_which_file_it_cannot_use(
    content: str | None, mode: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = tmp_path / "keys" / "unit-classical.pem"
    if content is None:
        key = key.parent
        key.write_text("a file where the folder should be", encoding="ascii")
    else:
        key.parent.mkdir()
        key.write_text(content, encoding="ascii")
        key.chmod(mode)
    assert str(key) in complaint(capsys, "init", "--dir", "new", "--keys", "keys")


def test_init_takes_no_key_of_another_suite(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It made a folder that could never be served."""
    assert main(["init", "--dir", str(tmp_path / "one"), "--keys", "keys"]) == 0
    key = tmp_path / "keys" / "unit-classical.pem"
    key.rename(key.with_name("unit-pq.pem"))
    capsys.readouterr()
    said = complaint(capsys, "init", "--dir", str(tmp_path / "two"), "--keys", "keys", "--profile", "pq")
    assert "unit-pq.pem" in said
    assert not (tmp_path / "two" / "format").exists()


def test_init_refuses_a_file_where_the_folder_should_be(
    document: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert str(document) in complaint(capsys, "init", "--dir", str(document))


def test_init_with_ntp_wants_most_of_its_servers_to_agree(tmp_path: Path) -> None:
    servers = [
        word for name in ("a.example", "b.example", "[2001:db8::1]:124") for word in ("--ntp-server", name)
    ]
    assert main(["init", "--dir", str(tmp_path / "data"), "--clock", "ntp", *servers]) == 0
    settings = load_config(tmp_path / "data").clock_settings(1_000_000)
    assert settings.servers == ("a.example", "b.example", "[2001:db8::1]:124")
    assert (settings.kind, settings.quorum) == ("ntp", 2)


def test_a_variable_that_cannot_be_read_stops_init(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TSA_SERVER", "5")
    assert "server" in complaint(capsys, "init", "--dir", "data")


@pytest.mark.usefixtures("_not_serving")
def test_production_makes_a_request_for_a_real_authority(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "data"
    production = ("--production", "--clock", "chrony", "--organisation", "株式会社例")
    assert main(["init", "--dir", str(root), *production]) == 0
    assert not (root / "trust" / "ca.pem").exists()
    request = str(root / "trust" / "unit.csr")
    shown = subprocess.run(
        [need("openssl"), "req", "-verify", "-noout", "-subject", "-nameopt", "utf8", "-in", request],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "verify OK" in shown.stdout + shown.stderr
    assert "株式会社例" in shown.stdout
    capsys.readouterr()
    assert "units.pem" in complaint(capsys, "serve", "--dir", str(root), "--port", "0")


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ('profile = "classical"', 'profile = "rot13"', "rot13"),
        ('profile = "classical"', "profile = 7", "profile"),
        ('profile = "classical"', 'profil = "classical"', "profil"),
        ("[unit]", "[unit", "config.toml"),
        ("[unit]", "[unit]\nnickname = 1", "unit.nickname"),
        ("[clock]", "[clock]\ntick_tock = 1", "clock"),
        ('kind = "system"', 'kind = "sundial"', "CLOCK_KIND_UNKNOWN"),
        ('kind = "system"', 'kind = "ntp"', "CLOCK_SERVERS_FEW"),
        ("[clock]", "[server]\nconnections = 0\n[clock]", "server.connections"),
        ('timestamps = "open"', 'timestamps = "perhaps"', "access.timestamps"),
    ],
)
def test_a_configuration_that_cannot_be_read_is_fatal(
    old: str, new: str, place: str, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = data / "config.toml"
    text = config.read_text()
    assert old in text
    config.write_text(text.replace(old, new))
    assert place in complaint(capsys, "serve", "--dir", str(data), "--port", "0")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TSA_SEVER__PORT", "3161"),
        ("TSA_SERVER__PROT", "3161"),
        ("TSA_SERVER__PORT", "many"),
        ("TSA_SERVER", "1"),
        ("TSA_PROFILE__NAME", "pq"),
        ("TSA_", "1"),
    ],
)
def test_a_variable_that_means_nothing_is_fatal(
    name: str, value: str, data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, value)
    complaint(capsys, "serve", "--dir", str(data))


def test_a_folder_that_is_none_or_of_another_format_is_not_served(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for root in (tmp_path / "nowhere", tmp_path):
        assert "tsa init" in complaint(capsys, "serve", "--dir", str(root))
    (data / "format").write_text("4\n")
    assert "format '4'" in complaint(capsys, "serve", "--dir", str(data))
    (data / "format").write_bytes(b"\xff\n")
    assert "has format" in complaint(capsys, "serve", "--dir", str(data))


def test_a_folder_that_cannot_be_read_is_not_said_to_be_none(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "format").unlink()
    (data / "format").mkdir()
    told = complaint(capsys, "serve", "--dir", str(data))
    assert "tsa init" not in told
    assert told.endswith("format: Is a directory")


def test_a_folder_that_lost_its_configuration_is_not_to_be_made_anew(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "config.toml").unlink()
    assert complaint(capsys, "serve", "--dir", str(data)).endswith("config.toml: No such file or directory")


@pytest.mark.parametrize(
    ("command", "file"),
    [
        (("serve", "--port", "0"), "lock"),
        (("stop", "set", "--reason", "a drill"), "lock"),
        (("profile", "use", "classical"), "lock"),
        (("keys", "rotate", "classical"), "lock"),
        (("ledger", "check"), "trust/log.vkey"),
    ],
)
def test_a_file_that_the_system_does_not_let_us_have_is_named_and_no_fault_of_ours(
    command: tuple[str, ...], file: str, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / file).unlink(missing_ok=True)
    (data / file).mkdir()  # refused as another user's file is, also where root runs the tests
    assert complaint(capsys, *command, "--dir", str(data)).endswith(f"{data / file}: Is a directory")


@pytest.mark.parametrize("missing", ["trust/units.pem", "trust/ca.pem", "keys/unit-classical.pem"])
def test_a_folder_that_lacks_a_part_is_not_served(
    missing: str, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / missing).unlink()
    assert missing.rpartition("/")[2] in complaint(capsys, "serve", "--dir", str(data), "--port", "0")


def test_a_foreign_key_or_anchor_is_not_served(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = prepare(tmp_path / "other", "classical").folder
    mine = (data / "trust" / "ca.pem").read_bytes()
    shutil.copy(other.anchors, data / "trust" / "ca.pem")
    assert "does not lead to" in complaint(capsys, "serve", "--dir", str(data), "--port", "0")
    (data / "trust" / "ca.pem").write_bytes(mine)
    shutil.copy(other.root / "keys" / "unit-classical.pem", data / "keys" / "unit-classical.pem")
    line = complaint(capsys, "serve", "--dir", str(data), "--port", "0")
    assert "profile classical: no certificate in" in line
    assert "belongs to the unit's key" in line


@pytest.mark.parametrize("options", [(), ("--hash", "sha256"), ("--policy", "1.3.6.1.4.1.32473.1")])
def test_stamp_and_verify_go_round(
    service: Service, document: Path, options: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["stamp", str(document), "--url", service.url, *options]) == 0
    response = document.with_name("document.tsr")
    assert capsys.readouterr().out.startswith(str(response))
    judged = ["verify", str(response), "--trust", str(service.folder.anchors), "--data", str(document)]
    assert main([*judged, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["indication"] == "PASSED"
    assert report["subject"]["imprint_algorithm"] == ("sha256" if "--hash" in options else "sha512")
    peer = ["-in", str(response), "-data", str(document), "-CAfile", str(service.folder.anchors)]
    subprocess.run([need("openssl"), "ts", "-verify", *peer], check=True, capture_output=True)
    document.write_bytes(b"another document\n")
    assert main(judged) == 1


def test_a_stamp_without_certificates_verifies_with_the_folder(service: Service, document: Path) -> None:
    out = document.with_name("chosen.tsr")
    words = ["stamp", str(document), "--url", service.url, "--no-certificates", "-o", str(out)]
    assert main(words) == 0
    judged = ["verify", str(out), "--data", str(document), "--trust"]
    assert main([*judged, str(service.folder.anchors)]) == 2
    assert main([*judged, str(service.folder.anchors.parent)]) == 0


def test_a_refused_stamp_writes_nothing(
    service: Service, document: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["stamp", str(document), "--url", service.url, "--policy", "1.2.3"]) == 1
    assert "policy" in "".join(capsys.readouterr())
    for words in (
        ("--url", service.url, "--policy", "perhaps"),
        ("--url", f"http://127.0.0.1:{service.port}/healthz"),
        ("--url", "http://127.0.0.1:1/tsa"),
        ("--url", "nonsense"),
    ):
        complaint(capsys, "stamp", str(document), *words)
    complaint(capsys, "stamp", "absent", "--url", service.url)
    assert list(document.parent.glob("*.tsr")) == []


@pytest.mark.parametrize("options", [(), ("-o", "{older}")])
def test_a_stamp_overwrites_no_older_one(
    service: Service, document: Path, options: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    older = document.with_name("document.tsr")
    older.write_bytes(b"older")
    words = [each.format(older=older) for each in options]
    assert "nothing is overwritten" in complaint(capsys, "stamp", str(document), "--url", service.url, *words)
    assert older.read_bytes() == b"older"
    assert main(["stamp", str(document), "--url", service.url, "-o", os.devnull]) == 0


def test_clock_says_what_the_guard_says(
    service: Service, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in (service.folder.root, data):  # served, and not served
        assert main(["clock", "--dir", str(folder), "--json"]) == 0
        state = json.loads(capsys.readouterr().out)
        assert (state["fault"], state["offset_us"]) == (None, 0)
        assert state["source"].startswith("system")
    assert "nothing to resume" in complaint(capsys, "clock", "--dir", str(service.folder.root), "--resume")
    assert "not running" in complaint(capsys, "clock", "--dir", str(data), "--resume")
