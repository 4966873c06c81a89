"""The HPKE container, opened by hand: kyber-py, X25519, SHA3-256 and the key schedule of RFC 9180 §5.1."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from kokuin.wire import encode
from pqc.envelope import seal_envelope
from pqc.envelope_errors import EnvelopeProblem
from pqc.kem import RecipientKey, generate_kem_key
from tests.pqc.envelopes import HPKE_SUITE, TYPE, decapsulate, key_of, problem

KEY = key_of(HPKE_SUITE)
IDS = bytes.fromhex("647a00010002")
XWING_LABEL = bytes.fromhex("5c2e2f2f5e5c")
HEADER = 52 + len(encode.oid(TYPE)) - 2
SECRET = b"a ledger's key"


def _shared_secret(key: RecipientKey, enc: bytes) -> bytes:
    """Combine the halves as draft-connolly-cfrg-xwing-kem §5.3 does, which HPKE took over."""
    assert key.x25519 is not None
    assert key.recipient.x25519 is not None
    lattice, ephemeral = decapsulate(key, enc[:1088]), enc[1088:]
    curve = key.x25519.exchange(X25519PublicKey.from_public_bytes(ephemeral))
    public = key.recipient.x25519.public_bytes_raw()
    return hashlib.sha3_256(lattice + curve + ephemeral + public + XWING_LABEL).digest()


def _extract(salt: bytes, label: bytes, material: bytes) -> bytes:
    message = b"HPKE-v1" + b"HPKE" + IDS + label + material
    return hmac.digest(salt or bytes(32), message, "sha256")


def _expand(secret: bytes, label: bytes, info: bytes, size: int) -> bytes:
    labelled = size.to_bytes(2, "big") + b"HPKE-v1" + b"HPKE" + IDS + label + info
    return HKDFExpand(SHA256(), size, labelled).derive(secret)


def _open_by_hand(key: RecipientKey, envelope: bytes) -> bytes:
    header, rest = envelope[:HEADER], envelope[HEADER:]
    context = b"\x00" + _extract(b"", b"psk_id_hash", b"") + _extract(b"", b"info_hash", header)
    secret = _extract(_shared_secret(key, rest[:1120]), b"secret", b"")
    nonce = _expand(secret, b"base_nonce", context, 12)
    return AESGCM(_expand(secret, b"key", context, 32)).decrypt(nonce, rest[1120:], b"")


@pytest.fixture
def envelope() -> bytes:
    return seal_envelope(HPKE_SUITE, KEY.recipient, SECRET, content_type_oid=TYPE)


def test_rfc_9180_by_hand_opens_it(envelope: bytes) -> None:
    assert _open_by_hand(KEY, envelope) == SECRET


def test_its_header_is_as_documented(envelope: bytes) -> None:
    assert envelope[:9] == bytes.fromhex("894b4b450d0a1a0a 01")
    assert envelope[9:15] == IDS
    assert envelope[15:47] == hashlib.sha256(KEY.recipient.public_octets).digest()
    assert int.from_bytes(envelope[47:51], "big") == len(SECRET)
    assert bytes((6,)) + envelope[51:HEADER] == encode.oid(TYPE)
    assert len(envelope) == HEADER + 1120 + len(SECRET) + 16


@pytest.mark.parametrize("at", range(8, 15))
def test_another_version_or_suite_is_an_unknown_algorithm(envelope: bytes, at: int) -> None:
    changed = envelope[:at] + bytes((envelope[at] ^ 3,)) + envelope[at + 1 :]
    assert problem(KEY, changed, TYPE) is EnvelopeProblem.UNKNOWN_ALGORITHM


def test_a_content_type_that_was_exchanged_is_damage_for_both_types(envelope: bytes) -> None:
    changed = envelope[: HEADER - 1] + b"\x06" + envelope[HEADER:]
    assert problem(KEY, changed, TYPE) is EnvelopeProblem.DAMAGED
    assert problem(KEY, changed, TYPE[:-1] + "6") is EnvelopeProblem.DAMAGED


def test_an_ephemeral_key_of_low_order_is_refused(envelope: bytes) -> None:
    at = HEADER + 1088
    for point in (bytes(32), b"\x01" + bytes(31), b"\xff" * 32):
        assert problem(KEY, envelope[:at] + point + envelope[at + 32 :], TYPE) is EnvelopeProblem.DAMAGED


def test_both_halves_of_the_private_key_are_needed(envelope: bytes) -> None:
    other = generate_kem_key(HPKE_SUITE.kem)
    for ml_kem, classical in ((KEY.ml_kem, other.x25519), (other.ml_kem, KEY.x25519)):
        half = RecipientKey(ml_kem, classical, KEY.recipient)
        assert problem(half, envelope, TYPE) is EnvelopeProblem.DAMAGED


def test_a_cut_container_is_told_from_a_longer_one(envelope: bytes) -> None:
    assert problem(KEY, envelope[:-1], TYPE) is EnvelopeProblem.TRUNCATED
    assert problem(KEY, envelope + b"\x00", TYPE) is EnvelopeProblem.MALFORMED


def test_an_overlong_content_type_is_refused_before_sealing() -> None:
    with pytest.raises(ValueError, match=r"1\.3\.6"):
        seal_envelope(HPKE_SUITE, KEY.recipient, SECRET, content_type_oid="1.3.6" + ".1" * 130)
