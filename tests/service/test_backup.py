"""A backup brings the same units back elsewhere; one that was touched is refused, nothing written."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import io
import json
import os
import random
import re
import stat
import subprocess
import tarfile
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from kokuin.ledger.log_keys import LogVerifier
from kokuin.service import backup_archive
from kokuin.service.backup import CONTENT_ARC
from kokuin.service.backup_archive import BackupError, BackupProblem
from kokuin.service.config import load_config
from kokuin.service.datafolder import DataFolder
from kokuin.service.operating import operate
from kokuin.service.restoring import open_backup, restore
from kokuin.trust.anchors import read_certificates
from pqc.envelope import open_envelope, seal_envelope, stated_content_type
from pqc.envelope_errors import EnvelopeError, EnvelopeProblem
from pqc.envelope_suites import ENVELOPE_SUITES, envelope_suite
from pqc.kem import generate_kem_key
from pqc.kem_files import public_pem
from pqc.profiles import DEVELOPMENT_ARC
from tests.service.asking import granted, query
from tests.service.running import Prepared, leaves, serving
from tests.service.switching_load import check_books, do
from tests.softhsm import TOKEN, SoftHsm, library

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pqc.kem import RecipientKey

TYPE = DEVELOPMENT_ARC + CONTENT_ARC
SUITE = "ml-kem-768-cms"


@dataclass(frozen=True)
class Made:
    """A folder, a backup of it, and who can open that."""

    folder: DataFolder
    key: RecipientKey
    answer: dict[str, Any]

    @property
    def sealed(self) -> bytes:
        return base64.b64decode(self.answer["sealed"])

    @property
    def archive(self) -> bytes:
        return open_envelope(self.key, self.sealed, content_type_oid=TYPE)


def make(folder: DataFolder, suite: str | None = None) -> Made:
    named = suite or SUITE
    key = generate_kem_key(envelope_suite(named).kem)
    question = {"recipient": public_pem(key.recipient).decode(), "suite": suite}
    answer = operate(folder, "keys.backup", question)
    assert answer["ok"], answer
    return Made(folder, key, answer)


@pytest.fixture
def folder(folder_of: Callable[[str], Prepared]) -> DataFolder:
    return folder_of("classical").folder


@pytest.fixture(scope="module")
def made(folder_of: Callable[[str], Prepared]) -> Made:
    return make(folder_of("classical").folder)


def problem(octets: bytes, key: RecipientKey) -> str:
    with pytest.raises((BackupError, EnvelopeError)) as caught:
        open_backup(octets, key)
    error = caught.value
    assert isinstance(error, BackupError | EnvelopeError)
    return error.problem.value


def seal(archive: bytes, key: RecipientKey, kind: str = TYPE) -> bytes:
    return seal_envelope(envelope_suite(SUITE), key.recipient, archive, content_type_oid=kind)


def rebuilt(made: Made, change: Callable[[dict[str, Any], dict[str, bytes]], None]) -> bytes:
    """Change manifest and parts as whoever has the recipient's public key can, and seal them again."""
    with tarfile.open(fileobj=io.BytesIO(made.archive)) as tar:
        files = {member.name: _content(tar, member) for member in tar.getmembers()}
    manifest = json.loads(files.pop("manifest.json"))
    change(manifest, files)
    octets = json.dumps(manifest, separators=(",", ":"), sort_keys=True).encode()
    seconds = min(manifest["at"], 2**52) // 1_000_000 if isinstance(manifest["at"], int) else 0
    entries = {"manifest.json": octets, **files}
    archive = b"".join(backup_archive._entry(path, part, seconds) for path, part in entries.items())
    return seal(archive + bytes(1024), made.key)


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    assert file is not None
    return file.read()


def unchanged(_manifest: dict[str, Any], _parts: dict[str, bytes]) -> None:
    pass


def listed(manifest: dict[str, Any], path: str) -> dict[str, Any]:
    (part,) = (part for part in manifest["parts"] if part["path"] == path)
    found: dict[str, Any] = part
    return found


def put(manifest: dict[str, Any], parts: dict[str, bytes], path: str, octets: bytes) -> None:
    """Replace a part and say so in the manifest."""
    parts[path] = octets
    listed(manifest, path).update(size=len(octets), sha256=hashlib.sha256(octets).hexdigest())


@pytest.mark.timeout(300)  # two starts each, and the machine may be busy
@pytest.mark.parametrize("profile", ["classical", "pq"])
@pytest.mark.parametrize("suite", ENVELOPE_SUITES)
def test_the_same_unit_issues_after_a_restore_into_a_fresh_folder(
    folder_of: Callable[[str], Prepared], tmp_path: Path, profile: str, suite: str
) -> None:
    made = make(folder_of(profile).folder, suite)
    fresh = DataFolder(tmp_path / "elsewhere" / "data")
    restore(open_backup(made.sealed, made.key), fresh)
    assert fresh.units.read_bytes() == made.folder.units.read_bytes()
    with serving(Prepared(fresh, "")) as service:
        token = granted(service.post(query()).content)
        (leaf,) = [item for item in service.leaves() if item["kind"] == "tst.issued"]
    certificate = read_certificates(made.folder.units)[0]
    assert token["content"]["certificates"][0].chosen.dump() == certificate.der
    assert leaf["signer"] == hashlib.sha256(certificate.der).hexdigest()
    check_books(fresh.root, ())
    first, second = leaves(fresh)[:2]
    assert (first["kind"], first["act"]) == ("cfg.activated", "restore")
    assert (second["kind"], second["backup"]) == ("backup.restored", hashlib.sha256(made.sealed).hexdigest())


def test_what_was_in_force_is_in_force_again_with_the_key_that_was_active(
    folder: DataFolder, tmp_path: Path
) -> None:
    assert do(folder.root, "use", name="pq")["ok"]
    assert operate(folder, "keys.rotate", {"name": "classical"})["ok"]
    made = make(folder)
    assert made.answer["suite"] == SUITE, "the profile's"
    assert made.answer["keys"] == ["unit-classical.2", "unit-pq"]
    assert made.answer["absent"] == [{"key": "unit-classical", "reason": "retired"}]
    fresh = DataFolder(tmp_path / "data")
    restore(open_backup(made.sealed, made.key), fresh)
    states = {item["name"]: item["state"] for item in do(fresh.root, "list")["profiles"]}
    assert (states["pq"], states["classical"]) == ("default", "enabled")
    uses = {item["key"]: item["use"] for item in operate(fresh, "keys.list", {})["keys"]}
    assert uses == {"unit-classical.2": "active", "unit-pq": "active"}


def test_the_archive_is_read_by_other_programs_and_keys_are_pkcs8_with_the_seed(
    folder: DataFolder, tmp_path: Path
) -> None:
    assert do(folder.root, "use", name="pq")["ok"]
    archive = make(folder).archive
    with tarfile.open(fileobj=io.BytesIO(archive), format=tarfile.USTAR_FORMAT) as tar:
        files = {member.name: _content(tar, member) for member in tar.getmembers()}
    manifest = json.loads(files["manifest.json"])
    assert {part["path"]: part["sha256"] for part in manifest["parts"]} == {
        path: hashlib.sha256(octets).hexdigest() for path, octets in files.items() if path != "manifest.json"
    }
    assert manifest["kokuin"]
    for name in ("unit-classical", "unit-pq"):
        load_pem_private_key(files[f"keys/{name}.pem"], None)
    der = base64.b64decode(b"".join(files["keys/unit-pq.pem"].splitlines()[1:-1]))
    assert len(der) < 100, "32 octets of seed, not an expanded key"
    path = tmp_path / "backup.tar"
    path.write_bytes(archive)
    shown = subprocess.run(["tar", "tf", path], check=True, capture_output=True, text=True).stdout
    assert shown.split()[0] == "manifest.json"
    assert set(shown.split()) == set(files)


def test_a_backup_for_another_is_refused(made: Made) -> None:
    for suite in ENVELOPE_SUITES.values():
        stranger = generate_kem_key(suite.kem)
        assert problem(made.sealed, stranger) == EnvelopeProblem.WRONG_KEY.value


@pytest.mark.parametrize("suite", ENVELOPE_SUITES)
def test_a_cut_or_changed_backup_is_refused_wherever_it_was_touched(
    folder_of: Callable[[str], Prepared], suite: str
) -> None:
    made = make(folder_of("classical").folder, suite)
    octets, rng = made.sealed, random.Random(5)  # noqa: S311  # places to touch
    ends = {0, 1, len(octets) - 1, *(rng.randrange(len(octets)) for _ in range(40))}
    places = {0, len(octets) - 1, *range(0, 400, 7), *(rng.randrange(len(octets)) for _ in range(60))}
    codes = {problem(octets[:end], made.key) for end in ends}
    for at in places:
        touched = bytearray(octets)
        touched[at] ^= 1 << rng.randrange(8)
        codes.add(problem(bytes(touched), made.key))
    assert all(code.startswith("ENVELOPE_") for code in codes)
    assert {"ENVELOPE_TRUNCATED", "ENVELOPE_DAMAGED"} <= codes


def test_another_content_is_no_backup(made: Made) -> None:
    # What was sealed for something else must not be taken for keys, whatever is in it.
    for kind in ("1.2.840.113549.1.7.1", DEVELOPMENT_ARC + ".0.2", DEVELOPMENT_ARC + ".5"):
        assert problem(seal(made.archive, made.key, kind), made.key) == "ENVELOPE_WRONG_CONTENT"
    other_arc = seal(made.archive, made.key, "1.3.6.1.4.1.99999" + CONTENT_ARC)
    assert problem(other_arc, made.key) == BackupProblem.SETTINGS.value
    assert stated_content_type(made.sealed) == TYPE


def test_what_is_rebuilt_without_a_change_is_taken(made: Made) -> None:
    """Else the tests below would show nothing."""
    assert open_backup(rebuilt(made, unchanged), made.key).keys.keys() == {"unit-classical"}


@pytest.mark.parametrize(
    "path",
    [
        "../escaped",
        "/etc/escaped",
        "keys/../../escaped.pem",
        "trust/../../escaped.pem",
        "trust/",
        "trust//ca.pem",
        "trust/.hidden",
        "trust/a/b.pem",
        "keys/unit-classical",
        "ledger/ledger.db",
        "format",
        "lock",
        "owner.sock",
        "state.db",
        "profiles/..toml",
        "active/latest.json",
        "trust/ca.pem\n",
        "trust\\ca.pem",
        "C:trust.toml",
        "",
    ],
)
def test_a_part_that_would_be_written_elsewhere_is_refused(made: Made, path: str) -> None:
    def change(manifest: dict[str, Any], parts: dict[str, bytes]) -> None:
        parts["escape"] = b"escaped"
        entry = {"path": path, "size": 7, "sha256": hashlib.sha256(b"escaped").hexdigest()}
        manifest["parts"].append(entry)

    assert problem(rebuilt(made, change), made.key) == BackupProblem.PATH.value


def _forged_digest(manifest: dict[str, Any], _parts: dict[str, bytes]) -> None:
    listed(manifest, "trust/ca.pem")["sha256"] = "00" * 32


def _changed_part(_manifest: dict[str, Any], parts: dict[str, bytes]) -> None:
    parts["trust/ca.pem"] = parts["trust/ca.pem"].replace(b"A", b"B")


def _unlisted_part(_manifest: dict[str, Any], parts: dict[str, bytes]) -> None:
    parts["trust/more.pem"] = b"more"


def _listed_twice(manifest: dict[str, Any], _parts: dict[str, bytes]) -> None:
    manifest["parts"].append(listed(manifest, "config.toml"))


def _negative_size(manifest: dict[str, Any], _parts: dict[str, bytes]) -> None:
    listed(manifest, "config.toml")["size"] = -512


def _other_key(manifest: dict[str, Any], parts: dict[str, bytes]) -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    pem = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    put(manifest, parts, "keys/unit-classical.pem", pem)


def _no_key(manifest: dict[str, Any], parts: dict[str, bytes]) -> None:
    put(manifest, parts, "keys/unit-classical.pem", b"no key")


def _key_of_another_suite(manifest: dict[str, Any], _parts: dict[str, bytes]) -> None:
    manifest["keys"][0]["suite"] = "ml-dsa-65"


def _key_of_another_name(manifest: dict[str, Any], _parts: dict[str, bytes]) -> None:
    manifest["keys"][0]["key"] = "unit-pq"


def _key_that_is_not_listed(manifest: dict[str, Any], _parts: dict[str, bytes]) -> None:
    manifest["keys"] = []


def _unreadable_settings(manifest: dict[str, Any], parts: dict[str, bytes]) -> None:
    put(manifest, parts, "config.toml", b"profile = ")


def _unknown_settings(manifest: dict[str, Any], parts: dict[str, bytes]) -> None:
    put(manifest, parts, "config.toml", b'keyz = "/tmp"\n')


def _keys_in_disguise(manifest: dict[str, Any], parts: dict[str, bytes]) -> None:
    put(manifest, parts, "config.toml", b'profile = """\nkeys = 1\n"""\n"keys" = "/tmp"\n')


def _settings_too_deep(manifest: dict[str, Any], parts: dict[str, bytes]) -> None:
    put(manifest, parts, "config.toml", b"a = " + b"[" * 100_000)


def _settings_with_a_long_number(manifest: dict[str, Any], parts: dict[str, bytes]) -> None:
    put(manifest, parts, "config.toml", b"a = " + b"1" * 100_000)


def _snapshot_of_other_types(manifest: dict[str, Any], parts: dict[str, bytes]) -> None:
    parts.pop(path := f"active/{manifest['active']}.json")
    octets = b'{"default":"a","enabled":["a",1],"profiles":["a",1],"settings":"","units":{},"v":1}'
    digest = hashlib.sha256(octets).hexdigest()
    listed(manifest, path).update(path=(path := f"active/{digest}.json"))
    manifest["active"] = digest
    put(manifest, parts, path, octets)
    manifest["parts"].sort(key=lambda part: list(parts).index(part["path"]))


def _other_snapshot(manifest: dict[str, Any], parts: dict[str, bytes]) -> None:
    path = f"active/{manifest['active']}.json"
    put(manifest, parts, path, parts[path].replace(b'"default":"classical"', b'"default":"pq"'))


def _no_snapshot(manifest: dict[str, Any], _parts: dict[str, bytes]) -> None:
    manifest["active"] = ""


def _later_version(manifest: dict[str, Any], _parts: dict[str, bytes]) -> None:
    manifest["v"] = 2


def _far_future(manifest: dict[str, Any], _parts: dict[str, bytes]) -> None:
    manifest["at"] = 2**53 - 1


def _no_time(manifest: dict[str, Any], _parts: dict[str, bytes]) -> None:
    manifest["at"] = "now"


def _keys_are_no_list(manifest: dict[str, Any], _parts: dict[str, bytes]) -> None:
    manifest["keys"] = {"key": 1}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (_forged_digest, "DIGEST"),
        (_changed_part, "DIGEST"),
        (_unlisted_part, "MALFORMED"),
        (_listed_twice, "MALFORMED"),
        (_negative_size, "MALFORMED"),
        (_other_key, "KEY"),
        (_no_key, "KEY"),
        (_key_of_another_suite, "KEY"),
        (_key_of_another_name, "KEY"),
        (_key_that_is_not_listed, "KEY"),
        (_unreadable_settings, "SETTINGS"),
        (_unknown_settings, "SETTINGS"),
        (_keys_in_disguise, "SETTINGS"),
        (_settings_too_deep, "SETTINGS"),
        (_settings_with_a_long_number, "SETTINGS"),
        (_snapshot_of_other_types, "SNAPSHOT"),
        (_other_snapshot, "SNAPSHOT"),
        (_no_snapshot, "SNAPSHOT"),
        (_later_version, "VERSION"),
        (_far_future, "MALFORMED"),
        (_no_time, "MALFORMED"),
        (_keys_are_no_list, "MALFORMED"),
    ],
)
def test_a_backup_that_contradicts_itself_is_refused(
    made: Made, change: Callable[[dict[str, Any], dict[str, bytes]], None], code: str
) -> None:
    assert problem(rebuilt(made, change), made.key) == f"BACKUP_{code}"


@pytest.mark.parametrize("archive", [b"", b"manifest.json", bytes(2048), b"manifest.json\0" + b"7" * 4096])
def test_octets_that_are_no_archive_are_refused(made: Made, archive: bytes) -> None:
    assert problem(seal(archive, made.key), made.key) == BackupProblem.MALFORMED.value


def test_any_octet_of_an_archive_that_is_otherwise_than_we_write_it_is_refused(made: Made) -> None:
    rng, archive = random.Random(9), made.archive  # noqa: S311  # places to touch
    # Another microsecond or release in their places is what we write of a backup that was made by that.
    free = re.search(rb'"at":[0-9]+([0-9]{6}),.*?"kokuin":"([^"]+)"', archive)
    assert free is not None
    told = {*range(*free.span(1)), *range(*free.span(2))}
    for at in {100, 148, 156, 257, 345, *(rng.randrange(len(archive)) for _ in range(60))} - told:
        touched = bytearray(archive)
        touched[at] ^= 1
        assert problem(seal(bytes(touched), made.key), made.key).startswith("BACKUP_")


def test_nothing_is_overwritten(made: Made, tmp_path: Path) -> None:
    opened = open_backup(made.sealed, made.key)
    for name in ("keys/unit-classical.pem", "anything"):
        root = tmp_path / name.replace("/", "-")
        (root / name).parent.mkdir(parents=True)
        (root / name).write_bytes(b"mine")
        with pytest.raises(BackupError) as caught:
            restore(opened, DataFolder(root))
        assert caught.value.problem is BackupProblem.FOLDER_IN_USE
        found = [path for path in root.rglob("*") if path.is_file()]
        assert [path.read_bytes() for path in found] == [b"mine"]


def test_every_restored_file_is_its_owners_alone_whatever_the_umask(made: Made, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        restore(open_backup(made.sealed, made.key), DataFolder(tmp_path / "data"))
    finally:
        os.umask(before)
    for path in [tmp_path / "data", *(tmp_path / "data").rglob("*")]:
        wanted = 0o700 if path.is_dir() else 0o600
        assert stat.S_IMODE(path.stat().st_mode) == wanted, path


def test_keys_change_their_passphrase_on_the_way(
    folder_of: Callable[[str], Prepared], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of("classical").folder
    before = (folder.root / "keys" / "unit-classical.pem").read_bytes()
    made = make(folder)
    monkeypatch.setenv("TSA_PASSPHRASE", "another one")
    fresh = DataFolder(tmp_path / "data")
    restore(open_backup(made.sealed, made.key), fresh)
    pem = (fresh.root / "keys" / "unit-classical.pem").read_bytes()
    assert b"ENCRYPTED" in pem
    old, new = load_pem_private_key(before, None), load_pem_private_key(pem, b"another one")
    assert isinstance(old, ec.EllipticCurvePrivateKey)
    assert isinstance(new, ec.EllipticCurvePrivateKey)
    assert old.private_numbers() == new.private_numbers()
    again = make(fresh)
    monkeypatch.delenv("TSA_PASSPHRASE")
    restore(open_backup(again.sealed, again.key), DataFolder(tmp_path / "clear"))
    assert (tmp_path / "clear" / "keys" / "unit-classical.pem").read_bytes() == before


def test_keys_that_lay_outside_the_folder_lie_within_it_afterwards(
    folder: DataFolder, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    (folder.root / "keys").rename(outside)
    text = folder.config.read_text().replace('keys = "keys"', f'keys = "{outside}"')
    folder.config.write_text(text)
    made = make(folder)
    fresh = DataFolder(tmp_path / "data")
    restore(open_backup(made.sealed, made.key), fresh)
    assert load_config(fresh.root).keys == (fresh.root / "keys").resolve()
    assert "unit-classical.pem" in [path.name for path in outside.iterdir()]
    (row,) = operate(fresh, "keys.list", {})["keys"]
    assert row["use"] == "active"


def test_the_operators_own_profiles_and_policy_come_along(folder: DataFolder, tmp_path: Path) -> None:
    folder.profiles.mkdir()
    text = (resources.files("pqc") / "profiles" / "classical.toml").read_text().replace("arc = 1", "arc = 99")
    (folder.profiles / "mine.toml").write_text(text)
    policy = (resources.files("pqc") / "policies" / "baseline.toml").read_bytes()
    (folder.root / "own.toml").write_bytes(policy)
    with folder.config.open("a") as file:
        file.write('\n[policy]\nissue = "own.toml"\n')
    assert do(folder.root, "use", name="mine")["ok"]
    made = make(folder)
    fresh = DataFolder(tmp_path / "data")
    restore(open_backup(made.sealed, made.key), fresh)
    assert (fresh.root / "own.toml").read_bytes() == policy
    uses = {item["key"]: item["use"] for item in operate(fresh, "keys.list", {})["keys"]}
    assert uses == {"unit-classical": "active", "unit-mine": "active"}


def test_keys_in_devices_are_named_as_not_contained(softhsm: SoftHsm, folder: DataFolder) -> None:
    table = f'\n[signers.classical]\nbackend = "pkcs11"\nmodule = "{library()}"\ntoken = "{TOKEN}"\n'
    with folder.config.open("a") as file:
        file.write(table + f'label = "backed up"\npin_file = "{softhsm.pin_file}"\n')
    assert do(folder.root, "use", name="classical")["ok"]
    made = make(folder)
    assert made.answer["keys"] == []
    assert made.answer["absent"] == [{"key": "unit-classical", "reason": "device"}]
    assert b"PRIVATE KEY" not in made.archive


def test_no_secret_is_answered_recorded_or_logged(
    folder: DataFolder, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    made = make(folder)
    restore(open_backup(made.sealed, made.key), DataFolder(tmp_path / "data"))
    key = load_pem_private_key((folder.root / "keys" / "unit-classical.pem").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    scalar = key.private_numbers().private_value.to_bytes(32, "big")
    forms = [scalar, scalar.hex().encode(), base64.b64encode(scalar)[:40]]
    printed = "".join(capfd.readouterr()).encode()
    seen = [
        json.dumps(made.answer).encode(),
        made.sealed,
        printed,
        repr(open_backup(made.sealed, made.key)).encode(),
    ]
    seen += [path.read_bytes() for path in (folder.ledger, tmp_path / "data" / "ledger" / "ledger.db")]
    pem = (folder.root / "keys" / "unit-classical.pem").read_bytes().splitlines()[1]
    for octets in seen:
        assert not [form for form in (*forms, pem) if form in octets]
    (leaf,) = [item for item in leaves(folder) if item["kind"] == "backup.made"]
    assert leaf["backup"] == hashlib.sha256(made.sealed).hexdigest()
    assert leaf["recipient"] == hashlib.sha256(made.key.recipient.public_octets).hexdigest()
    assert (leaf["keys"], leaf["suites"]) == (["unit-classical"], [SUITE])


def test_there_is_no_classical_recipient(folder: DataFolder) -> None:
    classical = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")])
    start = x509.CertificateBuilder()
    now = dt.datetime.now(dt.UTC)
    certificate = (
        start.subject_name(name)
        .issuer_name(name)
        .public_key(classical.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(1))
        .sign(classical, hashes.SHA256())
    )
    pem = certificate.public_bytes(Encoding.PEM).decode()
    hybrid = public_pem(generate_kem_key(envelope_suite("mlkem768-x25519-hpke").kem).recipient).decode()
    asked = [
        ({"recipient": pem}, "ENVELOPE_BAD_RECIPIENT"),
        ({"recipient": ""}, "ENVELOPE_BAD_RECIPIENT"),
        ({"recipient": hybrid}, "BACKUP_RECIPIENT"),
        ({"recipient": hybrid, "suite": "rsa-oaep"}, "SUITE_UNKNOWN"),
    ]
    for question, code in asked:
        assert operate(folder, "keys.backup", question)["code"] == code
    detail = operate(folder, "keys.backup", {"recipient": hybrid})["detail"]
    assert "--suite mlkem768-x25519-hpke" in detail, "the way out is named"
    assert "tsa keys recipient --suite ml-kem-768-cms" in detail
    assert "backup.made" not in {item["kind"] for item in leaves(folder)}


def test_openssl_opens_a_backup_in_cms(made: Made, tmp_path: Path) -> None:
    program = os.environ.get("KOKUIN_OPENSSL")
    if not program:
        pytest.skip("KOKUIN_OPENSSL names no OpenSSL from 3.6 on: a backup is not opened with it")
    key = made.key.ml_kem.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "key.pem").write_bytes(key)
    (tmp_path / "backup").write_bytes(made.sealed)
    words = [program, "cms", "-decrypt", "-binary", "-inform", "DER", "-in", str(tmp_path / "backup")]
    words += ["-inkey", str(tmp_path / "key.pem")]
    assert subprocess.run(words, check=True, capture_output=True).stdout == made.archive


def test_a_restored_ledger_never_signs_under_the_name_of_the_one_that_was_lost(
    made: Made, tmp_path: Path
) -> None:
    backup = open_backup(made.sealed, made.key)
    fresh = DataFolder(tmp_path / "data")
    restore(backup, fresh)
    before = LogVerifier.parse(backup.files["trust/log.vkey"].decode()).origins
    after = LogVerifier.parse(fresh.log_keys.read_text()).origins
    assert set(before) < set(after)
    assert f"{load_config(fresh.root).ledger.origin}/1" in set(after) - set(before)
