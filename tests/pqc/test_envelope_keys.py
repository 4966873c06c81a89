from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING

import pytest
from asn1crypto import pem  # type: ignore[import-untyped]
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, mlkem, x25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from kokuin.wire import encode
from pqc.envelope import open_envelope, seal_envelope
from pqc.envelope_errors import EnvelopeError, EnvelopeProblem
from pqc.kem import KemKindError, recipient_of
from pqc.kem_files import public_pem, read_kem_key, read_recipient, write_kem_key
from pqc.keyfiles import KeyFileError, KeyFileProblem
from tests.pqc.envelopes import CMS_SUITES, HPKE_SUITE, SUITES, certificate_of, key_of, problem

if TYPE_CHECKING:
    from pathlib import Path

    from pqc.envelope_suites import EnvelopeSuite

pytestmark = pytest.mark.usefixtures("quick_passphrases")
EACH = pytest.mark.parametrize("suite", SUITES, ids=[suite.id for suite in SUITES])
EACH_CMS = pytest.mark.parametrize("suite", CMS_SUITES, ids=[suite.id for suite in CMS_SUITES])
SECRET = b"a seed of thirty-two octets here"
KEY_ENCIPHERMENT = {
    "digital_signature": False,
    "content_commitment": False,
    "key_encipherment": True,
    "data_encipherment": False,
    "key_agreement": False,
    "key_cert_sign": False,
    "crl_sign": False,
    "encipher_only": False,
    "decipher_only": False,
}


def refusal(path: Path, passphrase: bytes | None = None) -> KeyFileProblem:
    with pytest.raises(KeyFileError) as caught:
        read_kem_key(path, passphrase)
    assert passphrase is None or passphrase.decode() not in str(caught.value)
    return caught.value.problem


def recipient_refusal(octets: bytes) -> EnvelopeProblem:
    with pytest.raises(EnvelopeError) as caught:
        read_recipient(octets)
    return caught.value.problem


@EACH
@pytest.mark.parametrize("passphrase", [None, b"correct horse"])
def test_a_key_comes_back_from_its_file_and_opens(
    tmp_path: Path, suite: EnvelopeSuite, passphrase: bytes | None
) -> None:
    path = tmp_path / "recovery.pem"
    before = os.umask(0)
    try:
        write_kem_key(path, key_of(suite), passphrase)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600
    recipient = read_recipient(public_pem(key_of(suite).recipient))
    assert recipient.kind is suite.kem
    envelope = seal_envelope(suite, recipient, SECRET)
    assert open_envelope(read_kem_key(path, passphrase), envelope) == SECRET
    with pytest.raises(FileExistsError):
        write_kem_key(path, key_of(suite), passphrase)


@EACH
def test_ml_kem_is_stored_as_its_seed_alone(tmp_path: Path, suite: EnvelopeSuite) -> None:
    path = tmp_path / "recovery.pem"
    write_kem_key(path, key_of(suite), None)
    blocks = list(pem.unarmor(path.read_bytes(), multiple=True))
    assert [label for label, _, _ in blocks] == ["PRIVATE KEY"] * (2 if suite is HPKE_SUITE else 1)
    # RFC 9935 §6: the privateKey OCTET STRING holds seed [0] IMPLICIT OCTET STRING (SIZE (64)).
    assert blocks[0][2].endswith(b"\x04\x42\x80\x40" + key_of(suite).ml_kem.private_bytes_raw())


@EACH
def test_a_key_under_a_passphrase_is_read_by_the_library_alone(tmp_path: Path, suite: EnvelopeSuite) -> None:
    path = tmp_path / "recovery.pem"
    write_kem_key(path, key_of(suite), b"correct horse")
    first, *rest = (b"-----BEGIN" + block for block in path.read_bytes().split(b"-----BEGIN")[1:])
    half = load_pem_private_key(first, b"correct horse")
    assert isinstance(half, mlkem.MLKEM768PrivateKey | mlkem.MLKEM1024PrivateKey)
    assert half.private_bytes_raw() == key_of(suite).ml_kem.private_bytes_raw()
    for block in rest:
        assert isinstance(load_pem_private_key(block, b"correct horse"), x25519.X25519PrivateKey)


@EACH
def test_a_file_says_why_it_is_refused(tmp_path: Path, suite: EnvelopeSuite) -> None:
    clear, closed, bad = tmp_path / "clear", tmp_path / "closed", tmp_path / "bad"
    assert refusal(clear) is KeyFileProblem.MISSING
    write_kem_key(clear, key_of(suite), None)
    write_kem_key(closed, key_of(suite), b"correct horse")
    assert refusal(closed) is KeyFileProblem.PASSPHRASE_WANTED
    assert refusal(closed, b"wrong horse") is KeyFileProblem.PASSPHRASE_WRONG
    assert refusal(clear, b"correct horse") is KeyFileProblem.PASSPHRASE_UNUSED
    clear.chmod(0o644)
    assert refusal(clear) is KeyFileProblem.TOO_OPEN
    text = clear.read_bytes()
    unlike = text.replace(b" PRIVATE KEY", b" PUBLIC KEY")
    for octets in (b"", b"garbage", text[:80], text.replace(b"M", b"N", 1), text * 3, unlike):
        bad.write_bytes(octets)
        bad.chmod(0o600)
        assert refusal(bad) is KeyFileProblem.UNREADABLE


def test_halves_in_another_order_or_of_another_kind_are_no_hybrid_key(tmp_path: Path) -> None:
    def block(key: mlkem.MLKEM1024PrivateKey | x25519.X25519PrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
        return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    write_kem_key(tmp_path / "whole", key_of(HPKE_SUITE), None)
    text = (tmp_path / "whole").read_bytes()
    middle = text.index(b"-----BEGIN", 10)
    first, second = text[:middle], text[middle:]
    big = block(mlkem.MLKEM1024PrivateKey.generate())
    classical = block(ec.generate_private_key(ec.SECP256R1()))
    path = tmp_path / "key"
    for octets in (second + first, second, first + first, big + second, classical, first + classical):
        path.write_bytes(octets)
        path.chmod(0o600)
        assert refusal(path) is KeyFileProblem.UNREADABLE
    write_kem_key(tmp_path / "closed", key_of(HPKE_SUITE), b"correct horse")
    path.write_bytes((tmp_path / "closed").read_bytes()[:600].rsplit(b"-----BEGIN", 1)[0] + second)
    assert refusal(path, b"correct horse") is KeyFileProblem.PASSPHRASE_WRONG
    with pytest.raises(KemKindError):
        recipient_of(
            mlkem.MLKEM1024PrivateKey.generate().public_key(), x25519.X25519PrivateKey.generate().public_key()
        )


def test_a_classical_or_damaged_public_key_is_never_sealed_to() -> None:
    classical = ec.generate_private_key(ec.SECP256R1()).public_key()
    curve = x25519.X25519PrivateKey.generate().public_key()
    hybrid = public_pem(key_of(HPKE_SUITE).recipient)
    alone = public_pem(key_of(CMS_SUITES[0]).recipient)
    half = hybrid[hybrid.index(b"-----BEGIN", 10) :]
    for octets in (
        b"",
        b"garbage",
        b"\x30\x03\x02\x01\x00",
        alone[:500],
        alone + alone,
        hybrid + hybrid,
        half,
        half + alone,
        classical.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        curve.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        certificate_of(classical).public_bytes(Encoding.DER),
    ):
        assert recipient_refusal(octets) is EnvelopeProblem.BAD_RECIPIENT


@pytest.mark.parametrize("at", [20, 22], ids=["first", "second"])
def test_a_public_key_with_coefficients_beyond_the_modulus_is_refused(at: int) -> None:
    """FIPS 203 §7.2: the modulus check, without which a sender could be led to a weak secret."""
    (der,) = (der for _, _, der in pem.unarmor(public_pem(key_of(CMS_SUITES[0]).recipient), multiple=True))
    start = len(der) - 1184 + at * 3
    changed = der[:start] + b"\xff\xff\xff" + der[start + 3 :]
    text: bytes = pem.armor("PUBLIC KEY", changed)
    assert recipient_refusal(text) is EnvelopeProblem.BAD_RECIPIENT


@EACH_CMS
def test_a_certificate_names_the_recipient_by_its_key_identifier(suite: EnvelopeSuite) -> None:
    key = key_of(suite)
    usual = x509.SubjectKeyIdentifier.from_public_key(key.ml_kem.public_key())
    certificate = certificate_of(
        key.ml_kem.public_key(), (usual, False), (x509.KeyUsage(**KEY_ENCIPHERMENT), True)
    )
    for encoding in (Encoding.DER, Encoding.PEM):
        envelope = seal_envelope(suite, read_recipient(certificate.public_bytes(encoding)), SECRET)
        assert encode.implicit(0, usual.digest) in envelope
        assert open_envelope(key, envelope) == SECRET, "the key alone is enough"


@EACH_CMS
@pytest.mark.parametrize("identifier", [None, b"chosen by the CA"])
def test_a_certificate_without_the_usual_identifier_is_needed_to_open(
    tmp_path: Path, suite: EnvelopeSuite, identifier: bytes | None
) -> None:
    key = key_of(suite)
    extensions = () if identifier is None else ((x509.SubjectKeyIdentifier(identifier), False),)
    certificate = certificate_of(key.ml_kem.public_key(), *extensions).public_bytes(Encoding.DER)
    envelope = seal_envelope(suite, read_recipient(certificate), SECRET)
    assert problem(key, envelope) is EnvelopeProblem.WRONG_KEY
    path = tmp_path / "key"
    write_kem_key(path, key, None)
    assert open_envelope(read_kem_key(path, None, certificate), envelope) == SECRET
    other = certificate_of(mlkem.MLKEM768PrivateKey.generate().public_key()).public_bytes(Encoding.DER)
    with pytest.raises(EnvelopeError) as caught:
        read_kem_key(path, None, other)
    assert caught.value.problem is EnvelopeProblem.BAD_RECIPIENT


def test_a_certificate_for_another_use_is_refused() -> None:
    """RFC 9935 §5: keyEncipherment, and nothing beside it."""
    public = key_of(CMS_SUITES[0]).ml_kem.public_key()
    for changed in ({"key_encipherment": False, "key_agreement": True}, {"digital_signature": True}):
        usage = x509.KeyUsage(**{**KEY_ENCIPHERMENT, **changed})
        certificate = certificate_of(public, (usage, True))
        assert recipient_refusal(certificate.public_bytes(Encoding.DER)) is EnvelopeProblem.BAD_RECIPIENT


def test_a_damaged_certificate_ends_in_the_code_or_in_a_recipient() -> None:
    public = key_of(CMS_SUITES[0]).ml_kem.public_key()
    identifier = x509.SubjectKeyIdentifier.from_public_key(public)
    usage = x509.KeyUsage(**KEY_ENCIPHERMENT)
    octets = certificate_of(public, (identifier, False), (usage, True)).public_bytes(Encoding.DER)
    found = set()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd serial numbers and the like
        for bit in range(8 * len(octets)):
            damaged = bytearray(octets)
            damaged[bit // 8] ^= 1 << bit % 8
            try:
                found.add(read_recipient(bytes(damaged)).kind.value)
            except EnvelopeError as error:
                found.add(error.problem.value)
    assert found == {"ML-KEM-768", "ENVELOPE_BAD_RECIPIENT"}
