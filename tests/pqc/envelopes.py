"""Keys and sealed envelopes for the tests, and the pure Python ML-KEM that judges them."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import pytest
from kyber_py.ml_kem import ML_KEM_768, ML_KEM_1024  # type: ignore[import-untyped]

from pqc.envelope import open_envelope
from pqc.envelope_errors import EnvelopeError, EnvelopeProblem
from pqc.envelope_suites import ENVELOPE_SUITES
from pqc.kem import KemKind, RecipientKey, generate_kem_key

if TYPE_CHECKING:
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
