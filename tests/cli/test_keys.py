"""`tsa keys` as an operator meets it."""

from __future__ import annotations

import json
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from kokuin.cli.keys import ACTS
from kokuin.cli.main import main
from kokuin.cli.messages import LANGUAGES
from tests.service.operator_ca import OperatorCa
from tests.service.running import leaves, prepare, serving

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.service.running import Prepared


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TSA_LANG", "en")
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return prepare(tmp_path_factory.mktemp("keys") / "data", "classical")


@pytest.fixture
def prepared(template: Prepared, tmp_path: Path) -> Prepared:
    return template.copy(tmp_path / "tsa-data")


@pytest.fixture
def tsa(prepared: Prepared, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Run `tsa keys WORDS` beside the folder; return exit code and output."""

    def run(*words: str) -> tuple[int, str]:
        code = main(["keys", *words])
        printed = capsys.readouterr()
        return code, printed.out or printed.err

    return run


def complaint(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["keys", *words]) == 3
    printed = capsys.readouterr()
    assert printed.out == ""
    return printed.err


def test_a_running_service_rotates_and_goes_on(
    prepared: Prepared, tsa: Callable[..., tuple[int, str]]
) -> None:
    with serving(prepared) as service:
        code, printed = tsa("rotate", "classical")
        assert (code, printed[:26]) == (0, "In force: default classica")
        code, printed = tsa("list", "--json")
        uses = {row["key"]: row["use"] for row in json.loads(printed)["keys"]}
        assert (code, uses) == (0, {"unit-classical": "retired", "unit-classical.2": "active"})
        assert service.client.get("/readyz").status_code == 200
        kinds = [leaf["kind"] for leaf in service.leaves()]
        assert kinds.count("service.started") == 1
    code, printed = tsa("rotate", "pq")
    assert code == 1
    assert "KEY_NOT_IN_USE pq: no key of it was ever in use" in printed
    code, printed = tsa("rotate", "classical", "--at", "2001-01-01T00:00:00Z")
    assert (code, "Nothing was changed: SCHEDULE_OUT_OF_RANGE. " in printed) == (1, True)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_listing_names_key_suite_place_certificate_period_and_use(
    tsa: Callable[..., tuple[int, str]], lang: str
) -> None:
    assert tsa("generate", "pq")[0] == 0
    assert tsa("rotate", "classical")[0] == 0
    code, printed = tsa("list", "--lang", lang)
    assert code == 0
    words = [line.split() for line in printed.splitlines()]
    uses = {"en": ("retired", "active", "next"), "ja": ("引退", "使用中", "次")}[lang]
    assert words[0] == ["classical", "unit-classical", "ecdsa-p256-sha256", "software", uses[0]]
    assert words[2] == ["classical", "unit-classical.2", "ecdsa-p256-sha256", "software", uses[1]]
    assert words[4] == ["pq", "unit-pq", "ml-dsa-65", "software", uses[2]]
    assert "tsa keys csr pq --key unit-pq" in printed.splitlines()[5]
    assert len(words) == 6


def test_a_request_is_printed_or_written_and_its_certificate_taken_up(
    prepared: Prepared,
    tsa: Callable[..., tuple[int, str]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ca, out = OperatorCa(), tmp_path / "unit.csr"
    code, printed = tsa("csr", "classical")
    assert code == 0
    assert x509.load_pem_x509_csr(printed.encode()).is_signature_valid
    assert tsa("csr", "classical", "-o", str(out)) == (0, f"Certificate request for unit-classical: {out}\n")
    assert "nothing is overwritten" in complaint(capsys, "csr", "classical", "-o", str(out))
    for name, text in (("unit", ca.sign(out.read_text())), ("chain", ca.issuing_pem), ("root", ca.root_pem)):
        (tmp_path / f"{name}.pem").write_text(text)
    code, printed = tsa("import", "classical", "unit.pem", "chain.pem")
    assert code == 1
    assert "Nothing was changed: CERTIFICATE_NO_PATH. " in printed
    code, printed = tsa("import", "classical", "unit.pem", "chain.pem", "--anchor", "root.pem")
    assert code == 0
    assert printed.startswith("Certificate taken up for unit-classical: ")
    assert "No such file" in complaint(capsys, "import", "classical", "absent.pem")
    assert ca.root_pem in prepared.folder.anchors.read_text()


def test_what_the_service_would_refuse_to_start_with_is_not_taken_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = ("--production", "--clock", "chrony", "--organisation", "Example", "--profile", "classical")
    assert main(["init", "--dir", "tsa-data", *made]) == 0
    assert main(["keys", "csr", "classical", "-o", "unit.csr"]) == 0
    ca, request = OperatorCa(), (tmp_path / "unit.csr").read_text()
    (tmp_path / "root.pem").write_text(ca.root_pem)
    words = ["keys", "import", "classical", "unit.pem", "--anchor", "root.pem"]
    for lang, sentence in (("en", "privateKeyUsagePeriod that ends before"), ("ja", "より前に終わる")):
        (tmp_path / "unit.pem").write_text(ca.sign(request) + ca.issuing_pem)
        capsys.readouterr()
        assert main([*words, "--lang", lang]) == 1
        said = capsys.readouterr()
        assert (said.out, "ETSI_KEY_PERIOD" in said.err, sentence in said.err) == ("", True, True)
    assert not (tmp_path / "tsa-data/trust/units.pem").exists()
    (tmp_path / "unit.pem").write_text(ca.sign(request, key_days=365) + ca.issuing_pem)
    assert main(words) == 0


def test_from_recipient_through_backup_to_a_restored_folder(
    prepared: Prepared,
    tsa: Callable[..., tuple[int, str]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TSA_RECIPIENT_PASSPHRASE", "far away")
    code, printed = tsa("recipient", "-o", "safe")
    assert code == 0
    assert "not encrypted" not in printed
    assert b"ENCRYPTED" in (tmp_path / "safe.key.pem").read_bytes()
    assert stat.S_IMODE((tmp_path / "safe.key.pem").stat().st_mode) == 0o600
    assert "is there already" in complaint(capsys, "recipient", "-o", "safe")
    with serving(prepared) as service:
        code, printed = tsa("backup", "--recipient", "safe.pub.pem", "-o", "backup")
        assert (code, printed) == (0, "Backup (ml-kem-768-cms): backup; keys in it: unit-classical\n")
        assert [leaf["kind"] for leaf in service.leaves()].count("backup.made") == 1
    assert "is there already" in complaint(capsys, "backup", "--recipient", "safe.pub.pem", "-o", "backup")
    monkeypatch.setenv("TSA_RECIPIENT_PASSPHRASE", "wrong")
    code, printed = tsa("restore", "backup", "--key", "safe.key.pem", "--dir", "new")
    assert (code, "Nothing was changed: KEY_PASSPHRASE_WRONG. " in printed) == (1, True)
    assert printed.endswith("\n  safe.key.pem\n")
    assert not (tmp_path / "new").exists()
    monkeypatch.setenv("TSA_RECIPIENT_PASSPHRASE", "far away")
    octets = (tmp_path / "backup").read_bytes()
    (tmp_path / "cut").write_bytes(octets[:-1])
    code, printed = tsa("restore", "cut", "--key", "safe.key.pem", "--dir", "new")
    assert (code, printed) == (1, "Nothing was changed: ENVELOPE_TRUNCATED. The file was cut off.\n")
    assert not (tmp_path / "new").exists()
    code, printed = tsa("restore", "backup", "--key", "safe.key.pem", "--dir", "new")
    assert (code, printed[:27]) == (0, "Data folder restored: new; ")
    code, printed = tsa("restore", "backup", "--key", "safe.key.pem", "--dir", "new")
    assert "BACKUP_FOLDER_IN_USE. Choose a folder" in printed
    assert (code, printed.endswith("\n  new is not empty\n")) == (1, True)
    shown = subprocess.run(["ls", "new"], check=True, capture_output=True, text=True).stdout.split()
    wanted = {"active", "config.toml", "format", "keys", "ledger", "operator.sha256", "state.db", "trust"}
    assert set(shown) == wanted
    assert [leaf["kind"] for leaf in leaves(prepared.folder)][:2] == ["epoch.opened", "cfg.activated"]


def test_an_unknown_suite_makes_no_key(tsa: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    code, printed = tsa("recipient", "-o", "safe", "--suite", "x25519")
    assert (code, "SUITE_UNKNOWN" in printed, "x25519" in printed) == (1, True, True)
    assert not list(tmp_path.glob("safe*"))


def test_a_folder_that_is_none_is_named(
    tsa: Callable[..., tuple[int, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert "is no data folder" in complaint(capsys, "list", "--dir", "nowhere")


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("act", ACTS)
def test_every_act_explains_itself_in_both_languages(
    act: str, lang: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["keys", act, "--help", "--lang", lang])
    assert ended.value.code == 0
    assert "--json" in capsys.readouterr().out
