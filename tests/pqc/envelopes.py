"""Keys and sealed envelopes for the tests, and the pure Python ML-KEM that judges them."""

from __future__ import annotations

import datetime as dt
import functools
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from kyber_py.ml_kem import ML_KEM_768, ML_KEM_1024  # type: ignore[import-untyped]

from pqc.envelope import open_envelope
from pqc.envelope_errors import EnvelopeError, EnvelopeProblem
from pqc.envelope_suites import ENVELOPE_SUITES, KemKind
from pqc.kem import RecipientKey, generate_kem_key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

    from pqc.envelope_suites import EnvelopeSuite

SUITES = tuple(ENVELOPE_SUITES.values())
CMS_SUITES = tuple(suite for suite in SUITES if suite.container == "cms")
HPKE_SUITE = ENVELOPE_SUITES["mlkem768-x25519-hpke"]
TYPE = "1.3.6.1.4.1.32473.5"


@functools.cache
def key_of(suite: EnvelopeSuite) -> RecipientKey:
    """Return the suite's key of this session."""
    return generate_kem_key(suite.kem)


def problem(key: RecipientKey, octets: bytes, content_type_oid: str | None = None) -> EnvelopeProblem:
    """Return why an envelope is refused; fails when it is opened."""
    options = {} if content_type_oid is None else {"content_type_oid": content_type_oid}
    with pytest.raises(EnvelopeError) as caught:
        open_envelope(key, octets, **options)
    return caught.value.problem


def decapsulate(key: RecipientKey, ciphertext: bytes) -> bytes:
    """Decapsulate with kyber-py, from the 64 octets of the seed d || z."""
    scheme = ML_KEM_1024 if key.recipient.kind is KemKind.ML_KEM_1024 else ML_KEM_768
    _, expanded = scheme.key_derive(key.ml_kem.private_bytes_raw())
    return bytes(scheme.decaps(expanded, ciphertext))


def certificate_of(
    public_key: CertificatePublicKeyTypes, *extensions: tuple[x509.ExtensionType, bool]
) -> x509.Certificate:
    """Return a certificate for `public_key` of an issuer made for it."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Recovery")])
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public_key)
        .serial_number(0x7F_00_00_01)
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=3650))
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
