"""A backup brings the same seals back elsewhere; a profile with keys that are not its own is refused."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kokuin.cli.main import main
from kokuin.service.datafolder import DataFolder
from kokuin.service.operating import operate
from kokuin.service.restoring import open_backup, restore
from pqc.kem_files import public_pem
from tests.peers import need
from tests.service.eseals.benches import PROFILE
from tests.service.running import Prepared, leaves, serving
from tests.service.test_backup import Made, listed, make, problem, put, rebuilt

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SUITES = ("ecdsa-p256-sha256", "ml-dsa-65")
DOCUMENT = {"invoice": 7}


def done(folder: DataFolder, operation: str, **arguments: Any) -> dict[str, Any]:
    answer = operate(folder, operation, arguments)
    assert answer["ok"], answer
    return answer


def add(folder: DataFolder, tenant: str, name: str, *suites: str) -> None:
    text = PROFILE.format(suites=", ".join(f'"{each}"' for each in suites))
    done(folder, "seal-profile.add", tenant=tenant, name=name, text=text)


@dataclass(frozen=True)
class Tenant:
    """A tenant's pseudonym, the key of its client, and the folder that knows both."""

    name: str
    key: str
    folder: DataFolder


@pytest.fixture(scope="module")
def murasaki(folder_of: Callable[[str], Prepared]) -> Tenant:
    folder = folder_of("classical").folder
    tenant = done(folder, "access.tenant.add", name="Murasaki")["tenant"]
    client = done(folder, "access.client.add", tenant=tenant, name="documents", roles=["seal"])["client"]
    add(folder, tenant, "invoices", *SUITES)
    add(folder, tenant, "gone", "ed25519")
    done(folder, "seal-profile.withdraw", tenant=tenant, name="gone")
    return Tenant(tenant, done(folder, "access.key.create", client=client)["text"], folder)


@pytest.fixture(scope="module")
def made(murasaki: Tenant) -> Made:
    return make(murasaki.folder)


def test_the_same_keys_seal_after_a_restore_into_a_fresh_folder(
    made: Made, murasaki: Tenant, tmp_path: Path, at_once: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fresh = DataFolder(tmp_path / "data")
    restore(open_backup(made.sealed, made.key), fresh)
    shutil.copy(made.folder.state, fresh.state)
    with serving(Prepared(fresh, ""), {"PYTHONPATH": at_once}) as service:
        answer = service.client.post(
            "/api/v1/seals/json?level=B-LTA",
            json=DOCUMENT,
            headers={"authorization": f"Bearer {murasaki.key}"},
        )
        assert answer.status_code == 200, answer.text
        (leaf,) = [each for each in service.leaves() if each["kind"] == "seal.issued"]
    shown = done(made.folder, "seal-profile.show", tenant=murasaki.name, name="invoices")
    assert leaf["signers"] == [each["certificate"] for each in shown["certificates"]]
    (tmp_path / "sealed").write_bytes(answer.content)
    trust = str(made.folder.root / "trust")
    assert main(["verify", str(tmp_path / "sealed"), "--trust", trust]) == 0, capsys.readouterr()
    (restored,) = [each for each in leaves(fresh) if each["kind"] == "backup.restored"]
    (kept,) = [each for each in leaves(made.folder) if each["kind"] == "backup.made"]
    assert (restored["keys"], restored["seals"]) == (kept["keys"], kept["seals"]) == (["unit-classical"], 2)


def test_every_key_in_the_archive_is_the_one_of_its_certificate_as_openssl_reads_it(
    made: Made, murasaki: Tenant, tmp_path: Path
) -> None:
    place = f"seals/{murasaki.name}"
    subprocess.run([need("tar"), "xf", "-", "-C", tmp_path], input=made.archive, check=True)
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert {name for name in found if "seals/" in name} == {
        f"{place}/invoices.toml",
        f"{place}/invoices.pem",
        *(f"keys/{place}/invoices/{suite}.pem" for suite in SUITES),
    }, "nothing of what was withdrawn"
    words = [need("openssl"), "pkey", "-in", str(tmp_path / "keys" / place / "invoices" / f"{SUITES[0]}.pem")]
    public = subprocess.run([*words, "-pubout"], check=True, capture_output=True).stdout
    certificates = x509.load_pem_x509_certificates((tmp_path / place / "invoices.pem").read_bytes())
    own = (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert public in [each.public_key().public_bytes(*own) for each in certificates]


def other_suites(manifest: dict[str, Any], parts: dict[str, bytes]) -> None:
    path = next(path for path in parts if path.endswith("invoices.toml"))
    put(manifest, parts, path, parts[path].replace(b'"ml-dsa-65"', b'"ml-dsa-87"'))


def no_profile(manifest: dict[str, Any], parts: dict[str, bytes]) -> None:
    path = next(path for path in parts if path.endswith("invoices.toml"))
    put(manifest, parts, path, b"formats = []")


def one_key_less(manifest: dict[str, Any], parts: dict[str, bytes]) -> None:
    left_out = manifest["keys"].pop()
    del parts[f"keys/{left_out['key']}.pem"]
    manifest["parts"].remove(listed(manifest, f"keys/{left_out['key']}.pem"))


def profile_less(manifest: dict[str, Any], parts: dict[str, bytes]) -> None:
    path = next(path for path in parts if path.endswith("invoices.toml"))
    del parts[path]
    manifest["parts"].remove(listed(manifest, path))


def key_of_a_unit(manifest: dict[str, Any], _parts: dict[str, bytes]) -> None:
    manifest["keys"][-1]["profile"] = "classical"


@pytest.mark.parametrize("change", [other_suites, no_profile, one_key_less, profile_less, key_of_a_unit])
def test_a_profile_with_other_keys_than_its_suites_is_refused(
    made: Made, change: Callable[[dict[str, Any], dict[str, bytes]], None]
) -> None:
    assert problem(rebuilt(made, change), made.key) == "BACKUP_SEAL"


@pytest.mark.parametrize(
    "path",
    [
        "seals/t-aaaaaaaaaaaaaaaa/../../escaped.toml",
        "seals/../trust/ca.pem",
        "seals/elsewhere/main.toml",
        "seals/t-aaaaaaaaaaaaaaaa/main.withdrawn",
        "keys/seals/t-aaaaaaaaaaaaaaaa/main/../../../escaped.pem",
        "keys/seals/escaped.pem",
    ],
)
def test_a_part_that_is_no_file_of_a_seal_profile_is_refused(made: Made, path: str) -> None:
    def change(manifest: dict[str, Any], parts: dict[str, bytes]) -> None:
        entry = dict(listed(manifest, "config.toml"), path=path)
        parts["x"] = parts["config.toml"]
        manifest["parts"].append(entry)

    assert problem(rebuilt(made, change), made.key) == "BACKUP_PATH"


def test_a_profile_that_cannot_be_read_is_named_and_no_backup_leaves_it_out(
    folder_of: Callable[[str], Prepared], made: Made
) -> None:
    folder = folder_of("classical").folder
    tenant = done(folder, "access.tenant.add", name="Kaoru")["tenant"]
    add(folder, tenant, "main", SUITES[0])
    (folder.seals / tenant / "main.toml").write_text("formats = 1")
    answer = operate(folder, "keys.backup", {"recipient": public_pem(made.key.recipient).decode()})
    assert (answer["ok"], answer["code"]) == (False, "BACKUP_SEAL")
    assert "main.toml" in answer["detail"]
    assert "backup.made" not in {each["kind"] for each in leaves(folder)}
