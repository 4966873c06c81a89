from __future__ import annotations

import hashlib
import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from asn1crypto import keys, pem  # type: ignore[import-untyped]
from cryptography.hazmat.primitives.asymmetric import mldsa
from dilithium_py.ml_dsa import ML_DSA_44  # type: ignore[import-untyped]

from kokuin.wire import encode, oids
from kokuin.wire.pem import write_block
from pqc import pkcs8
from pqc.keyfiles import KeyFileError, KeyFileProblem, read_key, write_key
from pqc.keyinfo import encode_private_info, private_info, public_info
from pqc.suites import Suite, suite
from tests import peers
from tests.pqc.keys import ISSUING, key_of

if TYPE_CHECKING:
    from pathlib import Path

    from pqc.signing import PrivateKey

P256 = suite("ecdsa-p256-sha256")


def public(key: PrivateKey) -> bytes:
    return public_info(key)


def problem(path: Path, passphrase: bytes | None = None) -> KeyFileProblem:
    with pytest.raises(KeyFileError) as caught:
        read_key(path, passphrase)
    assert passphrase is None or passphrase.decode() not in str(caught.value)
    return caught.value.problem


@pytest.mark.usefixtures("quick_passphrases")
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


@pytest.mark.usefixtures("quick_passphrases")
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


@pytest.mark.parametrize("name", ["ed25519", "ed448"])
@pytest.mark.parametrize("size", [0, 31, 33, 58])
def test_an_edwards_key_of_another_length_is_refused(tmp_path: Path, name: str, size: int) -> None:
    """The library answers them with an error of its own kind, which once ended the start with a traceback."""
    path = tmp_path / "key.pem"
    der = encode_private_info(suite(name).algorithm, encode.octet_string(bytes(size)))
    path.write_bytes(write_block("PRIVATE KEY", der))
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


def test_an_encrypted_key_uses_pbes2_with_aes_and_a_dear_derivation(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    write_key(path, key_of(P256), b"correct horse")
    _, _, der = pem.unarmor(path.read_bytes())
    scheme = keys.EncryptedPrivateKeyInfo.load(der, strict=True)["encryption_algorithm"]
    assert scheme["algorithm"].native == "pbes2"
    assert (scheme.encryption_cipher, scheme.key_length, scheme.kdf) == ("aes", 32, "pbkdf2")
    assert (scheme.kdf_hmac, scheme.kdf_iterations) == ("sha256", 600_000)


NEW = [suite("mldsa65-ecdsa-p256-sha512"), suite("mldsa65-ed25519-sha512"), suite("slh-dsa-sha2-192s")]


@pytest.mark.usefixtures("quick_passphrases")
@pytest.mark.parametrize("each", NEW, ids=lambda each: each.id)
def test_openssl_opens_the_envelope_of_keys_that_it_does_not_know(tmp_path: Path, each: Suite) -> None:
    openssl = peers.need("openssl")
    path = tmp_path / "key.pem"
    write_key(path, key_of(each), b"correct horse")
    words = [openssl, "asn1parse", "-in", str(path)]
    assert b":PBES2" in subprocess.run(words, check=True, capture_output=True).stdout
    _, _, der = pem.unarmor(path.read_bytes())
    sealed = keys.EncryptedPrivateKeyInfo.load(der)
    scheme = sealed["encryption_algorithm"]
    derived = hashlib.pbkdf2_hmac("sha256", b"correct horse", scheme.kdf_salt, scheme.kdf_iterations, 32)
    cipher = [openssl, "enc", "-d", "-aes-256-cbc", "-K", derived.hex(), "-iv", scheme.encryption_iv.hex()]
    opened = subprocess.run(
        cipher, check=True, capture_output=True, input=sealed["encrypted_data"].native
    ).stdout
    assert opened == private_info(key_of(each))


@pytest.mark.parametrize(
    "options",
    [
        ["-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA256"],
        ["-v2", "aes-128-cbc", "-v2prf", "hmacWithSHA1"],
        ["-v2", "aes-192-cbc", "-v2prf", "hmacWithSHA512", "-iter", "10000"],
        ["-scrypt"],
    ],
    ids="-".join,
)
def test_keys_that_openssl_encrypted_are_read(tmp_path: Path, options: list[str]) -> None:
    openssl = peers.need("openssl")
    clear, closed = tmp_path / "clear.pem", tmp_path / "closed.pem"
    write_key(clear, key_of(P256), None)
    words = [openssl, "pkcs8", "-topk8", "-in", str(clear), "-out", str(closed), "-passout", "pass:secret"]
    subprocess.run([*words, *options], check=True, capture_output=True)
    closed.chmod(0o600)
    assert public(read_key(closed, b"secret")) == public(key_of(P256))
    assert problem(closed, b"wrong horse") is KeyFileProblem.PASSPHRASE_WRONG


def test_the_older_forms_of_openssl_are_read(tmp_path: Path) -> None:
    openssl = peers.need("openssl")
    path = tmp_path / "key.pem"
    words = [openssl, "ecparam", "-name", "prime256v1", "-genkey", "-out", str(path)]
    subprocess.run(words, check=True, capture_output=True)
    path.chmod(0o600)
    assert b"EC PARAMETERS" in path.read_bytes()
    assert read_key(path, None)


@pytest.mark.parametrize(
    "derivation",
    [
        # 2**31 - 1 iterations, and 2**30 blocks of scrypt: minutes, and more memory than there is.
        encode.sequence(encode.octet_string(bytes(16)), encode.integer(2**31 - 1)),
        encode.sequence(encode.octet_string(bytes(16)), *map(encode.integer, (2**30, 8, 1))),
    ],
    ids=["pbkdf2", "scrypt"],
)
def test_a_key_file_that_asks_for_too_much_work_is_refused(
    tmp_path: Path, request: pytest.FixtureRequest, derivation: bytes
) -> None:
    oid = {"pbkdf2": oids.ID_PBKDF2, "scrypt": oids.ID_SCRYPT}[request.node.callspec.id]
    cipher = encode.sequence(encode.oid(oids.ID_AES256_CBC), encode.octet_string(bytes(16)))
    scheme = encode.sequence(encode.sequence(encode.oid(oid), derivation), cipher)
    der = encode.sequence(encode.sequence(encode.oid(oids.ID_PBES2), scheme), encode.octet_string(bytes(64)))
    path = tmp_path / "key.pem"
    path.write_bytes(write_block("ENCRYPTED PRIVATE KEY", der))
    path.chmod(0o600)
    assert problem(path, b"correct horse") is KeyFileProblem.UNSUPPORTED


def both(key: mldsa.MLDSA44PrivateKey, expanded: bytes) -> bytes:
    return encode.sequence(encode.octet_string(key.private_bytes_raw()), encode.octet_string(expanded))


def test_of_an_ml_dsa_key_in_both_forms_the_seed_is_taken_when_it_belongs_to_the_other(
    tmp_path: Path,
) -> None:
    each = suite("ml-dsa-44")
    key = key_of(each)
    assert isinstance(key, mldsa.MLDSA44PrivateKey)
    _, expanded = ML_DSA_44.key_derive(key.private_bytes_raw())
    _, foreign = ML_DSA_44.key_derive(bytes(32))
    forms = {
        "both": (both(key, expanded), None),
        "of two keys": (both(key, foreign), KeyFileProblem.UNREADABLE),
        "of another rho": (both(key, foreign[:32] + expanded[32:]), KeyFileProblem.UNREADABLE),
        "cut": (both(key, expanded[:-1]), KeyFileProblem.UNREADABLE),
        "expanded alone": (encode.octet_string(expanded), KeyFileProblem.UNSUPPORTED),
        "longer seed": (encode.implicit(0, bytes(33)), KeyFileProblem.UNREADABLE),
        "trailing": (encode.implicit(0, bytes(32)) + b"\x00\x00", KeyFileProblem.UNREADABLE),
    }
    for name, (octets, expected) in forms.items():
        path = tmp_path / name
        path.write_bytes(write_block("PRIVATE KEY", encode_private_info(each.algorithm, octets)))
        path.chmod(0o600)
        if expected is None:
            assert public(read_key(path, None)) == public(key)
        else:
            assert problem(path) is expected


def test_an_envelope_of_ours_opens_with_its_passphrase_alone() -> None:
    sealed = pkcs8.encrypt(b"private key info", b"correct horse")
    assert pkcs8.decrypt(sealed, b"correct horse") == b"private key info"
    assert pkcs8.encrypt(b"private key info", b"correct horse") != sealed
