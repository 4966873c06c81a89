"""Revocation lists and OCSP answers made to order by pyca/cryptography, right ones and forged ones."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from kokuin.trust.context import Context, RevocationData, RevocationMode
from kokuin.trust.judge import judge_token
from kokuin.wire.ber import definite
from kokuin.wire.prescan import TOKEN_LIMITS
from tests.trust.forge import DATA, DAY, NOW, NOW_US, Party, issue, key_usage, order, pki

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from kokuin.trust.anchors import TrustStore
    from kokuin.trust.report import Check, Report

Reason = x509.ReasonFlags
RESPONDER: tuple[tuple[x509.ExtensionType, bool], ...] = (
    (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), False),
    (key_usage("digital_signature"), True),
    (x509.OCSPNoCheck(), False),
)


@dataclass(frozen=True)
class Taken:
    """An entry of a list; without a reason, the entry has no reasonCode."""

    party: Party
    at: dt.datetime
    reason: x509.ReasonFlags | None = None
    invalid_from: dt.datetime | None = None
    issuer: x509.Name | None = None

    def build(self) -> x509.RevokedCertificate:
        builder = x509.RevokedCertificateBuilder(self.party.x509.serial_number, self.at)
        if self.reason is not None:
            builder = builder.add_extension(x509.CRLReason(self.reason), critical=False)
        if self.invalid_from is not None:
            builder = builder.add_extension(x509.InvalidityDate(self.invalid_from), critical=False)
        if self.issuer is not None:
            names = x509.CertificateIssuer([x509.DirectoryName(self.issuer)])
            builder = builder.add_extension(names, critical=True)
        return builder.build()


def crl(  # noqa: PLR0913  # a list has many fields, and each is forged somewhere
    issuer: Party,
    *entries: Taken,
    this: dt.datetime = NOW - DAY,
    until: dt.datetime = NOW + 7 * DAY,
    extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
    key: Any = None,
    digest: Any = None,
) -> bytes:
    """Return a list in the issuer's name (DER), signed by its key unless another is given."""
    builder = x509.CertificateRevocationListBuilder(issuer.x509.subject, this, until)
    for entry in entries:
        builder = builder.add_revoked_certificate(entry.build())
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(key or issuer.key, digest or hashes.SHA256()).public_bytes(Encoding.DER)


def answer(  # noqa: PLR0913  # an answer has many fields, and each is forged somewhere
    issuer: Party,
    about: Party,
    taken: Taken | None = None,
    *,
    status: ocsp.OCSPCertStatus | None = None,
    this: dt.datetime = NOW - DAY,
    until: dt.datetime | None = NOW + 7 * DAY,
    responder: Party | None = None,
    by_key: bool = False,
    digest: hashes.HashAlgorithm | None = None,
    signing_digest: hashes.HashAlgorithm | None = None,
) -> bytes:
    """Return an answer about one certificate (DER), by its issuer or another responder."""
    speaker = responder or issuer
    encoding = ocsp.OCSPResponderEncoding.HASH if by_key else ocsp.OCSPResponderEncoding.NAME
    found = status or (ocsp.OCSPCertStatus.REVOKED if taken else ocsp.OCSPCertStatus.GOOD)
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            about.x509,
            issuer.x509,
            digest or hashes.SHA256(),
            found,
            this,
            until,
            taken.at if taken else None,
            taken.reason if taken else None,
        )
        .responder_id(encoding, speaker.x509)
    )
    if responder is not None:
        builder = builder.certificates([responder.x509])
    return builder.sign(speaker.key, signing_digest or hashes.SHA256()).public_bytes(Encoding.DER)


def responder(issuer: Party | None = None, **changes: Any) -> Party:
    """Return a responder that the unit's authority, or another, named."""
    return issue("Responder", issuer or pki().authority, changes.pop("extensions", RESPONDER), **changes)


def both_clear() -> tuple[bytes, ...]:
    """Return the lists by which the unit and its authority are clear."""
    return crl(pki().authority), crl(pki().root)


def judge(  # noqa: PLR0913  # everything that a revocation is judged by
    *lists: bytes,
    answers: Sequence[bytes] = (),
    at: int = NOW_US,
    proven: int | None = None,
    required: bool = False,
    trust: TrustStore | None = None,
    token: bytes | None = None,
) -> Report:
    """Judge the test unit's token, which was made at NOW, by these lists and answers."""
    context = Context(
        at,
        pki().trust if trust is None else trust,
        lambda algorithm: hashlib.new(algorithm, DATA).digest(),
        proven=proven,
        revocation=RevocationData(lists, tuple(answers)),
        revocation_mode=RevocationMode.REQUIRED if required else RevocationMode.IF_AVAILABLE,
    )
    return judge_token(definite(order().make() if token is None else token, TOKEN_LIMITS), context)


def checks(report: Report) -> tuple[Check, ...]:
    return tuple(check for check in report.checks if check.id == "revocation")


def said(report: Report) -> tuple[str, str | None, str | None]:
    """Return the verdict, its sub-indication, and what was found of the unit."""
    sub = report.sub_indication
    return report.indication.value, None if sub is None else sub.value, checks(report)[0].reason
