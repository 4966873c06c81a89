"""Authorities of every suite that issues, made once a session, and what judges their work."""

from __future__ import annotations

import datetime as dt
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokuin.trust.authority import CertificateAuthority
from kokuin.trust.certificate import Certificate, read_certificate
from kokuin.trust.name import distinguished_name
from kokuin.wire import asn1
from kokuin.wire.der import children, read_whole
from kokuin.wire.tsp import read_algorithm
from pqc.suites import SUITES, Family
from pqc.verifying import SignatureOutcome, verify_signature
from tests.pqc.keys import ISSUING, signer_of

if TYPE_CHECKING:
    from kokuin.trust.tbs import Issued

NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)
"""The real time: `openssl ocsp` knows no other."""
NOW_US = int(NOW.timestamp()) * 1_000_000
DAY_US = 86_400 * 1_000_000

EVERY = tuple(sorted(suite.id for suite in ISSUING if suite.id != "slh-dsa-sha2-256s"))
"""Every suite that may issue, of SLH-DSA the quicker one; what is new in the table is tried by itself."""

CLASSICAL = frozenset({Family.RSA_PKCS1, Family.RSA_PSS, Family.ECDSA, Family.EDDSA})
OPENSSL = tuple(each for each in EVERY if SUITES[each].family in CLASSICAL)
"""What OpenSSL 3.0 verifies."""
CRYPTOGRAPHY = tuple(each for each in EVERY if SUITES[each].family in {*CLASSICAL, Family.ML_DSA})
"""What pyca/cryptography verifies; certificates of the others it only reads."""
ONE_A_FAMILY = tuple({SUITES[each].family: each for each in EVERY}.values())


@dataclass(frozen=True)
class Pki:
    """A root, an authority below it, and a unit below that, all of one suite."""

    root: CertificateAuthority
    authority: CertificateAuthority
    unit: Issued

    @property
    def unit_certificate(self) -> Certificate:
        return read_certificate(self.unit.der)


@functools.cache
def pki(suite_id: str) -> Pki:
    """Return the PKI of a suite; the three share one key, since RSA keys take seconds to make."""
    signer = signer_of(SUITES[suite_id])
    root = CertificateAuthority.root(signer, name("root"), now=NOW, days=5_000, path_length=1)
    below = root.issue_ca(signer.public_key, name("authority"), now=NOW, days=4_900, path_length=0)
    authority = CertificateAuthority(signer, below.der)
    unit = authority.issue_unit(signer.public_key, name("unit"), now=NOW, days=4_000, key_days=365)
    return Pki(root, authority, unit)


def name(common_name: str) -> bytes:
    """Name (DER) of a party in the tests."""
    return distinguished_name("試験 Test", common_name)


def outcome(signed: bytes, public_key: bytes) -> SignatureOutcome:
    """Judge SIGNED {..} (DER) by a key, with nothing read of what is signed."""
    body, algorithm, signature, *_ = children(read_whole(signed, asn1.SEQUENCE))
    return verify_signature(
        public_key_der=public_key,
        algorithm=read_algorithm(algorithm),
        digest=None,
        message=body.octets,
        signature=asn1.bit_string(signature)[0],
    ).outcome


def flipped(octets: bytes, at: int) -> bytes:
    """Return `octets` with one bit of the octet `at` changed."""
    changed = bytearray(octets)
    changed[at] ^= 1
    return bytes(changed)
