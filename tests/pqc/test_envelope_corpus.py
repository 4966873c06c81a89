"""Envelopes of other programs and the published example, when the corpus has them.

`KOKUIN_CORPUS/cms-kem/` holds `rfc9936/` (the folder `example` of lamps-wg/cms-kyber) and one folder for each
provider of `artifacts_cms_v3.zip` in IETF-Hackathon/pqc-certificates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from asn1crypto import core, parser, pem  # type: ignore[import-untyped]
from cryptography.hazmat.primitives.asymmetric import mlkem
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap
from kyber_py.ml_kem import ML_KEM_512  # type: ignore[import-untyped]

from kokuin.wire.algorithms import AlgorithmIdentifier
from pqc.envelope import open_envelope
from pqc.envelope_cms import derive_kek
from pqc.envelope_errors import EnvelopeError, EnvelopeProblem
from pqc.envelope_syntax import read_auth_enveloped_data
from pqc.kem import recipient_key
from pqc.kem_files import read_recipient
from tests import peers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pqc.kem import MlKemPrivateKey, RecipientKey

AES128_WRAP = AlgorithmIdentifier("2.16.840.1.101.3.4.1.5")


def _folder(name: str) -> Path:
    folder = peers.corpus() / "cms-kem" / name
    if not folder.is_dir():
        pytest.skip(f"the corpus has no cms-kem/{name}")
    return folder


def _hex(path: Path) -> bytes:
    return bytes.fromhex(path.read_text(encoding="ascii"))


def test_the_example_of_rfc_9936_gives_its_intermediate_values() -> None:
    """It is of ML-KEM-512 and AES-128, which no suite of ours has: its layers are taken one by one."""
    folder = _folder("rfc9936")
    _, _, octets = pem.unarmor((folder / "ML-KEM-512.cms").read_bytes())
    data = read_auth_enveloped_data(octets)
    assert data.recipient.wrap == AES128_WRAP
    _, _, private = pem.unarmor((folder / "ML-KEM-512-seed.priv").read_bytes())
    secret = ML_KEM_512.decaps(ML_KEM_512.key_derive(private[-64:])[1], data.recipient.ciphertext)
    assert secret == _hex(folder / "shared_secret.txt")
    kek = derive_kek(secret, data.recipient.wrap, data.recipient.kek_size, data.recipient.ukm)
    assert kek == _hex(folder / "kek.txt")
    assert data.recipient.encrypted_key == _hex(folder / "encrypted_cek.txt")
    key = aes_key_unwrap(kek, data.recipient.encrypted_key)
    assert key == _hex(folder / "cek.txt")
    assert data.encryption.parameters is not None
    nonce = data.encryption.parameters[4:16]
    plaintext = AESGCM(key).decrypt(nonce, data.ciphertext + data.mac, data.attributes)
    assert plaintext == (folder / "plaintext.txt").read_bytes() == b"Hello, world!"


def _seed(octets: bytes) -> bytes | None:
    """Return the seed of a PKCS#8 key in its form `seed` or `both` (RFC 9935 §6); None for `expandedKey`."""
    inner = core.Sequence.load(octets)[2].contents
    class_, _, tag, _, contents, _ = parser.parse(inner)
    if (class_, tag) == (2, 0):
        return bytes(contents)
    return bytes(parser.parse(contents)[4]) if tag == 16 else None


def _private_key(folder: Path, stem: str) -> RecipientKey | None:
    for path in sorted(folder.glob(f"{stem}_*priv.der")):
        seed = _seed(path.read_bytes())
        if seed is not None:
            kind = mlkem.MLKEM1024PrivateKey if "1024" in stem else mlkem.MLKEM768PrivateKey
            key: MlKemPrivateKey = kind.from_seed_bytes(seed)
            named = read_recipient((folder / f"{stem}_ee.der").read_bytes())
            return recipient_key(key, None, named.identifiers)
    return None


def _envelopes() -> Iterator[tuple[RecipientKey, Path, bytes]]:
    """Each foreign AuthEnvelopedData with HKDF-SHA256 whose key is at hand as a seed."""
    for folder in sorted(path for path in _folder("").iterdir() if path.name != "rfc9936"):
        expected = (folder / "expected_plaintext.txt").read_bytes()
        for certificate in sorted(folder.glob("*_ee.der")):
            stem = certificate.name.removesuffix("_ee.der")
            key = None if "512-" in stem else _private_key(folder, stem)
            for path in sorted(folder.glob(f"{stem}_kemri_auth*")):
                if key is not None and "sha512" not in path.name:
                    yield key, path, expected


def test_envelopes_of_other_programs_open() -> None:
    tried = []
    for key, path, expected in _envelopes():
        assert open_envelope(key, path.read_bytes()) == expected, path
        tried.append(path.parent.name)
    assert len(set(tried)) >= 2


def test_unauthenticated_envelopes_of_other_programs_are_refused() -> None:
    """EnvelopedData with CBC: who can change it can make its reader an oracle."""
    tried = 0
    for key, path, _ in _envelopes():
        for other in path.parent.glob(path.name.split("_")[0] + "_kemri_id*"):
            with pytest.raises(EnvelopeError) as caught:
                open_envelope(key, other.read_bytes())
            assert caught.value.problem is EnvelopeProblem.NOT_AN_ENVELOPE
            tried += 1
    assert tried > 0
