"""A PKI for seals: root, issuing authority, time-stamp unit, a seal key of every suite, lists and answers.

Everything is of the real time, since `openssl` and `pdfsig` know no other; the authorities began three years
ago and end in ten, so that seals and stamps may be dated back. Keys are made once a session.
"""

from __future__ import annotations

import datetime as dt
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eseal.values import SealKey
from kokuin.trust.anchors import TrustStore
from kokuin.trust.authority import CertificateAuthority
from kokuin.trust.certificate import Certificate, read_certificate
from kokuin.trust.context import RevocationData
from kokuin.trust.name import distinguished_name
from kokuin.trust.ocsp import CertId, Plain, SingleResponse
from kokuin.wire.algorithms import DIGEST_BY_NAME
from kokuin.wire.pem import write_block
from kokuin.wire.tsp import TimeStampReq
from pqc.signing import SoftwareSigner, generate_key
from pqc.suites import SUITES, suite
from tests.pqc.keys import ISSUING, key_of
from tsa.template import SignerIdentity
from tsa.unit import KeyPeriod, TimeStampUnit

if TYPE_CHECKING:
    from kokuin.trust.revocation import Revocation

NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)
NOW_US = int(NOW.timestamp()) * 1_000_000
"""The moment of the scene. A test may run many minutes later; it goes by this, never by the clock."""
DAY = dt.timedelta(days=1)
DAY_US = 86_400 * 1_000_000
BEGAN = NOW - 1_000 * DAY
"""Since when the authorities exist."""

ORGANISATION = "試験株式会社"
COMMON_NAME = "試験株式会社 電子印"
CORPORATE_NUMBER = "7000012050002"
"""The National Tax Agency's own, as it publishes it."""
IDENTIFIER = f"NTRJP-{CORPORATE_NUMBER}"
POLICY = "1.3.6.1.4.1.32473.1"

P256 = "ecdsa-p256-sha256"
P384 = "ecdsa-p384-sha384"
RSA = "rsa3072-pkcs1-sha256"
PSS = "rsa3072-pss-sha256"
ED25519 = "ed25519"
ML_DSA = ("ml-dsa-44", "ml-dsa-65", "ml-dsa-87")
COMPOSITE = tuple(each.id for each in ISSUING if each.draft)
CLASSICAL = (P256, P384, RSA, PSS, ED25519)
"""What OpenSSL 3.0 knows."""
EVERY = (*CLASSICAL, *ML_DSA, *COMPOSITE)


@dataclass(frozen=True)
class SealPki:
    """A root, and an issuing authority below it.

    Attributes:
        root: the anchor.
        authority: issues units and seals.
    """

    root: CertificateAuthority
    authority: CertificateAuthority

    @property
    def trust(self) -> TrustStore:
        """What a verifier of these seals trusts: the root alone."""
        return TrustStore((self.root.certificate,))

    @property
    def root_pem(self) -> bytes:
        """The root, for `openssl -CAfile`."""
        return write_block("CERTIFICATE", self.root.certificate.der)

    @property
    def chain(self) -> tuple[bytes, ...]:
        """DER between a seal and the root."""
        return (self.authority.certificate.der,)

    def issue(
        self,
        public_key: bytes,
        common_name: str = COMMON_NAME,
        *,
        now: dt.datetime = BEGAN,
        days: int = 3_000,
    ) -> bytes:
        """Certificate (DER) of a seal key; it ends `days` after `now`."""
        name = distinguished_name(ORGANISATION, common_name, identifier=IDENTIFIER)
        return self.authority.issue_seal(public_key, name, now=now, days=days, statements=None).der

    def seal_key(self, suite_id: str = P256, *, now: dt.datetime = BEGAN, days: int = 3_000) -> SealKey:
        """A seal key of this PKI with a certificate of its own."""
        signer = SoftwareSigner(suite(suite_id), key_of(suite(suite_id)))
        return SealKey(signer, self.issue(signer.public_key, now=now, days=days), self.chain)

    def crls(
        self,
        revoked: dict[int, Revocation] | None = None,
        *,
        this_update: dt.datetime = NOW - dt.timedelta(hours=1),
        next_update: dt.datetime = NOW + 7 * DAY,
    ) -> tuple[bytes, bytes]:
        """Lists (DER) of the issuing authority, which has revoked these serials, and of the root."""
        times = {"this_update": this_update, "next_update": next_update}
        return (
            self.authority.crl(revoked or {}, number=1, **times),
            self.root.crl({}, number=1, **times),
        )

    def answer(
        self,
        certificate: bytes,
        status: Plain | Revocation = Plain.GOOD,
        *,
        this_update: dt.datetime = NOW - dt.timedelta(hours=1),
        next_update: dt.datetime = NOW + 7 * DAY,
    ) -> bytes:
        """OCSPResponse (DER) of the issuing authority about one of its certificates."""
        serial = read_certificate(certificate).serial
        single = SingleResponse(
            CertId.of(self.authority.certificate, serial), status, this_update, next_update
        )
        return self.authority.ocsp_responder().respond((single,), produced_at=this_update)

    def revocation(self) -> RevocationData:
        """Lists by which every certificate below the root is clear today."""
        return RevocationData(lists=self.crls())

    def stamper(self, suite_id: str = P256, *, at: dt.datetime | None = None) -> Stamper:
        """An in-process time-stamp unit below the issuing authority; `at` dates its tokens."""
        return Stamper(self, suite_id, at)


class Stamper:
    """An `eseal.values.TimeStamper` on a real unit; `at` may be set to date what follows, None: now."""

    def __init__(self, pki: SealPki, suite_id: str, at: dt.datetime | None) -> None:
        self.at = at
        self.digest = suite(suite_id).digest
        self.stamped: list[bytes] = []
        unit = _unit(pki.authority, suite_id)
        self.certificate: Certificate = unit[0]
        self._unit = unit[1]

    def stamp(self, imprint: bytes) -> bytes:
        """DER of the token over an imprint by `digest`."""
        algorithm = DIGEST_BY_NAME[self.digest]
        assert len(imprint) == algorithm.size
        moment = NOW if self.at is None else self.at
        request = TimeStampReq(1, algorithm.oid, algorithm.parameters, imprint, None, None, None, True, ())
        self.stamped.append(imprint)
        return self._unit.issue(request, int(moment.timestamp()) * 1_000_000).token


@functools.cache
def _unit(authority: CertificateAuthority, suite_id: str) -> tuple[Certificate, TimeStampUnit]:
    # Its own key: a seal key is never a unit's.
    signer = SoftwareSigner(suite(suite_id), generate_key(suite(suite_id)))
    name = distinguished_name(ORGANISATION, f"時刻印 {suite_id}")
    issued = authority.issue_unit(signer.public_key, name, now=BEGAN, days=3_000, key_days=2_500)
    found = read_certificate(issued.der)
    identity = SignerIdentity(
        found.der, found.issuer, found.serial, found.subject, (authority.certificate.der,)
    )
    unit = TimeStampUnit(
        unit_id=suite_id,
        signer=signer,
        identity=identity,
        policy=POLICY,
        accuracy_us=1_000_000,
        period=KeyPeriod(found.not_before, found.not_after),
        name_in_token=False,
    )
    return found, unit


def seal_pki(suite_id: str = P256) -> SealPki:
    """The PKI whose authorities sign with one suite; every call has the same."""
    return _pki(suite_id)  # a cache takes a default and the same value for two calls


@functools.cache
def _pki(suite_id: str) -> SealPki:
    chosen = SUITES[suite_id]
    signers = [SoftwareSigner(chosen, generate_key(chosen)) for _ in range(2)]
    root = CertificateAuthority.root(signers[0], _authority("root"), now=BEGAN, days=5_000, path_length=1)
    below = root.issue_ca(signers[1].public_key, _authority("issuing"), now=BEGAN, days=4_500, path_length=0)
    return SealPki(root, CertificateAuthority(signers[1], below.der))


def seal_key(suite_id: str = P256, authority_suite: str = P256) -> SealKey:
    """The seal key of a suite, certified by the PKI of `authority_suite`; every call has the same."""
    return _seal_key(suite_id, authority_suite)


@functools.cache
def _seal_key(suite_id: str, authority_suite: str) -> SealKey:
    return seal_pki(authority_suite).seal_key(suite_id)


def _authority(role: str) -> bytes:
    return distinguished_name("試験認証局", f"試験 {role}")


def digest(name: str, data: bytes) -> bytes:
    """Digest of some data by our name of the algorithm."""
    return DIGEST_BY_NAME[name].of(data)
