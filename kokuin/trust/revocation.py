"""Certificates taken back: the reasons, and the list that an authority signs (RFC 5280 §5)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from kokuin.trust import extensions as ext
from kokuin.trust.tbs import extensions, microseconds, signed
from kokuin.wire import encode, oids
from kokuin.wire.tsp import Extension

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Mapping

    from pqc.signing import Signer


class RevocationReason(IntEnum):
    """CRLReason (RFC 5280 §5.3.1), but for removeFromCRL, which is none.

    `UNSPECIFIED` and no reason at all are two things: of a time-stamp unit the former says that its key was
    not compromised, the latter leaves it open (RFC 3161 §4, 1).
    """

    UNSPECIFIED = 0
    KEY_COMPROMISE = 1
    CA_COMPROMISE = 2
    AFFILIATION_CHANGED = 3
    SUPERSEDED = 4
    CESSATION_OF_OPERATION = 5
    CERTIFICATE_HOLD = 6
    PRIVILEGE_WITHDRAWN = 9
    AA_COMPROMISE = 10


@dataclass(frozen=True, slots=True)
class Revocation:
    """A certificate was taken back.

    Attributes:
        at: since when (revocationDate).
        reason: why; None: not said.
        invalid_from: since when it may have been misused (invalidityDate, RFC 5280 §5.3.2); None: not said.
    """

    at: dt.datetime
    reason: RevocationReason | None = None
    invalid_from: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class RevocationList:
    """TBSCertList (RFC 5280 §5.1.2), version 2.

    Attributes:
        issuer: Name (DER).
        issuer_key_id: key identifier of the issuer.
        this_update: microseconds since 1970 UTC.
        next_update: likewise.
        number: cRLNumber.
        revoked: by serial number.
    """

    issuer: bytes
    issuer_key_id: bytes
    this_update: int
    next_update: int
    number: int
    revoked: Mapping[int, Revocation]

    def sign(self, signer: Signer) -> bytes:
        """Return the CertificateList (DER)."""
        entries = encode.sequence(*self._entries()) if self.revoked else b""
        more = (ext.authority_key_identifier(self.issuer_key_id), ext.crl_number(self.number))
        tbs = encode.sequence(
            encode.integer(1),
            encode.algorithm(signer.suite.algorithm),
            self.issuer,
            encode.x509_time(self.this_update),
            encode.x509_time(self.next_update),
            # RFC 5280 §5.1.2.6: an empty list is no list.
            entries,
            encode.explicit(0, extensions(more)),
        )
        return signed(signer, tbs)

    def _entries(self) -> Iterator[bytes]:
        for serial, revocation in sorted(self.revoked.items()):
            at = encode.x509_time(microseconds(revocation.at))
            yield encode.sequence(encode.integer(serial), at, _entry_extensions(revocation))


def _entry_extensions(revocation: Revocation) -> bytes:
    found = []
    if revocation.reason is not None:
        found.append((oids.ID_CE_REASON_CODE, encode.enumerated(revocation.reason)))
    if revocation.invalid_from is not None:
        invalid_from = encode.generalized_time(microseconds(revocation.invalid_from))
        found.append((oids.ID_CE_INVALIDITY_DATE, invalid_from))
    # RFC 5280 §5.1: no entry has an empty list of extensions.
    return extensions([Extension(oid, critical=False, value=value) for oid, value in found]) if found else b""
