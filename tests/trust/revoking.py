"""Revocation lists by pyca/cryptography and OCSP answers by asn1crypto, right ones and forged ones."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from asn1crypto import core, ocsp  # type: ignore[import-untyped]
from asn1crypto import x509 as peer
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from kokuin.trust.context import Context, RevocationData, RevocationMode
from kokuin.trust.judge import judge_token
from kokuin.wire.ber import definite
from kokuin.wire.prescan import TOKEN_LIMITS
from pqc.policies import BASELINE, load_policy
from tests.trust.forge import DATA, DAY, NOW, NOW_US, Party, issue, key_usage, order, pki

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from kokuin.trust.anchors import TrustStore
    from kokuin.trust.report import Check, Report
    from pqc.policies import Policy

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
    status: str = "good",
    this: dt.datetime = NOW - DAY,
    until: dt.datetime | None = NOW + 7 * DAY,
    produced: dt.datetime = NOW - DAY,
    responder: Party | None = None,
    carried: Sequence[Party] | None = None,
    named: Party | None = None,
    issuer_name: x509.Name | None = None,
    by_key: bool = False,
    digest: str = "sha256",
    extensions: Sequence[tuple[str, object]] = (),
    critical: bool = False,
    signing: str = "sha256_ecdsa",
) -> bytes:
    """Return an answer about one certificate (DER), by its issuer or another responder."""
    speaker = responder or issuer
    tbs = _of(issuer)["tbs_certificate"]
    single = ocsp.SingleResponse(
        {
            "cert_id": {
                "hash_algorithm": {"algorithm": digest},
                "issuer_name_hash": hashlib.new(
                    digest, (issuer_name or issuer.x509.subject).public_bytes()
                ).digest(),
                "issuer_key_hash": hashlib.new(digest, _key_bits(tbs)).digest(),
                "serial_number": about.x509.serial_number,
            },
            "cert_status": _status(status, taken),
            "this_update": this,
            "next_update": until,
            "single_extensions": [
                {"extn_id": oid, "critical": critical, "extn_value": value} for oid, value in extensions
            ]
            or None,
        }
    )
    data = ocsp.ResponseData(
        {
            "responder_id": _responder_id(named or speaker, by_key=by_key),
            "produced_at": produced,
            "responses": [single],
        }
    )
    basic = ocsp.BasicOCSPResponse(
        {
            "tbs_response_data": data,
            "signature_algorithm": {"algorithm": signing},
            "signature": _sign(speaker.key, data.dump(), signing),
            "certs": [
                _of(party) for party in (carried if carried is not None else [responder] if responder else [])
            ]
            or None,
        }
    )
    body = {"response_type": "basic_ocsp_response", "response": basic}
    octets: bytes = ocsp.OCSPResponse({"response_status": "successful", "response_bytes": body}).dump()
    return octets


def _sign(key: Any, message: bytes, algorithm: str) -> bytes:
    digest, _, kind = algorithm.partition("_")
    under: Any = {"sha256": hashes.SHA256(), "sha1": hashes.SHA1()}[digest]  # noqa: S303  # a weak one is forged
    how = (ec.ECDSA(under),) if kind == "ecdsa" else (padding.PKCS1v15(), under)
    signature: bytes = key.sign(message, *how)
    return signature


def _of(party: Party) -> Any:
    return peer.Certificate.load(party.der)


def _key_bits(tbs: Any) -> bytes:
    octets: bytes = tbs["subject_public_key_info"]["public_key"].contents[1:]
    return octets


def _responder_id(speaker: Party, *, by_key: bool) -> Any:
    tbs = _of(speaker)["tbs_certificate"]
    if by_key:
        digest = hashlib.sha1(_key_bits(tbs), usedforsecurity=False).digest()
        return ocsp.ResponderId(name="by_key", value=digest)
    return ocsp.ResponderId(name="by_name", value=tbs["subject"])


def _status(status: str, taken: Taken | None) -> Any:
    if taken is None:
        return ocsp.CertStatus(name=status, value=core.Null())
    reason = None if taken.reason is None else taken.reason.name
    revoked = {"revocation_time": taken.at, "revocation_reason": reason}
    return ocsp.CertStatus(name="revoked", value=revoked)


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
    policy: Policy | None = None,
) -> Report:
    """Judge the test unit's token, which was made at NOW, by these lists and answers."""
    context = Context(
        at,
        pki().trust if trust is None else trust,
        lambda algorithm: hashlib.new(algorithm, DATA).digest(),
        policy or load_policy(BASELINE),
        proven,
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
