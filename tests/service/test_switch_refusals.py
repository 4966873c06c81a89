"""What may not be switched to, or back to, is refused by name, and nothing changes."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import json
import re
import shutil
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from kokuin.service.activation import load_installation
from kokuin.service.activation_error import ActivationError
from kokuin.service.config import load_config
from kokuin.service.datafolder import DataFolder
from kokuin.service.keeper_process import make_keeper
from kokuin.service.snapshot import MAX_SNAPSHOT, Snapshot, SnapshotError, SnapshotFolder
from kokuin.service.unit_errors import UnitEndedError
from pqc.keyfiles import read_key
from pqc.profiles import load_shipped
from tests.service.running import serving
from tests.service.switching_load import activations, do, entries, snapshot_of
from tests.trust.forge import AUTHORITY, DAY, UNIT, Party, issue

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.service.running import Prepared

NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)
CLASSICAL = load_shipped("classical").text


@pytest.fixture
def prepared(folder_of: Callable[[str], Prepared]) -> Prepared:
    return folder_of("classical")


@pytest.fixture
def root(prepared: Prepared) -> Path:
    """Give a folder that was served once, so that a snapshot is in force."""
    asyncio.run(serve_once(prepared.folder))
    return prepared.folder.root


async def serve_once(folder: DataFolder) -> None:
    """Start a keeper as `tsa serve` does, and stop it."""
    keeper = make_keeper(folder, load_config(folder.root, {}))
    await keeper.start()
    await keeper.stop()


def configure(root: Path, *lines: str) -> None:
    """Put lines before the first table of `config.toml`, in the place of those of the same names."""
    path = root / "config.toml"
    names = {line.partition(" =")[0] for line in lines}
    kept = [line for line in path.read_text().splitlines() if line.partition(" =")[0] not in names]
    path.write_text("\n".join([*lines, *kept]) + "\n")


def own_profile(root: Path, name: str, text: str | bytes) -> None:
    folder = root / "profiles"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.toml").write_bytes(text.encode() if isinstance(text, str) else text)


def changed(old: str, new: str) -> str:
    assert old in CLASSICAL
    return CLASSICAL.replace(old, new)


def refused(root: Path, act: str, name: str = "") -> list[tuple[str, str]]:
    """Do what must be refused; return code and detail of each blocker. Nothing but a leaf may come of it."""
    before = activations(entries(root))
    files = sorted((root / "active").iterdir())
    answer = do(root, act, name=name)
    assert (answer["ok"], answer["code"]) == (False, "SWITCH_BLOCKED"), answer
    found = entries(root)
    assert activations(found) == before
    assert sorted((root / "active").iterdir()) == files
    last = [entry.leaf for entry in found if entry.leaf["kind"] == "cfg.refused"][-1]
    codes = sorted({blocker["code"] for blocker in answer["blockers"]})
    assert (last["act"], last["profile"], last["actor"], last["reasons"]) == (act, name[:64], "owner", codes)
    return [(blocker["code"], blocker["detail"]) for blocker in answer["blockers"]]


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("nonsense", None, "unknown profile"),
        ("../classical", None, "no name of a profile"),
        ("a" * 3_000, None, "no name of a profile"),
        ("mine", "arc = ", "mine: "),
        ("mine", changed("arc = 1", "arc = 0"), "from 1 to"),
        ("mine", changed("arc = 1", "arc = 9\nlife = 1"), "unknown fields life"),
        ("mine", changed("arc = 1", 'arc = 9\nunit = "nobody"'), "unknown profile 'nobody'"),
        ("mine", CLASSICAL + "#" * 9_000, "longer than"),
        ("mine", b"\xff", "no UTF-8"),
    ],
)
def test_a_profile_that_cannot_be_used_is_refused(
    root: Path, name: str, text: str | bytes | None, reason: str
) -> None:
    if text is not None:
        own_profile(root, name, text)
    ((code, detail),) = refused(root, "use", name)
    assert code == "PROFILE_UNFIT"
    assert reason in detail


def test_two_profiles_of_one_policy_oid_are_never_on_together(root: Path) -> None:
    own_profile(root, "mine", CLASSICAL)
    ((code, detail),) = refused(root, "use", "mine")
    assert (code, detail) == ("POLICY_OID_TAKEN", "classical has arc 1 too")


def test_a_unit_that_makes_evidence_answers_no_request(root: Path) -> None:
    own_profile(root, "mine", changed("arc = 1", 'arc = 9\nunit = "classical-rsa"\nevidence = "classical"'))
    ((code, detail),) = refused(root, "use", "mine")
    assert code == "EVIDENCE_UNIT_ANSWERS"
    assert detail == "the unit of classical makes its evidence, and answers requests to classical"


def test_the_default_and_what_is_off_cannot_be_turned_off(root: Path) -> None:
    assert refused(root, "disable", "classical")[0][0] == "PROFILE_IS_DEFAULT"
    assert refused(root, "disable", "pq")[0][0] == "PROFILE_NOT_ENABLED"


def test_there_is_nothing_to_go_back_to_before_the_first_switch(root: Path) -> None:
    assert refused(root, "rollback")[0][0] == "ROLLBACK_NOTHING"


def test_a_stricter_accuracy_than_the_clock_guard_keeps_waits_for_a_restart(prepared: Prepared) -> None:
    root = prepared.folder.root
    own_profile(root, "strict", changed("accuracy_ms = 1000", "accuracy_ms = 500").replace("= 1", "= 9", 1))
    with serving(prepared) as service:
        assert refused(root, "use", "strict")[0][0] == "ACCURACY_NOT_GUARDED"
        assert service.stop() == 0
    # The way out that the refusal names.
    assert do(root, "use", name="strict")["ok"]
    with serving(prepared) as service:
        assert service.client.get("/readyz").status_code == 200
    assert activations(entries(root))[-1]["profile"] == "strict"


def test_with_an_operators_authority_every_missing_unit_is_named_with_its_remedy(root: Path) -> None:
    configure(root, 'pki = "operator"')
    own_profile(root, "both", changed("arc = 1", 'arc = 9\nunit = "classical-rsa"\ntwin = "pq"'))
    blockers = refused(root, "use", "both")
    assert [code for code, _ in blockers] == ["UNIT_MISSING", "UNIT_MISSING"]
    for (_, detail), name in zip(blockers, ("classical-rsa", "pq"), strict=True):
        assert f"`tsa keys generate {name}`" in detail
        assert f"`tsa keys csr {name}`" in detail
    assert not (root / "keys" / "unit-pq.pem").exists()


def test_a_key_without_a_certificate_asks_for_a_request(root: Path) -> None:
    assert do(root, "use", name="pq")["ok"]
    assert do(root, "rollback")["ok"]
    configure(root, 'pki = "operator"')
    first, _, _ = (root / "trust" / "units.pem").read_bytes().partition(b"-----END CERTIFICATE-----\n")
    (root / "trust" / "units.pem").write_bytes(first + b"-----END CERTIFICATE-----\n")
    ((code, detail),) = refused(root, "use", "pq")
    assert code == "UNIT_MISSING"
    assert "`tsa keys csr pq`" in detail


def test_a_key_that_cannot_be_read_stops_the_switch(root: Path) -> None:
    assert do(root, "use", name="pq")["ok"]
    assert do(root, "rollback")["ok"]
    key = root / "keys" / "unit-pq.pem"
    key.write_bytes(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    ((code, detail),) = refused(root, "use", "pq")
    assert code == "UNIT_MISSING"
    assert "unit-pq.pem" in detail
    ((code, _),) = refused(root, "rollback")
    assert code == "UNIT_UNFIT"


def test_a_key_that_belongs_in_a_device_is_not_made_as_a_file(root: Path) -> None:
    with (root / "config.toml").open("a") as file:
        file.write('[signers.pq]\nbackend = "pkcs11"\nmodule = "/nowhere.so"\ntoken = "t"\nlabel = "l"\n')
    assert refused(root, "use", "pq")[0][0] == "UNIT_MISSING"
    assert not (root / "keys" / "unit-pq.pem").exists()


def test_a_folder_that_cannot_be_written_is_a_blocker(root: Path) -> None:
    shutil.rmtree(root / "keys")
    (root / "keys").write_bytes(b"")
    assert {code for code, _ in refused(root, "use", "pq")} == {"UNIT_MISSING"}


def test_a_snapshot_too_large_to_be_read_again_is_not_kept(tmp_path: Path) -> None:
    folder = SnapshotFolder(tmp_path / "active")
    with pytest.raises(SnapshotError, match="room"):
        folder.save(Snapshot("", "a", frozenset("a"), {"a": "#" * MAX_SNAPSHOT}, {}))
    assert not (tmp_path / "active").exists()


# Units that ended since.


class Forged:
    """An authority of the operator's, and a certificate from it for the unit of `classical`."""

    def __init__(
        self,
        root: Path,
        *more: tuple[x509.ExtensionType, bool],
        begins: dt.datetime = NOW - 9 * DAY,
        ends: dt.datetime = NOW + 9 * DAY,
    ) -> None:
        self.trust = root / "trust"
        self.top = issue("Root", None, AUTHORITY, begins=NOW - 99 * DAY, ends=NOW + 99 * DAY)
        self.authority = issue("Authority", self.top, AUTHORITY, begins=NOW - 98 * DAY, ends=NOW + 98 * DAY)
        key = read_key(root / "keys" / "unit-classical.pem", None)
        unit = (*UNIT, *more)
        self.unit = issue("Unit", self.authority, unit, key=key, begins=begins, ends=ends)
        own = x509.load_pem_x509_certificates((self.trust / "units.pem").read_bytes())
        others = [item for item in own if item.public_key() != self.unit.x509.public_key()]
        pem = b"".join(item.public_bytes(Encoding.PEM) for item in others)
        (self.trust / "units.pem").write_bytes(self.unit.pem + self.authority.pem + pem)
        anchors = (self.trust / "ca.pem").read_bytes()
        (self.trust / "ca.pem").write_bytes(anchors + self.top.pem)

    def publish(
        self,
        issuer: Party,
        revoked: Party | None,
        encoding: Encoding = Encoding.PEM,
        signer: Party | None = None,
        reason: x509.ReasonFlags = x509.ReasonFlags.key_compromise,
    ) -> Path:
        """Put a list of an issuer beside the anchors."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(issuer.x509.subject)
            .last_update(NOW - 2 * DAY)
            .next_update(NOW - DAY)  # as old as it is, what it revokes is revoked
        )
        if revoked is not None:
            entry = x509.RevokedCertificateBuilder(revoked.x509.serial_number, NOW - 3 * DAY)
            entry = entry.add_extension(x509.CRLReason(reason), critical=False)
            builder = builder.add_revoked_certificate(entry.build())
        path = self.trust / "authority.crl"
        path.write_bytes(builder.sign((signer or issuer).key, hashes.SHA256()).public_bytes(encoding))
        return path


@pytest.fixture
def moved(root: Path) -> Path:
    """Give a folder whose default was moved from `classical` to `pq`, and `classical` turned off."""
    assert do(root, "use", name="pq")["ok"]
    assert do(root, "disable", name="classical")["ok"]
    return root


def test_a_rollback_undoes_a_change_of_the_default_itself(root: Path) -> None:
    folder, text = DataFolder(root), CLASSICAL.replace("arc = 1", "arc = 77")
    folder.profiles.mkdir()
    for imprints in ('["sha256", "sha512"]', '["sha256"]'):
        changed = re.sub(r"^imprints = .*$", f"imprints = {imprints}", text, flags=re.MULTILINE)
        (folder.profiles / "mine.toml").write_text(changed)
        assert do(root, "use", name="mine")["ok"]
    for wanted in (("sha256", "sha512"), ("sha256",)):
        answer = do(root, "rollback")
        assert (answer["ok"], answer["default"]) == (True, "mine")
        assert snapshot_of(root, answer["cfg"]).profile("mine").imprints == wanted


def test_a_rollback_never_returns_to_a_certificate_that_has_expired(moved: Path) -> None:
    Forged(moved, ends=NOW - DAY)
    ((code, detail),) = refused(moved, "rollback")
    assert code == "UNIT_UNFIT"
    assert "expired" in detail


def test_a_rollback_never_returns_to_a_key_whose_period_is_over(moved: Path) -> None:
    Forged(moved, (x509.PrivateKeyUsagePeriod(NOW - 9 * DAY, NOW - DAY), False))
    ((code, detail),) = refused(moved, "rollback")
    assert code == "UNIT_UNFIT"
    assert "period" in detail


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_a_rollback_never_returns_to_a_revoked_certificate(moved: Path, encoding: Encoding) -> None:
    forged = Forged(moved)
    path = forged.publish(forged.authority, forged.unit, encoding)
    ((code, detail),) = refused(moved, "rollback")
    assert code == "UNIT_UNFIT"
    since = (NOW - 3 * DAY).isoformat()
    assert f"revoked at {since} (KEY_COMPROMISE): {path}" in detail
    path.unlink()
    assert do(moved, "rollback")["ok"]


def test_a_unit_below_a_revoked_authority_is_revoked(moved: Path) -> None:
    forged = Forged(moved)
    forged.publish(forged.top, forged.authority)
    assert "Authority" in refused(moved, "rollback")[0][1]


def test_lists_that_revoke_somebody_else_or_took_it_back_stop_nothing(moved: Path) -> None:
    forged = Forged(moved)
    other = issue("Other", None, AUTHORITY, begins=NOW - DAY, ends=NOW + DAY)
    forged.publish(other, forged.unit).rename(forged.trust / "other.crl")
    forged.publish(forged.authority, forged.unit, reason=x509.ReasonFlags.remove_from_crl).rename(
        forged.trust / "delta.crl"
    )
    forged.publish(forged.authority, None)
    assert do(moved, "rollback")["ok"]


def test_a_list_that_its_authority_did_not_sign_is_not_passed_over(moved: Path) -> None:
    forged = Forged(moved)
    path = forged.publish(forged.authority, None, signer=forged.top)
    assert f"{path} is not signed by the authority that it names" in refused(moved, "rollback")[0][1]


@pytest.mark.parametrize(
    "octets", [b"", b"nonsense", b"\x30\x80", b"-----BEGIN X509 CRL-----\n!\n-----END X509 CRL-----"]
)
def test_a_list_that_cannot_be_read_is_not_passed_over(moved: Path, octets: bytes) -> None:
    path = moved / "trust" / "authority.crl"
    path.write_bytes(octets)
    assert str(path) in refused(moved, "rollback")[0][1]


def test_whoever_lost_a_key_can_move_on_although_it_was_the_default(root: Path) -> None:
    forged = Forged(root)
    folder = DataFolder(root)
    asyncio.run(serve_once(folder))
    forged.publish(forged.authority, forged.unit)
    with pytest.raises(UnitEndedError, match="`tsa profile use NAME`"):
        asyncio.run(serve_once(folder))
    answer = do(root, "use", name="pq")
    assert (answer["default"], answer["enabled"], answer["turned_off"]) == ("pq", ["pq"], ["classical"])
    asyncio.run(serve_once(folder))
    assert activations(entries(root))[-1]["enabled"] == ["pq"]


def test_a_profile_beside_the_default_whose_unit_has_ended_is_off_from_the_next_start(root: Path) -> None:
    forged = Forged(root)
    assert do(root, "use", name="pq")["enabled"] == ["classical", "pq"]
    forged.publish(forged.authority, forged.unit)
    asyncio.run(serve_once(DataFolder(root)))
    last = activations(entries(root))[-1]
    assert (last["act"], last["profile"], last["enabled"]) == ("start", "pq", ["pq"])


def test_a_certificate_that_was_added_since_counts_from_the_next_start(root: Path) -> None:
    folder = DataFolder(root)
    in_force = activations(entries(root))[-1]["cfg"]
    snapshot = snapshot_of(root, in_force)
    before = folder.units.read_bytes()
    forged = Forged(root, begins=dt.datetime.now(dt.UTC))
    folder.units.write_bytes(before + forged.unit.pem + forged.authority.pem)
    # A worker that starts again now issues with what was activated.
    installed = load_installation(folder, load_config(root, {}), snapshot)
    assert installed.units == snapshot.units
    asyncio.run(serve_once(folder))
    renewed = snapshot_of(root, activations(entries(root))[-1]["cfg"])
    assert renewed.units["classical"].certificate == hashlib.sha256(forged.unit.der).hexdigest()


# Attack: turn on what nobody activated.


def _remove(path: Path) -> None:
    path.unlink()


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _enable_more(path: Path) -> None:
    document = json.loads(path.read_bytes())
    document["profiles"]["pq"] = load_shipped("pq").text
    document["enabled"].append("pq")
    path.write_text(json.dumps(document))


def _flood(path: Path) -> None:
    path.write_bytes(b" " * (MAX_SNAPSHOT + 1))


@pytest.mark.parametrize("spoil", [_remove, _cut, _enable_more, _flood])
@pytest.mark.parametrize("way", ["serve", "use", "list"])
def test_a_snapshot_that_is_not_what_was_activated_is_never_in_force(
    root: Path, spoil: Callable[[Path], None], way: str
) -> None:
    (path,) = (root / "active").iterdir()
    spoil(path)
    before = entries(root)
    with pytest.raises(ActivationError, match="restore it from a copy of the folder"):
        asyncio.run(serve_once(DataFolder(root))) if way == "serve" else do(root, way, name="pq")
    assert entries(root) == before


def test_a_changed_snapshot_of_before_is_no_way_back(moved: Path) -> None:
    folder = SnapshotFolder(moved / "active")
    digest = str(activations(entries(moved))[0]["cfg"])
    assert folder.holds(digest)
    for path in (moved / "active").iterdir():
        if path.stem != activations(entries(moved))[-1]["cfg"]:
            _cut(path)
    ((code, detail),) = refused(moved, "rollback")
    assert code == "SNAPSHOT_UNFIT"
    assert "restore" in detail
