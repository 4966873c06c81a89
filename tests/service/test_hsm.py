"""A service whose unit key is in SoftHSM2: its tokens, its secrets, and a device that goes."""

from __future__ import annotations

import datetime as dt
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.serialization import load_der_public_key

from kokuin.service import keystore
from kokuin.service.config import load_config
from pqc.profiles import load_shipped
from pqc.signing import Provider
from tests.peers import need
from tests.service.asking import granted, query, refusal
from tests.service.running import PATIENCE_S, serving, unserved
from tests.softhsm import PIN, TOKEN, SoftHsm, library
from tests.trust.forge import AUTHORITY, DAY, UNIT, issue

if TYPE_CHECKING:
    from collections.abc import Callable

    from pqc.signing import Signer
    from tests.service.running import Prepared, Service

NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)
PROFILES = ("classical", "classical-rsa")
BOTH = pytest.mark.parametrize(("profile", "workers"), list(zip(PROFILES, (1, 2), strict=True)))
"""Kinds of keys and of processes: what one does in a device does not depend on the other."""


@dataclass(frozen=True, slots=True)
class PublicHalf:
    """What a certificate needs of a key."""

    signer: Signer

    def public_key(self) -> Any:
        return load_der_public_key(self.signer.public_key)


@dataclass(frozen=True, slots=True)
class InDevice:
    """A data folder whose unit key is in a device of its own."""

    prepared: Prepared
    device: SoftHsm

    @property
    def settings(self) -> dict[str, str]:
        """What the service needs in its environment."""
        return self.device.settings


@pytest.fixture(scope="session")
def templates(softhsm: SoftHsm, folder_of: Callable[[str], Prepared]) -> dict[str, Prepared]:
    """A data folder for each profile, with its key in the session's device and no key file."""
    return {profile: make(softhsm, folder_of(profile), profile) for profile in PROFILES}


def make(device: SoftHsm, prepared: Prepared, profile: str) -> Prepared:
    folder = prepared.folder
    name_key(prepared, profile, device.pin_file)
    config = load_config(folder.root, {})
    keystore.key_file(config, profile).unlink()
    assert not keystore.has_key(config, profile)
    signer = keystore.generate(config, profile, load_shipped(profile).tst, None)
    assert keystore.has_key(config, profile)
    assert signer.provider is Provider.PKCS11
    root = issue("Root", None, AUTHORITY, begins=NOW - 9 * DAY, ends=NOW + 9 * DAY)
    unit = issue("Unit", root, UNIT, key=PublicHalf(signer), begins=NOW - DAY, ends=NOW + DAY)
    folder.anchors.write_bytes(root.pem)
    folder.units.write_bytes(unit.pem)
    return prepared


def name_key(prepared: Prepared, profile: str, pin_file: Path) -> None:
    """Let the configuration say where the key is, in the place of what it said before."""
    path = prepared.folder.config
    table = f'[signers.{profile}]\nbackend = "pkcs11"\nmodule = "{library()}"\ntoken = "{TOKEN}"\n'
    table += f'label = "unit of {profile}"\npin_file = "{pin_file}"\n'
    path.write_text(path.read_text().partition("[signers.")[0] + table, encoding="utf-8")


@pytest.fixture
def in_device(softhsm: SoftHsm, templates: dict[str, Prepared], tmp_path: Path) -> Callable[[str], InDevice]:
    """Copy data folder and device, for a service that nobody else uses."""

    def fresh(profile: str) -> InDevice:
        device = softhsm.copy(tmp_path / "hsm")
        prepared = templates[profile].copy(tmp_path / "data")
        name_key(prepared, profile, device.pin_file)
        return InDevice(prepared, device)

    return fresh


def unexpected(event: dict[str, Any]) -> bool:
    """Say whether an event tells of something that went wrong, other than in SoftHSM itself.

    It writes its token at each login. Who opens it in that moment is told that there is none, and asks again.
    """
    return event["level"] != "info" and "SIGNER_TOKEN_MISSING" not in event.get("reason", "")


def await_workers(service: Service, workers: int) -> None:
    """Wait until every worker has its key: a device that is not there at the start is another matter."""
    deadline = time.monotonic() + PATIENCE_S
    while f"kokuin_workers {workers}.0" not in service.client.get("/metrics").text:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def await_token(service: Service) -> None:
    """Ask until a token is granted: what refused may do so for a moment more."""
    deadline = time.monotonic() + PATIENCE_S
    while b"\x06\x0b*\x86H\x86\xf7\r\x01\x09\x10\x01\x04" not in service.post(query()).content:
        assert time.monotonic() < deadline
        time.sleep(0.1)


@BOTH
def test_openssl_accepts_the_tokens_of_a_key_in_a_device(
    in_device: Callable[[str], InDevice], profile: str, workers: int, tmp_path: Path
) -> None:
    held = in_device(profile)
    document, asked, answered = (tmp_path / name for name in ("document", "query.tsq", "reply.tsr"))
    document.write_bytes(b"a document")
    openssl: list[str | Path] = [need("openssl"), "ts"]
    words: list[str | Path] = ["-query", "-data", document, "-sha256", "-cert", "-out", asked]
    subprocess.run([*openssl, *words], check=True, capture_output=True, timeout=60)
    with serving(held.prepared, held.settings, workers=workers) as service:
        await_workers(service, workers)
        for _ in range(4):
            answered.write_bytes(service.post(asked.read_bytes()).content)
            judge: list[str | Path] = [
                "-verify",
                "-in",
                answered,
                "-queryfile",
                asked,
                "-CAfile",
                held.prepared.folder.anchors,
            ]
            verdict = subprocess.run([*openssl, *judge], check=False, capture_output=True, timeout=60)
            assert b"Verification: OK" in verdict.stdout, verdict.stderr
        assert service.stop() == 0
        assert not [event for event in service.events() if unexpected(event)]
    assert not list(held.prepared.folder.root.rglob("*unit-*.pem")), "there is no key outside the device"


def test_each_worker_loads_the_devices_library_and_their_parent_does_not(
    in_device: Callable[[str], InDevice],
) -> None:
    """What such a library holds does not survive a fork: nobody may inherit it."""
    held = in_device("classical")
    with serving(held.prepared, held.settings, workers=2) as service:
        await_workers(service, 2)
        parent = service.process.pid
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        maps = {pid: Path(f"/proc/{pid}/maps").read_text() for pid in (str(parent), *children)}
        users = {pid for pid, text in maps.items() if "libsofthsm2" in text}
        assert len(users) >= 2
        assert str(parent) not in users


@BOTH
def test_a_device_that_goes_is_a_system_failure_and_one_that_comes_back_signs_again(
    in_device: Callable[[str], InDevice], profile: str, workers: int
) -> None:
    held = in_device(profile)
    with serving(held.prepared, held.settings, workers=workers) as service:
        await_workers(service, workers)
        granted(service.post(query()).content)
        away = held.device.tokens.rename(held.device.tokens.with_name("away"))
        for _ in range(4):
            status, bits, _ = refusal(service.post(query()).content)
            assert (status, bits) == ("rejection", {"system_failure"})
        shutil.copytree(away, held.device.tokens)
        await_token(service)
        granted(service.post(query()).content)
        log = service.log.read_text()
        assert "SIGNER_" in log
        assert service.process.poll() is None
        assert service.stop() == 0
    holding = [path for path in held.prepared.folder.root.rglob("*") if path.is_file()]
    assert PIN not in log
    assert not [path for path in holding if PIN.encode() in path.read_bytes()], "in no leaf and no file"


def test_a_device_that_comes_back_with_another_key_signs_nothing(
    in_device: Callable[[str], InDevice],
) -> None:
    held = in_device("classical")
    with serving(held.prepared, held.settings) as service:
        granted(service.post(query()).content)
        held.device.empty()
        held.device.initialise()
        generate_elsewhere(held, "unit of classical")
        _, bits, _ = refusal(service.post(query()).content)
        assert bits == {"system_failure"}
        assert "SIGNER_KEY_CHANGED" in service.log.read_text()


MAKING = """
import sys
from pathlib import Path
from pqc.pkcs11 import KeyReference, generate
from pqc.suites import suite
_, library, token, label, pin = sys.argv
generate(suite("ecdsa-p256-sha256"), KeyReference(Path(library), token, label), pin)
"""


def generate_elsewhere(held: InDevice, label: str) -> None:
    """Make a key in a device that is not this process's: in a process of its own."""
    words = [sys.executable, "-c", MAKING, str(library()), TOKEN, label, PIN]
    subprocess.run(words, check=True, timeout=60, env=held.settings)


@pytest.mark.parametrize(
    ("code", "break_it"),
    [
        ("SIGNER_TOKEN_MISSING", lambda held: held.device.empty()),
        ("SIGNER_PIN_TOO_OPEN", lambda held: held.device.pin_file.chmod(0o640)),
        ("SIGNER_PIN_REFUSED", lambda held: held.device.pin_file.write_text("wrong")),
        ("SIGNER_PIN_MISSING", lambda held: held.device.pin_file.unlink()),
    ],
    ids=["token", "PIN readable", "PIN wrong", "PIN missing"],
)
def test_a_service_that_cannot_reach_its_key_does_not_start(
    in_device: Callable[[str], InDevice], code: str, break_it: Callable[[InDevice], Any]
) -> None:
    held = in_device("classical")
    break_it(held)
    exit_code, complaint = unserved(held.prepared.folder, held.settings)
    assert exit_code == 3
    (line,) = complaint.splitlines()
    assert f"unit key of profile classical: {code}" in line
    assert PIN not in line
