"""CMS seals as other programs read them, and theirs as we do: OpenSSL, pyHanko's generic CMS validation."""

from __future__ import annotations

import asyncio
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from asn1crypto import cms, x509  # type: ignore[import-untyped]
from pyhanko.sign.validation.generic_cms import async_validate_detached_cms
from pyhanko_certvalidator import ValidationContext

from eseal.cades_create import create
from eseal.cades_find import find
from eseal.hybrid import key_name
from eseal.judging import judge_document
from eseal.values import Found, Level, Material
from kokuin.trust.context import Context
from kokuin.trust.report import Indication
from kokuin.wire.pem import write_block
from pqc.keyfiles import clear_pem
from pqc.suites import suite
from tests.eseal.pki import CLASSICAL, ED25519, ML_DSA, NOW_US, P256, PSS, RSA, seal_key, seal_pki
from tests.eseal.sealed_data import Data
from tests.peers import need, openssl_with_ml_dsa
from tests.pqc.keys import key_of

if TYPE_CHECKING:
    from pathlib import Path

DATA = b"what is sealed\n"
KNOWN = tuple(each for each in CLASSICAL if each != ED25519)
"""OpenSSL before 3.2 verifies no Ed25519 with signed attributes."""


def material() -> Material:
    return Material(seal_pki().chain, seal_pki().revocation())


def sealed(suite_id: str, level: Level = Level.B_B, *, enveloping: bool = False) -> bytes:
    return create(
        Data(DATA),
        (seal_key(suite_id),),
        NOW_US,
        enveloping=enveloping,
        level=level,
        stamper=seal_pki().stamper(),
        material=material(),
    )


def openssl(folder: Path, *arguments: str, program: str | None = None) -> subprocess.CompletedProcess[str]:
    named = program or need("openssl")
    return subprocess.run([named, "cms", *arguments], cwd=folder, capture_output=True, text=True, check=False)


def openssl_verifies(
    folder: Path, octets: bytes, *, beside: bytes | None, program: str | None = None
) -> bool:
    (folder / "seal.p7s").write_bytes(octets)
    (folder / "root.pem").write_bytes(seal_pki().root_pem)
    arguments = ["-verify", "-cades", "-binary", "-inform", "DER", "-in", "seal.p7s", "-out", "out"]
    if beside is not None:
        (folder / "data").write_bytes(beside)
        arguments += ["-content", "data"]
    done = openssl(folder, *arguments, "-CAfile", "root.pem", "-purpose", "any", program=program)
    return done.returncode == 0 and (folder / "out").read_bytes() == DATA


@pytest.mark.parametrize("suite_id", KNOWN)
@pytest.mark.parametrize("enveloping", [False, True], ids=["beside", "inside"])
def test_openssl_verifies_a_seal_and_its_binding(
    suite_id: str,
    enveloping: bool,  # noqa: FBT001  # pytest's
    tmp_path: Path,
) -> None:
    octets = sealed(suite_id, enveloping=enveloping)
    assert openssl_verifies(tmp_path, octets, beside=None if enveloping else DATA)


@pytest.mark.parametrize("level", list(Level))
def test_openssl_verifies_every_level(level: Level, tmp_path: Path) -> None:
    octets = sealed(P256, level)
    assert openssl_verifies(tmp_path, octets, beside=DATA)
    assert not openssl_verifies(tmp_path, octets, beside=DATA + b" ")


@pytest.mark.parametrize("suite_id", [*CLASSICAL, *ML_DSA])
def test_a_newer_openssl_verifies_post_quantum_seals_too(suite_id: str, tmp_path: Path) -> None:
    program = openssl_with_ml_dsa()
    octets = sealed(suite_id, Level.B_LTA)
    assert openssl_verifies(tmp_path, octets, beside=DATA, program=program)
    assert not openssl_verifies(tmp_path, octets, beside=DATA + b" ", program=program)


@pytest.mark.parametrize("suite_id", [*CLASSICAL, *ML_DSA])
@pytest.mark.parametrize("level", [Level.B_B, Level.B_LTA])
def test_pyhanko_validates_a_seal(suite_id: str, level: Level) -> None:
    read = cms.ContentInfo.load(sealed(suite_id, level))
    root = x509.Certificate.load(seal_pki().root.certificate.der)
    status = asyncio.run(
        async_validate_detached_cms(
            DATA,
            read["content"],
            ValidationContext(trust_roots=[root]),
            ValidationContext(trust_roots=[root]),
        )
    )
    assert (status.intact, status.valid, status.trusted) == (True, True, True)
    if level is Level.B_LTA:
        assert status.timestamp_validity is not None
        assert status.timestamp_validity.valid


def openssl_seals(
    folder: Path, suite_id: str, *more: str, binding: bool = True, program: str | None = None
) -> bytes:
    key = seal_key(suite_id)
    (folder / "key.pem").write_bytes(clear_pem(key_of(suite(suite_id))))
    (folder / "signer.pem").write_bytes(write_block("CERTIFICATE", key.certificate))
    (folder / "chain.pem").write_bytes(b"".join(write_block("CERTIFICATE", each) for each in key.chain))
    (folder / "data").write_bytes(DATA)
    padding = ["-keyopt", "rsa_padding_mode:pss"] if suite_id == PSS else []
    named = ["-signer", "signer.pem", "-inkey", "key.pem", *padding, "-certfile", "chain.pem"]
    written = ["-outform", "DER", "-out", "theirs.p7s"]
    wanted = ["-cades", *more] if binding else more
    digest = ["-md", "sha256" if suite_id in KNOWN else "sha512"]
    done = openssl(
        folder, "-sign", "-binary", *wanted, "-in", "data", *digest, *named, *written, program=program
    )
    assert done.returncode == 0, done.stderr
    return (folder / "theirs.p7s").read_bytes()


def judged(octets: bytes, beside: bytes | None) -> tuple[Indication, list[str]]:
    found = find(octets, None if beside is None else Data(beside))
    assert isinstance(found, Found)
    # OpenSSL goes by the clock.
    at = time.time_ns() // 1_000 + 60_000_000
    report = judge_document(found, Context(at, seal_pki().trust))
    return report.indication, [
        f"{check.id} {check.reason}" for part in report.parts for check in part.checks if check.reason
    ]


WAYS = [(), ("-nodetach",), ("-nodetach", "-stream"), ("-keyid",)]
"""`-stream` writes BER of indefinite length, `-keyid` names the certificate by its key."""
OPENSSL_CAN = [(each, more) for each in KNOWN for more in WAYS if each != PSS or "-stream" not in more]
"""PSS is not written by OpenSSL 3.0 in the one pass that `-stream` means."""


@pytest.mark.parametrize(("suite_id", "more"), OPENSSL_CAN)
def test_what_openssl_seals_passes(suite_id: str, more: tuple[str, ...], tmp_path: Path) -> None:
    theirs = openssl_seals(tmp_path, suite_id, *more)
    inside = "-nodetach" in more
    assert judged(theirs, None if inside else DATA)[0] is Indication.PASSED
    assert judged(theirs, DATA + b" ")[0] is Indication.FAILED
    if not inside:
        assert judged(theirs, None)[0] is Indication.INDETERMINATE


@pytest.mark.parametrize("suite_id", [ED25519, *ML_DSA])
def test_what_a_newer_openssl_seals_passes(suite_id: str, tmp_path: Path) -> None:
    theirs = openssl_seals(tmp_path, suite_id, program=openssl_with_ml_dsa())
    assert judged(theirs, DATA)[0] is Indication.PASSED
    assert judged(theirs, DATA + b" ")[0] is Indication.FAILED


def test_two_signers_of_openssl_are_two_seals(tmp_path: Path) -> None:
    first = openssl_seals(tmp_path, P256)
    (tmp_path / "first.p7s").write_bytes(first)
    openssl_seals(tmp_path, RSA)
    resign = ["-resign", "-cades", "-binary", "-inform", "DER", "-in", "first.p7s", "-outform", "DER"]
    signer = ["-signer", "signer.pem", "-inkey", "key.pem", "-md", "sha256", "-out", "both.p7s"]
    done = openssl(tmp_path, *resign, *signer, "-nodetach")
    assert done.returncode == 0, done.stderr
    both = (tmp_path / "both.p7s").read_bytes()
    found = find(both, Data(DATA))
    assert isinstance(found, Found)
    assert sorted(str(key_name(seal)) for seal in found.seals) == ["P-256", "RSA-3072"]
    assert judged(both, DATA)[0] is Indication.PASSED


def test_a_signature_that_is_bound_to_no_certificate_is_open(tmp_path: Path) -> None:
    indication, reasons = judged(openssl_seals(tmp_path, P256, binding=False), DATA)
    assert indication is Indication.INDETERMINATE
    assert "seal-binding BINDING_ABSENT" in reasons


def test_a_signature_without_signed_attributes_is_no_seal(tmp_path: Path) -> None:
    """Attack: what was signed as attributes is shown as content, or the other way round."""
    indication, _ = judged(openssl_seals(tmp_path, P256, "-noattr", binding=False), DATA)
    assert indication is Indication.FAILED
