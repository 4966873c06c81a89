"""OCSP answers (RFC 6960): what an authority, or a responder that it named, says of certificates."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, TypeAlias

from kokuin.trust.certificate import KEY_USAGE_DIGITAL_SIGNATURE
from kokuin.trust.extensions import subject_public_key
from kokuin.trust.revocation import Revocation
from kokuin.trust.tbs import extensions, microseconds
from kokuin.wire import encode, oids
from kokuin.wire.algorithms import DIGEST_BY_NAME, AlgorithmIdentifier
from kokuin.wire.tsp import Extension
from pqc.verifying import SignatureOutcome

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from kokuin.trust.certificate import Certificate
    from pqc.signing import Signer

MAX_NONCE_OCTETS = 128
"""RFC 9654 §2.1: a nonce has 1 to 128 octets."""


class ResponderCode(StrEnum):
    """Why a responder does not answer."""

    KEY_MISMATCH = "RESPONDER_KEY_MISMATCH"
    """The signer's key is not the one in the responder's certificate."""
    NOT_NAMED = "RESPONDER_NOT_NAMED"
    """The certificate is neither the authority's nor one that it issued for OCSP signing."""
    KEY_USAGE = "RESPONDER_KEY_USAGE"
    """The certificate does not allow its key to sign answers."""
    NONCE_LENGTH = "RESPONDER_NONCE_LENGTH"


class ResponderError(ValueError):
    """A responder that cannot answer; `code` says why."""

    def __init__(self, code: ResponderCode) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class CertId:
    """CertID (RFC 6960 §4.1.1): which certificate, by digests of its issuer's name and key."""

    digest: str
    issuer_name_hash: bytes
    issuer_key_hash: bytes
    serial: int

    @classmethod
    def of(cls, issuer: Certificate, serial: int, digest: str = "sha256") -> CertId:
        """Return the identifier of the certificate that `issuer` issued under `serial`.

        Many clients ask by SHA-1 and look for the same in the answer; here it protects nothing.
        """
        key = subject_public_key(issuer.public_key)
        return cls(
            digest,
            DIGEST_BY_NAME[digest].of(issuer.subject),
            DIGEST_BY_NAME[digest].of(key),
            serial,
        )

    def encode(self) -> bytes:
        """DER of the CertID."""
        return encode.sequence(
            encode.algorithm(AlgorithmIdentifier(DIGEST_BY_NAME[self.digest].oid, encode.NULL)),
            encode.octet_string(self.issuer_name_hash),
            encode.octet_string(self.issuer_key_hash),
            encode.integer(self.serial),
        )


class Plain(IntEnum):
    """The statuses that say nothing more; the values are their tags (RFC 6960 §4.2.1)."""

    GOOD = 0
    UNKNOWN = 2


CertStatus: TypeAlias = Plain | Revocation


@dataclass(frozen=True, slots=True)
class SingleResponse:
    """RFC 6960 §4.2.1: one certificate, its status, and for which time this is known."""

    certificate: CertId
    status: CertStatus
    this_update: dt.datetime
    next_update: dt.datetime | None = None

    def encode(self) -> bytes:
        """DER of the SingleResponse."""
        until = b""
        if self.next_update is not None:
            until = encode.explicit(0, _time(self.next_update))
        return encode.sequence(
            self.certificate.encode(),
            _status(self.status),
            _time(self.this_update),
            until,
            _single_extensions(self.status),
        )


class OcspResponder:
    """Signs answers about the certificates of one authority."""

    def __init__(self, signer: Signer, certificate: Certificate, issuer: Certificate) -> None:
        """Take up a signer with its certificate: `issuer` itself, or one that it issued for OCSP.

        Raises:
            ResponderError: KEY_MISMATCH, NOT_NAMED, or KEY_USAGE.
        """
        if signer.public_key != certificate.public_key:
            raise ResponderError(ResponderCode.KEY_MISMATCH)
        self._delegated = certificate.der != issuer.der
        if self._delegated and not _is_named(certificate, issuer):
            raise ResponderError(ResponderCode.NOT_NAMED)
        if certificate.key_usage is not None and KEY_USAGE_DIGITAL_SIGNATURE not in certificate.key_usage:
            raise ResponderError(ResponderCode.KEY_USAGE)
        self._signer, self._certificate = signer, certificate

    def respond(
        self, statuses: Sequence[SingleResponse], *, produced_at: dt.datetime, nonce: bytes | None = None
    ) -> bytes:
        """Return a successful OCSPResponse (DER).

        Args:
            statuses: one for each certificate asked about.
            produced_at: the present moment.
            nonce: what the request's nonce extension held, to be echoed; None when it had none.

        Raises:
            ResponderError: NONCE_LENGTH.
        """
        data = encode.sequence(
            # By name, because by key means a SHA-1 digest.
            encode.explicit(1, self._certificate.subject),
            _time(produced_at),
            encode.sequence(*(single.encode() for single in statuses)),
            _nonce(nonce),
        )
        chain = encode.explicit(0, encode.sequence(self._certificate.der)) if self._delegated else b""
        basic = encode.sequence(
            data,
            encode.algorithm(self._signer.suite.algorithm),
            encode.bit_string(self._signer.sign(data)),
            chain,
        )
        body = encode.sequence(encode.oid(oids.ID_PKIX_OCSP_BASIC), encode.octet_string(basic))
        return encode.sequence(encode.enumerated(0), encode.explicit(0, body))


def _is_named(certificate: Certificate, issuer: Certificate) -> bool:
    usage = certificate.ext_key_usage
    return (
        usage is not None
        and oids.ID_KP_OCSP_SIGNING in usage.purposes
        and certificate.issuer == issuer.subject
        and certificate.signed_by(issuer.public_key).outcome is SignatureOutcome.VALID
    )


def _status(status: CertStatus) -> bytes:
    if isinstance(status, Plain):
        return encode.implicit(status, b"")
    reason = b""
    if status.reason is not None:
        reason = encode.explicit(0, encode.enumerated(status.reason))
    return encode.explicit(1, _time(status.at) + reason)


def _single_extensions(status: CertStatus) -> bytes:
    """RFC 6960 §4.4.5: what a list says in an entry's extension, and RevokedInfo has no field for."""
    if isinstance(status, Plain) or status.invalid_from is None:
        return b""
    value = _time(status.invalid_from)
    return encode.explicit(
        1, extensions((Extension(oids.ID_CE_INVALIDITY_DATE, critical=False, value=value),))
    )


def _nonce(nonce: bytes | None) -> bytes:
    if nonce is None:
        return b""
    if not 1 <= len(nonce) <= MAX_NONCE_OCTETS:
        raise ResponderError(ResponderCode.NONCE_LENGTH)
    echoed = Extension(oids.ID_PKIX_OCSP_NONCE, critical=False, value=encode.octet_string(nonce))
    return encode.explicit(1, extensions((echoed,)))


def _time(moment: dt.datetime) -> bytes:
    return encode.generalized_time(microseconds(moment))
