"""Every no of the access rules: a stable code, what HTTP calls it, and when the caller may come again."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class DenialCode(StrEnum):
    """Why a caller may not do what they asked for."""

    CREDENTIAL_WANTED = "CREDENTIAL_WANTED"
    """The route is not open, and the request names nobody."""
    CREDENTIAL_WRONG = "CREDENTIAL_WRONG"
    """Unknown, or its secret is another: one code, so that nobody learns which keys exist."""
    CREDENTIAL_TWICE = "CREDENTIAL_TWICE"
    """Two credentials in one request: whoever filters before us may have believed the other one."""
    CREDENTIAL_NOT_HERE = "CREDENTIAL_NOT_HERE"
    """HTTP Basic elsewhere than where RFC 3161 is spoken."""
    CREDENTIAL_IN_URL = "CREDENTIAL_IN_URL"
    """A key or a token in the URL, where logs and proxies keep it: it must be replaced."""
    KEY_REVOKED = "KEY_REVOKED"
    """The right key, revoked; or replaced, and its time of grace is over."""
    KEY_EXPIRED = "KEY_EXPIRED"
    """The right key, outside its validity."""
    TOKEN_INVALID = "TOKEN_INVALID"  # noqa: S105 - a code
    """A JWT that is none, or whose form, algorithm, key or signature is not accepted."""
    TOKEN_EXPIRED = "TOKEN_EXPIRED"  # noqa: S105 - a code
    """A JWT outside its validity, or one that lives longer than is accepted."""
    TOKEN_ISSUER = "TOKEN_ISSUER"  # noqa: S105 - a code
    """A JWT of an issuer that is not configured."""
    TOKEN_AUDIENCE = "TOKEN_AUDIENCE"  # noqa: S105 - a code
    """A JWT made for somebody else."""
    TOKEN_SUBJECT = "TOKEN_SUBJECT"  # noqa: S105 - a code
    """A sound JWT whose subject is no client here."""
    CERTIFICATE_UNKNOWN = "CERTIFICATE_UNKNOWN"
    """A sound certificate that is bound to no client here."""
    CERTIFICATE_EXPIRED = "CERTIFICATE_EXPIRED"
    """The right certificate, outside its validity."""
    PROXY_FORGED = "PROXY_FORGED"
    """A field that only a trusted proxy may set, from somebody else."""
    CLIENT_DISABLED = "CLIENT_DISABLED"
    """The client or its tenant was disabled."""
    CLIENT_EXPIRED = "CLIENT_EXPIRED"
    """Outside the client's validity."""
    NETWORK_NOT_ALLOWED = "NETWORK_NOT_ALLOWED"
    """From an address outside the client's networks."""
    ROLE_WANTED = "ROLE_WANTED"
    """The caller lacks the role."""
    TENANT_WRONG = "TENANT_WRONG"
    """What was asked for by name belongs to another tenant, or to none."""
    CLASS_NOT_ALLOWED = "CLASS_NOT_ALLOWED"
    """A document class that the client may not act for."""
    ACTIVATION_WANTED = "ACTIVATION_WANTED"
    """The client acts only within an approved activation, and has none."""
    RATE_EXCEEDED = "RATE_EXCEEDED"
    """Too many requests of this client just now."""
    QUOTA_EXCEEDED = "QUOTA_EXCEEDED"
    """As many requests of this client today as it has."""
    FAILURES_EXCEEDED = "FAILURES_EXCEEDED"
    """Too many wrong credentials from this address; no account is locked by it."""
    ADMINISTRATION_ELSEWHERE = "ADMINISTRATION_ELSEWHERE"
    """Administration has a port of its own, or the owner socket."""
    EMERGENCY_STOP = "EMERGENCY_STOP"
    """An operator has stopped this service."""


STATUS = {
    DenialCode.CREDENTIAL_WANTED: 401,
    DenialCode.CREDENTIAL_WRONG: 401,
    DenialCode.CREDENTIAL_TWICE: 400,
    DenialCode.CREDENTIAL_NOT_HERE: 401,
    DenialCode.CREDENTIAL_IN_URL: 400,
    DenialCode.KEY_REVOKED: 401,
    DenialCode.KEY_EXPIRED: 401,
    DenialCode.TOKEN_INVALID: 401,
    DenialCode.TOKEN_EXPIRED: 401,
    DenialCode.TOKEN_ISSUER: 401,
    DenialCode.TOKEN_AUDIENCE: 401,
    DenialCode.TOKEN_SUBJECT: 401,
    DenialCode.CERTIFICATE_UNKNOWN: 401,
    DenialCode.CERTIFICATE_EXPIRED: 401,
    DenialCode.PROXY_FORGED: 400,
    DenialCode.RATE_EXCEEDED: 429,
    DenialCode.QUOTA_EXCEEDED: 429,
    DenialCode.FAILURES_EXCEEDED: 429,
    DenialCode.ADMINISTRATION_ELSEWHERE: 404,
    DenialCode.EMERGENCY_STOP: 503,
}
"""HTTP status by code; what is not named is 403."""


@dataclass(frozen=True, slots=True)
class Denial:
    """A no.

    Attributes:
        code: why.
        tenant: pseudonym of the tenant whose credential it was; `none` while nobody is known.
        retry_s: whole seconds after which it may be otherwise; None: not by waiting.
    """

    code: DenialCode
    tenant: str = "none"
    retry_s: int | None = None

    @property
    def status(self) -> int:
        """The HTTP status."""
        return STATUS.get(self.code, 403)
