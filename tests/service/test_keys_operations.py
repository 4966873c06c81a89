"""Keys made, requested for and certified: what is refused, and that nothing is written then."""

from __future__ import annotations

import hashlib
import stat
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from kokuin.service import keystore
from kokuin.service.config import load_config
from kokuin.service.datafolder import DataFolder, FolderLock
from kokuin.service.initialising import InitRequest, initialise
from kokuin.service.operating import operate
from kokuin.service.provisioning import append_pem
from kokuin.trust.anchors import read_certificates
from tests.service.keepers import keeping
from tests.service.operator_ca import OperatorCa
from tests.service.running import Prepared, leaves, serving

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def prepared(folder_of: Callable[[str], Prepared]) -> Prepared:
    return folder_of("classical")


@pytest.fixture
def folder(prepared: Prepared) -> DataFolder:
    return prepared.folder


@pytest.fixture(scope="module")
def ca() -> OperatorCa:
    return OperatorCa()


def act(folder: DataFolder, what: str, **arguments: object) -> dict[str, Any]:
    return operate(folder, f"keys.{what}", arguments)


def state(folder: DataFolder) -> dict[str, bytes]:
    """Return the files that an operation on keys could change, by path."""
    kept = (folder.root / "keys", folder.anchors.parent)
    return {str(path): path.read_bytes() for top in kept for path in top.rglob("*") if path.is_file()}


def request(folder: DataFolder, profile: str = "classical", **arguments: object) -> str:
    pem: str = act(folder, "csr", name=profile, **arguments)["pem"]
    return pem


def take(folder: DataFolder, certificates: str, anchors: str = "") -> dict[str, Any]:
    return act(folder, "import", name="classical", certificates=certificates, anchors=anchors)


@pytest.mark.parametrize("passphrase", ["", "a passphrase"])
def test_a_key_is_made_for_its_owner_alone_and_never_overwritten(
    folder: DataFolder, passphrase: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TSA_PASSPHRASE", passphrase)
    assert act(folder, "generate", name="pq")["key"] == "unit-pq"
    path = keystore.key_file(load_config(folder.root), "pq")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (b"ENCRYPTED" in path.read_bytes()) is bool(passphrase)
    before = state(folder)
    assert act(folder, "generate", name="pq")["code"] == "KEY_EXISTS"
    assert act(folder, "generate", name="composite", next=True)["code"] == "KEY_FIRST_MISSING"
    assert act(folder, "generate", name="../pq")["code"] == "PROFILE_UNFIT"
    assert act(folder, "nonsense")["code"] == "OPERATION_UNKNOWN"
    assert state(folder) == before
    (leaf,) = [item for item in leaves(folder) if item["kind"] == "key.generated"]
    assert (leaf["unit_of"], leaf["key"], leaf["suites"]) == ("pq", "unit-pq", ["ml-dsa-65"])
    assert leaf["actor"] == "owner"


def test_a_listing_says_of_every_key_what_it_is_and_writes_nothing(folder: DataFolder) -> None:
    (row,) = act(folder, "list")["keys"]
    assert leaves(folder) == []
    certificate = read_certificates(folder.units)[0]
    assert row == {
        "profile": "classical",
        "key": "unit-classical",
        "suite": "ecdsa-p256-sha256",
        "provider": "software",
        "experimental": False,
        "use": "next",  # nothing was in force yet
        "certificate": hashlib.sha256(certificate.der).hexdigest(),
        "begins_us": certificate.not_before,
        "ends_us": certificate.key_period and certificate.key_period.not_after,
        "problem": "",
    }
    act(folder, "generate", name="pq")
    rows = {item["profile"]: item for item in act(folder, "list")["keys"]}
    assert (rows["classical"]["use"], rows["pq"]["use"], rows["pq"]["certificate"]) == ("active", "next", "")
    path = keystore.key_file(load_config(folder.root), "classical")
    path.chmod(0o640)
    rows = {item["profile"]: item for item in act(folder, "list")["keys"]}
    assert rows["classical"]["problem"].startswith("KEY_FILE_TOO_OPEN"), "one bad key hides no other"
    assert rows["pq"]["problem"] == ""


def test_a_request_is_signed_by_the_key_and_asks_for_time_stamping_alone(folder: DataFolder) -> None:
    made = x509.load_pem_x509_csr(request(folder).encode())
    assert made.is_signature_valid
    spki = made.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert spki == read_certificates(folder.units)[0].public_key
    usage = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert usage.critical
    assert list(usage.value) == [ExtendedKeyUsageOID.TIME_STAMPING]
    for key in ("unit-pq", "unit-classical.9", "../../etc/passwd", "unit-classical.0"):
        assert act(folder, "csr", name="classical", key=key)["code"] == "KEY_MISSING"
    assert act(folder, "csr", name="pq")["code"] == "KEY_MISSING"


def test_a_fresh_production_folder_is_certified_and_then_serves(tmp_path: Path, ca: OperatorCa) -> None:
    root = tmp_path / "data"
    initialise(
        InitRequest(root, profile="classical", production=True, clock="kernel", organisation="Some Company")
    )
    folder = DataFolder(root)
    # The machine's clock need not be fit here; the certificate is what is tried.
    text = folder.config.read_text().replace('kind = "kernel"', 'kind = "system"')
    folder.config.write_text(text.replace("etsi-319-422", "rfc3161"))
    certificate = ca.sign(request(folder))
    assert take(folder, certificate + ca.issuing_pem)["code"] == "CERTIFICATE_NO_PATH"
    assert not folder.anchors.exists()
    assert take(folder, certificate + ca.issuing_pem, ca.root_pem)["ok"]
    kinds = [item["kind"] for item in leaves(folder)]
    assert "cfg.activated" not in kinds, "what was never tried is not in force"
    with serving(Prepared(folder, "")) as service:
        assert service.client.get("/readyz").status_code == 200
        assert service.client.get("/trust/ca.pem").text == ca.root_pem


def test_what_leads_to_the_anchor_is_kept_and_nothing_else(folder: DataFolder, ca: OperatorCa) -> None:
    before = len(read_certificates(folder.units)), len(read_certificates(folder.anchors))
    stranger = OperatorCa("Stranger")
    certificates = ca.sign(request(folder)) + stranger.issuing_pem + ca.issuing_pem
    assert take(folder, certificates, ca.root_pem)["ok"]
    assert (len(read_certificates(folder.units)), len(read_certificates(folder.anchors))) == (
        before[0] + 2,
        before[1] + 1,
    )
    # The chain and the anchor are there by now.
    assert take(folder, ca.sign(request(folder)))["ok"]
    assert (len(read_certificates(folder.units)), len(read_certificates(folder.anchors))) == (
        before[0] + 3,
        before[1] + 1,
    )
    imported = [item for item in leaves(folder) if item["kind"] == "certificate.imported"]
    added = [item for item in leaves(folder) if item["kind"] == "anchor.added"]
    assert [item["key"] for item in imported] == ["unit-classical"] * 2
    assert [item["certificate"] for item in added] == [
        hashlib.sha256(ca.root.public_bytes(Encoding.DER)).hexdigest()
    ]


def test_certificates_that_no_token_could_stand_under_are_refused_and_nothing_is_written(
    folder: DataFolder, ca: OperatorCa
) -> None:
    pem, chain, root = request(folder), ca.issuing_pem, ca.root_pem
    act(folder, "generate", name="pq")
    stranger, server = OperatorCa("Stranger"), ExtendedKeyUsageOID.SERVER_AUTH
    known = folder.units.read_text()
    before = state(folder)
    refused = {
        "CERTIFICATE_EXPIRED": (ca.sign(pem, days=(-30, -1)) + chain, root),
        "CERTIFICATE_OF_ANOTHER_KEY": (ca.sign(request(folder, "pq")) + chain, root),
        "CERTIFICATE_KNOWN": (known, ""),
        "CERTIFICATE_NO_PATH": (ca.sign(pem) + stranger.issuing_pem, stranger.root_pem),
        "CERTIFICATE_UNREADABLE": ("no certificate", root),
        "ANCHOR_UNUSED": (ca.sign(pem) + chain, root + stranger.root_pem),
    }
    for code, (certificates, anchors) in refused.items():
        assert take(folder, certificates, anchors)["code"] == code
    for wrong in (
        ca.sign(pem, purposes=(server,)),
        ca.sign(pem, purposes=(ExtendedKeyUsageOID.TIME_STAMPING, server)),
        ca.sign(pem, critical=False),
    ):
        assert take(folder, wrong + chain, root)["code"] == "CERTIFICATE_PURPOSE"
    # A root of the same name with another key is nobody's issuer here.
    namesake = OperatorCa()
    assert (
        take(folder, ca.sign(pem) + namesake.issuing_pem, namesake.root_pem)["code"] == "CERTIFICATE_NO_PATH"
    )
    assert state(folder) == before
    assert "certificate.imported" not in {item["kind"] for item in leaves(folder)}


def test_a_retired_key_gets_no_certificate_and_no_request(folder: DataFolder, ca: OperatorCa) -> None:
    certificate = ca.sign(request(folder)) + ca.issuing_pem
    assert act(folder, "rotate", name="classical")["ok"]
    assert take(folder, certificate, ca.root_pem)["code"] == "CERTIFICATE_OF_ANOTHER_KEY"
    assert act(folder, "csr", name="classical", key="unit-classical")["code"] == "KEY_MISSING"


def test_a_running_service_takes_the_certificate_up_and_another_process_cannot(
    prepared: Prepared, ca: OperatorCa
) -> None:
    with serving(prepared) as service:
        certificate = ca.sign(request(service.folder)) + ca.issuing_pem
        assert take(service.folder, certificate, ca.root_pem)["ok"]
        assert ca.root_pem in service.client.get("/trust/ca.pem").text
        kinds = [item["kind"] for item in service.leaves()]
        assert kinds.count("service.started") == 1, "the owner was asked"
    with FolderLock(prepared.folder), pytest.raises(Exception, match="in use"):
        take(prepared.folder, certificate, ca.root_pem)


def test_what_the_ledger_did_not_take_is_not_told_as_done(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(_self: object, _kind: str, _fields: object) -> bool:
        return False

    monkeypatch.setattr("kokuin.service.recording.Recorder.recorded", refuse)
    with keeping(folder) as ask:
        answer = ask("keys.csr", "owner", name="classical")
        assert answer["code"] == "LEDGER_REFUSED"
        assert "pem" not in answer


def test_certificates_are_appended_as_pem_also_to_a_file_without_its_last_line_end(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes(OperatorCa("First").root_pem.rstrip("\n").encode())
    append_pem(path, OperatorCa("Second").root_pem.encode())
    assert len(x509.load_pem_x509_certificates(path.read_bytes())) == 2
