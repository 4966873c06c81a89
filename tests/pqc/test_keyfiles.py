from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from asn1crypto import keys, pem  # type: ignore[import-untyped]
from cryptography.hazmat.primitives.asymmetric import mldsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pqc.keyfiles import KeyFileError, KeyFileProblem, read_key, write_key
from pqc.suites import Suite, suite
from tests import peers
from tests.pqc.keys import ISSUING, key_of

if TYPE_CHECKING:
    from pathlib import Path

    from pqc.signing import PrivateKey

P256 = suite("ecdsa-p256-sha256")


def public(key: PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def problem(path: Path, passphrase: bytes | None = None) -> KeyFileProblem:
    with pytest.raises(KeyFileError) as caught:
        read_key(path, passphrase)
    assert passphrase is None or passphrase.decode() not in str(caught.value)
    return caught.value.problem


@pytest.mark.parametrize("each", ISSUING, ids=[each.id for each in ISSUING])
@pytest.mark.parametrize("passphrase", [None, b"correct horse"])
def test_a_key_comes_back_from_its_file(tmp_path: Path, each: Suite, passphrase: bytes | None) -> None:
    path = tmp_path / "key.pem"
    write_key(path, key_of(each), passphrase)
    assert public(read_key(path, passphrase)) == public(key_of(each))
    assert (b"ENCRYPTED" in path.read_bytes()) == (passphrase is not None)


def test_a_key_file_is_its_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_key(tmp_path / "key.pem", key_of(P256), None)
    finally:
        os.umask(before)
    assert (tmp_path / "key.pem").stat().st_mode & 0o777 == 0o600


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    write_key(path, key_of(P256), None)
    before = path.read_bytes()
    with pytest.raises(FileExistsError):
        write_key(path, key_of(suite("ed25519")), None)
    assert path.read_bytes() == before


def test_a_key_is_not_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "key.pem").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        write_key(tmp_path / "key.pem", key_of(P256), None)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601, 0o666])
def test_a_key_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key.pem"
    write_key(path, key_of(P256), None)
    path.chmod(mode)
    assert problem(path) is KeyFileProblem.TOO_OPEN


def test_a_passphrase_must_fit_the_file(tmp_path: Path) -> None:
    clear, closed = tmp_path / "clear.pem", tmp_path / "closed.pem"
    write_key(clear, key_of(P256), None)
    write_key(closed, key_of(P256), b"correct horse")
    assert problem(clear, b"correct horse") is KeyFileProblem.PASSPHRASE_UNUSED
    assert problem(closed) is KeyFileProblem.PASSPHRASE_WANTED
    assert problem(closed, b"wrong horse") is KeyFileProblem.PASSPHRASE_WRONG


def test_what_is_no_key_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    assert problem(path) is KeyFileProblem.MISSING
    assert problem(tmp_path) is KeyFileProblem.MISSING
    for octets in (
        b"",
        b"garbage",
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        b"\xff" * 99,
    ):
        path.write_bytes(octets)
        path.chmod(0o600)
        assert problem(path) is KeyFileProblem.UNREADABLE


@pytest.mark.parametrize("number", [44, 65, 87])
def test_an_ml_dsa_key_is_stored_as_its_seed_alone(tmp_path: Path, number: int) -> None:
    path = tmp_path / "key.pem"
    key = key_of(suite(f"ml-dsa-{number}"))
    assert isinstance(key, mldsa.MLDSA44PrivateKey | mldsa.MLDSA65PrivateKey | mldsa.MLDSA87PrivateKey)
    write_key(path, key, None)
    _, _, der = pem.unarmor(path.read_bytes())
    # RFC 9881 §6: the privateKey OCTET STRING holds seed [0] IMPLICIT OCTET STRING (SIZE (32)).
    assert len(der) < 100
    assert der.endswith(b"\x04\x22\x80\x20" + key.private_bytes_raw())
    assert len(key.private_bytes_raw()) == 32


def test_openssl_reads_a_key_with_and_without_its_passphrase(tmp_path: Path) -> None:
    openssl = peers.need("openssl")
    for name, passphrase in (("clear", None), ("closed", b"correct horse")):
        path = tmp_path / name
        write_key(path, key_of(P256), passphrase)
        words = [
            openssl,
            "pkey",
            "-in",
            str(path),
            "-pubout",
            "-outform",
            "DER",
            "-passin",
            "pass:correct horse",
        ]
        assert subprocess.run(words, check=True, capture_output=True).stdout == public(key_of(P256))


def test_an_encrypted_key_uses_pbes2_with_aes(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    write_key(path, key_of(P256), b"correct horse")
    _, _, der = pem.unarmor(path.read_bytes())
    scheme = keys.EncryptedPrivateKeyInfo.load(der)["encryption_algorithm"]
    assert scheme["algorithm"].native == "pbes2"
    assert (scheme.encryption_cipher, scheme.key_length) == ("aes", 32)
