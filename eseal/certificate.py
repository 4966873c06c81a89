"""Certificates of organisations' seals (EN 319 412-3): asked for, made for development, judged before use."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from eseal.organisation import IdentifierError, organisation_identifier
from kokuin.trust.authority import seal_key_usage
from kokuin.trust.certificate import KEY_USAGE_NON_REPUDIATION
from kokuin.trust.certification_request import certification_request
from kokuin.trust.hierarchy import make_development_authorities
from kokuin.trust.name import attribute_values, display, distinguished_name
from kokuin.wire import oids
from kokuin.wire.errors import WireError

if TYPE_CHECKING:
    import datetime as dt

    from eseal.qc import QcStatements
    from kokuin.trust.certificate import Certificate
    from kokuin.trust.tbs import Issued
    from pqc.signing import Signer

_OTHER_PURPOSES = frozenset({oids.ID_KP_TIME_STAMPING, oids.ID_KP_OCSP_SIGNING})
"""Whose keys speak for others: for the time, and for an authority."""


@dataclass(frozen=True, slots=True)
class LegalPerson:
    """Subject of a seal certificate (EN 319 412-3 §4.2.1).

    Attributes:
        organisation: full registered name, at most 64 characters.
        identifier: organizationIdentifier in the form that `organisation_identifier` returns.
        common_name: by which people know the organisation or its seal, at most 64 characters.
        country: where it is registered, two letters.
    """

    organisation: str
    identifier: str
    common_name: str
    country: str = "JP"

    @property
    def name(self) -> bytes:
        """The Name (DER): C, O, organizationIdentifier, CN.

        Raises:
            ValueError: a value is empty or too long, or the country is no code of two letters.
        """
        return distinguished_name(self.organisation, self.common_name, self.country, self.identifier)


def seal_request(signer: Signer, person: LegalPerson, statements: QcStatements | None) -> bytes:
    """PKCS#10 request (PEM) for a seal certificate, to be signed by the CA of the organisation's choice.

    It asks for the key usage of a seal, and for statements where there are some; the CA decides.

    Raises:
        ValueError: as of `LegalPerson.name`.
    """
    more = () if statements is None else (statements.extension(),)
    return certification_request(signer, person.name, (seal_key_usage(), *more))


@dataclass(frozen=True, slots=True)
class DevelopmentCertificate:
    """A seal certificate that nobody relies on.

    Attributes:
        anchor: its root, whose name says so; the key is forgotten.
        chain: what stands between, its issuer first.
        certificate: the seal's own.
        lists: revocation lists (DER) of the root and of what stands between: nothing is revoked, and they
            hold as long as the certificate, since nobody can sign others.
    """

    anchor: Issued
    chain: tuple[Issued, ...]
    certificate: Issued
    lists: tuple[bytes, ...]


def make_development_certificate(
    signer: Signer, person: LegalPerson, statements: QcStatements | None, *, now: dt.datetime, days: int
) -> DevelopmentCertificate:
    """Make authorities of the seal's own suite, and its certificate below them.

    Args:
        signer: the seal key.
        person: whose seal.
        statements: None: none.
        now: the present moment.
        days: validity.

    Raises:
        ValueError: as of `LegalPerson.name`, or the statements are for supervised authorities to make.
    """
    if statements is not None and statements.supervised:
        raise ValueError("a development authority is under nobody's supervision and states no such thing")
    made = make_development_authorities(signer.suite, now=now)
    certificate = made.issuer.issue_seal(
        signer.public_key,
        person.name,
        now=now,
        days=days,
        statements=None if statements is None else statements.extension(),
    )
    lists = made.lists(now=now, days=days)
    return DevelopmentCertificate(made.anchor, made.intermediates, certificate, lists)


class CertificateProblem(StrEnum):
    """Why a certificate is none for this seal."""

    AUTHORITY = "SEAL_CERTIFICATE_IS_AUTHORITY"
    PURPOSE = "SEAL_CERTIFICATE_PURPOSE"
    """It is a time-stamp unit's or a responder's."""
    KEY_USAGE = "SEAL_CERTIFICATE_KEY_USAGE"
    """Its keyUsage does not name nonRepudiation, which readers of sealed documents ask for."""
    ORGANISATION = "SEAL_CERTIFICATE_ORGANISATION"
    """It names no organisation."""
    IDENTIFIER = "SEAL_CERTIFICATE_IDENTIFIER"
    """It names no organizationIdentifier, several, or another than the profile."""
    EXPIRED = "SEAL_CERTIFICATE_EXPIRED"


class SealCertificateError(ValueError):
    """A certificate that is not taken; `problem` says why, `detail` of what."""

    def __init__(self, problem: CertificateProblem, detail: str) -> None:
        super().__init__(f"{problem}: {detail}")
        self.problem, self.detail = problem, detail


def check_certificate(certificate: Certificate, identifier: str, at: int) -> None:
    """Judge whether a certificate is one for the seals of an organisation.

    Args:
        certificate: the one that a CA issued.
        identifier: organizationIdentifier of the organisation, in the one form that is written.
        at: the present moment, microseconds since 1970 UTC.

    Raises:
        SealCertificateError: with the first reason.
    """
    shown = display(certificate.subject)
    problem = _problem(certificate, identifier, at)
    if problem is not None:
        raise SealCertificateError(problem, shown)


def _problem(certificate: Certificate, identifier: str, at: int) -> CertificateProblem | None:
    usage, purposes = certificate.key_usage, certificate.ext_key_usage
    if certificate.is_authority:
        return CertificateProblem.AUTHORITY
    if purposes is not None and _OTHER_PURPOSES & set(purposes.purposes):
        return CertificateProblem.PURPOSE
    if usage is None or KEY_USAGE_NON_REPUDIATION not in usage:
        return CertificateProblem.KEY_USAGE
    # One that begins later may be taken up before.
    if at >= certificate.not_after + 1_000_000:
        return CertificateProblem.EXPIRED
    return _subject_problem(certificate.subject, identifier)


def _subject_problem(name: bytes, identifier: str) -> CertificateProblem | None:
    try:
        if not any(attribute_values(name, oids.ID_AT_ORGANIZATION_NAME)):
            return CertificateProblem.ORGANISATION
        found = attribute_values(name, oids.ID_AT_ORGANIZATION_IDENTIFIER)
        if [organisation_identifier(each) for each in found] == [identifier]:
            return None
    except (WireError, IdentifierError):
        pass
    return CertificateProblem.IDENTIFIER
