"""A certificate authority: certificates, revocation lists and OCSP answers under one signer."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from typing import TYPE_CHECKING

from kokuin.trust import extensions as ext
from kokuin.trust.certificate import (
    KEY_USAGE_CRL_SIGN,
    KEY_USAGE_DIGITAL_SIGNATURE,
    KEY_USAGE_KEY_CERT_SIGN,
    KEY_USAGE_NON_REPUDIATION,
    Certificate,
    read_certificate,
)
from kokuin.trust.ocsp import OcspResponder
from kokuin.trust.revocation import RevocationList
from kokuin.trust.tbs import DAY, Issued, TBSCertificate, microseconds
from kokuin.wire import oids

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kokuin.trust.revocation import Revocation
    from kokuin.wire.tsp import Extension
    from pqc.signing import Signer

BACKDATE = dt.timedelta(minutes=5)
"""A certificate begins a little early, so that a verifier whose clock lags accepts the first token."""


class IssuingCode(StrEnum):
    """Why an authority does not issue."""

    KEY_MISMATCH = "ISSUER_KEY_MISMATCH"
    """The signer's key is not the one in the authority's certificate."""
    NO_AUTHORITY = "ISSUER_NO_AUTHORITY"
    """The certificate does not allow its key to sign certificates."""
    NOT_VALID = "ISSUER_NOT_VALID"
    """The authority's certificate has expired or has not begun."""
    PATH_LENGTH = "ISSUER_PATH_LENGTH"
    """The authority may have no authority of this depth below it."""


class IssuingError(ValueError):
    """An authority does not issue what it was asked for; `code` says why."""

    def __init__(self, code: IssuingCode) -> None:
        super().__init__(code)
        self.code = code


class CertificateAuthority:
    """An authority with its signer and its certificate; what it issues never outlives the latter."""

    def __init__(self, signer: Signer, certificate: bytes) -> None:
        """Take up a signer and the certificate (DER) of its key.

        Raises:
            WireError: the certificate cannot be read.
            IssuingError: KEY_MISMATCH, or NO_AUTHORITY.
        """
        self.certificate: Certificate = read_certificate(certificate)
        if signer.public_key != self.certificate.public_key:
            raise IssuingError(IssuingCode.KEY_MISMATCH)
        usage = self.certificate.key_usage
        if not self.certificate.is_authority or (usage is not None and KEY_USAGE_KEY_CERT_SIGN not in usage):
            raise IssuingError(IssuingCode.NO_AUTHORITY)
        self._signer = signer

    @classmethod
    def root(
        cls, signer: Signer, name: bytes, *, now: dt.datetime, days: int, path_length: int | None
    ) -> CertificateAuthority:
        """Make a self-signed authority.

        Args:
            signer: whose key it is.
            name: its Name (DER).
            now: the present moment.
            days: validity.
            path_length: how many authorities may stand between it and an end entity; None: any number.
        """
        tbs = TBSCertificate(
            issuer=name,
            subject=name,
            not_before=microseconds(now - BACKDATE),
            not_after=microseconds(now) + days * DAY,
            public_key=signer.public_key,
            extensions=_of_authority(signer.public_key, path_length),
        )
        return cls(signer, tbs.sign(signer).der)

    def issue_ca(
        self, public_key: bytes, name: bytes, *, now: dt.datetime, days: int, path_length: int | None
    ) -> Issued:
        """Issue the certificate of an authority below this one.

        Args:
            public_key: SubjectPublicKeyInfo (DER) of the authority.
            name: its Name (DER).
            now: the present moment.
            days: validity; it ends with this authority's own at the latest.
            path_length: how many authorities may stand below it; None: any number.

        Raises:
            IssuingError: NOT_VALID, or PATH_LENGTH.
            WireError: the key is no SubjectPublicKeyInfo.
        """
        constraints = self.certificate.basic_constraints
        limit = None if constraints is None else constraints.path_length
        if limit is not None and (path_length is None or path_length >= limit):
            raise IssuingError(IssuingCode.PATH_LENGTH)
        begins, ends = self._validity(now, days)
        return self._issue(public_key, name, begins, ends, *_of_authority(public_key, path_length))

    def issue_unit(  # noqa: PLR0913  # the fields of a unit's certificate, named once
        self,
        public_key: bytes,
        name: bytes,
        *,
        now: dt.datetime,
        days: int,
        key_days: int,
        related: bytes | None = None,
    ) -> Issued:
        """Issue a time-stamp unit's certificate: EKU timeStamping, critical and alone (RFC 3161 §2.3).

        Args:
            public_key: SubjectPublicKeyInfo (DER) of the unit.
            name: its Name (DER).
            now: the present moment.
            days: validity; it ends with this authority's own at the latest.
            key_days: privateKeyUsagePeriod (EN 319 421 TIS-7.6.7): shorter than the certificate's life.
            related: certificate (DER) of the same unit with another key, to be bound to (RFC 9763 §4.1).

        Raises:
            IssuingError: NOT_VALID.
            WireError: the key is no SubjectPublicKeyInfo.
        """
        begins, ends = self._validity(now, days)
        key_ends = min(microseconds(now) + key_days * DAY, ends)
        return self._issue(
            public_key,
            name,
            begins,
            ends,
            *_of_end_entity(oids.ID_KP_TIME_STAMPING, critical=True),
            ext.private_key_usage_period(begins, key_ends),
            ext.subject_key_identifier(public_key),
            *(() if related is None else (ext.related_certificate(related),)),
        )

    def issue_seal(
        self, public_key: bytes, name: bytes, *, now: dt.datetime, days: int, statements: Extension | None
    ) -> Issued:
        """Issue a certificate for an organisation's seals (EN 319 412-3): no purpose but what keyUsage says.

        Args:
            public_key: SubjectPublicKeyInfo (DER) of the seal key.
            name: the legal person's Name (DER).
            now: the present moment.
            days: validity; it ends with this authority's own at the latest.
            statements: qcStatements; None: none.

        Raises:
            IssuingError: NOT_VALID.
            WireError: the key is no SubjectPublicKeyInfo.
        """
        return self._issue(
            public_key,
            name,
            *self._validity(now, days),
            ext.basic_constraints(authority=False),
            seal_key_usage(),
            *(() if statements is None else (statements,)),
            ext.subject_key_identifier(public_key),
        )

    def issue_responder(self, public_key: bytes, name: bytes, *, now: dt.datetime, days: int) -> Issued:
        """Issue the certificate of an OCSP responder of this authority (RFC 6960 §4.2.2.2).

        Nobody asks whether it is revoked (id-pkix-ocsp-nocheck): its days should be few.

        Raises:
            IssuingError: NOT_VALID.
            WireError: the key is no SubjectPublicKeyInfo.
        """
        return self._issue(
            public_key,
            name,
            *self._validity(now, days),
            *_of_end_entity(oids.ID_KP_OCSP_SIGNING, critical=False),
            ext.ocsp_no_check(),
            ext.subject_key_identifier(public_key),
        )

    def crl(
        self,
        revoked: Mapping[int, Revocation],
        *,
        this_update: dt.datetime,
        next_update: dt.datetime,
        number: int,
    ) -> bytes:
        """Return the list (DER) of what this authority has revoked (RFC 5280 §5).

        Args:
            revoked: by serial number.
            this_update: when the list is made.
            next_update: when the next one is there at the latest.
            number: higher than in every list before (RFC 5280 §5.2.3).
        """
        tbs = RevocationList(
            issuer=self.certificate.subject,
            issuer_key_id=_key_id(self.certificate),
            this_update=microseconds(this_update),
            next_update=microseconds(next_update),
            number=number,
            revoked=revoked,
        )
        return tbs.sign(self._signer)

    def ocsp_responder(self) -> OcspResponder:
        """Return a responder that signs with this authority's own key (RFC 6960 §2.6).

        Raises:
            ResponderError: the authority's key usage lacks digitalSignature.
        """
        return OcspResponder(self._signer, self.certificate, self.certificate)

    def _validity(self, now: dt.datetime, days: int) -> tuple[int, int]:
        moment = microseconds(now)
        if not self.certificate.valid_at(moment):
            raise IssuingError(IssuingCode.NOT_VALID)
        begins = max(microseconds(now - BACKDATE), self.certificate.not_before)
        return begins, min(moment + days * DAY, self.certificate.not_after)

    def _issue(self, public_key: bytes, name: bytes, begins: int, ends: int, *more: Extension) -> Issued:
        tbs = TBSCertificate(
            issuer=self.certificate.subject,
            subject=name,
            not_before=begins,
            not_after=ends,
            public_key=public_key,
            extensions=(*more, ext.authority_key_identifier(_key_id(self.certificate))),
        )
        return tbs.sign(self._signer)


def seal_key_usage() -> Extension:
    """Key usage of a seal: nonRepudiation alone, EN 319 412-2 §4.3.2 type A; RFC 9881 §5 allows it too."""
    return ext.key_usage(KEY_USAGE_NON_REPUDIATION)


def _key_id(certificate: Certificate) -> bytes:
    return certificate.subject_key_id or ext.key_identifier(certificate.public_key)


def _of_authority(public_key: bytes, path_length: int | None) -> tuple[Extension, ...]:
    """DigitalSignature stands beside the two others so that an authority may answer OCSP itself."""
    return (
        ext.basic_constraints(authority=True, path_length=path_length),
        ext.key_usage(KEY_USAGE_DIGITAL_SIGNATURE, KEY_USAGE_KEY_CERT_SIGN, KEY_USAGE_CRL_SIGN),
        ext.subject_key_identifier(public_key),
    )


def _of_end_entity(purpose: str, *, critical: bool) -> tuple[Extension, ...]:
    return (
        ext.basic_constraints(authority=False),
        ext.key_usage(KEY_USAGE_DIGITAL_SIGNATURE),
        ext.extended_key_usage(purpose, critical=critical),
    )
