"""Seal keys as a worker holds them: opened once, and again when what lies in the folder is another."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from eseal.material import MaterialError, MaterialProblem
from kokuin.service.eseals import keys_ring
from kokuin.service.eseals.keys_files import open_seal_key
from kokuin.service.eseals.values import SealProblem, SealUnfitError
from kokuin.trust.anchors import read_certificates
from kokuin.trust.certificate import read_certificate
from tests.service.eseals.benches import PROFILE
from tests.service.eseals.profiles_rig import PRODUCTION, TENANT, ProfilesRig, certify
from tests.service.operator_ca import OperatorCa

if TYPE_CHECKING:
    from collections.abc import Callable

    from kokuin.service.eseals.keys_ring import SealKeyring
    from kokuin.service.eseals.profiles_folder import SealPlace
    from pqc.signing import Signer
    from pqc.suites import Suite
    from tests.service.running import Prepared

ONE = PROFILE.format(suites='"ecdsa-p256-sha256"')
DAY_US = 86_400 * 1_000_000


@pytest.fixture
def rig(folder_of: Callable[[str], Prepared]) -> ProfilesRig:
    made = ProfilesRig(folder_of("classical").folder)
    made.done("add", text=ONE)
    return made


def unfit(ring: SealKeyring) -> SealProblem:
    with pytest.raises(SealUnfitError) as error:
        ring.get(TENANT, "main")
    return error.value.problem


def test_a_key_is_opened_once_while_nothing_changes(
    rig: ProfilesRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def counting(place: SealPlace, suite: Suite, passphrase: bytes | None) -> Signer:
        opened.append(suite.id)
        return open_seal_key(place, suite, passphrase)

    monkeypatch.setattr(keys_ring, "open_seal_key", counting)
    ring, found = rig.ring, []
    threads = [threading.Thread(target=lambda: found.append(ring.get(TENANT, "main"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 1
    assert len(found) == 8
    assert all(each is found[0] for each in found)
    rig.done("add", "other", text=ONE)
    assert ring.get(TENANT, "main").keys[0].certificate == found[0].keys[0].certificate


def test_a_renewed_certificate_is_the_one_that_seals(
    folder_of: Callable[[str], Prepared], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TSA_PASSPHRASE", PRODUCTION["TSA_PASSPHRASE"])
    made, ca = ProfilesRig(folder_of("classical").folder, PRODUCTION), OperatorCa("Seals")
    made.done("add", text=ONE)
    request, ring = made.done("csr")["pem"], made.ring
    digests = []
    for days in ((-9, 30), (-1, 700), (3, 900)):
        pem = certify(ca, request, days=days)
        answer = made.done("import", certificates=pem + ca.issuing_pem, anchors=ca.root_pem)
        digests.append(answer["certificate"])
        sealing = read_certificate(ring.get(TENANT, "main").keys[0].certificate)
        assert sealing.valid_at(time.time_ns() // 1_000)
        # One that begins in three days waits for them.
        assert sealing.not_after - sealing.not_before == (39 if days[0] == -9 else 701) * DAY_US
    assert len(set(digests)) == 3
    assert len(made.done("show")["certificates"]) == 3


def test_a_certificate_that_ends_while_the_service_runs_seals_no_more(
    rig: ProfilesRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = rig.ring
    ends = read_certificate(ring.get(TENANT, "main").keys[0].certificate).not_after
    monkeypatch.setattr(keys_ring, "_now_us", lambda: ends + 999_999)
    ring.get(TENANT, "main")
    monkeypatch.setattr(keys_ring, "_now_us", lambda: ends + 1_000_000)
    assert unfit(ring) is SealProblem.NOT_CERTIFIED


def test_a_root_that_is_trusted_no_more_ends_its_seals(rig: ProfilesRig) -> None:
    ring = rig.ring
    ring.get(TENANT, "main")
    rig.folder.seal_anchors.unlink()
    assert unfit(ring) is SealProblem.PATH_UNFIT


def test_files_that_cannot_be_used_are_named(rig: ProfilesRig) -> None:
    ring, place = rig.ring, rig.folder.seals / TENANT
    rig.folder.seal_anchors.write_bytes(b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n")
    assert unfit(ring) is SealProblem.FILE_UNUSABLE
    (place / "main.pem").write_bytes(b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n")
    assert unfit(ring) is SealProblem.FILE_UNUSABLE
    (place / "main.toml").write_bytes(b"\xff" * 10_000)
    assert unfit(ring) is SealProblem.FILE_UNUSABLE


def test_a_key_file_that_is_too_open_or_another_ones_is_not_used(rig: ProfilesRig) -> None:
    key = rig.config.keys / "seals" / TENANT / "main" / "ecdsa-p256-sha256.pem"
    key.chmod(0o640)
    assert unfit(rig.ring) is SealProblem.KEY_UNUSABLE
    key.chmod(0o600)
    rig.done("add", "other", text=ONE.replace("ecdsa-p256-sha256", "ed25519"))
    key.write_bytes((key.parents[1] / "other" / "ed25519.pem").read_bytes())
    assert unfit(rig.ring) is SealProblem.KEY_UNUSABLE


def test_new_lists_count_for_the_next_seal(rig: ProfilesRig) -> None:
    ring = rig.ring
    wanted = [key.certificate for key in ring.get(TENANT, "main").keys]
    wanted += [each.der for each in read_certificates(rig.folder.units) if not each.is_authority]
    assert ring.material(wanted).revocation.lists
    lists = {path: path.read_bytes() for path in rig.folder.anchors.parent.glob("*.crl")}
    for path in lists:
        path.unlink()
    with pytest.raises(MaterialError) as error:
        ring.material(wanted)
    assert error.value.problem is MaterialProblem.NO_REVOCATION
    for path, octets in lists.items():
        path.write_bytes(octets)
    assert ring.material(wanted).revocation.lists
