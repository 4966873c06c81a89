"""`tsa seal-profile` on a folder that nobody serves: what it prints in both languages, and its exit codes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from kokuin.cli.main import main
from kokuin.service.datafolder import DataFolder
from kokuin.service.initialising import InitRequest, initialise
from tests.service.eseals.benches import PROFILE
from tests.service.eseals.profiles_rig import certify
from tests.service.operator_ca import OperatorCa

if TYPE_CHECKING:
    from pathlib import Path

TOML = PROFILE.format(suites='"ecdsa-p256-sha256"')


class Typed:
    """Types commands on one folder."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root, self._capsys = root, capsys
        initialise(InitRequest(root, profile="classical"))
        self.file = root.with_name("seal.toml")
        self.file.write_text(TOML, encoding="utf-8")

    def __call__(self, *words: object, lang: str = "en") -> tuple[int, str]:
        """Return the exit code, and what was printed on standard output."""
        self._capsys.readouterr()
        code = main(["seal-profile", *map(str, words), "--dir", str(self.root), "--lang", lang])
        printed = self._capsys.readouterr()
        return code, printed.out or printed.err


@pytest.fixture
def typed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Typed:
    return Typed(tmp_path / "data", capsys)


def test_a_profile_lives_from_add_to_withdraw(typed: Typed) -> None:
    assert typed("add", "main", typed.file)[0] == 0
    code, said = typed("add", "main", typed.file)
    assert (code, "SEAL_PROFILE_EXISTS" in said) == (1, True)
    code, said = typed("show", "main")
    assert code == 0
    assert "ready to seal" in said
    assert "organizationIdentifier=NTRJP-7000012050002" in said
    assert "not that a person agreed to it" in said
    assert "個人の同意ではありません" in typed("show", "main", lang="ja")[1]
    assert "main" in typed("list", lang="ja")[1]
    code, said = typed("list", "--tenant", "operator", "--json")
    assert [each["profile"] for each in json.loads(said)["profiles"]] == ["main"]
    assert typed("withdraw", "main")[0] == 0
    code, said = typed("show", "main", lang="ja")
    assert (code, "有効なプロファイルはありません" in said) == (1, True)


def test_a_production_folder_is_certified_by_its_authority(typed: Typed) -> None:
    config = DataFolder(typed.root).config
    config.write_text(config.read_text().replace('pki = "development"', 'pki = "operator"'))
    ca, beside = OperatorCa("Seals"), typed.file.parent
    code, said = typed("add", "main", typed.file)
    assert (code, "tsa seal-profile csr main --tenant operator" in said) == (0, True)
    assert "not certified" in typed("list")[1]
    assert "SEAL_NOT_CERTIFIED" in typed("show", "main")[1]
    code, pem = typed("csr", "main")
    assert (code, pem.splitlines()[0]) == (0, "-----BEGIN CERTIFICATE REQUEST-----")
    request = beside / "seal.csr"
    assert typed("csr", "main", "-o", request)[0] == 0
    assert typed("csr", "main", "-o", request)[0] == 3
    (beside / "root.pem").write_text(ca.root_pem)
    (beside / "issuing.pem").write_text(ca.issuing_pem)
    (beside / "seal.pem").write_text(certify(ca, request.read_text()))
    code, said = typed("import", "main", beside / "seal.pem")
    assert (code, "CERTIFICATE_NO_PATH" in said) == (1, True)
    more = (beside / "issuing.pem", "--anchor", beside / "root.pem")
    assert typed("import", "main", beside / "seal.pem", *more)[0] == 0
    assert "ready to seal" in typed("show", "main")[1]


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        ("NTRJP-7000012050002", "7000012050003", "certificate.identifier CORPORATE_NUMBER_CHECK_DIGIT"),
        ("[certificate]", "[certificates]", "certificate missing"),
        ('"ecdsa-p256-sha256"', '"nonsense"', "suites 'nonsense' is unknown"),
    ],
)
def test_an_unfit_profile_is_told_by_its_field(typed: Typed, was: str, becomes: str, said: str) -> None:
    typed.file.write_text(TOML.replace(was, becomes), encoding="utf-8")
    code, printed = typed("add", "main", typed.file)
    assert code == 1
    assert "SEAL_PROFILE_UNFIT" in printed
    assert said in printed


def test_a_file_that_cannot_be_read_is_wrong_usage(typed: Typed) -> None:
    assert typed("add", "main", typed.root / "absent.toml")[0] == 3
    typed.file.write_bytes(b"\xff\xfe")
    assert typed("add", "main", typed.file)[0] == 3
    assert typed("csr", "main", "--suite", "ed25519")[0] == 1
